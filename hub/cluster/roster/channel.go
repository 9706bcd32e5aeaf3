package roster

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
)

// channel is a channel whose members elsewhere are kept. Its lock comes before Roster.mu
// and those of the Hub.
type channel struct {
	r    *Roster
	name string

	mu       sync.Mutex // guards what follows
	sources  map[string]*source
	forget   func() // ends the keeping; nil before begin
	stop     func() // ends the hearing; nil while the topic is not heard
	watching int    // how many watch the members here
	askedAt  time.Time
	isEnding bool // it is planned to see whether anybody is interested
	isGone   bool // nobody was
	isLoaded bool // every node was asked, and has answered unless it took too long
	loadedAt time.Time
	retries  int
	waiting  []func() // for isLoaded
}

// source is a node that has, or may have, members of the channel.
type source struct {
	node   string
	state  sourceState
	number uint64 // of its last change here that is known, see hub.OwnMembers
	seen   uint64 // changes up to this one are applied
	tries  int    // to load that failed

	pending []change // what came while it was loading
	bytes   int      // about, in them
	isOver  bool     // there were too many of them
}

type sourceState int

const (
	isUnknown sourceState = iota // it is going to be asked
	isLoading                    // it is being asked for all
	isKnown                      // everything is known up to number
)

// pendingBytesMax bounds the changes that wait until all members of a node are known.
const pendingBytesMax = 4 << 20

func newChannel(r *Roster, name string) *channel {
	return &channel{r: r, name: strings.Clone(name), sources: make(map[string]*source)}
}

// topicOf is where the changes of a channel are told.
func topicOf(channel string) string {
	if strings.ContainsFunc(channel, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
		sum := sha256.Sum256([]byte(channel))
		return "members#" + base32.StdEncoding.EncodeToString(sum[:20])
	}
	return "members/" + channel
}

// touch notes that a caller is interested. It returns false if the channel is forgotten
// already.
func (c *channel) touch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone {
		return false
	}
	c.askedAt = time.Now()
	c.expectEnd()
	return true
}

// expectEnd plans to see whether anybody is interested still; mu is held.
func (c *channel) expectEnd() {
	if c.watching == 0 && !c.isEnding && !c.isGone {
		c.isEnding = true
		c.r.plan.after(keepFor, c.expire)
	}
}

func (c *channel) expire() {
	c.mu.Lock()
	c.isEnding = false
	left := keepFor - time.Since(c.askedAt)
	switch {
	case c.watching > 0 || c.isGone:
		c.mu.Unlock()
		return
	case left > 0:
		c.isEnding = true
		c.r.plan.after(left, c.expire)
		c.mu.Unlock()
		return
	}
	c.isGone = true
	c.mu.Unlock()
	c.r.mu.Lock()
	if c.r.channels[c.name] == c {
		delete(c.r.channels, c.name)
	}
	c.r.mu.Unlock()
	c.r.tasks.add(func(context.Context) { c.end() })
}

// end lets go of everything.
func (c *channel) end() {
	c.mu.Lock()
	c.isGone = true
	stop, forget := c.stop, c.forget
	c.stop, c.forget = nil, nil
	c.sources = nil
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	if forget != nil {
		forget()
	}
	c.release()
}

// begin has the members kept from now on.
func (c *channel) begin() {
	forget := c.r.mirror.Keep(c.name)
	c.mu.Lock()
	isGone := c.isGone
	if !isGone {
		c.forget = forget
	}
	c.mu.Unlock()
	if isGone {
		forget()
		return
	}
	c.r.plan.after(patience, c.release)
	c.r.tasks.add(c.load)
}

// complete is Roster.Complete.
func (c *channel) complete(isSecret bool, then func()) bool {
	isAlone := len(c.r.node.Peers()) == 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isLoaded && isSecret && time.Since(c.loadedAt) > secretAge {
		c.isLoaded = false
		c.sources = make(map[string]*source)
		c.r.plan.after(patience, c.release)
		c.r.tasks.add(c.load)
	}
	if c.isLoaded || isAlone || c.isGone {
		return true
	}
	c.waiting = append(c.waiting, then)
	return false
}

// release ends all waiting.
func (c *channel) release() {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	if !c.isLoaded {
		c.isLoaded, c.loadedAt = true, time.Now()
	}
	c.mu.Unlock()
	for _, then := range waiting {
		then()
	}
}

// isComplete reports whether nothing is being asked; mu is held.
func (c *channel) isComplete() bool {
	for _, s := range c.sources {
		if s.state != isKnown && s.tries == 0 {
			return false
		}
	}
	return c.stop != nil
}

// Heard implements hub.Hearer.
func (c *channel) Heard(data []byte) {
	m, err := parseChange(data)
	if err != nil || m.Channel != c.name || m.node == c.r.node.ID() || !c.r.isAlive(m.node) {
		return // a node that is not known yet is asked when it is
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone {
		return
	}
	s := c.sources[m.node]
	if s == nil {
		s = &source{node: m.node}
		c.sources[m.node] = s
	}
	switch s.state {
	case isKnown:
		if !c.apply(s, &m) {
			c.r.traffic.missed.Add(1)
			c.reload(s)
		}
	case isLoading:
		s.add(m, len(data))
	case isUnknown:
		if s.tries == 0 { // else it is planned
			c.reload(s)
		}
	}
}

// Missed implements hub.Hearer.
func (c *channel) Missed() { c.r.doubt("", missedDelay) }

// add keeps a change until the source is known.
func (s *source) add(m change, bytes int) {
	if s.bytes += bytes; s.bytes > pendingBytesMax {
		s.isOver, s.pending = true, nil
		return
	}
	s.pending = append(s.pending, m)
}

// apply applies a change to the known members, and returns false if a change before it
// is missing; mu is held.
func (c *channel) apply(s *source, m *change) bool {
	switch {
	case m.Number <= s.seen:
		return true // it is known
	case m.isTooBig || m.Previous != s.number:
		return false
	}
	c.r.mirror.Apply(s.node, &m.MembersChange)
	c.r.traffic.heard.Add(1)
	s.number, s.seen = m.Number, m.Number
	if m.Count == 0 {
		s.number = 0
	}
	if len(m.Moving) > 0 {
		c.settleLater(s.node)
	}
	return true
}

// settleLater ends the wait for members that have left a node that ends.
func (c *channel) settleLater(node string) {
	now := time.Now()
	c.r.plan.after(lingerFor, func() { c.r.mirror.Settle(node, c.name, now) })
}

// lose forgets a node that is gone: with goodbye, so that its clients are about to come back through
// another one, or without.
func (c *channel) lose(node string, withGoodbye bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone {
		return
	}
	delete(c.sources, node)
	if withGoodbye {
		c.r.mirror.Linger(node, c.name)
		c.settleLater(node)
	} else {
		c.r.mirror.Replace(node, c.name, nil)
	}
	c.releaseIfComplete()
}

// releaseIfComplete ends all waiting if nothing is being asked; mu is held.
func (c *channel) releaseIfComplete() {
	if !c.isLoaded && c.isComplete() {
		c.isLoaded, c.loadedAt = true, time.Now()
	}
	if c.isLoaded && len(c.waiting) > 0 {
		c.r.tasks.add(func(context.Context) { c.release() })
	}
}

var (
	_ hub.Hearer     = (*channel)(nil)
	_ hub.Neighbours = (*Roster)(nil)
	_ Node           = (*cluster.Node)(nil)
)
