package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/settle"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

func newEcho() *cobra.Command {
	var listen, driver string
	var compress bool
	var messageBytes int
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a WebSocket server that sends back what it gets",
		Long: `Echo answers every text and binary message with the same message, on any path,
with the limits and policies that the library has by default: messages up to
1 MiB (see --message-bytes), keepalive pings, pages of its own origin only. It is for conformance and
load tests.`,
		Example: `  godwit echo
  godwit echo --listen 127.0.0.1:0 --compress
  godwit echo --message-bytes 16777216
  godwit dial ws://127.0.0.1:9001/`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if driver != driverEngine && driver != driverGoroutine {
				return usagef("--driver: there is no driver %q; there are engine and goroutine", driver)
			}
			ln, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("cannot listen on %s: %w; choose another with --listen", listen, cause(err))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Echo on ws://%s/ and every other path. Press Ctrl-C to stop.\n", address(ln.Addr()))
			if messageBytes < 1 {
				return usagef("--message-bytes: %d is not a length; write a number of bytes, such as %d", messageBytes, ws.DefaultMessageBytesMax)
			}
			var compression *deflate.Options
			if compress {
				compression = &deflate.Options{}
			}
			if driver == driverEngine {
				return echoOnEngine(cmd.Context(), ln, compression, messageBytes)
			}
			e := &echoServer{options: ws.Options{
				Compression: compression, MessageBytesMax: int64(messageBytes), FragmentsMax: fragmentsMax(messageBytes),
			}}
			return e.serve(cmd.Context(), ln)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9001", "`ADDRESS` to listen on, host:port; port 0 picks a free one")
	cmd.Flags().StringVar(&driver, "driver", defaultDriver(), "`DRIVER` that moves the bytes: engine, a loop for each core, or goroutine, one for each connection")
	cmd.Flags().IntVar(&messageBytes, "message-bytes", ws.DefaultMessageBytesMax, "the longest `NUMBER` of bytes that a message may have")
	cmd.Flags().BoolVar(&compress, "compress", false, "accept permessage-deflate (default false)")
	return cmd
}

// fragmentsMax lets a message of the longest kind consist of short frames.
func fragmentsMax(messageBytes int) int {
	const short = 64
	return max(ws.DefaultFragmentsMax, messageBytes/short)
}

// The drivers that echo has.
const (
	driverEngine    = "engine"
	driverGoroutine = "goroutine"
)

// defaultDriver is the engine where it has a poller.
func defaultDriver() string {
	if runtime.GOOS == "linux" {
		return driverEngine
	}
	return driverGoroutine
}

// echoBufferMax is how large a buffer a connection may keep for its next message.
const echoBufferMax = 64 << 10

// goodbyeTimeout is how long clients have to answer when echo stops.
const goodbyeTimeout = 5 * time.Second

// echoServer echoes until it is told to stop.
type echoServer struct {
	options ws.Options
	tracker ws.Tracker
	settler settle.Settler
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
	e.settler.Stop()
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
	e.settler.Opened()
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

// echoOnEngine serves until ctx ends, then closes every WebSocket with 1001.
func echoOnEngine(ctx context.Context, ln net.Listener, compression *deflate.Options, messageBytes int) error {
	s := &engine.Server{Handler: echoHandler{}, Options: engine.Options{
		Compression: compression, MessageBytesMax: int64(messageBytes), FragmentsMax: fragmentsMax(messageBytes),
		QueueBytesMax: max(engine.DefaultQueueBytesMax, 4*messageBytes), // a few echoes may wait
	}}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	_ = s.Shutdown(limit)
	<-failed
	return nil
}

// echoHandler is echo for the engine.
type echoHandler struct{ engine.NopHandler }

func (echoHandler) OnMessage(c *engine.Conn, typ engine.MessageType, message []byte) {
	if err := c.Write(typ, message); errors.Is(err, engine.ErrQueueFull) {
		_ = c.Close(engine.StatusPolicyViolation, "the echo is not being read")
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
