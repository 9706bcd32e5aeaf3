//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/drivertest"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// The goroutine driver is held to what every driver does, in both roles: in
// memory, over sockets, over TLS, and through Handler.

func TestDriverInMemory(t *testing.T) { drivertest.Run(t, inMemory) }

func TestDriverOverSockets(t *testing.T) { drivertest.Run(t, overSockets) }

func TestDriverOverTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, serverDriver(drivertest.Driver{Secure: true}, readLoop, listenTLS))
}

func TestDriverThroughHandler(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, serverDriver(drivertest.Driver{}, messageLoop, listenTCP))
}

func TestDriverAsClientInMemory(t *testing.T) { drivertest.Run(t, clientInMemory) }

func TestDriverAsClientOverSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, clientDriver(drivertest.Driver{}, tcpPair))
}

var (
	inMemory       = serverDriver(drivertest.Driver{Virtual: true, Slack: time.Millisecond}, readLoop, listenInMemory)
	overSockets    = serverDriver(drivertest.Driver{}, readLoop, listenTCP)
	clientInMemory = clientDriver(drivertest.Driver{Virtual: true, Slack: time.Millisecond}, memoryPair)
)

var driverErrors = drivertest.Errors{
	MessageType: ws.ErrMessageType, NotUTF8: ws.ErrNotUTF8, CloseCode: ws.ErrCloseCode, Closing: ws.ErrClosing,
	QueueFull: ws.ErrQueueFull, WriteTimeout: ws.ErrWriteTimeout,
}

// driven is a connection as the rows use it.
type driven struct{ *ws.Conn }

func (c driven) Write(m drivertest.Message) error {
	return c.Conn.Write(background, ws.MessageType(m.Op), m.Data)
}

func (c driven) Enqueue(m drivertest.Message) error {
	return c.Conn.Enqueue(ws.MessageType(m.Op), m.Data)
}

func (c driven) WritePrepared(m drivertest.Message) error {
	p, err := ws.Prepare(ws.MessageType(m.Op), m.Data)
	if err != nil {
		return err
	}
	return c.Conn.WritePrepared(background, p)
}

func (c driven) WriteFrames(frames ...[]byte) error { return c.Conn.WriteFrames(background, frames...) }

func (c driven) Ping() {
	go func() { _, _ = c.Conn.Ping(background) }() // Latency has the answer
}

func (c driven) RTT() time.Duration { return c.Latency() }

func (c driven) CloseNow() { _ = c.Conn.CloseNow() }

func endOf(c *ws.Conn) *drivertest.End {
	e, ok := errors.AsType[*ws.CloseError](c.Err())
	if !ok {
		return &drivertest.End{Err: errors.New("the connection has not ended")}
	}
	return &drivertest.End{Code: e.Code, Reason: e.Reason, Sent: e.Sent, Err: e.Err}
}

// serving is a way of an application to have connections.
type serving func(app drivertest.App, o *ws.AcceptOptions) http.Handler

// readLoop is a handler that calls Accept and Read, and closes as it ends.
func readLoop(app drivertest.App, o *ws.AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := ws.Accept(w, r, o); err == nil {
			reads(conn, app)
		}
	})
}

// reads is the application, from its first call to its last.
func reads(conn *ws.Conn, app drivertest.App) {
	c := driven{conn}
	defer func() {
		_ = conn.Close(ws.StatusInternalError, "") // also when app panics
		app.Closed(c, endOf(conn))
	}()
	app.Opened(c)
	for {
		typ, p, err := conn.Read(background)
		if err != nil {
			return
		}
		app.Message(c, drivertest.Message{Op: wire.Opcode(typ), Data: p})
	}
}

// messageLoop is the same with Handler, Messages, and the request's context.
func messageLoop(app drivertest.App, o *ws.AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c driven
		defer func() {
			if c.Conn != nil {
				app.Closed(c, endOf(c.Conn))
			}
		}()
		ws.Handler(func(ctx context.Context, conn *ws.Conn) error {
			c.Conn = conn
			app.Opened(c)
			for m, err := range conn.Messages(ctx) {
				if err != nil {
					return err
				}
				app.Message(c, drivertest.Message{Op: wire.Opcode(m.Type), Data: m.Data})
			}
			return nil
		}, o).ServeHTTP(w, r)
	})
}

// listening gives a server connections, and returns how to make one.
type listening func(t testing.TB, s *http.Server) (connect func() net.Conn)

func serverDriver(d drivertest.Driver, serve serving, listen listening) *drivertest.Driver {
	d.Errors = driverErrors
	d.Start = func(t testing.TB, o *drivertest.Options, app drivertest.App) func() net.Conn {
		var handlers sync.WaitGroup
		handler := serve(app, &ws.AcceptOptions{Options: optionsOf(o), Origins: o.Origins, Subprotocols: o.Subprotocols})
		t.Cleanup(handlers.Wait)
		return listen(t, &http.Server{
			ReadHeaderTimeout: o.HandshakeTimeout,
			ErrorLog:          log.New(io.Discard, "", 0), // what net/http says of panics
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handlers.Add(1)
				defer handlers.Done()
				handler.ServeHTTP(w, r)
			}),
		})
	}
	return &d
}

func optionsOf(o *drivertest.Options) ws.Options {
	return ws.Options{
		MessageBytesMax: o.MessageBytesMax, FragmentsMax: o.FragmentsMax, Compression: o.Compression, QueueBytesMax: o.QueueBytesMax,
		PingInterval: o.PingInterval, PingTimeout: o.PingTimeout, IdleTimeout: o.IdleTimeout,
		WriteTimeout: o.WriteTimeout, CloseTimeout: o.CloseTimeout,
	}
}

func listenTCP(t testing.TB, s *http.Server) func() net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
}

func listenTLS(t testing.TB, s *http.Server) func() net.Conn {
	certified := httptest.NewUnstartedServer(s.Handler)
	certified.Config = s
	certified.StartTLS()
	t.Cleanup(certified.Close)
	config := certified.Client().Transport.(*http.Transport).TLSClientConfig
	return func() net.Conn {
		nc, err := tls.Dial("tcp", certified.Listener.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
}

// listenInMemory works in virtual time.
func listenInMemory(t testing.TB, s *http.Server) func() net.Conn {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func() net.Conn {
		near, far := wstest.Pipe(nil)
		l.conns <- near
		return far
	}
}

// clientDriver has a Dial for each connection, whose other end is the suite's.
func clientDriver(d drivertest.Driver, pair func(t testing.TB) (near, far net.Conn)) *drivertest.Driver {
	d.Client, d.Errors = true, driverErrors
	d.Start = func(t testing.TB, o *drivertest.Options, app drivertest.App) func() net.Conn {
		var clients sync.WaitGroup
		t.Cleanup(clients.Wait)
		return func() net.Conn {
			near, far := pair(t)
			clients.Go(func() {
				conn, _, err := ws.Dial(background, "ws://server.example/", &ws.DialOptions{
					Options: optionsOf(o), Subprotocols: o.Subprotocols, HandshakeTimeout: o.HandshakeTimeout,
					NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				})
				if err == nil {
					reads(conn, app)
				}
			})
			return far
		}
	}
	return &d
}

func memoryPair(testing.TB) (near, far net.Conn) { return wstest.Pipe(nil) }

func tcpPair(t testing.TB) (near, far net.Conn) { return socketPair(t) }
