package loadgen

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// A client with a session connects and subscribes in one message, and hears what comes.
func TestSessionCarrier(t *testing.T) {
	var said []string
	answers := [][]string{
		{`{"id":1,"error":{"title":"Too many requests","detail":"wait","retry_after_ms":2500}}`, `{"end":{"code":4429,"reason":"wait","reconnect":true}}`},
		{`{"id":1,"ok":{"session":"S","secret":"X","resumed":false,"reconnect":{"after_ms":1840},"ping_ms":25000}}`, `{"id":2,"error":{"title":"Not allowed","detail":"this needs a grant"}}`},
		{"no object"},
		{
			`{"id":1,"ok":{"session":"S","secret":"X","resumed":false,"reconnect":{"after_ms":1840},"ping_ms":25000}}` + "\n\n" + `{"id":2,"ok":{"position":"e:1"}}` + "\n" +
				`{"channel":"a/b","position":"e:2","time":"T","data":"one"}`,
			`{"behind":{"is":true,"detail":"away"}}`,
			`{"reconnect":{"after_ms":5000}}`,
			`{"gap":{"channel":"a/b","from":"e:2","to":"e:9","reason":"lost"}}` + "\n" + `{"channel":"a/b","position":"e:10","time":"T","data":{"not":"a text"}}`,
			`{"end":{"code":1001,"reason":"going away","reconnect":true}}`,
		},
	}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{sessionSubprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		_, message, err := conn.Read(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		said = append(said, r.URL.Path+" "+strings.ReplaceAll(string(message), "\n", " "))
		for _, text := range answers[n-2] {
			_ = conn.Write(r.Context(), ws.MessageText, []byte(text))
		}
		_ = conn.Close(ws.StatusGoingAway, "")
	}))
	defer server.Close()
	o := Options{HandshakeTimeout: 30 * time.Second, Drain: time.Second, Subprotocols: []string{sessionSubprotocol}}
	c, err := newSessionCarrier(server.URL+"/godwit/channels/a/b", &o, func() float64 { return 0.25 })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		text  string
		after time.Duration
	}{
		{"503", 7250 * time.Millisecond},
		{`the server answered command 1 with "Too many requests": wait`, 2500 * time.Millisecond},
		{`the server answered command 2 with "Not allowed": this needs a grant`, 0},
		{`the server sent "no object", which is no object of godwit.v1`, 0},
	} {
		f, err := c.follow(t.Context(), 0, "")
		if err == nil {
			f.close()
			t.Fatalf("opened; want %q", want.text)
		}
		away, ok := errors.AsType[*sentAway](err)
		if !strings.Contains(err.Error(), want.text) || ok != (want.after > 0) || ok && away.after != want.after {
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
	if got, want := hears(f), "@e:1; one@e:2; @; gap @e:9; @e:10; closed by the server with 1001 going away"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	if f.retry() != 5*time.Second {
		t.Errorf("told to come back after %v at the end", f.retry())
	}
	const first = `/godwit/connect {"id":1,"connect":{}} {"id":2,"subscribe":{"channel":"a/b"`
	if len(said) != 4 || said[0] != first+"}}" || said[3] != first+`,"since":"old:3"}}` {
		t.Errorf("it said %q", said)
	}
}

// A client of a session waits as it was told at first, and then twice as long each time (docs/protocol.md §6.6).
func TestSessionCarrierPause(t *testing.T) {
	c := &sessionCarrier{random: func() float64 { return 0.5 }}
	for _, test := range []struct {
		n          int
		told, want time.Duration
	}{
		{0, 0, time.Second},
		{0, 4 * time.Second, 4 * time.Second},
		{1, 4 * time.Second, 6 * time.Second},
		{2, 4 * time.Second, 12 * time.Second},
		{9, 4 * time.Second, 45 * time.Second},
		{1 << 30, time.Millisecond, 768 * time.Millisecond},
	} {
		if got := c.pause(test.n, test.told); got != test.want {
			t.Errorf("told %v, before attempt %d it waits %v, not %v", test.told, test.n, got, test.want)
		}
	}
	for _, target := range []string{"ws://h/", "ws://h/connect", "ws://h/channels/"} {
		if _, err := newSessionCarrier(target, &Options{}, nil); err == nil || !strings.Contains(err.Error(), "is no channel") {
			t.Errorf("%s: %v", target, err)
		}
	}
}
