package cluster

import (
	"context"
	"fmt"
	"runtime/debug"
)

// Handler answers the requests of other nodes. ctx ends when the other node waits no more, or
// this one leaves. The answer may have AnswerBytesMax, and is the Node's then. Of an error
// the other node is told the text, see RemoteError.
type Handler func(ctx context.Context, from string, data []byte) ([]byte, error)

// Handle has f answer what other nodes ask of a kind; nil ends it. It is called from
// several goroutines. f may keep data and must not modify it.
func (n *Node) Handle(kind string, f Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f == nil {
		delete(n.handlers, kind)
		return
	}
	n.handlers[kind] = f
}

// takeAsk has a request answered, now or when another handler is through.
func (n *Node) takeAsk(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.isClosed:
	case n.running < n.options.HandlersMax:
		n.running++
		n.loops.Go(func() { n.handleAll(m) })
	case len(n.waiting)/waitingPerHandler < n.options.HandlersMax:
		n.waiting = append(n.waiting, m)
	default:
		n.refuse(m, ErrBusy)
	}
}

// handleAll answers a request, and then others that wait.
func (n *Node) handleAll(m *message) {
	for m != nil {
		n.handle(m)
		n.mu.Lock()
		m = nil
		if len(n.waiting) > 0 {
			m, n.waiting = n.waiting[0], n.waiting[1:]
		} else {
			n.running--
		}
		n.mu.Unlock()
	}
}

// handle answers a request.
func (n *Node) handle(m *message) {
	ctx, cancel := context.WithTimeout(n.ctx, min(m.Wait, waitMax))
	defer cancel()
	n.mu.Lock()
	f := n.handlers[m.Kind]
	n.mu.Unlock()
	if f == nil {
		n.answer(m, nil, ErrUnknownKind)
		return
	}
	data, err := func() (data []byte, err error) {
		defer func() {
			if r := recover(); r != nil {
				n.options.Log.Error("a handler of what other nodes ask panicked", "kind", m.Kind, "panic", r, "stack", string(debug.Stack()))
				err = fmt.Errorf("the handler panicked")
			}
		}()
		return f(ctx, m.From, m.data)
	}()
	n.answer(m, data, err)
}

// answer sends an answer, in parts.
func (n *Node) answer(m *message, data []byte, err error) {
	a := &message{Type: typeAnswer, Number: m.Number}
	if len(data) > AnswerBytesMax {
		err = ErrTooLong
	}
	if err != nil {
		a.Error, a.Reason = cut(err.Error()), reasonOf(err)
		if a.Error == "" {
			a.Error = "no reason was given"
		}
		data = nil
	}
	for {
		part := data[:min(len(data), DataBytesMax)]
		data = data[len(part):]
		a.data, a.More = part, len(data) > 0
		if err := n.send(a, topicNode+m.From); err != nil {
			n.options.Log.Warn("cannot answer another node", "kind", m.Kind, "node", m.From, "error", err)
			return
		}
		if !a.More {
			return
		}
		a.Part++
	}
}
