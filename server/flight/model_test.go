package flight

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// world is a hub with clients, and what is true of them.
type world struct {
	t       *testing.T
	r       *Recorder
	h       *hub.Hub
	random  *rand.Rand
	clients []*client
	all     map[string][]*hub.Publication
	trace   []string
	counts  map[Outcome]int
}

// client is a session and what its edge has taken.
type client struct {
	s        *hub.Session
	user     string
	isClosed bool
	given    map[string]map[hub.Position]bool
	gaps     map[string][]hub.Gap
	isOn     map[string]bool                     // subscribed now, or when it was closed
	claims   map[string]map[hub.Position]Outcome // of the subscriptions now
}

var channels = []string{"a", "b"}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format+"\nsteps: %s", append(args, strings.Join(w.trace, ", "))...)
}

func (w *world) client() *client { return w.clients[w.random.IntN(len(w.clients))] }

func (w *world) step() {
	channel := channels[w.random.IntN(len(channels))]
	c := w.client()
	switch w.random.IntN(16) {
	case 0:
		w.open()
	case 1:
		w.note("close %s", short(c.s.ID()))
		c.s.Close()
		c.isClosed = true
	case 2, 3, 4:
		if c.isClosed || c.isOn[channel] {
			return
		}
		o := hub.SubscribeOptions{ExcludeSelf: w.random.IntN(2) == 0}
		switch all := w.all[channel]; w.random.IntN(3) {
		case 0:
			o.Last = 1 + w.random.IntN(5)
		case 1:
			if len(all) > 0 {
				o.Since = all[w.random.IntN(len(all))].Position
				o.Since.Offset += uint64(w.random.IntN(40) / 38 * 5) // of a client that has seen the future
			}
		}
		w.note("subscribe %s %s %+v", short(c.s.ID()), channel, o)
		c.s.Subscribe(0, channel, o)
		c.claims[channel] = map[hub.Position]Outcome{}
		c.isOn[channel] = true
	case 5:
		if !c.isClosed && c.isOn[channel] {
			w.note("unsubscribe %s %s", short(c.s.ID()), channel)
			c.s.Unsubscribe(0, channel)
			c.isOn[channel] = false
		}
	case 6, 7, 8, 9:
		w.publish(channel, c)
	case 10:
		if w.random.IntN(8) == 0 {
			w.note("clear %s", channel)
			if err := w.h.ClearHistory(w.t.Context(), channel); err != nil {
				w.failf("%v", err)
			}
		}
	default:
		w.take(c, w.random.IntN(2) == 0)
	}
}

func (w *world) open() {
	user := []string{"", "ann", "ben"}[w.random.IntN(3)]
	c := &client{s: connect(w.t, w.h, user), user: user, given: map[string]map[hub.Position]bool{}, gaps: map[string][]hub.Gap{}, isOn: map[string]bool{}, claims: map[string]map[hub.Position]Outcome{}}
	w.clients = append(w.clients, c)
	w.note("open %s", short(c.s.ID()))
}

func (w *world) publish(channel string, by *client) {
	m := hub.Message{Channel: channel, Data: []byte("x"), Attributes: &hub.Attributes{}}
	switch w.random.IntN(5) {
	case 0:
		m.Publisher = by.s.ID()
	case 1:
		m.Attributes.Exclude = by.s.ID()
	case 2:
		m.Attributes.Expires = time.Now()
	}
	p := publish(w.t, w.h, m)
	w.all[channel] = append(w.all[channel], &hub.Publication{Position: p, Publisher: m.Publisher, Attributes: m.Attributes})
	w.note("publish %s %s %s%s", channel, p, short(m.Publisher), short(m.Attributes.Exclude))
}

func (w *world) take(c *client, all bool) {
	if c.isClosed {
		return
	}
	for {
		pushes, err := c.s.Take(nil)
		if err != nil {
			w.failf("%v", err)
		}
		for _, p := range pushes {
			switch {
			case p.Delivery != nil:
				if c.given[p.Channel] == nil {
					c.given[p.Channel] = map[hub.Position]bool{}
				}
				c.given[p.Channel][p.Delivery.Position] = true
				if claim, ok := c.claims[p.Channel][p.Delivery.Position]; ok && claim != Waiting && claim != Given && claim != Unknown {
					w.failf("%s is given to %s, and it was said to be %s", p.Delivery.Position, short(c.s.ID()), claim)
				}
				w.note("%s takes %s", short(c.s.ID()), p.Delivery.Position)
			case p.Gap != nil:
				c.gaps[p.Channel] = append(c.gaps[p.Channel], *p.Gap)
				w.note("%s takes gap %+v", short(c.s.ID()), *p.Gap)
			}
		}
		if len(pushes) == 0 || !all {
			return
		}
	}
}

// check asks about everything, and compares with what is true.
func (w *world) check() {
	for _, channel := range channels {
		for _, p := range w.all[channel] {
			for _, c := range w.clients {
				a := explain(w.t, w.r, w.h, Question{Session: c.s.ID(), Channel: channel, Position: p.Position})
				w.judge(c, channel, p, a)
			}
			for _, user := range []string{"ann", "ben"} {
				w.judgeUser(user, channel, p)
			}
		}
	}
}

func (w *world) judge(c *client, channel string, p *hub.Publication, a *Answer) {
	given := c.given[channel][p.Position]
	isOwn := p.Publisher == c.s.ID() || p.Attributes.Exclude == c.s.ID()
	inGap := func(g hub.Gap) bool { return g.Reason.String() == string(a.Outcome) && isIn(p.Position, g.From, g.To) }
	forgot := w.r.turns.floor > 0
	ok := false
	switch a.Outcome {
	case Given:
		ok = given || isOwn && a.Publication == nil // which it says
	case Filtered:
		ok = !given && isOwn
	case Lost, Expired:
		ok = !given && slices.ContainsFunc(c.gaps[channel], inGap)
	case Waiting:
		ok = !given && !c.isClosed && c.isOn[channel]
	case Ended:
		ok = !given && c.isClosed && c.isOn[channel]
	case NotSubscribed, Offline:
		ok = !given // and is not given later, see take
	case Unknown:
		ok = forgot
	}
	if c.claims[channel] != nil {
		c.claims[channel][p.Position] = a.Outcome
	}
	if w.counts[a.Outcome]++; !ok || a.Text == "" || len(a.Sessions) > 1 {
		w.failf("%s of %s for %s (given: %v, own: %v, gaps: %v) is %s: %s\n%+v", p.Position, channel, short(c.s.ID()), given, isOwn, c.gaps[channel], a.Outcome, a.Text, a.Sessions)
	}
}

// judgeUser asks about a user: given is what was given to any session.
func (w *world) judgeUser(user, channel string, p *hub.Publication) {
	a := explain(w.t, w.r, w.h, Question{User: user, Channel: channel, Position: p.Position})
	given := slices.ContainsFunc(w.clients, func(c *client) bool { return c.user == user && c.given[channel][p.Position] })
	forgot := w.r.turns.floor > 0
	if given && a.Outcome != Given && !forgot || !given && a.Outcome == Given && a.Publication != nil {
		w.failf("%s for %s (given: %v) is %s: %s", p.Position, user, given, a.Outcome, a.Text)
	}
	if !forgot && a.Outcome == Unknown {
		w.failf("nothing was forgotten, and it says %s", a.Text)
	}
}

func runWorld(t *testing.T, seed uint64, bytes, steps int) map[Outcome]int {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 11)), all: make(map[string][]*hub.Publication), counts: make(map[Outcome]int)}
	w.r = New(DefaultBytes)
	if bytes > 0 { // less than can be set, so that much is forgotten
		w.r.turns = makeRing(2 * segmentBytesMin)
		w.r.turns.segmentBytes = bytes
		w.r.skew = time.Duration(seed%2) * clockSkew // all have one clock
	}
	w.h = newHub(t, w.r, hub.Options{QueueCountMax: 3, Retention: hub.Retention{Count: 6}, NoHistory: seed%5 == 4})
	w.open()
	for i := range steps {
		if w.step(); i%20 == 19 {
			w.check()
		}
	}
	w.check()
	for _, c := range w.clients {
		w.take(c, true)
	}
	w.check()
	if w.counts[Unknown] > 0 && bytes == 0 {
		t.Error("nothing was forgotten")
	}
	return w.counts
}

// Random sessions, subscriptions, publications, gaps and ends: no explanation is wrong,
// and one is wanting only where something was forgotten.
func TestExplanationsAreTrue(t *testing.T) {
	seeds := uint64(20)
	if raceEnabled || testing.Short() {
		seeds = 3
	}
	for _, bytes := range []int{0, 1000, 300} {
		t.Run(fmt.Sprint("memory=", bytes), func(t *testing.T) {
			counts := make(map[Outcome]int)
			for seed := range seeds {
				for outcome, n := range runWorld(t, seed, bytes, 100) {
					counts[outcome] += n
				}
			}
			want := []Outcome{Given, Filtered, Lost, Expired, Waiting, Ended, NotSubscribed, Offline}
			if bytes > 0 {
				want = []Outcome{Given, Waiting, Ended, NotSubscribed, Unknown}
			}
			for _, o := range want {
				if counts[o] == 0 {
					t.Errorf("%s never came up: %v", o, counts)
				}
			}
			t.Log(counts)
		})
	}
}
