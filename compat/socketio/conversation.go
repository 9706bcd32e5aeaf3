package socketio

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/transport"
)

// conversation is a client in one namespace: its dialect, bound to the hub by a carrier,
// and this the Messenger that brings its frames to the session of Engine.IO that all
// namespaces of the client share.
type conversation struct {
	client    *client
	namespace namespace
	carrier   *transport.MessageCarrier // nil until what it goes on with has been found
	token     string                    // that the client shows for this namespace
	isWoken   atomic.Bool
	isWanted  atomic.Bool // by another connection of the same client, which goes on with it
	isClosing bool        // Close was called
	code      uint16
	reason    string

	mu     sync.Mutex          // guards what follows
	inbox  []func(isOver bool) // what was answered, to be done in turn
	isOver bool                // the conversation
}

// WriteFrames implements transport.Messenger.
func (c *conversation) WriteFrames(frames ...[]byte) error {
	return c.client.socket.WritePackets(frames...)
}

// Buffered implements transport.Messenger.
func (c *conversation) Buffered() int { return c.client.socket.Buffered() }

// Close implements transport.Messenger. What it leads to is done when the call of the
// carrier has returned.
func (c *conversation) Close(code uint16, reason string) {
	c.isClosing, c.code, c.reason = true, code, reason
}

// Wake implements transport.Messenger.
func (c *conversation) Wake() {
	if !c.isWoken.Swap(true) {
		c.client.socket.Wake()
	}
}

// WakeAt implements transport.Messenger: the dialect has no deadlines.
func (c *conversation) WakeAt(time.Time) {}

// yield has the conversation let go of its record soon.
func (c *conversation) yield() {
	c.isWanted.Store(true)
	c.Wake()
}

// later has f called in turn with what else is called for the client, or at once if the
// conversation is over.
func (c *conversation) later(f func(isOver bool)) {
	c.mu.Lock()
	isOver := c.isOver
	if !isOver {
		c.inbox = append(c.inbox, f)
	}
	c.mu.Unlock()
	if isOver {
		f(true)
	} else {
		c.Wake()
	}
}

// close ends the conversation for later, and returns the functions still to be called.
func (c *conversation) close() (inbox []func(isOver bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isOver = true
	inbox, c.inbox = c.inbox, nil
	return inbox
}

// tell gives the dialect an input.
func (c *conversation) tell(in input) {
	if c.carrier == nil || c.carrier.HasEnded() {
		return
	}
	c.namespace.in = in
	c.carrier.OnMessage(false, nil)
}

// wake does the work that was put off.
func (c *conversation) wake() {
	if !c.isWoken.Swap(false) {
		return
	}
	c.mu.Lock()
	inbox := c.inbox
	c.inbox = nil
	c.mu.Unlock()
	for _, f := range inbox {
		f(false)
	}
	if c.carrier != nil {
		c.carrier.OnWake()
	}
}

// begin begins the conversation, which goes on with a record if that is not nil.
func (c *conversation) begin(r *record, offset string) {
	n := &c.namespace
	if r != nil {
		if positions, ok := r.at(offset); ok {
			n.recovery = &recovering{record: r, positions: positions}
			n.restores, n.owner = r.session, r.client
		}
	}
	t := c.client.server.channels
	c.carrier = t.NewMessageCarrier(c, c.client.visit, c.token, n, nil)
	c.carrier.OnOpen()
}
