package engine_test

import (
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/drivertest"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// The engine is held to what every driver does: on its loops, on goroutines, over
// TLS on both, for connections of net/http, and with handlers that block.

func TestDriverOnLoops(t *testing.T) {
	drivertest.Run(t, engineDriver(drivertest.Driver{}, onLoops, listenTCP))
}

func TestDriverOnStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, engineDriver(drivertest.Driver{}, onStreams, listenTCP))
}

func TestDriverInMemory(t *testing.T) {
	drivertest.Run(t, engineDriver(drivertest.Driver{Virtual: true, Slack: tick}, onStreams, listenInMemory))
}

func TestDriverBlocking(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, engineDriver(drivertest.Driver{}, blocking, listenTCP))
}

func TestDriverBlockingInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, engineDriver(drivertest.Driver{Virtual: true, Slack: tick}, blockingOnStreams, listenInMemory))
}

func TestDriverOverTLSOnLoops(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	a := newAuthority(t)
	drivertest.Run(t, engineDriver(drivertest.Driver{Secure: true}, onLoops, listenTLS(a.server(t), a.client())))
}

func TestDriverOverTLSOnStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	a := newAuthority(t)
	drivertest.Run(t, engineDriver(drivertest.Driver{Secure: true}, onStreams, listenTLS(a.server(t), a.client())))
}

func TestDriverThroughUpgrade(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, engineDriver(drivertest.Driver{}, onLoops, upgradeFromHTTP))
}

func TestDriverThroughUpgradeInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("the rows in yet another form are for a run of all tests")
	}
	drivertest.Run(t, engineDriver(drivertest.Driver{Virtual: true, Slack: tick}, onStreams, upgradeInMemory))
}

var driverErrors = drivertest.Errors{
	MessageType: engine.ErrMessageType, NotUTF8: engine.ErrNotUTF8, CloseCode: engine.ErrCloseCode, Closing: engine.ErrClosing,
	QueueFull: engine.ErrQueueFull, WriteTimeout: engine.ErrWriteTimeout,
}

// driven is a connection as the rows use it.
type driven struct{ *engine.Conn }

func (c driven) Write(m drivertest.Message) error {
	return c.Conn.Write(engine.MessageType(m.Op), m.Data)
}

func (c driven) Enqueue(m drivertest.Message) error { return c.Write(m) }

func (c driven) WritePrepared(m drivertest.Message) error {
	p, err := engine.Prepare(engine.MessageType(m.Op), m.Data)
	if err != nil {
		return err
	}
	return c.Conn.WritePrepared(p)
}

func (c driven) Ping() { _ = c.Conn.Ping() }

// applied has a row's application be a Handler.
type applied struct {
	engine.NopHandler
	app drivertest.App
}

func (h applied) OnOpen(c *engine.Conn) { h.app.Opened(driven{c}) }

func (h applied) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	h.app.Message(driven{c}, drivertest.Message{Op: wire.Opcode(typ), Data: p})
}

func (h applied) OnClose(c *engine.Conn, e *engine.CloseError) {
	h.app.Closed(driven{c}, &drivertest.End{Code: e.Code, Reason: e.Reason, Sent: e.Sent, Err: e.Err})
}

// The ways of a server to run an application.

func onLoops(s *engine.Server, app drivertest.App) { s.Handler = applied{app: app} }

func onStreams(s *engine.Server, app drivertest.App) {
	s.UseStreams()
	s.Handler = applied{app: app}
}

func blocking(s *engine.Server, app drivertest.App) { s.Handler = engine.Blocking(applied{app: app}) }

func blockingOnStreams(s *engine.Server, app drivertest.App) {
	s.UseStreams()
	s.Handler = engine.Blocking(applied{app: app})
}

func engineDriver(d drivertest.Driver, run func(*engine.Server, drivertest.App), listen func(testing.TB, *engine.Server) func() net.Conn) *drivertest.Driver {
	d.Errors = driverErrors
	d.Start = func(t testing.TB, o *drivertest.Options, app drivertest.App) func() net.Conn {
		s := &engine.Server{
			Options: engine.Options{
				MessageBytesMax: o.MessageBytesMax, FragmentsMax: o.FragmentsMax, Compression: o.Compression, QueueBytesMax: o.QueueBytesMax,
				PingInterval: o.PingInterval, PingTimeout: o.PingTimeout, IdleTimeout: o.IdleTimeout,
				WriteTimeout: o.WriteTimeout, CloseTimeout: o.CloseTimeout,
			},
			HandshakeTimeout: o.HandshakeTimeout, Origins: o.Origins, Subprotocols: o.Subprotocols,
			Loops: 2, StallAfter: engine.NoLimit, Log: slog.New(slog.DiscardHandler),
		}
		run(s, app)
		return listen(t, s)
	}
	return &d
}

// The ways of a server to get connections.

func listenTCP(t testing.TB, s *engine.Server) func() net.Conn { return dialer(t, start(t, s)) }

func dialer(t testing.TB, address string) func() net.Conn {
	return func() net.Conn {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
}

func listenTLS(server, client *tls.Config) func(testing.TB, *engine.Server) func() net.Conn {
	return func(t testing.TB, s *engine.Server) func() net.Conn {
		address := startTLS(t, s, server)
		return func() net.Conn {
			nc, err := tls.Dial("tcp", address, client)
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	}
}

// listenInMemory works in virtual time.
func listenInMemory(t testing.TB, s *engine.Server) func() net.Conn {
	m := newMemory()
	serve(t, s, m)
	return m.pipe
}

// pipe is connect with room for what is written.
func (m *memory) pipe() net.Conn {
	near, far := wstest.Pipe(nil)
	m.conns <- near
	return far
}

// upgrading is a server of net/http whose connections s takes over.
func upgrading(t testing.TB, s *engine.Server) *http.Server {
	t.Cleanup(func() { _ = s.Close() })
	return &http.Server{
		ReadHeaderTimeout: s.HandshakeTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = s.Upgrade(w, r, engine.Admission{})
		}),
	}
}

func upgradeFromHTTP(t testing.TB, s *engine.Server) func() net.Conn {
	other := httptest.NewUnstartedServer(nil)
	other.Config = upgrading(t, s)
	other.Start()
	t.Cleanup(other.Close)
	return dialer(t, other.Listener.Addr().String())
}

func upgradeInMemory(t testing.TB, s *engine.Server) func() net.Conn {
	m, h := newMemory(), upgrading(t, s)
	var served sync.WaitGroup
	served.Go(func() { _ = h.Serve(m) })
	t.Cleanup(served.Wait)
	t.Cleanup(func() { _ = h.Close() })
	return m.pipe
}
