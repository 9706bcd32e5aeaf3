package cluster

import (
	"context"
	"errors"
	"time"
)

// AnswerBytesMax is the longest answer. It travels in as many messages as it takes.
const AnswerBytesMax = 16 << 20

// Answer is what a node has answered to AskAll, or Err why it did not: one of the errors
// of this package, or that of the context.
type Answer struct {
	Peer Peer
	Data []byte
	Err  error
}

// ask is a request without an answer.
type ask struct {
	pending map[string]*answer // by node; answers that have not come
	done    chan struct{}      // closed when there is none
}

// answer is what a node has answered so far.
type answer struct {
	parts int
	data  []byte
	err   error
	ended bool
}

// end ends the answer of a node; the node's mu is held.
func (a *ask) end(from string, err error) {
	if one := a.pending[from]; one != nil && !one.ended {
		one.err, one.ended = err, true
		a.check()
	}
}

// check closes done when all nodes have answered; the node's mu is held.
func (a *ask) check() {
	for _, one := range a.pending {
		if !one.ended {
			return
		}
	}
	select {
	case <-a.done:
	default:
		close(a.done)
	}
}

// Ask asks another node, whose handler of this kind answers. It waits for the answer until ctx
// is done, or for Options.AskTimeout if ctx has no deadline, and returns ErrUnanswered then. When the other node leaves
// or dies, it returns ErrUnknownNode. The caller owns the answer.
func (n *Node) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	answers, err := n.ask(ctx, kind, data, node)
	if err != nil {
		return nil, err
	}
	return answers[0].Data, answers[0].Err
}

// AskAll asks all other nodes that are alive at once, and returns what each has answered, or why it
// did not, by ID: see Ask. The error is about all of them: ErrTooLong, ErrBusy, ErrClosed or one of the broker.
func (n *Node) AskAll(ctx context.Context, kind string, data []byte) ([]Answer, error) {
	return n.ask(ctx, kind, data, "")
}

// ask asks a node, or all.
func (n *Node) ask(ctx context.Context, kind string, data []byte, node string) ([]Answer, error) {
	if len(data) > DataBytesMax || len(kind) > textBytesMax {
		return nil, ErrTooLong
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.options.AskTimeout)
		defer cancel()
		deadline, _ = ctx.Deadline()
	}

	n.mu.Lock()
	var peers []Peer
	for _, p := range n.core.sorted() {
		if node == "" || p.ID == node {
			peers = append(peers, p.Peer)
		}
	}
	switch {
	case n.isClosed:
		n.mu.Unlock()
		return nil, ErrClosed
	case node != "" && len(peers) == 0:
		n.mu.Unlock()
		return nil, ErrUnknownNode
	case len(n.asks) >= n.options.AsksMax:
		n.mu.Unlock()
		return nil, ErrBusy
	}
	n.lastAsk++
	number := n.lastAsk
	a := &ask{pending: make(map[string]*answer, len(peers)), done: make(chan struct{})}
	for _, p := range peers {
		a.pending[p.ID] = &answer{}
		if !p.understands(ProtocolNewest, ProtocolOldest) {
			a.end(p.ID, ErrProtocol)
		}
	}
	a.check()
	n.asks[number] = a
	n.mu.Unlock()

	topic := topicAll // one message for all
	if node != "" {
		topic = topicNode + node
	}
	var err error
	select {
	case <-a.done:
	default:
		if err = n.send(&message{Type: typeAsk, Kind: kind, Number: number, Wait: time.Until(deadline), data: data}, topic); err == nil {
			select {
			case <-a.done:
			case <-ctx.Done():
			}
		}
	}
	n.mu.Lock()
	delete(n.asks, number)
	unanswered := ErrUnanswered
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		unanswered = cause
	}
	answers := make([]Answer, len(peers))
	for i, p := range peers {
		one := a.pending[p.ID]
		if !one.ended {
			n.traffic.unanswered.Add(1)
			one.err = unanswered
		}
		if answers[i] = (Answer{Peer: p, Err: one.err}); one.err == nil {
			answers[i].Data = one.data
		}
	}
	n.mu.Unlock()
	return answers, err
}

// takeAnswer takes a part of an answer.
func (n *Node) takeAnswer(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.asks[m.Number]
	if a == nil {
		return // it comes too late
	}
	one := a.pending[m.From]
	switch {
	case one == nil || one.ended:
	case m.Error != "" || m.Reason != "":
		a.end(m.From, errorOf(m))
	case m.Part != one.parts:
		a.end(m.From, ErrLost)
	case len(one.data)+len(m.data) > AnswerBytesMax:
		a.end(m.From, ErrTooLong)
	default:
		one.parts++
		one.data = append(one.data, m.data...)
		if !m.More {
			a.end(m.From, nil)
		}
	}
}

// failDead fails the requests to nodes that are gone; mu is held.
func (n *Node) failDead() {
	for _, a := range n.asks {
		for id := range a.pending {
			if n.core.peers[id] == nil {
				a.end(id, ErrUnknownNode)
			}
		}
	}
}
