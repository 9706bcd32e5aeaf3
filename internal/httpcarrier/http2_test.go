package httpcarrier_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
)

// Over HTTP/2 a stream lasts through silence, ends alone, and its client is missed when it
// goes.
func TestHTTP2(t *testing.T) {
	begun := make(chan Exchange, 1)
	const limit = 300 * time.Millisecond
	h := &calls{ended: make(chan error, 1), body: func(x Exchange, body []byte) {
		if len(body) > 0 {
			x.CloseAfter()
			_ = x.Respond(200, plain, body)
			return
		}
		_ = x.Begin(200, plain)
		begun <- x
	}}
	route := Route{Responder: h, Limits: &engine.Options{WriteTimeout: limit}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it is %s", r.Proto)
		}
		ServeHTTP(w, r, route)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()

	open := func() (*http.Response, Exchange) {
		r, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return r, next(t, begun)
	}
	r, x := open()
	for _, text := range []string{"a", strings.Repeat("b", 100_000)} {
		<-time.After(2 * limit)
		_ = x.Write([]byte(text))
		got := make([]byte, len(text))
		if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != text {
			t.Errorf("%.100q, %v", got, err)
		}
	}
	posted, err := client.Post(server.URL, "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(posted.Body); string(b) != "body" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := next(t, h.ended); err != nil {
		t.Error(err)
	}
	_ = posted.Body.Close()
	_ = x.End()
	if b, err := io.ReadAll(r.Body); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := next(t, h.ended); err != nil {
		t.Error(err)
	}
	_ = r.Body.Close()

	r, _ = open()
	_ = r.Body.Close()
	if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
		t.Error(err)
	}
	r, x = open()
	x.Abort()
	if _, err := io.ReadAll(r.Body); err == nil {
		t.Error("a response that was cut looks whole")
	}
	_ = r.Body.Close()
	<-h.ended
	client.CloseIdleConnections()
}
