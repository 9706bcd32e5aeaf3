package cluster

import (
	"errors"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// hearAgainAfter is how long after a failure the node tries again to hear.
const hearAgainAfter = time.Second

// loop hears, and then performs the acts that are due until the node ends.
func (n *Node) loop() {
	select {
	case <-n.begun:
	case <-n.ctx.Done():
		return
	}
	for _, topic := range []string{topicNode + n.id, topicAll} {
		stop := n.hear(topic)
		if stop == nil {
			return
		}
		defer stop()
	}
	timer := time.NewTimer(beatInterval)
	defer timer.Stop()
	for {
		timer.Reset(max(time.Until(n.due()), time.Nanosecond))
		select {
		case <-n.ctx.Done():
			return
		case <-timer.C:
		case <-n.kick:
		}
	}
}

// hear hears a topic, however long it takes until the broker can be reached. It returns nil when the
// node or the broker is closed.
func (n *Node) hear(topic string) (stop func()) {
	told := false
	for {
		stop, err := n.bus.Hear(n.ctx, topic, (*hearer)(n))
		if err == nil {
			return stop
		}
		if errors.Is(err, hub.ErrClosed) || n.ctx.Err() != nil {
			return nil
		}
		if !told {
			n.options.Log.Warn("cannot hear other nodes, and tries again", "error", err)
			told = true
		}
		again := time.NewTimer(hearAgainAfter)
		select {
		case <-n.ctx.Done():
			again.Stop()
			return nil
		case <-again.C:
		}
	}
}

// due performs the acts that are due, and returns the time of the next.
func (n *Node) due() time.Time {
	n.mu.Lock()
	now := time.Now()
	beats := n.core.tick(now)
	n.failDead()
	n.flush()
	next := n.core.deadline()
	if first := n.core.first; !first.IsZero() {
		select {
		case <-n.joined:
		default:
			if settled := first.Add(settleAfter); now.Before(settled) {
				if settled.Before(next) {
					next = settled
				}
			} else {
				close(n.joined)
			}
		}
	}
	n.mu.Unlock()
	if beats {
		n.beat()
	}
	return next
}

// beat sends a beat.
func (n *Node) beat() {
	n.sending.Lock()
	defer n.sending.Unlock()
	load, note := n.options.Load(), n.options.Note()
	if len(note) > noteBytesMax {
		note = nil
	}
	n.mu.Lock()
	if n.isLeaving {
		n.mu.Unlock()
		return
	}
	now := time.Now()
	b := &beat{
		Number: n.core.beats, Asks: n.core.wants,
		Name: n.options.Name, Program: n.options.Version, Newest: ProtocolNewest, Oldest: ProtocolOldest,
		Address: n.address, Token: n.token, State: n.state,
		Age: now.Sub(n.began), Lag: n.core.lagNow(now), Load: load, Note: note,
	}
	n.core.wants = false
	n.mu.Unlock()
	if err := n.send(&message{Type: typeBeat, Number: n.told, Beat: b}, topicAll); err != nil && !errors.Is(err, hub.ErrClosed) {
		n.options.Log.Warn("cannot tell other nodes that this one is there", "error", err)
	}
}

// flush hands on the changes; mu is held.
func (n *Node) flush() {
	for _, c := range n.core.takeChanges() {
		n.events.add(event{change: c})
	}
}

// hearer is the Node as the bus sees it.
type hearer Node

// Missed implements hub.Hearer.
func (h *hearer) Missed() {
	n := (*Node)(h)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isClosed {
		return
	}
	n.core.missed(time.Now())
	n.flush()
	n.look()
}

// Heard implements hub.Hearer.
func (h *hearer) Heard(data []byte) {
	n := (*Node)(h)
	m, err := parseMessage(data)
	if err != nil {
		n.traffic.received.Add(1)
		n.traffic.malformed.Add(1)
		return
	}
	if m.From != n.id {
		n.traffic.received.Add(1)
	}
	if m.Version > ProtocolNewest && m.Type != typeBeat && m.Type != typeBye {
		return // it is for nodes that understand it
	}
	switch m.Type {
	case typeAsk:
		if m.From != n.id {
			n.takeAsk(m)
		}
		return
	case typeAnswer:
		n.takeAnswer(m)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isClosed {
		return
	}
	now := time.Now()
	switch {
	case m.From == n.id:
		switch m.Type {
		case typeBeat:
			n.core.hearSelf(m.Beat.Number, now)
		case typeBye:
			select {
			case <-n.bye:
			default:
				close(n.bye)
			}
		}
	case m.Type == typeBeat:
		n.core.hear(m.From, m.Number, m.Beat, now)
		if note := m.Beat.Note; len(note) > 0 && n.core.peers[m.From] != nil {
			n.flush() // it comes after Joined
			n.events.add(event{from: m.From, data: note})
		}
	case m.Type == typeBye:
		n.core.hearBye(m.From)
		n.failDead()
	case m.Type == typeTold:
		isNew := n.core.hearTold(m.From, m.Number)
		n.flush()
		if isNew {
			n.events.add(event{from: m.From, kind: m.Kind, data: m.data})
		}
	}
	n.flush()
	n.look()
}

// refuse answers a request with an error; mu is held. The bus calls it, so it does not send by itself.
func (n *Node) refuse(m *message, err error) {
	n.loops.Go(func() { n.answer(m, nil, err) })
}
