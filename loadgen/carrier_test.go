package loadgen

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// hears is everything heard until the subscription ends, and how it does.
func hears(f follower) string {
	var said strings.Builder
	for {
		h, err := f.next()
		if err != nil {
			fmt.Fprintf(&said, "%v", kindOf(err))
			return said.String()
		}
		if h.isGap {
			said.WriteString("gap ")
		}
		fmt.Fprintf(&said, "%s@%s; ", h.text, h.position)
	}
}

// A client with an event stream does what an EventSource does, and what it is told.
func TestEventCarrier(t *testing.T) {
	answers := []func(w http.ResponseWriter, r *http.Request){
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "full", http.StatusServiceUnavailable)
		},
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "never", http.StatusForbidden) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "retry: 2500\n\n")
		},
		func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") },
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			fmt.Fprintf(w, "retry: 1840\nid: e:1\nevent: position\ndata: e:1\n\nid: e:2\ndata: %s\n\n", r.Header.Get("Last-Event-ID"))
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, ":\n\nid: e:9\nevent: gap\ndata: {}\n\nretry: 5000\n\nid: e:10\nevent: binary\ndata: AAEC\n\nid: e:11\ndata: cut")
		},
	}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[n](w, r)
		n++
	}))
	defer server.Close()
	o := Options{HandshakeTimeout: 30 * time.Second}
	dialer, err := newHTTPDialer(server.URL, &o)
	if err != nil {
		t.Fatal(err)
	}
	c := &eventCarrier{dialer: dialer, target: server.URL + "/channels/x", bytesMax: 1000}
	if c.pause(0, 0) != 3*time.Second || c.pause(9, 0) != 3*time.Second || c.pause(9, time.Second) != time.Second {
		t.Error("it does not wait as browsers do")
	}
	for _, want := range []struct {
		text  string
		after time.Duration
	}{
		{"the server answered 503 Service Unavailable", 7 * time.Second},
		{"the server answered 403 Forbidden", 0},
		{`the server answered 200 with "text/plain; charset=utf-8" and not with an event stream`, 0},
		{"the server opened and ended the stream, and wants the client back after 2.5s", 2500 * time.Millisecond},
		{"the server ended it", 0},
	} {
		f, err := c.follow(t.Context(), 0, "")
		if err == nil {
			f.close()
			t.Fatalf("opened; want %q", want.text)
		}
		away, ok := errors.AsType[*sentAway](err)
		if err.Error() != want.text || ok != (want.after > 0) || ok && away.after != want.after {
			t.Errorf("%v %+v, want %q after %v", err, away, want.text, want.after)
		}
	}
	f, err := c.follow(t.Context(), 0, "old:3")
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if f.retry() != 1840*time.Millisecond {
		t.Errorf("told to come back after %v", f.retry())
	}
	if got, want := hears(f), "@e:1; old:3@e:2; gap @e:9; @e:10; ended by the server"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	if f.retry() != 5*time.Second {
		t.Errorf("told to come back after %v at the end", f.retry())
	}
}

func TestSocketCarrier(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		header := http.Header{}
		if r.URL.Query().Get("since") == "" {
			header.Set("Godwit-Position", "e:1")
		}
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Header: header})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for _, text := range []string{
			`{"channel":"x","position":"e:2","time":"T","data":"` + r.URL.RawQuery + `"}`,
			`{"channel":"x","position":"e:3","time":"T","data":{"not":"a text"}}`,
			`{"gap":{"from":"e:3","to":"e:9"}}`,
		} {
			_ = conn.Write(r.Context(), ws.MessageText, []byte(text))
		}
		_ = conn.Close(ws.StatusGoingAway, "")
	}))
	defer server.Close()
	o := Options{HandshakeTimeout: 30 * time.Second, Drain: time.Second}
	c := &socketCarrier{dialer: newDialer(server.URL+"/channels/x?a=b", &o), random: func() float64 { return 0.25 }}
	_, err := c.follow(t.Context(), 0, "")
	if away, ok := errors.AsType[*sentAway](err); !ok || away.after != 7250*time.Millisecond {
		t.Errorf("sent away: %v", err)
	}
	for position, want := range map[string]string{
		"":      "@e:1; a=b&envelope=1@e:2; @e:3; gap @e:9; closed by the server with 1001 going away",
		"old:3": "a=b&envelope=1&since=old%3A3@e:2; @e:3; gap @e:9; closed by the server with 1001 going away",
	} {
		f, err := c.follow(t.Context(), 0, position)
		if err != nil {
			t.Fatal(err)
		}
		if got := hears(f); got != want {
			t.Errorf("behind %q heard %q, want %q", position, got, want)
		}
		f.close()
	}
}

func TestNumberPublisher(t *testing.T) {
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"position":"e:5"}`)
		},
		func(w http.ResponseWriter) { http.Error(w, "full", http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) { _, _ = io.WriteString(w, "fine") },
	}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) != "seven" || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer x" || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s %v: %s", r.Method, r.Header, b)
		}
		answers[n](w)
		n++
	}))
	defer server.Close()
	p := newNumberPublisher(server.URL, &Options{Header: http.Header{"Authorization": {"Bearer x"}}})
	defer p.close()
	if at, err := p.publish(t.Context(), "seven"); err != nil || at != (place{"e", 5}) {
		t.Errorf("%+v %v", at, err)
	}
	for _, want := range []string{"the server answered 503", `the server answered "fine", which has no position`} {
		if at, err := p.publish(t.Context(), "seven"); err == nil || !strings.HasPrefix(err.Error(), want) || at != (place{}) {
			t.Errorf("%+v %v, want %q", at, err, want)
		}
	}
}
