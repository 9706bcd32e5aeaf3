package cluster

import (
	"slices"
	"strings"
	"time"
)

const (
	// beatInterval is how often a node says that it is there.
	beatInterval = 2 * time.Second

	// deadAfter is how long a peer may be silent: three beats are missed, and half of another.
	deadAfter = 7 * time.Second

	// deafAfter is how long a node may not hear itself before it trusts its ears no more. It is
	// so much less than deadAfter that a connection that breaks is noticed before anybody seems dead.
	deafAfter = 2 * beatInterval

	// answerInterval is how often a node beats at most because others ask for it.
	answerInterval = 100 * time.Millisecond

	// settleAfter is how long others have to answer a node that has come.
	settleAfter = time.Second

	// PeersMax bounds the other nodes that a node knows. Those beyond are ignored.
	PeersMax = 1000
)

// core is what a node knows of the others: a state machine that is given the time and
// the messages heard, and collects changes. Its owner holds a lock around it.
type core struct {
	id    string
	peers map[string]*peer

	beats    uint64    // the number of the last beat that was sent
	asked    bool      // others want to know whether we are here
	wants    bool      // the next beat asks all others to beat
	nextBeat time.Time // when the next one is due
	lastBeat time.Time

	flights []flight      // beats that have not come back, oldest first
	heard   time.Time     // when the last one came back; zero: none has
	first   time.Time     // when the first one came back
	lag     time.Duration // that the last one took
	isDeaf  bool          // this node does not hear itself

	changes []Change
	refused uint64 // peers beyond PeersMax
}

// flight is a beat on its way.
type flight struct {
	number uint64
	sent   time.Time
}

const flightsMax = 64

// peer is the record of another node.
type peer struct {
	Peer
	told     uint64 // the number of the last message that it told
	isToldOf bool   // told is known
}

func newCore(id string, now time.Time) core {
	return core{id: id, peers: make(map[string]*peer), wants: true, nextBeat: now, isDeaf: true}
}

// deadline is when tick has something to do.
func (c *core) deadline() time.Time {
	t := c.nextBeat
	if c.asked {
		if at := c.lastBeat.Add(answerInterval); at.Before(t) {
			t = at
		}
	}
	if c.isDeaf {
		return t
	}
	if at := c.heard.Add(deafAfter); at.Before(t) {
		t = at
	}
	for _, p := range c.peers {
		if at := p.Heard.Add(deadAfter); at.Before(t) {
			t = at
		}
	}
	return t
}

// tick performs the acts that are due, and reports whether a beat has to be sent.
func (c *core) tick(now time.Time) (beats bool) {
	if !c.isDeaf && now.Sub(c.heard) >= deafAfter {
		c.isDeaf = true
	}
	if !c.isDeaf {
		c.bury(now)
	}
	if now.Before(c.nextBeat) && !(c.asked && now.Sub(c.lastBeat) >= answerInterval) {
		return false
	}
	c.beats++
	c.asked = false
	c.lastBeat, c.nextBeat = now, now.Add(beatInterval)
	if c.flights = append(c.flights, flight{c.beats, now}); len(c.flights) > flightsMax {
		c.flights = c.flights[1:]
	}
	return true
}

// bury declares peers dead that are silent for too long.
func (c *core) bury(now time.Time) {
	for _, p := range c.sorted() {
		if now.Sub(p.Heard) >= deadAfter {
			delete(c.peers, p.ID)
			c.changes = append(c.changes, Change{Died, p.Peer})
		}
	}
}

// sorted are the peers by ID, so that what happens at one time happens in one order.
func (c *core) sorted() []*peer {
	list := make([]*peer, 0, len(c.peers))
	for _, p := range c.peers {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *peer) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// hearSelf takes a beat of this node that has come back.
func (c *core) hearSelf(number uint64, now time.Time) {
	for i, f := range c.flights {
		if f.number == number {
			c.lag = now.Sub(f.sent)
			c.flights = slices.Delete(c.flights, 0, i+1)
			break
		}
	}
	if c.first.IsZero() {
		c.first = now
	}
	// What others have sent meanwhile may come behind this.
	if c.isDeaf || now.Sub(c.heard) >= deafAfter {
		c.refresh(now)
	}
	c.heard, c.isDeaf = now, false
}

// refresh gives every peer a whole time to be heard, because this node could not hear.
func (c *core) refresh(now time.Time) {
	for _, p := range c.peers {
		p.Heard = now
	}
}

// missed is told when messages may have been lost.
func (c *core) missed(now time.Time) {
	c.refresh(now)
	for _, p := range c.peers {
		p.isToldOf = false
	}
	c.wants, c.nextBeat = true, now // to hear at once of all nodes
	c.changes = append(c.changes, Change{Kind: Missed})
}

// hear takes a beat of another node. told is the number of the last message that it told before.
func (c *core) hear(id string, told uint64, b *beat, now time.Time) {
	p, ok := c.peers[id]
	if !ok && len(c.peers) >= PeersMax {
		c.refused++
		return
	}
	before := Peer{}
	if ok {
		before = p.Peer
	} else {
		p = &peer{told: told, isToldOf: true}
		c.peers[id] = p
	}
	p.Peer = Peer{
		ID: id, Name: b.Name, Version: b.Program, Newest: b.Newest, Oldest: b.Oldest,
		Address: b.Address, Token: b.Token, State: b.State, Load: b.Load,
		Began: now.Add(-b.Age), Heard: now, Lag: b.Lag,
	}
	if b.Asks {
		c.asked = true
	}
	switch {
	case !ok:
		c.changes = append(c.changes, Change{Joined, p.Peer})
		return
	case before.State != p.State || before.Address != p.Address || before.Token != p.Token || before.Name != p.Name:
		c.changes = append(c.changes, Change{Altered, p.Peer})
	}
	if p.isToldOf && p.told != told {
		c.changes = append(c.changes, Change{Missed, p.Peer})
	}
	p.told, p.isToldOf = told, true
}

// hearTold takes the number of a told message, and reports whether it is to be heard: it
// is of a known peer, and new.
func (c *core) hearTold(id string, number uint64) bool {
	p, ok := c.peers[id]
	if !ok {
		return false // its beat says how far it is, once it comes
	}
	if p.isToldOf {
		if number <= p.told {
			return false
		}
		if number != p.told+1 {
			c.changes = append(c.changes, Change{Missed, p.Peer})
		}
	}
	p.told, p.isToldOf = number, true
	return true
}

// hearBye takes a goodbye.
func (c *core) hearBye(id string) {
	if p, ok := c.peers[id]; ok {
		delete(c.peers, id)
		c.changes = append(c.changes, Change{Left, p.Peer})
	}
}

// lagNow is the lag to the broker: of the last beat that has come back, or longer if a
// later beat is late.
func (c *core) lagNow(now time.Time) time.Duration {
	if c.isDeaf && !c.heard.IsZero() {
		return max(c.lag, now.Sub(c.heard)) // more beats were lost than are known
	}
	if len(c.flights) > 0 {
		return max(c.lag, now.Sub(c.flights[0].sent))
	}
	return c.lag
}

// takeChanges returns the changes since the last call.
func (c *core) takeChanges() []Change {
	changes := c.changes
	c.changes = nil
	return changes
}
