//go:build !js

package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The server's preference decides among what both speak.
func ExampleAccept_subprotocols() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"chat.v2", "chat.v1"}})
		if err != nil {
			return
		}
		if conn.Subprotocol() == "" {
			conn.Close(ws.StatusPolicyViolation, "offer chat.v1 or chat.v2")
			return
		}
		conn.Close(ws.StatusNormal, "")
	}))
	defer server.Close()

	for _, offered := range [][]string{{"chat.v1", "chat.v2"}, {"chat.v0"}} {
		conn, _, err := ws.Dial(context.Background(), server.URL, &ws.DialOptions{Subprotocols: offered})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _, err = conn.Read(context.Background())
		fmt.Printf("%q: %v\n", conn.Subprotocol(), err)
	}
	// Output:
	// "chat.v2": websocket: closed with 1000 normal closure
	// "": websocket: closed with 1008 policy violation: "offer chat.v1 or chat.v2"
}

// A function chooses when a list cannot say it.
func ExampleAcceptOptions_selectSubprotocol() {
	choose := func(offered []string) string {
		for _, p := range offered { // the client's preferred one first
			if strings.HasPrefix(p, "chat.v") {
				return p
			}
		}
		return ""
	}
	server := httptest.NewServer(echo(&ws.AcceptOptions{SelectSubprotocol: choose}))
	defer server.Close()

	conn, _, err := ws.Dial(context.Background(), server.URL, &ws.DialOptions{Subprotocols: []string{"mqtt", "chat.v7"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	fmt.Println(conn.Subprotocol())
	// Output: chat.v7
}

// Pages of the same origin may always connect; Origins adds others. The patterns
// are read once, when the program starts.
func ExampleAcceptOptions_origins() {
	origins, err := handshake.ParseOrigins([]string{"https://*.example.com"})
	if err != nil {
		fmt.Println(err) // which pattern is wrong, and what would be right
		return
	}
	server := httptest.NewServer(echo(&ws.AcceptOptions{Origins: origins}))
	defer server.Close()

	for _, origin := range []string{"https://app.example.com", "https://app.example.com.evil.example"} {
		conn, response, err := ws.Dial(context.Background(), server.URL, &ws.DialOptions{
			Header: http.Header{"Origin": {origin}}, // what a browser does
		})
		if err == nil {
			conn.Close(ws.StatusNormal, "")
		}
		fmt.Println(response.StatusCode, origin)
	}
	// Output:
	// 101 https://app.example.com
	// 403 https://app.example.com.evil.example
}

// A client that may not connect is answered before Accept, with an ordinary HTTP
// response, which says more than a close code can.
func ExampleAccept_bearerToken() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		user, ok := map[string]string{"a-secret": "ada"}[token]
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close") // what follows the request may be frames
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Write(r.Context(), ws.MessageText, []byte("hello "+user))
		conn.Close(ws.StatusNormal, "")
	}))
	defer server.Close()

	ctx := context.Background()
	_, response, err := ws.Dial(ctx, server.URL, nil)
	fmt.Println(response.Status, err != nil)

	conn, _, err := ws.Dial(ctx, server.URL, &ws.DialOptions{
		Header: http.Header{"Authorization": {"Bearer a-secret"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output:
	// 401 Unauthorized true
	// hello ada <nil>
}

// Fields of the server's own go out with the 101 response.
func ExampleAcceptOptions_header() {
	server := httptest.NewServer(echo(&ws.AcceptOptions{
		Header: http.Header{"Set-Cookie": {"seen=1; HttpOnly; SameSite=Strict"}},
	}))
	defer server.Close()

	conn, response, err := ws.Dial(context.Background(), server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	fmt.Println(response.Header.Get("Set-Cookie"))
	// Output: seen=1; HttpOnly; SameSite=Strict
}

// A refusal in the format of the rest of an API.
func ExampleAcceptOptions_refuse() {
	refuse := func(w http.ResponseWriter, _ *http.Request, f *handshake.Fault) {
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		json.NewEncoder(w).Encode(map[string]string{"rule": string(f.Rule), "detail": f.Reason})
	}
	server := httptest.NewServer(echo(&ws.AcceptOptions{Refuse: refuse}))
	defer server.Close()

	response, err := http.Get(server.URL) // no upgrade
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	var problem struct{ Rule string }
	json.NewDecoder(response.Body).Decode(&problem)
	fmt.Println(response.Status, problem.Rule)
	// Output: 426 Upgrade Required upgrade
}

// statusWriter is what middleware for logging or metrics wraps a response in.
// Unwrap is how Accept finds the connection behind it.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Middleware that wraps the ResponseWriter needs a method Unwrap, as for
// http.ResponseController.
func ExampleAccept_middleware() {
	logged := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&statusWriter{ResponseWriter: w}, r)
		})
	}
	server := httptest.NewServer(logged(echo(nil)))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	conn.Write(ctx, ws.MessageText, []byte("through the middleware"))
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output: through the middleware <nil>
}
