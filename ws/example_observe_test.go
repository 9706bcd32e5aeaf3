//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"sync/atomic"

	"github.com/godwit-io/godwit/ws"
)

// traffic counts what goes over connections, and logs how they end.
type traffic struct {
	open, received, sent atomic.Int64
	log                  *slog.Logger
}

func (t *traffic) OnOpen(*ws.Conn) { t.open.Add(1) }

func (t *traffic) OnFrame(_ *ws.Conn, f ws.Frame) {
	if f.Sent {
		t.sent.Add(f.Bytes)
	} else {
		t.received.Add(f.Bytes)
	}
}

func (t *traffic) OnClose(_ *ws.Conn, e *ws.CloseError) {
	t.open.Add(-1)
	t.log.Info("closed", "end", e)
}

// Count and log what happens on connections.
func ExampleObserver() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	t := &traffic{log: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))}
	server := httptest.NewServer(echo(nil))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, &ws.DialOptions{Options: ws.Options{Observer: t}})
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Write(ctx, ws.MessageText, []byte("hello"))
	conn.Read(ctx)
	fmt.Println(t.open.Load(), "open,", t.sent.Load(), "bytes sent,", t.received.Load(), "received")
	conn.Close(ws.StatusNormal, "")
	// Output:
	// 1 open, 5 bytes sent, 5 received
	// level=INFO msg=closed end.code=1000 end.sent=1000
}

// Handler sees to the end of each connection: it says 1000 when the function
// returns nil, and 1011 when it fails or panics.
func ExampleHandler() {
	server := httptest.NewServer(ws.Handler(func(ctx context.Context, conn *ws.Conn) error {
		return conn.Write(ctx, ws.MessageText, []byte("that is all"))
	}, nil))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	_, message, _ := conn.Read(ctx)
	fmt.Printf("%s\n", message)
	_, _, err = conn.Read(ctx)
	fmt.Println(err)
	// Output:
	// that is all
	// websocket: closed with 1000 normal closure
}
