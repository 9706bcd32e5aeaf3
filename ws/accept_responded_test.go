//go:build !js

package ws_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// behindMiddleware is a ResponseWriter of another package, with and without a way
// to the one of net/http.
type behindMiddleware struct{ http.ResponseWriter }

func (m behindMiddleware) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// countingWriter hides net/http's writer and says itself whether a response has
// begun, as those of several frameworks do.
type countingWriter struct {
	w       http.ResponseWriter
	written bool
}

func (c *countingWriter) Header() http.Header         { return c.w.Header() }
func (c *countingWriter) WriteHeader(status int)      { c.written = true; c.w.WriteHeader(status) }
func (c *countingWriter) Write(b []byte) (int, error) { c.written = true; return c.w.Write(b) }
func (c *countingWriter) Written() bool               { return c.written }
func (c *countingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(c.w).Hijack()
}

// A handler that has begun a response gets an error that says so, and its client
// the response: what would come after it is not a handshake, so there is no Conn.
func TestAcceptAfterAResponse(t *testing.T) {
	for name, begin := range map[string]func(w http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"101":         func(w http.ResponseWriter) { w.WriteHeader(http.StatusSwitchingProtocols) },
		"Write":       func(w http.ResponseWriter) { io.WriteString(w, "hello") },
		"Flush":       func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
		"Error":       func(w http.ResponseWriter) { http.Error(w, "no", http.StatusTeapot) },
		"after 103":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); io.WriteString(w, "hello") },
	} {
		for wrapper, wrap := range map[string]func(w http.ResponseWriter) http.ResponseWriter{
			"none":    func(w http.ResponseWriter) http.ResponseWriter { return w },
			"Unwrap":  func(w http.ResponseWriter) http.ResponseWriter { return behindMiddleware{behindMiddleware{w}} },
			"Written": func(w http.ResponseWriter) http.ResponseWriter { return &countingWriter{w: w} },
		} {
			if wrapper == "Written" && name == "Flush" {
				continue // there is none
			}
			for _, secure := range []bool{false, true} {
				accepted := make(chan error, 2)
				s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w = wrap(w)
					begin(w)
					conn, err := ws.Accept(w, r, nil)
					if conn != nil {
						conn.CloseNow()
					}
					accepted <- err
				}), secure)
				conn, response, err := ws.Dial(background, s.URL, &ws.DialOptions{TLSConfig: roots(s)})
				if conn != nil {
					t.Errorf("%s, wrapped by %s: the client has a connection", name, wrapper)
					conn.CloseNow()
				}
				if name != "101" && (response == nil || response.StatusCode == http.StatusSwitchingProtocols) {
					t.Errorf("%s, wrapped by %s: the client has %v, %v", name, wrapper, response, err)
				}
				err = <-accepted
				if _, isFault := errors.AsType[*handshake.Fault](err); err == nil || isFault || !strings.Contains(err.Error(), "WriteHeader") {
					t.Errorf("%s, wrapped by %s: Accept returned %v", name, wrapper, err)
				}
				s.Close()
			}
		}
	}
}

// Nor does Accept say that it has answered, when it could not.
func TestAcceptOfAnOrdinaryRequestAfterAResponse(t *testing.T) {
	accepted := make(chan error, 1)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		_, err := ws.Accept(w, r, nil)
		accepted <- err
	}), false)
	response, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); response.StatusCode != http.StatusOK || string(body) != "hello" || err != nil {
		t.Errorf("%s, %q, %v", response.Status, body, err)
	}
	if err := <-accepted; err == nil || !strings.Contains(err.Error(), "WriteHeader") {
		t.Errorf("Accept returned %v", err)
	}
}
