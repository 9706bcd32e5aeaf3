package sockjs_test

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
	c := &transport.Client{Identity: &access.Identity{Kind: access.Anonymous, Grants: access.All()}}
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

// However a session ends, and whatever carries it, its client has left in the end,
// and once.
func TestEverybodyLeavesOnce(t *testing.T) {
	g := &counting{t: t, there: make(map[*transport.Client]bool)}
	o := siteOptions{transport: transport.Options{Guard: g, SessionsPerSecond: transport.NoLimit}}
	o.sockjs.SockJS.DisconnectDelay = 200 * time.Millisecond
	onBoth(t, o, func(t *testing.T, s *site) {
		var all sync.WaitGroup
		for i := range 20 {
			leaves := time.Millisecond + time.Duration(i)*100*time.Microsecond
			for _, channel := range []string{"chat", "private-x", "%2e%2e"} {
				for _, endpoint := range []string{"xhr", "xhr_streaming", "eventsource", "websocket"} {
					all.Go(func() {
						leaves := leaves
						if endpoint == "xhr" {
							leaves = patience // it is over at once, and somebody comes on a slow machine, too
						}
						ctx, cancel := context.WithTimeout(t.Context(), leaves)
						defer cancel()
						url := fmt.Sprintf("%s/sockjs/%s/%d/%s%d/%s", s.url, channel, i, endpoint, i, endpoint)
						if endpoint == "websocket" {
							c, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), nil)
							if err == nil {
								_ = c.Write(ctx, ws.MessageText, []byte(`["hello"]`))
								_, _, _ = c.Read(ctx)
								_ = c.CloseNow()
							}
							return
						}
						method := "POST"
						if endpoint == "eventsource" {
							method = "GET"
						}
						r, err := http.NewRequestWithContext(ctx, method, url, nil)
						if err != nil {
							t.Error(err)
							return
						}
						if p, err := s.client.Do(r); err == nil {
							_, _ = io.Copy(io.Discard, p.Body)
							_ = p.Body.Close()
						}
					})
				}
			}
		}
		all.Wait()
		end := time.After(patience) // a session is waited for if its client may come back
		for tick := time.Tick(time.Millisecond); ; {
			g.mu.Lock()
			left, came := len(g.there), g.came
			g.mu.Unlock()
			if left == 0 && came > 0 && s.hub.SessionCount() == 0 {
				break
			}
			select {
			case <-tick:
			case <-end:
				t.Fatalf("%d of %d are there", left, came)
			}
		}
	})
}
