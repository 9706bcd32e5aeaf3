//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// A WebSocket over any stream whose two ends have agreed on one, without an
// opening handshake: a pipe, an SSH channel, a stream of HTTP/2.
func ExampleNewServerConn() {
	near, far := net.Pipe()
	server, client := ws.NewServerConn(near, nil), ws.NewClientConn(far, nil)
	defer server.CloseNow()
	defer client.CloseNow()

	ctx := context.Background()
	go server.Write(ctx, ws.MessageText, []byte("hello"))
	typ, message, err := client.Read(ctx)
	fmt.Println(typ, string(message), err)
	// Output: text hello <nil>
}

// greet is what the tests below test: it answers a name with a greeting.
func greet(ctx context.Context, conn *ws.Conn) error {
	for {
		_, name, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, ws.MessageText, append([]byte("hello "), name...)); err != nil {
			return err
		}
	}
}

// The scripted peer of wstest says exactly what it is told to, and sees every
// frame. In a synctest bubble time is virtual: 45 seconds pass at once.
func TestExampleOfAScriptedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := wstest.Pipe(nil)
		conn := ws.NewServerConn(near, nil)
		peer := wstest.NewPeer(t, far, true)
		end := make(chan error, 1)
		go func() { end <- greet(context.Background(), conn) }()

		peer.Text("ada")
		peer.Want(`text "hello ada"`)

		start := time.Now()
		peer.Receive() // the keepalive's ping, which it leaves unanswered
		peer.Want(`close 1011 "keepalive ping timeout"`)
		if waited := time.Since(start); waited != 45*time.Second {
			t.Errorf("the silence was noticed after %v", waited)
		}
		if err := <-end; !isAbnormal(err) {
			t.Errorf("greet returned %v", err)
		}
		peer.Hangup()
	})
}

func isAbnormal(err error) bool {
	end, ok := errors.AsType[*ws.CloseError](err)
	return ok && end.Err != nil
}
