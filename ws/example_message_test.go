//go:build !js

package ws_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/ws"
)

// Requests and answers in JSON. JSON that cannot be decoded is an error of
// ReadJSON and the connection goes on, so the server decides what it means.
func ExampleConn_ReadJSON() {
	type question struct{ A, B int }
	type answer struct{ Sum int }

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		for {
			var q question
			if err := conn.ReadJSON(r.Context(), &q); err != nil {
				if conn.Err() == nil {
					conn.Close(ws.StatusUnsupportedData, `expected {"A":1,"B":2}`)
				}
				return
			}
			if err := conn.WriteJSON(r.Context(), answer{q.A + q.B}); err != nil {
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
	defer conn.Close(ws.StatusNormal, "")

	conn.WriteJSON(ctx, question{A: 40, B: 2})
	var a answer
	err = conn.ReadJSON(ctx, &a)
	fmt.Println(a.Sum, err)

	conn.Write(ctx, ws.MessageText, []byte("forty and two"))
	fmt.Println(conn.ReadJSON(ctx, &a))
	// Output:
	// 42 <nil>
	// websocket: closed with 1003 unsupported data: "expected {\"A\":1,\"B\":2}"
}

// A message of any length goes from a file to a hash, say, and is never in
// memory as a whole. MessageBytesMax applies all the same.
func ExampleConn_Reader() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &ws.AcceptOptions{Options: ws.Options{MessageBytesMax: 64 << 20}}
		conn, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		_, upload, err := conn.Reader(r.Context())
		if err != nil {
			return
		}
		hash := sha256.New()
		n, err := io.Copy(hash, upload)
		if err != nil {
			return
		}
		conn.Write(r.Context(), ws.MessageText, fmt.Appendf(nil, "%d bytes, %x…", n, hash.Sum(nil)[:4]))
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")

	upload, err := conn.Writer(ctx, ws.MessageBinary)
	if err != nil {
		fmt.Println(err)
		return
	}
	file := io.LimitReader(zeros{}, 10<<20) // os.Open, in earnest
	if _, err := io.Copy(upload, file); err != nil {
		fmt.Println(err)
		return
	}
	if err := upload.Close(); err != nil { // the message ends here
		fmt.Println(err)
		return
	}
	_, receipt, err := conn.Read(ctx)
	fmt.Println(string(receipt), err)
	// Output: 10485760 bytes, e5b844cc… <nil>
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A message whose end is not known yet.
func ExampleConn_Writer() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		report, err := conn.Writer(r.Context(), ws.MessageText)
		if err != nil {
			return
		}
		for i := range 3 {
			fmt.Fprintf(report, "line %d\n", i+1)
		}
		report.Close()
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	_, report, err := conn.Read(ctx)
	fmt.Print(string(report), err)
	// Output:
	// line 1
	// line 2
	// line 3
	// <nil>
}

func ExampleConn_Messages() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		for _, word := range strings.Fields("seven thousand miles") {
			conn.Write(r.Context(), ws.MessageText, []byte(word))
		}
		conn.Close(ws.StatusNormal, "that was all")
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			fmt.Println(err) // any end but 1000 and 1001
			return
		}
		fmt.Println(message.Type, string(message.Data))
	}
	fmt.Println("the end")
	// Output:
	// text seven
	// text thousand
	// text miles
	// the end
}

// A loop that uses the same memory for every message: nothing is allocated once
// the longest one has been seen.
func ExampleConn_ReadAppend() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		var buffer []byte
		for {
			typ, message, err := conn.ReadAppend(r.Context(), buffer[:0])
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), typ, message); err != nil {
				return
			}
			buffer = message // it may have grown
		}
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	for _, s := range []string{"one", "two"} {
		conn.Write(ctx, ws.MessageText, []byte(s))
		_, echo, err := conn.Read(ctx)
		fmt.Println(string(echo), err)
	}
	// Output:
	// one <nil>
	// two <nil>
}
