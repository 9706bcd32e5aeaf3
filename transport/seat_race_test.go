package transport

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// crowdGuard counts clients as they come and go, and decides some things later, in a goroutine.
type crowdGuard struct {
	entered, left atomic.Int64
	deciding      sync.WaitGroup
}

func (*crowdGuard) Identify(*Request, func(*Client, error)) { panic("no request is read") }

func (g *crowdGuard) Authorize(_ *Client, _ *Act, later func(error)) (decided bool, err error) {
	if rand.IntN(3) > 0 {
		return true, nil
	}
	g.deciding.Go(func() { later(nil) })
	return false, nil
}

func (g *crowdGuard) IdentifyToken(_ *Client, _ string, done func(*Client, error)) {
	g.entered.Add(1)
	client := &Client{Identity: &access.Identity{Kind: access.Token, User: "ann", Expires: time.Now().Add(time.Hour)}}
	g.deciding.Go(func() { done(client, nil) })
}

func (g *crowdGuard) Leave(*Client) { g.left.Add(1) }

func (g *crowdGuard) visit() *visitor {
	v := &visitor{guard: g}
	g.entered.Add(1)
	v.know(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
	return v
}

// TestSeatsAmongManyCarriers has many carriers take sessions over from each other, poll
// them, hand commands to them and lose them, while their time passes and they are ended.
// In the end there is no session, nobody in presence, and the Guard knows that all are
// gone.
func TestSeatsAmongManyCarriers(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	guard := &crowdGuard{}
	h := newHub(t, nil, nil)
	on := newTransport(h, &Options{Logger: quiet(), Guard: guard, SessionTimeout: 200 * time.Microsecond})
	var known [4]atomic.Pointer[string] // replies to connect
	var carriers sync.WaitGroup
	var resumed, replies atomic.Int64
	for n := range 8 {
		carriers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for range rounds {
				shared := &known[random.IntN(len(known))]
				p := &participant{on: on, guard: guard, random: random, woken: make(chan struct{}, 1)}
				p.take(shared)
				resumed.Add(p.resumed)
				replies.Add(p.replies)
				if random.IntN(20) == 0 {
					h.EndSessions(func(*hub.Session) bool { return random.IntN(2) == 0 }, &hub.Ended{Code: 4000, Reason: "ended"})
				}
			}
		})
	}
	carriers.Wait()
	guard.deciding.Wait()
	until(t, "every session ended", func() bool { return len(h.Sessions()) == 0 })
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	on.seats.mu.Lock()
	defer on.seats.mu.Unlock()
	if len(on.seats.m) != 0 || resumed.Load() == 0 || replies.Load() == 0 {
		t.Errorf("%d seats are left; %d sessions were resumed, with %d replies", len(on.seats.m), resumed.Load(), replies.Load())
	}
	until(t, "known that all are gone", func() bool { return guard.entered.Load() == guard.left.Load() })
}

// participant is one carrier.
type participant struct {
	on               *Transport
	guard            *crowdGuard
	random           *rand.Rand
	c                *conversation
	woken            chan struct{}
	isOver           bool
	resumed, replies int64
}

func (p *participant) take(shared *atomic.Pointer[string]) {
	d := p.on.newLines()
	if p.random.IntN(3) == 0 {
		d = dialect.NewSessionPoll(&p.on.sessions, time.Millisecond)
	}
	link := &link{}
	reply := shared.Load()
	v := p.guard.visit()
	connect := `"connect":{}`
	if reply != nil {
		id, secret, _ := strings.Cut(*reply, ".")
		switch seat := p.on.findSeat(id, secret); {
		case seat != nil && p.random.IntN(4) == 0:
			v.leave()
			v = nil
			link.wants = seat
			connect = ""
		case seat != nil && p.random.IntN(4) == 0:
			_ = seat.deliver([]byte(`{"publish":{"channel":"c","data":"posted"}}`))
			fallthrough
		default:
			connect = fmt.Sprintf(`"connect":{"resume":{"session":%q,"secret":%q}}`, id, secret)
		}
	}
	if connect != "" {
		d.SetContent(fmt.Appendf(nil, "{\"id\":1,%s}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"presence\":true}}\n{\"id\":3,\"refresh\":{\"token\":\"t\"}}\n{\"id\":4,\"publish\":{\"channel\":\"c\",\"data\":\"x\"}}", connect))
	}
	p.c = &conversation{t: p.on, dialect: d, visitor: v.linked(link), wake: func() {
		select {
		case p.woken <- struct{}{}:
		default:
		}
	}}
	defer p.c.close()
	m := scratches.Get().(*scratch)
	p.c.begin(m)
	p.look(m, shared)
	for range p.random.IntN(8) {
		if p.isOver {
			return
		}
		select {
		case <-p.woken:
		case <-time.After(time.Duration(p.random.IntN(300)) * time.Microsecond):
			return // its client has gone
		}
		m := scratches.Get().(*scratch)
		p.c.take(m)
		p.look(m, shared)
	}
}

// look notes what the client is told.
func (p *participant) look(m *scratch, shared *atomic.Pointer[string]) {
	defer m.recycle()
	p.isOver = p.isOver || m.effects.Closing != nil
	for _, frame := range m.effects.Frames {
		text := string(frame)
		p.replies += int64(strings.Count(text, `"ok"`))
		if strings.Contains(text, `"resumed":true`) {
			p.resumed++
		}
		if _, rest, ok := strings.Cut(text, `"session":"`); ok && strings.Contains(text, `"secret":"`) {
			id, rest, _ := strings.Cut(rest, `"`)
			_, rest, _ = strings.Cut(rest, `"secret":"`)
			secret, _, _ := strings.Cut(rest, `"`)
			reply := id + "." + secret
			shared.Store(&reply)
		}
	}
}
