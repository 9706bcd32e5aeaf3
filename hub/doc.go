// Package hub delivers publications to the sessions subscribed to a channel.
//
// A channel exists because somebody uses it: nothing is declared beforehand,
// and a channel nobody publishes to or listens on holds no memory. Every
// publication has a Position in its channel, and a subscriber that names a
// position is given everything after it, then what happens live, with no gap
// and no repeat between the two. What can no longer be given is announced as a
// Gap, never left out silently.
//
// The hub performs no I/O. A Session is a bounded queue of pushes that an edge
// (WebSocket, Server-Sent Events, a long poll, a test) drains at its own pace.
// An edge that does not keep up slows nobody: its queue is given back and it
// reads the history instead, until it is up to date again. Where publications
// are kept and how they reach other processes is the business of a Broker.
//
//	Publish ─→ Broker ──→ history ←─────────────┐ pages, while catching up
//	              └─────→ Receive ─→ queue ─→ Take ─→ edge ─→ client
//	                                   └─→ wake ──↗
//
// An edge looks like this:
//
//	woken := make(chan struct{}, 1)
//	session, err := h.Connect("sse", func() {
//		select {
//		case woken <- struct{}{}:
//		default:
//		}
//	})
//	…
//	defer session.Close()
//	for {
//		pushes, err = session.Take(ctx, pushes[:0])
//		write(pushes)
//		if err != nil {
//			return err
//		}
//		if len(pushes) == 0 {
//			wait for woken or ctx
//		}
//	}
package hub
