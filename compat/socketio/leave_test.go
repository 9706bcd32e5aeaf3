package socketio

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/godwit-io/godwit/transport"
)

// slow is a Guard that names a client when it is told to.
type slow struct {
	tokens
	asked chan func()
}

func (g *slow) Identify(_ *transport.Request, done func(*transport.Client, error)) {
	g.asked <- func() { done(g.client("ann")) }
}

func (g *slow) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.there)
}

var _ transport.TokenGuard = (*slow)(nil)

// A client that has been let in and is not there any more has left, at once and once:
// also if it has gone while the Guard was being asked about it.
func TestWhoIsNotThereHasLeft(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		g := &slow{tokens: tokens{t: t, grants: map[string]string{"ann": "subscribe chat"}}, asked: make(chan func(), 1)}
		o := Options{}
		o.Engine.PingInterval, o.Engine.PingTimeout = time.Second, time.Second // for a session that begins before the end is seen
		s := start(o, transport.Options{Guard: g})
		for range 2 {
			for _, query := range []string{"polling", "websocket"} {
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/socket.io/?EIO=4&transport="+query, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if query == "websocket" {
						for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
							r.Header.Set(name, value)
						}
					}
					if p, err := http.DefaultTransport.RoundTrip(r); err == nil {
						_ = p.Body.Close()
					}
				}()
				answer := <-g.asked
				cancel()
				<-ended
				answer()
				deadline(t, func() bool { return g.count() == 0 })
			}
		}
		deadline(t, func() bool { return s.server.Len() == 0 })
	})
}

// A server that has as many sessions as it may has no member that it does not serve.
func TestWhoIsTooManyHasLeft(t *testing.T) {
	g := &tokens{t: t, grants: map[string]string{"": "subscribe chat"}}
	g.grants["ann"] = ""
	o := Options{}
	o.Engine.SessionsMax = 1
	s := newSite(t, "goroutine", o, transport.Options{Guard: g})
	p := s.dial("&user=ann")
	for range 3 {
		if status, body := s.get("/socket.io/?EIO=4&transport=polling&user=ann"); status != http.StatusServiceUnavailable {
			t.Errorf("%d %s", status, body)
		}
	}
	_ = p.conn.CloseNow()
	deadline(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.there) == 0
	})
}
