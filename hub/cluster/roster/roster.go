package roster

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
)

const (
	// keepFor is for how long the members elsewhere are kept after a request.
	keepFor = 30 * time.Second

	// patience is how long callers wait for nodes that do not answer.
	patience = 3 * time.Second

	// lingerFor is how long clients of a node that ends have to come back.
	lingerFor = 5 * time.Second

	// secretAge bounds the age of a list of members where no watcher is told of changes.
	secretAge = 2 * time.Second

	// countAge is how old a count may be.
	countAge = 2 * time.Second

	// checkInterval is how often a node that changes something all the time is asked
	// whether anything of it was missed.
	checkInterval = 10 * time.Second

	// missedDelay collects missed changes, so that they are asked for once.
	missedDelay = 100 * time.Millisecond

	// arriveFor is how long a change may take to arrive that a check has found.
	arriveFor = time.Second
)

// Node is what a Roster needs of a cluster.Node.
type Node interface {
	ID() string
	Peers() []cluster.Peer
	Watch(f func(cluster.Change)) (stop func())
	Handle(kind string, f cluster.Handler)
	HandleNote(f func(from string, note []byte))
	Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error)
	AskAll(ctx context.Context, kind string, data []byte) ([]cluster.Answer, error)
	Send(topic string, data []byte) error
	Subscribe(ctx context.Context, topic string, to hub.Hearer) (stop func(), err error)
}

// What nodes ask each other.
const (
	askPage  = "presence.page"
	askCheck = "presence.check"
	askCount = "presence.count"
)

// Roster tells other nodes of the members of a Hub, and the Hub of those of other nodes. It is a
// hub.Neighbours. All methods are safe for concurrent use.
type Roster struct {
	node    Node
	log     *slog.Logger
	mirror  *hub.Mirror
	tasks   *tasks
	plan    *plan
	lists   lists
	counts  counts
	traffic traffic
	asked   atomic.Int64 // when another node has asked something last, in nanoseconds of Unix time
	unwatch func()

	mu       sync.Mutex // guards what follows
	channels map[string]*channel
	peers    map[string]*peer
	isClosed bool
}

// peer is another node that is alive.
type peer struct {
	id string

	// Guarded by Roster.mu:

	number     uint64    // of its last change of all channels, as its heartbeats say
	checked    uint64    // up to which nothing was missed
	checkedAt  time.Time // when it was asked last
	loads      uint64    // how often members of it were loaded
	isChecking bool
	isDoubted  bool // it is to be asked, with any number in its beat
}

// Stats are counters since the Roster began, and gauges.
type Stats struct {
	Channels int // gauge: of which the members elsewhere are kept

	Sent    uint64 // changes that were told
	Heard   uint64 // changes of others that were applied
	Missed  uint64 // times that a change did not follow the one before it
	Loaded  uint64 // lists of the members of a node in a channel that were read
	Checked uint64 // times that a node was asked for missed changes
	Counted uint64 // counts that were asked for
}

type traffic struct{ sent, heard, missed, loaded, checked, counted atomic.Uint64 }

// New has a Hub and the nodes of its cluster share their members, until Close. It is called
// before the first session of the Hub. log is told errors that cannot be returned; nil for no
// log. It returns the errors of hub.Hub.Mirror.
func New(h *hub.Hub, node Node, log *slog.Logger) (*Roster, error) {
	if h == nil || node == nil {
		return nil, errors.New("roster: New needs a Hub and a Node")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Roster{node: node, log: log, channels: make(map[string]*channel), peers: make(map[string]*peer)}
	r.tasks, r.plan = newTasks(), newPlan()
	r.lists.sizes()
	r.counts.m = make(map[string]*count)
	var err error
	if r.mirror, err = h.Mirror(r); err != nil {
		r.plan.close()
		return nil, err
	}
	node.Handle(askPage, r.givePage)
	node.Handle(askCheck, r.giveCheck)
	node.Handle(askCount, r.giveCount)
	node.HandleNote(r.heardNote)
	r.unwatch = node.Watch(r.changed)
	return r, nil
}

// Close ends it: nothing more is told, and nothing that is heard is applied. It waits for
// tasks under way. The node must not be closed later than the Roster, so that the tasks
// that wait for it end.
func (r *Roster) Close() {
	r.mu.Lock()
	if r.isClosed {
		r.mu.Unlock()
		return
	}
	r.isClosed = true
	channels := r.channels
	r.channels = nil
	r.mu.Unlock()
	r.unwatch()
	r.node.HandleNote(nil)
	for _, kind := range []string{askPage, askCheck, askCount} {
		r.node.Handle(kind, nil)
	}
	r.plan.close()
	r.tasks.close()
	r.counts.end()
	for _, c := range channels {
		c.end()
	}
}

// Note is what the heartbeats of this node are to say, see cluster.Options.Note: the number of its
// last change. Without a Roster it is nil.
func (r *Roster) Note() []byte {
	if r == nil {
		return nil
	}
	return binary.AppendUvarint(nil, r.mirror.Number())
}

// Stats may be called at any time.
func (r *Roster) Stats() Stats {
	r.mu.Lock()
	n := len(r.channels)
	r.mu.Unlock()
	t := &r.traffic
	return Stats{
		Channels: n, Sent: t.sent.Load(), Heard: t.heard.Load(), Missed: t.missed.Load(),
		Loaded: t.loaded.Load(), Checked: t.checked.Load(), Counted: t.counted.Load(),
	}
}

// Changed implements hub.Neighbours.
func (r *Roster) Changed(m hub.MembersChange) {
	// A node that comes later asks. One that has come and is not known yet has asked already.
	if len(r.node.Peers()) == 0 && time.Since(time.Unix(0, r.asked.Load())) > keepFor {
		return
	}
	c := change{MembersChange: m, node: r.node.ID()}
	bytes := 0
	for i := range m.Joined {
		bytes += memberBytes(&m.Joined[i])
	}
	for _, list := range [][]string{m.Left, m.Moving} {
		for _, id := range list {
			bytes += len(id) + 2
		}
	}
	if bytes > pageBytes {
		c.Joined, c.Left, c.Moving, c.isTooBig = nil, nil, nil, true
	}
	if err := r.node.Send(topicOf(m.Channel), appendChange(nil, &c)); err != nil {
		r.log.Debug("cannot tell other nodes who is in a channel; they will ask", "channel", m.Channel, "error", err)
		return
	}
	r.traffic.sent.Add(1)
}

// Watch implements hub.Neighbours.
func (r *Roster) Watch(channel string) {
	if c := r.keep(channel); c != nil {
		c.mu.Lock()
		c.watching++
		c.mu.Unlock()
	}
}

// Unwatch implements hub.Neighbours.
func (r *Roster) Unwatch(channel string) {
	r.mu.Lock()
	c := r.channels[channel]
	r.mu.Unlock()
	if c != nil {
		c.mu.Lock()
		c.watching--
		c.askedAt = time.Now()
		c.expectEnd()
		c.mu.Unlock()
	}
}

// Complete implements hub.Neighbours.
func (r *Roster) Complete(channel string, isSecret bool, then func()) bool {
	c := r.keep(channel)
	if c == nil {
		return true // there is no node any more that would tell
	}
	return c.complete(isSecret, then)
}

// keep returns the channel, whose members elsewhere are kept from now on. It returns nil when the
// Roster is closed.
func (r *Roster) keep(name string) *channel {
	for {
		r.mu.Lock()
		if r.isClosed {
			r.mu.Unlock()
			return nil
		}
		c := r.channels[name]
		isNew := c == nil
		if isNew {
			c = newChannel(r, name)
			r.channels[c.name] = c
		}
		r.mu.Unlock()
		if c.touch() {
			if isNew {
				c.begin()
			}
			return c
		}
		// It has just been forgotten.
		r.mu.Lock()
		if r.channels[name] == c {
			delete(r.channels, name)
		}
		r.mu.Unlock()
	}
}

// kept are the channels that are kept.
func (r *Roster) kept() []*channel {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*channel, 0, len(r.channels))
	for _, c := range r.channels {
		list = append(list, c)
	}
	return list
}

// isAlive reports whether a node is.
func (r *Roster) isAlive(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[node] != nil
}

// changed is told what happens to peers.
func (r *Roster) changed(c cluster.Change) {
	id := c.Peer.ID
	switch c.Kind {
	case cluster.Joined:
		r.mu.Lock()
		r.peers[id] = &peer{id: id}
		r.mu.Unlock()
		r.doubt(id, 0)
	case cluster.Missed:
		r.doubt(id, missedDelay)
	case cluster.Left, cluster.Died:
		r.mu.Lock()
		delete(r.peers, id)
		r.mu.Unlock()
		for _, ch := range r.kept() {
			ch.lose(id, c.Kind == cluster.Left)
		}
	}
}
