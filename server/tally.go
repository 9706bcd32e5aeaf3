package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub/cluster"
)

// tally adds up counts by name over all nodes: of the connections of users, for example. Each node
// tells the others how many it has of what has changed, once in a window, and asks a node that has joined
// for all of it. A node that has gone has none any more.
type tally struct {
	server *Server
	kind   string              // what nodes tell and ask
	least  func(nodes int) int // what is less is not told, where there are so many nodes
	change func(name string)   // is called when what others have has changed, with no lock held; or nil

	mu      sync.Mutex // guards what follows
	own     map[string]int
	told    map[string]int // of own, what the others know; those that are not 0
	dirty   map[string]struct{}
	sent    uint64      // messages
	timer   *time.Timer // nil unless something is dirty
	closed  bool
	others  map[string]*tallied // by node
	sums    map[string]int      // of the others
	tellers sync.WaitGroup
}

// tallied is what another node has.
type tallied struct {
	counts     map[string]int
	generation uint64        // of what is being asked for; ascends when something was missed
	isBehind   bool          // until it was answered
	waiting    []tallyCounts // what was told meanwhile
}

// tallyCounts is what a node tells, or a page of what it answers.
type tallyCounts struct {
	Number uint64         `json:"n"` // of what it has told last
	Counts map[string]int `json:"c"`
	Next   string         `json:"next,omitempty"` // where the next page begins
}

const (
	tallyWindow   = 250 * time.Millisecond
	tallyPageMax  = 10_000  // names in a message
	tallyWaitMax  = 100_000 // names that were told and wait; with more, all is asked for again
	tallyNameMax  = 1024    // bytes of a name
	tallyBytesMax = 400_000 // of names in a message
)

// newTally begins to add up. Changes of what others have are told to change, which may be nil.
func (s *Server) newTally(kind string, least func(nodes int) int, change func(name string)) *tally {
	t := &tally{
		server: s, kind: "tally/" + kind, least: least, change: change,
		own: make(map[string]int), told: make(map[string]int), dirty: make(map[string]struct{}),
		others: make(map[string]*tallied), sums: make(map[string]int),
	}
	s.tallies = append(s.tallies, t)
	s.node.Handle(t.kind, t.answer)
	s.node.Watch(t.changed)
	s.node.HandleTold(t.kind, t.hear)
	s.catchUp(kind, t.catchUp)
	return t
}

// add adds to what this node has of name.
func (t *tally) add(name string, n int) {
	if len(name) > tallyNameMax {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	count := t.own[name] + n
	if count == 0 {
		delete(t.own, name)
	} else {
		t.own[name] = count
	}
	if t.worth(count) != t.told[name] {
		t.spoil(name)
	}
}

// worth is what others are told of a count; mu is held.
func (t *tally) worth(count int) int {
	if count < t.least(len(t.others)+1) {
		return 0
	}
	return count
}

// spoil has a name told; mu is held.
func (t *tally) spoil(name string) {
	t.dirty[name] = struct{}{}
	if t.timer == nil && !t.closed {
		t.tellers.Add(1)
		t.timer = time.AfterFunc(tallyWindow, func() {
			defer t.tellers.Done()
			t.tell()
		})
	}
}

// review has everything told again that is worth something else now, as least has changed.
func (t *tally) review() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, count := range t.own {
		if t.worth(count) != t.told[name] {
			t.spoil(name)
		}
	}
}

// tell tells the others what has changed.
func (t *tally) tell() {
	t.mu.Lock()
	defer t.mu.Unlock() // so that messages go in the order of their numbers
	t.timer = nil
	counts, bytes := make(map[string]int), 0
	send := func() {
		if len(counts) == 0 {
			return
		}
		t.sent++
		b, err := json.Marshal(&tallyCounts{Number: t.sent, Counts: counts})
		if err == nil {
			err = t.server.node.Tell(t.kind, b)
		}
		if err != nil {
			t.server.log.Warn("other nodes could not be told what this one has; it is told with the next change", "what", t.kind, "error", err)
		}
		counts, bytes = make(map[string]int), 0
	}
	for name := range t.dirty {
		worth := t.worth(t.own[name])
		if worth == t.told[name] {
			continue // it has changed, and back
		}
		if worth == 0 {
			delete(t.told, name)
		} else {
			t.told[name] = worth
		}
		counts[name] = worth
		if bytes += len(name); len(counts) >= tallyPageMax || bytes > tallyBytesMax {
			send()
		}
	}
	send()
	t.dirty = make(map[string]struct{})
}

// ofOthers is how many the other nodes have of name.
func (t *tally) ofOthers(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sums[name]
}

// has reports whether this node has some of name.
func (t *tally) has(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.own[name] > 0
}

// isBehind reports whether it is not known what one of peers has.
func (t *tally) isBehind(peers []cluster.Peer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(peers, func(p cluster.Peer) bool {
		o := t.others[p.ID]
		return o == nil || o.isBehind
	})
}

// nodesWith are the other nodes that have some of name, in no order.
func (t *tally) nodesWith(name string) (nodes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, o := range t.others {
		if o.counts[name] > 0 {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// changed is told what becomes of other nodes.
func (t *tally) changed(c cluster.Change) {
	switch c.Kind {
	case cluster.Joined:
		t.doubt(c.Peer.ID)
		t.review() // there is one more
	case cluster.Missed:
		ids := []string{c.Peer.ID}
		if c.Peer.ID == "" {
			ids = nil
			for _, p := range t.server.node.Peers() {
				ids = append(ids, p.ID)
			}
		}
		for _, id := range ids {
			t.doubt(id)
		}
	case cluster.Left, cluster.Died:
		t.mu.Lock()
		var names []string
		if o := t.others[c.Peer.ID]; o != nil {
			names = t.replace(o, nil)
			delete(t.others, c.Peer.ID)
		}
		t.mu.Unlock()
		t.report(names)
	}
}

// doubt notes that a node has to be asked for all it has.
func (t *tally) doubt(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.others[id]
	if o == nil {
		o = &tallied{counts: make(map[string]int)}
		t.others[id] = o
	}
	o.generation++
	o.isBehind, o.waiting = true, nil
}

// hear takes what another node tells.
func (t *tally) hear(from string, data []byte) {
	var c tallyCounts
	if json.Unmarshal(data, &c) != nil {
		t.server.log.Error("another node has told something that cannot be read", "what", t.kind, "node", from)
		return
	}
	t.mu.Lock()
	o := t.others[from]
	if o == nil {
		t.mu.Unlock()
		return
	}
	if o.isBehind {
		o.waiting = append(o.waiting, c)
		if waiting := 0; !slices.ContainsFunc(o.waiting, func(c tallyCounts) bool { waiting += len(c.Counts); return waiting > tallyWaitMax }) {
			t.mu.Unlock()
			return
		}
		o.generation++ // what is being asked for is too old: the next answer has all of this
		o.waiting = nil
		t.mu.Unlock()
		return
	}
	names := t.take(o, &c)
	t.mu.Unlock()
	t.report(names)
}

// take takes counts of another node, and returns of which names the sum is another; mu is held.
func (t *tally) take(o *tallied, c *tallyCounts) (names []string) {
	for name, count := range c.Counts {
		if count == o.counts[name] || count < 0 || len(name) > tallyNameMax {
			continue
		}
		if sum := t.sums[name] + count - o.counts[name]; sum == 0 {
			delete(t.sums, name)
		} else {
			t.sums[name] = sum
		}
		if count == 0 {
			delete(o.counts, name)
		} else {
			o.counts[name] = count
		}
		if t.change != nil {
			names = append(names, name)
		}
	}
	return names
}

// replace is take of all that a node has; mu is held.
func (t *tally) replace(o *tallied, counts map[string]int) []string {
	all := make(map[string]int, len(counts))
	for name := range o.counts {
		all[name] = 0
	}
	for name, count := range counts {
		all[name] = count
	}
	return t.take(o, &tallyCounts{Counts: all})
}

func (t *tally) report(names []string) {
	for _, name := range names {
		t.change(name)
	}
}

// catchUp asks a node for all it has.
func (t *tally) catchUp(ctx context.Context, id string) error {
	for {
		t.mu.Lock()
		o := t.others[id]
		if o == nil || !o.isBehind {
			t.mu.Unlock()
			return nil
		}
		generation := o.generation
		t.mu.Unlock()
		all := make(map[string]int)
		var first *tallyCounts
		for next := ""; ; {
			b, err := t.server.node.Ask(ctx, id, t.kind, []byte(next))
			if errors.Is(err, cluster.ErrUnknownKind) {
				b, err = []byte("{}"), nil // an older version, which counts nothing
			}
			if err != nil {
				return err
			}
			var page tallyCounts
			if err := json.Unmarshal(b, &page); err != nil {
				return err
			}
			for name, count := range page.Counts {
				all[name] = count
			}
			if first == nil {
				first = &page
			}
			if page.Next <= next {
				break
			}
			next = page.Next
		}
		t.mu.Lock()
		if t.others[id] != o || o.generation != generation {
			t.mu.Unlock()
			continue // something was missed meanwhile
		}
		names := t.replace(o, all)
		for i := range o.waiting {
			if c := &o.waiting[i]; c.Number > first.Number {
				names = append(names, t.take(o, c)...)
			}
		}
		o.isBehind, o.waiting = false, nil
		t.mu.Unlock()
		t.report(names)
		return nil
	}
}

// answer gives another node a page of what this one has, from a name on.
func (t *tally) answer(_ context.Context, _ string, from []byte) ([]byte, error) {
	t.mu.Lock()
	page := tallyCounts{Number: t.sent, Counts: make(map[string]int)}
	names := make([]string, 0, len(t.told))
	for name := range t.told {
		if name >= string(from) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	for i, name := range names {
		if i == tallyAnswerMax {
			page.Next = name
			break
		}
		page.Counts[name] = t.told[name]
	}
	t.mu.Unlock()
	return json.Marshal(&page)
}

// tallyAnswerMax is how many names a page of an answer has: with the longest, less than nodes
// answer at once.
const tallyAnswerMax = cluster.AnswerBytesMax / (8 * tallyNameMax)

// close ends it, and waits.
func (t *tally) close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil && t.timer.Stop() {
		t.tellers.Done()
	}
	t.mu.Unlock()
	t.tellers.Wait()
}
