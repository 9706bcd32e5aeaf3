// Package hub delivers publications to the sessions subscribed to a channel.
//
// A channel exists because it is used: nothing is declared beforehand, and a channel
// without publishers and subscribers holds no memory. Every
// publication has a Position in its channel, and a subscriber that names a
// position is given everything after it, then live publications, with no gap and no
// repeat between the two. Publications that can no longer be given are announced as a
// Gap, never left out silently.
//
// The hub performs no I/O and never waits for its Broker in a goroutine of its
// caller. Commands go into a Session, and pushes come out of it: publications, gaps
// and the outcomes of the commands, in order, in one bounded queue that an edge
// (WebSocket, Server-Sent Events, a long poll, a test) drains at its own pace.
// An edge that does not keep up slows no other: its queue is given back and it reads the
// history instead, until it is up to date again. Where publications
// are kept and how they reach other processes is the business of a Broker.
//
//	Publish ─→ Broker ──→ history ←─────────────┐ pages, while catching up
//	   ↑          ├─────→ Receive ─→ queue ─→ Take ─→ edge ─→ client
//	   │          └─────→ outcomes ──↗ └─→ wake ──↗            │
//	   └────────────────── commands ───────────────────────────┘
//
// A session can also ask: a Call of a method is answered by the program, see
// Hub.Handle, or by a session that has registered for it.
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
//	session.Subscribe(1, "chat", hub.SubscribeOptions{Last: 10})
//	for {
//		pushes, err = session.Take(pushes[:0])
//		for _, p := range pushes {
//			switch {
//			case p.Delivery != nil: // a publication: write it
//			case p.Gap != nil:      // some that cannot be had any more
//			case p.Behind != nil:   // publications do not come at present, or come again
//			case p.Outcome != nil:  // of a command: tag 1 has begun, or why not
//			case p.Call != nil:     // only for a session that has registered for methods
//			}
//		}
//		if err != nil {
//			return err // why the session ended
//		}
//		if len(pushes) == 0 {
//			wait for woken, or for the client, unless session.IsBusy()
//		}
//	}
package hub
