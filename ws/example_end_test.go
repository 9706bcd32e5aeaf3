//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// Codes from 4000 to 4999 are the application's own.
func ExampleConn_Close() {
	const statusTokenExpired ws.StatusCode = 4001

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Close(statusTokenExpired, "log in again")
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _, err = conn.Read(ctx)
	switch ws.CloseStatus(err) {
	case statusTokenExpired:
		fmt.Println("get a token and dial again")
	case ws.StatusNormal, ws.StatusGoingAway:
		fmt.Println("goodbye")
	default:
		fmt.Println(err)
	}
	// Output: get a token and dial again
}

// The error of a connection that has ended tells everything about its end, and
// every later call returns the same one.
func ExampleCloseError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		if r.URL.Path == "/crash" {
			conn.CloseNow()
			return
		}
		conn.Close(ws.StatusServiceRestart, "back in a minute")
	}))
	defer server.Close()

	ctx := context.Background()
	for _, path := range []string{"/restart", "/crash"} {
		conn, _, err := ws.Dial(ctx, server.URL+path, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _, err = conn.Read(ctx)
		if end, ok := errors.AsType[*ws.CloseError](err); ok {
			fmt.Printf("peer: %v %q, sent: %d, orderly: %t\n", end.Code, end.Reason, end.Sent, end.Err == nil)
		}
	}
	// Output:
	// peer: 1012 service restart "back in a minute", sent: 1012, orderly: true
	// peer: 1006 abnormal closure "", sent: 0, orderly: false
}

// http.Server.Shutdown does not know connections that became WebSockets. A
// Tracker closes them with 1001, spread over Pace.
func ExampleTracker() {
	tracker := ws.Tracker{Pace: 50 * time.Millisecond}
	server := &http.Server{Handler: echo(&ws.AcceptOptions{Tracker: &tracker})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(listener)

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, "ws://"+listener.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	end := make(chan error)
	go func() {
		_, _, err := conn.Read(ctx)
		end <- err
	}()

	// On SIGTERM, say: signal.NotifyContext.
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(limit))  // accept no more, finish requests
	fmt.Println(tracker.Shutdown(limit)) // say goodbye to open connections
	fmt.Println(<-end)
	// Output:
	// <nil>
	// <nil>
	// websocket: closed with 1001 going away: "going away"
}

// A client that stays connected, and subscribes again each time.
func ExampleRedialer() {
	var visits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		_, subscription, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if visits.Add(1) == 1 {
			conn.Close(ws.StatusServiceRestart, "")
			return
		}
		conn.Write(r.Context(), ws.MessageText, append(subscription, ": all quiet"...))
		conn.Close(ws.StatusNormal, "")
	}))
	defer server.Close()

	client := &ws.Redialer{
		URL:        server.URL,
		BackoffMin: time.Millisecond, // an example is in a hurry; leave it at its default
		OnRetry:    func(err error, pause time.Duration) { fmt.Println(err) },
	}
	err := client.Run(context.Background(), func(ctx context.Context, conn *ws.Conn) error {
		if err := conn.Write(ctx, ws.MessageText, []byte("news")); err != nil {
			return err
		}
		for {
			_, message, err := conn.Read(ctx)
			if ws.CloseStatus(err) == ws.StatusNormal {
				return nil // the server is done: so is Run
			}
			if err != nil {
				return err // and Run dials again
			}
			fmt.Printf("%s\n", message)
		}
	})
	fmt.Println(err)
	// Output:
	// websocket: closed with 1012 service restart
	// news: all quiet
	// <nil>
}
