package httpcarrier_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestRefusedHandshake(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for name, a := range map[string]Admission{
			"at once": {Status: 403, Fields: http.Header{"X-A": {"b"}, "Content-Type": {"application/json"}}, Body: []byte(`{}`)},
			"later": {Pending: func(decide func(Admission)) {
				go decide(Admission{Status: 403, Fields: http.Header{"X-A": {"b"}, "Content-Type": {"application/json"}}, Body: []byte(`{}`)})
			}},
		} {
			w.admitting(func(*Request) Admission { return a })
			c := w.dial()
			c.send(opening)
			r := c.body(403, "{}")
			if r.Header.Get("X-A") != "b" || len(r.Header["Content-Type"]) != 1 || r.Header.Get("Content-Type") != "application/json" || !r.Close {
				t.Errorf("%s: %v", name, r.Header)
			}
			c.ends()
		}
		w.admitting(func(*Request) Admission { return Admission{Status: 404} })
		c := w.dial()
		c.send(opening)
		if r := c.body(404, "Not Found\n"); !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%v", r.Header)
		}
		w.admitting(func(*Request) Admission {
			return Admission{Pending: func(decide func(Admission)) { decide(Admission{}) }}
		})
		c = w.dial()
		c.send(opening)
		if r := c.head("GET"); r.StatusCode != 500 {
			t.Errorf("a decision that is none: %v", r)
		}
	})
}

func TestAdmissionsThatWait(t *testing.T) {
	for name, delay := range map[string]func(w *world, f func()){
		"at once": func(_ *world, f func()) { f() },
		"later":   func(w *world, f func()) { time.AfterFunc(w.unit, f) },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				h := w.accept(&socket{message: func(c Conn, text string) { _ = c.Write(driver.MessageText, []byte(text)) }}, Admission{
					Subprotocols: []string{"b", "a"}, Fields: http.Header{"X-A": {"b"}},
					Abandoned: func() { t.Error("it has become a WebSocket") },
				})
				_, admit := w.now()
				decided := admit(nil)
				w.admitting(func(*Request) Admission {
					return Admission{Pending: func(decide func(Admission)) { delay(w, func() { decide(decided) }) }}
				})
				c := w.dial()
				c.send(strings.Replace(opening, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b\r\n\r\n", 1))
				if r := c.head("GET"); r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Protocol") != "b" || r.Header.Get("X-A") != "b" {
					t.Fatalf("%v", r)
				}
				next(t, h.opened)
				p := wstest.NewPeer(t, c.Conn, true)
				p.Text("hello")
				p.Want(`text "hello"`)
				p.Hangup()
				next(t, h.closed)
			})
		})
	}
}

// A decision that comes too late is told so.
func TestAbandoned(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		abandoned := make(chan struct{}, 1)
		decides := make(chan func(Admission), 1)
		h := &socket{t: t, opened: make(chan Conn, 1), closed: make(chan *driver.CloseError, 1)}
		w.admitting(func(*Request) Admission {
			return Admission{PendingTimeout: 3 * w.unit, Pending: func(decide func(Admission)) { decides <- decide }}
		})
		c := w.dial()
		c.send(opening)
		decide := next(t, decides)
		if r := c.head("GET"); r.StatusCode != 503 || r.Header.Get("Retry-After") != "5" {
			t.Errorf("%v", r)
		}
		decide(Admission{Handler: h, Abandoned: func() { abandoned <- struct{}{} }})
		next(t, abandoned)

		if len(h.opened) > 0 {
			t.Error("it was opened")
		}

		// A loop notices a client that has gone meanwhile when it sends, or before.
		c = w.dial()
		c.send(opening)
		decide = next(t, decides)
		_ = c.Close()
		<-time.After(w.unit)
		decide(Admission{Handler: h, Abandoned: func() { abandoned <- struct{}{} }})
		select {
		case <-abandoned:
		case <-h.closed:
		case <-time.After(patience):
			t.Error("nobody is told")
		}
	})
}

// A page of another origin is refused by net/http's side as it is by the engine's.
func TestForeignOrigin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.accept(&socket{}, Admission{})
		c := w.dial()
		c.send(strings.Replace(opening, "\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n", 1))
		if r := c.head("GET"); r.StatusCode != 403 {
			t.Errorf("%v", r)
		}
	})
}

// An impossible admission is answered with 500, and its maker is told.
func TestWrongAdmissions(t *testing.T) {
	for name, a := range map[string]Admission{
		"QueueBytesMax":    {Limits: &engine.Options{QueueBytesMax: -1}},
		"PingInterval":     {Limits: &engine.Options{PingInterval: -1}},
		"a field":          {Fields: http.Header{"Upgrade": {"x"}}},
		"a field's value":  {Fields: http.Header{"X": {"a\r\nb"}}},
		"all in order":     {Fields: http.Header{"X": {"a"}}, Limits: &engine.Options{QueueBytesMax: 1000}},
		"a lot of options": {Limits: &engine.Options{QueueMessagesMax: 1, IdleTimeout: engine.NoLimit}},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				isWrong := name != "all in order" && name != "a lot of options"
				abandoned := make(chan struct{}, 1)
				a.Abandoned = func() { abandoned <- struct{}{} }
				w.accept(&socket{}, a)
				c := w.dial()
				c.send(opening)
				r := c.head("GET")
				if isWrong {
					next(t, abandoned)
				}
				if (r.StatusCode == 500) != isWrong || (r.StatusCode == 101) == isWrong || len(abandoned) > 0 {
					t.Errorf("%v, and it is abandoned: %v", r, len(abandoned))
				}
			})
		})
	}
}
