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
	"github.com/godwit-io/godwit/ws/deflate"
)

func newEcho() *cobra.Command {
	var listen, driver string
	var compress bool
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a WebSocket server that sends back what it gets",
		Long: `Echo answers every text and binary message with the same message, on any path,
with the limits and policies that the library has by default: messages up to
1 MiB, keepalive pings, pages of its own origin only. It is for conformance and
load tests.`,
		Example: `  godwit echo
  godwit echo --listen 127.0.0.1:0 --compress
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
			e := &echoServer{}
			if compress {
				e.options.Compression = &deflate.Options{}
			}
			return e.serve(cmd.Context(), ln)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9001", "`ADDRESS` to listen on, host:port; port 0 picks a free one")
	cmd.Flags().StringVar(&driver, "driver", "goroutine", "`DRIVER` that moves the bytes: goroutine, one for each connection")
	cmd.Flags().BoolVar(&compress, "compress", false, "accept permessage-deflate (default false)")
	return cmd
}

// echoBufferMax is how large a buffer a connection may keep for its next message.
const echoBufferMax = 64 << 10

// goodbyeTimeout is how long clients have to answer when echo stops.
const goodbyeTimeout = 5 * time.Second

// echoServer echoes until it is told to stop.
type echoServer struct {
	options ws.Options
	tracker ws.Tracker
	conns   sync.WaitGroup
}

// serve serves until ctx ends, then closes every WebSocket with 1001.
func (e *echoServer) serve(ctx context.Context, ln net.Listener) error {
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
	limit, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	_ = e.tracker.Shutdown(limit)
	e.conns.Wait()
	return nil
}

func (e *echoServer) accept(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: e.options, Tracker: &e.tracker})
	if err != nil {
		return // the client has been answered
	}
	// A goroutine of its own lets net/http free what it holds for a request.
	e.conns.Go(func() { echo(conn) })
}

func echo(conn *ws.Conn) {
	defer conn.CloseNow()
	ctx := context.Background() // Shutdown ends the connection itself
	var buffer []byte
	for {
		typ, message, err := conn.ReadAppend(ctx, buffer[:0])
		if err != nil {
			return
		}
		if err := conn.Write(ctx, typ, message); err != nil && !errors.Is(err, ws.ErrClosing) {
			return
		}
		if buffer = message; cap(buffer) > echoBufferMax {
			buffer = nil
		}
	}
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
