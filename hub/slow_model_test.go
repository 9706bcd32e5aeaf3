package hub_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// slowModel has the channels of a modelRun obey policies, and its publications have keys,
// exclusions and ends.
type slowModel struct {
	r       *modelRun
	h       *hub.Hub
	now     hub.Policy
	changes bool                          // the policy changes while it is in use
	all     map[string][]*hub.Publication // by channel and epoch
}

// slowAccount is what a client knows besides.
type slowAccount struct {
	begin hub.Position
	fate  map[hub.Position]string // what became of a publication
}

func (m *slowModel) policy(string) *hub.Policy { p := m.now; return &p }

// change has another policy from now on.
func (m *slowModel) change() {
	if !m.changes {
		return
	}
	m.now.Slow = []hub.SlowPolicy{hub.ReadHistory, hub.DropOldest, hub.Conflate}[m.r.choose(3)]
	m.now.Rate = []int{0, 0, 5, 300}[m.r.choose(4)]
	m.now.KeyPointer = []string{"", "/k"}[m.r.choose(2)]
	m.r.b.note("policy %+v", m.now)
	m.h.SetPolicies(m.policy)
}

// since is a position that no publication has yet.
func (m *slowModel) since(l *modelLog, o *hub.SubscribeOptions) {
	if !o.Since.IsZero() && m.r.choose(4) == 0 {
		o.Since.Offset = m.r.b.top(l).Offset + 3
	}
}

// checkBounds checks what the backlogs of a session hold.
func (m *slowModel) checkBounds(client *modelClient) {
	m.r.t.Helper()
	if count, bytes := client.e.Backlogs(); count > 1 && (count > modelCountMax || bytes > modelBytesMax) {
		m.r.failf("%d publications of %d bytes wait", count, bytes)
	}
}

func (m *slowModel) wish() int { return []int{0, 0, 0, 2}[m.r.choose(4)] }

func (m *slowModel) dress(p *hub.Publication) {
	p.Attributes = &hub.Attributes{Key: []string{"", "a", "b", "c"}[m.r.choose(4)]}
	switch m.r.choose(12) {
	case 0:
		p.Attributes.Exclude = m.r.clients[0].e.ID()
	case 1:
		p.Attributes.Expires = time.Now().Add(150 * time.Millisecond)
	}
	if m.r.choose(3) == 0 {
		p.Data = append(p.Data, "0123456789"...)
	}
	p.Time = time.Now()
	id := p.Channel + " " + p.Position.Epoch
	m.all[id] = append(m.all[id], p)
	m.r.b.note("with %+v", *p.Attributes)
}

// between are the publications after from, up to and including to, that are for the client.
func (m *slowModel) between(client *modelClient, channel string, from, to hub.Position) (list []*hub.Publication) {
	for _, p := range m.all[channel+" "+to.Epoch] {
		if p.Attributes.Exclude != client.e.ID() && (p.Position.Offset > from.Offset || from.Epoch != to.Epoch) && p.Position.Offset <= to.Offset {
			list = append(list, p)
		}
	}
	return list
}

func (m *slowModel) check(client *modelClient, l *modelLog, a *modelAccount, push hub.Push) {
	m.r.t.Helper()
	if a.fate == nil {
		a.fate = make(map[hub.Position]string)
	}
	switch {
	case push.Gap != nil:
		g := push.Gap
		if g.From != a.last && (g.From.Epoch != a.last.Epoch || g.From.Offset < a.last.Offset || len(m.between(client, l.name, a.last, g.From)) > 0) {
			m.r.failf("a gap from %v, but the last position was %v", g.From, a.last)
		}
		if g.Reason == hub.GapLost {
			if g.Count != 0 {
				m.r.failf("%d are said to be lost: nobody can know", g.Count)
			}
			m.r.check(l, &modelAccount{last: g.From}, push) // the log has no holes that it should not have
		} else {
			m.checkLeftOut(client, l, a, g)
		}
		for _, p := range m.between(client, l.name, a.last, g.To) {
			a.fate[p.Position] = g.Reason.String()
		}
		a.last = g.To
	default:
		d := push.Delivery
		if d.Position.Epoch != a.last.Epoch || d.Position.Offset <= a.last.Offset {
			m.r.failf("%v came after %v", d.Position, a.last)
		}
		if missed := m.between(client, l.name, a.last, d.Position); len(missed) != 1 {
			m.r.failf("%v came after %v, and %d before it did not", d.Position, a.last, len(missed)-1)
		}
		if e := d.Attributes.Expires; !e.IsZero() && !time.Now().Before(e) {
			m.r.failf("%v came after it had expired", d.Position)
		}
		a.last = d.Position
		a.fate[d.Position] = "delivered"
	}
}

// checkLeftOut checks a gap that is no loss.
func (m *slowModel) checkLeftOut(client *modelClient, l *modelLog, a *modelAccount, g *hub.Gap) {
	m.r.t.Helper()
	missing := m.between(client, l.name, a.last, g.To)
	if g.From.Epoch != g.To.Epoch || len(missing) != g.Count || g.Count == 0 {
		m.r.failf("%d are missing in %+v", len(missing), g)
	}
	for _, p := range missing {
		switch {
		case g.Reason == hub.GapExpired && (p.Attributes.Expires.IsZero() || time.Now().Before(p.Attributes.Expires)):
			m.r.failf("%v is in %+v, and has not expired", p.Position, g)
		case g.Reason == hub.GapConflated && !m.isReplaced(client, l, p):
			m.r.failf("%v is in %+v, and nothing replaces it", p.Position, g)
		}
	}
	if m.changes {
		return
	}
	wanted := map[hub.GapReason]bool{
		hub.GapExpired:   true,
		hub.GapConflated: m.now.Slow == hub.Conflate,
		hub.GapDropped:   m.now.Slow == hub.Conflate || m.now.Slow == hub.DropOldest,
		hub.GapRate:      m.now.Rate > 0 || a.o.Rate > 0,
	}
	if !wanted[g.Reason] {
		m.r.failf("a gap %+v with %+v, rate %d", g, m.now, a.o.Rate)
	}
}

// isReplaced reports whether a newer publication has the key of p.
func (m *slowModel) isReplaced(client *modelClient, l *modelLog, p *hub.Publication) bool {
	list := m.all[l.name+" "+p.Position.Epoch]
	for _, newer := range list {
		if newer.Position.Offset > p.Position.Offset && newer.Attributes.Key == p.Attributes.Key && newer.Attributes.Exclude != client.e.ID() {
			return true
		}
	}
	return false
}

// settle checks that everyone has everything, or was told what became of it.
func (m *slowModel) settle() {
	m.r.t.Helper()
	for range 8 { // one of each key waits for its turn
		<-time.After(time.Second)
		m.r.rest()
	}
	for i, client := range m.r.clients {
		for name, a := range client.accounts {
			l := m.r.b.channels[name]
			top := m.r.b.top(l)
			if !a.begun || len(l.all) > 0 && (a.last.Epoch != top.Epoch || len(m.between(client, name, a.last, top)) > 0) {
				m.r.failf("%d: %s ended at %v (begun: %v), want %v", i, name, a.last, a.begun, top)
			}
			for _, p := range m.between(client, name, a.begin, top) {
				fate := a.fate[p.Position]
				if fate == "" {
					m.r.failf("%d: nothing became of %v", i, p.Position)
				}
				if m.isReplaced(client, l, p) {
					continue
				}
				if fate == "conflated" || fate == "rate" && m.now.Slow != hub.ReadHistory && !m.changes {
					m.r.failf("%d: %v is the newest of its key, and was %s", i, p.Position, fate)
				}
			}
		}
	}
}

// TestSlowModel takes random steps with every policy, rates, keys, exclusions and ends:
// each position is delivered once and in order, or lies in one gap that says why and how
// many, and the newest of each key is delivered.
func TestSlowModel(t *testing.T) {
	seeds := uint64(25)
	if raceEnabled || testing.Short() {
		seeds = 2
	}
	policies := []hub.Policy{{}, {Rate: 5}, {Rate: 250}, {Slow: hub.DropOldest}, {Slow: hub.DropOldest, Rate: 5}, {Slow: hub.Conflate}, {Slow: hub.Conflate, Rate: 5}}
	for i := range len(policies) + 1 {
		changes := i == len(policies)
		policy := policies[i%len(policies)]
		for _, isInstant := range []bool{true, false} {
			for _, keep := range []int{0, 2, 5, 1000} {
				t.Run(fmt.Sprintf("%v rate %d changes %v instant %v keep %d", policy.Slow, policy.Rate, changes, isInstant, keep), func(t *testing.T) {
					for seed := range seeds {
						random := rand.New(rand.NewPCG(seed, uint64(keep)))
						data := make([]byte, 100+random.IntN(1900))
						for i := range data {
							data[i] = byte(random.Uint32())
						}
						runModel(t, data, isInstant, keep, slowly(policy, changes))
					}
				})
			}
		}
	}
}

func slowly(policy hub.Policy, changes bool) func(*modelRun) {
	return func(r *modelRun) {
		r.slow = &slowModel{r: r, now: policy, changes: changes, all: make(map[string][]*hub.Publication)}
		r.b.dress = r.slow.dress
	}
}

func FuzzSlowModel(f *testing.F) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 98))
		data := make([]byte, 300)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data, seed%2 == 0, byte(seed), byte(seed), byte(seed%3), seed%4 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, isInstant bool, keep, slow, rate byte, changes bool) {
		if len(data) > 4096 {
			t.Skip("longer runs find nothing that short ones do not")
		}
		policy := hub.Policy{Slow: []hub.SlowPolicy{hub.ReadHistory, hub.DropOldest, hub.Conflate}[slow%3], Rate: int(rate)}
		runModel(t, data, isInstant, int(keep), slowly(policy, changes))
	})
}
