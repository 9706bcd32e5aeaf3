package hub_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// patternModel is the publications owed to random clients of patterns. A client is owed
// the publications of a channel while one of its subscriptions matches it: once, in
// order, or in a gap.
type patternModel struct {
	t       *testing.T
	random  *rand.Rand
	h       *hub.Hub
	clients []*patternClient
	pause   time.Duration // before and after something begins
	steps   []string
	next    int
	seed    uint64
}

type patternClient struct {
	e       *edge // nil while it is away
	names   []string
	owed    map[string][]hub.Position
	missed  int             // announced without positions
	gapped  map[string]bool // announced in a gap; it may come after all when the client comes back
	tracker *hub.VectorTracker
	resumes bool // it has one pattern, and comes back with its vector

	// The newest when its pattern began. A later one may take its place.
	newest map[string]bool
}

var (
	modelPatterns = []string{"a/*", "**", "*/x", "a/**"}
	modelChannels = []string{"a/x", "a/y", "b/x", "c", "a/b/x", "d/x", "e", "a/private-x"}
)

func modelMatches(pattern, channel string) bool {
	p, err := access.ParsePattern(pattern)
	if err != nil {
		panic(err)
	}
	return p.Matches(channel, "")
}

func (m *patternModel) note(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

func (m *patternModel) failf(format string, args ...any) {
	m.t.Helper()
	from := max(0, len(m.steps)-100)
	m.t.Fatalf(format+"\nsteps of seed %d: %s", append(args, m.seed, strings.Join(m.steps[from:], ", "))...)
}

func (c *patternClient) covers(channel string) bool {
	return slices.ContainsFunc(c.names, func(name string) bool { return modelMatches(name, channel) })
}

func (m *patternModel) step() {
	i := m.random.IntN(len(m.clients))
	c := m.clients[i]
	switch m.random.IntN(20) {
	default:
		m.publish()
	case 0, 1, 2, 3:
		m.take(i, 1)
	case 4:
		m.take(i, 100)
	case 5, 6:
		if c.resumes {
			m.comeAndGo(i)
		} else {
			m.change(i)
		}
	}
	synctest.Wait()
}

func (m *patternModel) publish() {
	channel := modelChannels[m.random.IntN(len(modelChannels))]
	m.next++
	position := publish(m.t, m.h, channel, fmt.Sprint(m.next))
	m.note("%s %v", channel, position.Offset)
	<-time.After(time.Millisecond)
	for _, c := range m.clients {
		if c.covers(channel) {
			c.owed[channel] = append(c.owed[channel], position)
		}
	}
}

// change subscribes or unsubscribes. What begins or ends while something is under way is
// not modelled: the outcome is waited for.
func (m *patternModel) change(i int) {
	c := m.clients[i]
	all := slices.Concat(modelPatterns, modelChannels[:3])
	name := all[m.random.IntN(len(all))]
	<-time.After(m.pause)
	if j := slices.Index(c.names, name); j >= 0 {
		m.note("%d unsubscribes %s", i, name)
		c.names = slices.Delete(c.names, j, j+1)
		c.e.Unsubscribe(0, name)
		for channel := range c.owed {
			if !c.covers(channel) {
				delete(c.owed, channel)
			}
		}
	} else {
		m.note("%d subscribes %s", i, name)
		c.names = append(c.names, name)
		c.e.Subscribe(0, name, hub.SubscribeOptions{})
	}
	synctest.Wait()
	<-time.After(m.pause)
}

// comeAndGo closes a session, or continues where it was.
func (m *patternModel) comeAndGo(i int) {
	c := m.clients[i]
	if c.e != nil {
		m.note("%d goes", i)
		c.e.Close()
		c.e = nil
		return
	}
	m.note("%d comes", i)
	c.e = connect(m.t, m.h)
	text := c.tracker.String()
	v, err := hub.ParseVector(text)
	if err != nil {
		m.failf("%s: %v", text, err)
	}
	c.tracker = hub.NewVectorTracker(v, 3, 0)
	c.e.Subscribe(0, c.names[0], hub.SubscribeOptions{Vector: v})
}

func (m *patternModel) take(i, times int) (n int) {
	c := m.clients[i]
	for range times {
		if c.e == nil {
			return n
		}
		pushes, err := c.e.Take(nil)
		if err != nil {
			m.failf("Take: %v", err)
		}
		synctest.Wait()
		n += len(pushes)
		for _, p := range pushes {
			m.note("%d takes %s", i, channelsOf([]hub.Push{p}))
			m.check(i, p)
		}
		if len(pushes) == 0 {
			select {
			case <-c.e.woken:
			default:
				return n
			}
		}
	}
	return n
}

func (m *patternModel) check(i int, p hub.Push) {
	c := m.clients[i]
	switch {
	case p.Gap != nil && hub.IsPattern(p.Channel):
		c.missed += p.Gap.Count
	case p.Gap != nil:
		for len(c.owed[p.Channel]) > 0 && c.owed[p.Channel][0].Offset <= p.Gap.To.Offset {
			c.forgive(p.Channel, 1)
		}
		c.tracker.Note(p.Channel, p.Gap.To, time.Time{})
	case p.Delivery != nil:
		owed := c.owed[p.Channel]
		j := slices.Index(owed, p.Delivery.Position)
		if given := p.Delivery.Position.String() + p.Channel; j < 0 && c.gapped[given] {
			delete(c.gapped, given)
			c.tracker.Note(p.Channel, p.Delivery.Position, p.Delivery.Time)
			return
		}
		if j < 0 {
			m.failf("%d was given %v of %s, and is owed %v", i, p.Delivery.Position, p.Channel, owed)
		}
		if c.missed -= c.insists(p.Channel, owed[:j]); c.missed < 0 {
			m.failf("%d was given %v of %s and not %v before", i, p.Delivery.Position, p.Channel, owed[:j])
		}
		c.forgive(p.Channel, j)
		c.owed[p.Channel] = owed[j+1:]
		c.tracker.Note(p.Channel, p.Delivery.Position, p.Delivery.Time)
	default:
		m.failf("%d was given %+v", i, p)
	}
}

// insists is how many of some that are owed have to be given or announced.
func (c *patternClient) insists(channel string, owed []hub.Position) (n int) {
	for _, position := range owed {
		if !c.newest[position.String()+channel] {
			n++
		}
	}
	return n
}

// forgive takes the first n out of the owed publications.
func (c *patternClient) forgive(channel string, n int) {
	for _, position := range c.owed[channel][:n] {
		c.gapped[position.String()+channel] = c.resumes
	}
	c.owed[channel] = c.owed[channel][n:]
}

// settle lets every client have everything.
func (m *patternModel) settle() {
	for i, c := range m.clients {
		if c.e == nil {
			m.comeAndGo(i)
			synctest.Wait()
		}
	}
	for i := range m.clients {
		for quiet := 0; quiet < 10; { // what has nothing to give takes its time, too
			if quiet++; m.take(i, 1000) > 0 {
				quiet = 0
			}
			<-time.After(time.Second)
			synctest.Wait()
		}
	}
	for i, c := range m.clients {
		left := 0
		for channel, owed := range c.owed {
			left += c.insists(channel, owed)
		}
		if left > c.missed { // some of the announced ones may have been read from history later
			m.failf("%d is owed %v still, and %d were announced", i, c.owed, c.missed)
		}
		for channel, owed := range c.owed {
			c.forgive(channel, len(owed))
		}
		c.missed = 0
	}
}

// TestPatternModel takes random steps of clients with patterns and channels that overlap,
// that are slow, that keep fewer positions than there are channels, and that come back
// with a vector that is too small: nothing is lost, repeated or reordered without a gap.
func TestPatternModel(t *testing.T) {
	for _, waits := range []bool{false, true} {
		for _, max := range []int{1, 2, 3, 100} {
			t.Run(fmt.Sprintf("waits %v keeps %d", waits, max), func(t *testing.T) {
				seeds := uint64(60)
				if raceEnabled || testing.Short() {
					seeds = 5
				}
				for seed := range seeds {
					runPatternModel(t, seed, waits, max)
				}
			})
		}
	}
}

func runPatternModel(t *testing.T, seed uint64, waits bool, channelsMax int) {
	synctest.Test(t, func(t *testing.T) {
		m := &patternModel{t: t, random: rand.New(rand.NewPCG(seed, uint64(channelsMax))), pause: time.Millisecond, seed: seed}
		var broker hub.Broker = newBroker()
		if waits {
			broker = brokertest.NewTroubled(broker)
			m.pause = 3 * time.Second // more than clocks may differ
		}
		m.h = newHub(t, broker, &hub.Options{PatternChannelsMax: channelsMax, QueueCountMax: 1 + m.random.IntN(8),
			Retention: hub.Retention{Count: 2 + m.random.IntN(20), Age: 24 * time.Hour}})
		before := make(map[string][]hub.Position)
		for range m.random.IntN(10) {
			channel := modelChannels[m.random.IntN(len(modelChannels))]
			before[channel] = append(before[channel], publish(t, m.h, channel, "before"))
		}
		<-time.After(m.pause)
		for i := range 4 {
			c := &patternClient{e: connect(t, m.h), owed: make(map[string][]hub.Position), gapped: make(map[string]bool), newest: make(map[string]bool), resumes: i%2 == 0}
			v := &hub.Vector{Began: time.Now()}
			if c.resumes {
				c.names = []string{modelPatterns[m.random.IntN(len(modelPatterns))]}
				<-time.After(m.pause)
				last := m.random.IntN(3)
				for channel, positions := range before {
					if modelMatches(c.names[0], channel) {
						c.owed[channel] = slices.Clone(positions[max(0, len(positions)-last):])
					}
					for _, position := range c.owed[channel] {
						c.newest[position.String()+channel] = true
					}
				}
				o := c.e.outcome(func(tag uint64) { c.e.Subscribe(tag, c.names[0], hub.SubscribeOptions{Last: last}) })
				m.note("%d subscribes %s with the last %d", i, c.names[0], last)
				if m.random.IntN(2) == 0 {
					<-time.After(m.pause)
				}
				v = o.Vector
			}
			c.tracker = hub.NewVectorTracker(v, 3, 0)
			m.clients = append(m.clients, c)
		}
		for i := range 600 {
			m.step()
			if i%200 == 199 {
				m.settle()
			}
		}
	})
}
