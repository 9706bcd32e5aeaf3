//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// A deadline bounds one Read. The connection goes on afterwards, and nothing of
// what arrives later is lost.
func ExampleConn_Read_deadline() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")

	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	_, _, err = conn.Read(brief) // nobody has said anything
	cancel()
	fmt.Println(err)

	conn.Write(ctx, ws.MessageText, []byte("still here"))
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output:
	// context deadline exceeded
	// still here <nil>
}

// The pong is noticed by a Read, so another goroutine reads.
func ExampleConn_Ping() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	go func() {
		for range conn.Messages(ctx) {
		}
	}()

	rtt, err := conn.Ping(ctx)
	fmt.Println(rtt > 0, err)
	fmt.Println(conn.Latency() == rtt) // of the newest ping, the keepalive's or Ping's
	// Output:
	// true <nil>
	// true
}

// A peer is given up after half a minute of silence, and one that has nothing to
// say after an hour.
func ExampleOptions_keepalive() {
	http.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: ws.Options{
			PingInterval: 20 * time.Second, // silent for so long: a ping
			PingTimeout:  10 * time.Second, // and for so long after it: 1011
			IdleTimeout:  time.Hour,        // no message for so long: 1001
		}})
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		for message, err := range conn.Messages(r.Context()) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(len(message.Data), "bytes")
		}
	})
}

// A server that only sends: reading notices pongs and the client's goodbye, and
// Done says when to stop.
func ExampleConn_Done() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		go func() {
			if _, _, err := conn.Read(r.Context()); err == nil {
				conn.Close(ws.StatusPolicyViolation, "listen, and say nothing")
			}
		}()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
				conn.Write(r.Context(), ws.MessageText, fmt.Append(nil, "tick ", n))
			case <-conn.Done():
				return
			}
		}
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		_, tick, err := conn.Read(ctx)
		fmt.Println(string(tick), err)
	}
	fmt.Println(conn.Close(ws.StatusNormal, ""))
	// Output:
	// tick 1 <nil>
	// tick 2 <nil>
	// <nil>
}
