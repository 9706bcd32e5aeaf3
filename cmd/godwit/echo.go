package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/ws"
)

func newEcho() *cobra.Command {
	var listen, driver string
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a WebSocket server that sends back what it gets",
		Long: `Echo answers every text and binary message with the same message, on any path,
with the limits and policies that the library has by default: messages up to
1 MiB, keepalive pings, pages of its own origin only. It is for conformance and
load tests.`,
		Example: `  godwit echo
  godwit echo --listen 127.0.0.1:0
  godwit dial ws://127.0.0.1:9001/`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if driver != "goroutine" {
				return usagef("--driver: there is no driver %q in this version; the only one is goroutine", driver)
			}
			ln, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("cannot listen on %s: %w; choose another with --listen", listen, cause(err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Echo on ws://%s/ and every other path. Press Ctrl-C to stop.\n", address(ln.Addr()))
			return new(echoServer).serve(cmd.Context(), ln)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9001", "`ADDRESS` to listen on, host:port; port 0 picks a free one")
	cmd.Flags().StringVar(&driver, "driver", "goroutine", "`DRIVER` that moves the bytes: goroutine, one for each connection")
	return cmd
}

// echoBufferMax is how large a buffer a connection may keep for its next message.
const echoBufferMax = 64 << 10

// echoServer knows its connections, to say goodbye to each.
type echoServer struct {
	mu    sync.Mutex // guards open and done
	open  map[*ws.Conn]struct{}
	done  bool
	conns sync.WaitGroup
}

// serve serves until ctx ends, then closes every WebSocket with 1001.
func (e *echoServer) serve(ctx context.Context, ln net.Listener) error {
	e.open = make(map[*ws.Conn]struct{})
	s := &http.Server{
		Handler:           http.HandlerFunc(e.accept),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // what peers did wrong
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	_ = s.Close() // listener and handshakes; WebSockets are not its any more
	<-failed
	e.goodbye()
	return nil
}

func (e *echoServer) accept(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		return // the client has been answered
	}
	if !e.add(conn) {
		_ = conn.CloseNow()
		return
	}
	// A goroutine of its own lets net/http free what it holds for a request.
	go e.echo(conn)
}

func (e *echoServer) add(conn *ws.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.open[conn] = struct{}{}
	e.conns.Add(1)
	return true
}

func (e *echoServer) echo(conn *ws.Conn) {
	defer e.conns.Done()
	defer func() {
		e.mu.Lock()
		delete(e.open, conn)
		e.mu.Unlock()
	}()
	ctx := context.Background() // goodbye ends the connection itself
	var buffer []byte
	for {
		typ, message, err := conn.ReadAppend(ctx, buffer[:0])
		if err != nil {
			return // the connection has ended
		}
		// A failed write has ended the connection too, unless it is closing: then
		// there may be more to read. The next read says which.
		_ = conn.Write(ctx, typ, message)
		if buffer = message; cap(buffer) > echoBufferMax {
			buffer = nil
		}
	}
}

// goodbye closes all connections and waits until they are.
func (e *echoServer) goodbye() {
	e.mu.Lock()
	e.done = true
	open := make([]*ws.Conn, 0, len(e.open))
	for conn := range e.open {
		open = append(open, conn)
	}
	e.mu.Unlock()
	var closing sync.WaitGroup
	for _, conn := range open {
		closing.Go(func() { _ = conn.Close(ws.StatusGoingAway, "going away") })
	}
	closing.Wait()
	e.conns.Wait()
}

// cause is the last error of err's chain, which is what the system said.
func cause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
