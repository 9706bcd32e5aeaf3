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

// An echo server.
func ExampleAccept() {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return // the client has been answered
		}
		defer conn.Close(ws.StatusNormal, "")
		for {
			typ, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), typ, message); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux) // http.ListenAndServe, in earnest
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL+"/echo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	conn.Write(ctx, ws.MessageBinary, []byte{1, 2, 3})
	fmt.Println(conn.Read(ctx))
	// Output: binary [1 2 3] <nil>
}

// A client, with a deadline for all it does.
func ExampleDial() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")

	if err := conn.Write(ctx, ws.MessageText, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	typ, message, err := conn.Read(ctx)
	fmt.Println(typ, string(message), err)
	// Output: text hello <nil>
}
