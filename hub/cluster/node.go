package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// The topics of the bus.
const (
	topicAll   = "cluster"  // beats, goodbyes, told messages
	topicNode  = "cluster/" // and the ID: requests and answers
	topicOther = "topic/"   // and what the caller of Subscribe calls it
)

// TopicBytesMax is the longest topic of Subscribe and Send.
const TopicBytesMax = hub.BusTopicBytesMax - len(topicOther)

// DataBytesMax is the most that is told, or asked, in one message.
const DataBytesMax = hub.BusBytesMax - headBytesMax - 1

// Node is this process among the processes that use the same broker. All methods are
// safe for concurrent use.
type Node struct {
	bus     hub.BusBroker
	options Options
	id      string
	began   time.Time
	ctx     context.Context // ends when the node leaves
	cancel  context.CancelFunc
	loops   sync.WaitGroup
	kick    chan struct{} // the loop is to look for due acts
	begun   chan struct{} // closed when it may join
	begin   sync.Once
	joined  chan struct{} // closed when the others are known
	bye     chan struct{} // closed when the goodbye has come back
	events  events
	traffic traffic

	sending sync.Mutex // held while something is told or a beat sent, before mu: their numbers ascend
	told    uint64     // guarded by sending

	mu        sync.Mutex // guards what follows
	core      core
	state     State
	address   string
	token     string
	asks      map[uint64]*ask
	lastAsk   uint64
	handlers  map[string]Handler
	running   int // handlers
	waiting   []*message
	isLeaving bool // it has said goodbye
	isClosed  bool
}

// NewID returns a random ID for a node: each run of a program has another one. It has at most 10
// characters of A to Z and 2 to 7.
func NewID() string { return rand.Text()[:idBytesMax] }

// traffic counts messages.
type traffic struct {
	sent, received, malformed, unanswered atomic.Uint64
}

// Stats are counters since the node joined, and gauges.
type Stats struct {
	Peers      int           // others that are alive
	Lag        time.Duration // to the broker and back; while a beat is late, how late it is
	IsDeaf     bool          // this node does not hear itself: the broker is away
	Sent       uint64        // messages of the bus
	Received   uint64        // messages of the bus, this node's own left out
	Malformed  uint64        // of them that were none, or had no place here
	Asking     int           // requests without an answer
	Unanswered uint64        // requests that were given up
}

// Join makes this process a node among the users of the broker, and returns at once: it joins when
// the broker can be reached, see Joined. The node ends with Leave or Close, not with ctx, which
// only carries values. The error wraps a *hub.OptionError.
func Join(ctx context.Context, bus hub.BusBroker, opts *Options) (*Node, error) {
	o, err := opts.effective()
	if err != nil {
		return nil, err
	}
	if bus == nil {
		return nil, errors.New("cluster: Join needs a BusBroker")
	}
	n := &Node{
		bus: bus, options: o, id: o.ID, began: time.Now(),
		kick: make(chan struct{}, 1), begun: make(chan struct{}), joined: make(chan struct{}), bye: make(chan struct{}),
		state: o.State, address: o.Address, token: o.Token,
		asks: make(map[uint64]*ask), handlers: make(map[string]Handler),
	}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.core = newCore(n.id, n.began)
	n.events.init(o.ToldBytesMax, o.Log)
	if !o.Waits {
		n.Begin()
	}
	n.loops.Go(n.loop)
	n.loops.Go(func() { n.events.loop(n.ctx.Done()) })
	return n, nil
}

// Begin has a node join for which Options.Waits was set.
func (n *Node) Begin() { n.begin.Do(func() { close(n.begun) }) }

// ID is Options.ID.
func (n *Node) ID() string { return n.id }

// Joined is closed when this node has heard itself, and the others had a second to say that
// they are there: so Peers is complete, as far as anybody can know.
func (n *Node) Joined() <-chan struct{} { return n.joined }

// Peers returns the other nodes that are alive, by ID. While this node cannot hear, see
// Stats.IsDeaf, it returns those that were alive before. The caller owns the slice.
func (n *Node) Peers() []Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	peers := make([]Peer, 0, len(n.core.peers))
	for _, p := range n.core.sorted() {
		peers = append(peers, p.Peer)
	}
	return peers
}

// Peer returns another node that is alive.
func (n *Node) Peer(id string) (Peer, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.core.peers[id]; ok {
		return p.Peer, true
	}
	return Peer{}, false
}

// Self is this node as others see it.
func (n *Node) Self() Peer {
	load := n.options.Load()
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	return Peer{
		ID: n.id, Name: n.options.Name, Version: n.options.Version, Newest: ProtocolNewest, Oldest: ProtocolOldest,
		Address: n.address, Token: n.token, State: n.state, Load: load, Began: n.began, Heard: now, Lag: n.core.lagNow(now),
	}
}

// SetState tells the others at once what this node is doing.
func (n *Node) SetState(s State) { n.alter(func() { n.state = State(cut(string(s))) }) }

// SetAddress tells the others where this node takes requests that belong to it, and with what token.
// Texts longer than 255 bytes are cut, so they do not work.
func (n *Node) SetAddress(address, token string) {
	n.alter(func() { n.address, n.token = cut(address), cut(token) })
}

func (n *Node) alter(change func()) {
	n.mu.Lock()
	change()
	n.core.nextBeat = time.Now()
	n.mu.Unlock()
	n.look()
}

// Stats may be called at any time.
func (n *Node) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Stats{
		Peers: len(n.core.peers), Lag: n.core.lagNow(time.Now()), IsDeaf: n.core.isDeaf,
		Sent: n.traffic.sent.Load(), Received: n.traffic.received.Load(), Malformed: n.traffic.malformed.Load(),
		Asking: len(n.asks), Unanswered: n.traffic.unanswered.Load(),
	}
}

// Watch has f called with everything that changes, and first with Joined for every peer that is
// alive, until stop is called. Of one node, watchers and what HandleTold has set are called one
// at a time and in the order of what happened; they return soon, as the others wait meanwhile.
//
// Code that keeps the messages told by peers asks a peer for all of them when it has Joined, or
// was Missed.
func (n *Node) Watch(f func(Change)) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flush()
	first := make([]Change, 0, len(n.core.peers))
	for _, p := range n.core.sorted() {
		first = append(first, Change{Joined, p.Peer})
	}
	return n.events.watch(f, first)
}

// Leave says goodbye and ends this node. Its open requests are answered with ErrClosed. It
// waits until the broker has the goodbye, as long as ctx allows, and then for handlers that
// run, whose contexts have ended.
func (n *Node) Leave(ctx context.Context) error {
	n.sending.Lock() // no beat comes after the goodbye
	n.mu.Lock()
	isHeard := !n.core.isDeaf && !n.isClosed && !n.isLeaving
	n.isLeaving = true
	n.mu.Unlock()
	err := n.send(&message{Type: typeBye}, topicAll)
	n.sending.Unlock()
	if err == nil && isHeard {
		patience := time.NewTimer(settleAfter)
		defer patience.Stop()
		select {
		case <-n.bye:
		case <-patience.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	n.Close()
	return err
}

// Close ends this node without a word, as when its process ends: the others declare it dead. Neither
// it nor Leave may be called by a handler or a watcher.
func (n *Node) Close() {
	n.mu.Lock()
	n.isClosed = true
	n.waiting = nil
	for _, a := range n.asks {
		for id := range a.pending {
			a.end(id, ErrClosed)
		}
	}
	n.mu.Unlock()
	n.cancel()
	n.loops.Wait()
}

// look wakes the loop for acts that are due.
func (n *Node) look() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// send sends a message that needs no number of a told message.
func (n *Node) send(m *message, topic string) error {
	m.Version, m.From = ProtocolNewest, n.id
	data, err := appendMessage(nil, m)
	if err != nil {
		return err
	}
	if err := n.bus.Send(topic, data); err != nil {
		return err
	}
	n.traffic.sent.Add(1)
	return nil
}

// Send sends data to all subscribers of topic, here too, see hub.BusBroker. Nothing
// is added to it. The node keeps data; the caller must not modify it afterwards.
func (n *Node) Send(topic string, data []byte) error {
	err := n.bus.Send(topicOther+topic, data)
	if err == nil {
		n.traffic.sent.Add(1)
	}
	return err
}

// Subscribe gives to the messages sent to topic from then on, until stop is called, see
// hub.BusBroker.Hear.
func (n *Node) Subscribe(ctx context.Context, topic string, to hub.Hearer) (stop func(), err error) {
	return n.bus.Hear(ctx, topicOther+topic, to)
}

// Tell gives data of a kind to every other node, which handles it if it has HandleTold for
// it. What one node tells, the others handle in this order and at most once; when something
// was lost, their watchers are told Missed. It returns at once, with ErrTooLong or an error
// of the broker. data may not be changed afterwards.
func (n *Node) Tell(kind string, data []byte) error {
	if len(data) > DataBytesMax || len(kind) > textBytesMax {
		return ErrTooLong
	}
	if kind == "" {
		return ErrUnknownKind
	}
	n.sending.Lock()
	defer n.sending.Unlock()
	err := n.send(&message{Type: typeTold, Kind: kind, Number: n.told + 1, data: data}, topicAll)
	if err == nil {
		n.told++
	}
	return err
}

// HandleTold has f called with what others tell of a kind, see Watch; nil ends it. f may keep
// data and must not modify it.
func (n *Node) HandleTold(kind string, f func(from string, data []byte)) { n.events.handle(kind, f) }

// HandleNote has f called with the note of every beat of another node that has one, see Options.Note and
// Watch; nil ends it. Unlike told messages, a note comes again and again.
func (n *Node) HandleNote(f func(from string, note []byte)) { n.events.handle("", f) }
