package pusher

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// counting is a Guard that counts the clients there are, and answers from other goroutines.
type counting struct {
	t *testing.T

	mu    sync.Mutex // guards what follows
	there map[*transport.Client]bool
	came  int
}

func (g *counting) Identify(_ *transport.Request, done func(*transport.Client, error)) {
	c := &transport.Client{Identity: &access.Identity{Kind: access.Application}}
	g.mu.Lock()
	g.there[c] = true
	g.came++
	g.mu.Unlock()
	go done(c, nil)
}

func (g *counting) Authorize(c *transport.Client, act *transport.Act, later func(error)) (bool, error) {
	go func() {
		if !access.May(c.Identity, nil, act.Action, act.Channel) {
			later(transport.Deny(c.Identity, act))
			return
		}
		later(nil)
	}()
	return false, nil
}

func (g *counting) Leave(c *transport.Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.there[c] {
		g.t.Error("somebody leaves who is not there")
	}
	delete(g.there, c)
}

// However a connection ends, with a WebSocket or without one, its client has left in the
// end, and once.
func TestEverybodyLeavesOnce(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.disconnectDelay = 200 * time.Millisecond })
	g := &counting{t: t, there: make(map[*transport.Client]bool)}
	guarded, err := transport.New(f.hub, &transport.Options{Protocols: []transport.Protocol{f.server}, Guard: g, SessionsPerSecond: transport.NoLimit})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Carry(guarded)
	s := f.serve()
	const times = 20
	var all sync.WaitGroup
	for i := range times {
		patience := time.Duration(i) * 100 * time.Microsecond
		for _, path := range []string{"/app/app-key?protocol=7", "/app/nobody?protocol=7"} {
			all.Go(func() {
				leaves := time.Millisecond + patience
				if i == times-1 {
					leaves = 10 * time.Second // it is over sooner, and somebody comes on a slow machine, too
				}
				ctx, cancel := context.WithTimeout(t.Context(), leaves)
				defer cancel()
				c, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+path, nil)
				if err != nil {
					return
				}
				_ = c.Write(ctx, ws.MessageText, []byte(`{"event":"pusher:subscribe","data":{"channel":"news"}}`))
				_, _, _ = c.Read(ctx)
				_ = c.CloseNow()
			})
		}
		for _, key := range []string{"app-key", "nobody"} {
			for _, endpoint := range []string{"xhr", "xhr_streaming"} {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					url := fmt.Sprintf("%s/pusher/app/%s/%d/%s%d/%s?protocol=7", s.URL, key, i, endpoint, i, endpoint)
					r, err := http.NewRequestWithContext(ctx, "POST", url, nil)
					if err != nil {
						t.Error(err)
						return
					}
					p, err := http.DefaultTransport.RoundTrip(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, p.Body)
					_ = p.Body.Close()
				})
			}
		}
	}
	all.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	end := time.After(20 * time.Second) // a session is waited for if its client may come back
	for tick := time.Tick(time.Millisecond); ; {
		g.mu.Lock()
		left, came := len(g.there), g.came
		g.mu.Unlock()
		connections := f.apps.ByID("app").Stats().Connections
		if left == 0 && came > 0 && connections == 0 {
			break
		}
		select {
		case <-tick:
		case <-end:
			t.Fatalf("%d of %d are there, and the app has %d connections", left, came, connections)
		}
	}
}
