package relay

import (
	"sync"

	"github.com/godwit-io/godwit/hub"
)

// events are outcomes, deliveries and losses that have come from the other process and
// are to be told, in this order. Telling of one may ask for something.
type events struct {
	remote *remote

	mu      sync.Mutex // guards what follows
	waiting []event
	bytes   int // of the payloads in it
	ended   bool
	rouse   chan struct{} // capacity 1
}

// event is one of the three, as the frame says that it came in.
type event struct {
	kind       byte
	publishing publishing // framePublished
	published  hub.Published
	delivered  *hub.Publication // frameDeliver
	lost       string           // frameLost
}

func newEvents(m *remote) *events { return &events{remote: m, rouse: make(chan struct{}, 1)} }

// add puts an event behind the others. A delivery that does not fit any more becomes a
// loss.
func (q *events) add(e event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.kind == frameDeliver {
		if q.bytes > waitingBytesMax {
			e = event{kind: frameLost, lost: e.delivered.Channel}
		} else {
			q.bytes += len(e.delivered.Data)
		}
	}
	q.waiting = append(q.waiting, e)
	q.wake()
}

// end has the loop end when all was told.
func (q *events) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.wake()
}

func (q *events) wake() {
	select {
	case q.rouse <- struct{}{}:
	default: // it is awake
	}
}

// loop tells of events until end.
func (q *events) loop() {
	defer close(q.remote.done)
	var spare []event
	for range q.rouse {
		for {
			q.mu.Lock()
			some := q.waiting
			q.waiting, q.bytes = spare[:0], 0
			ended := q.ended
			q.mu.Unlock()
			for i := range some {
				q.tell(&some[i])
			}
			spare = some
			if len(some) > 0 {
				clear(some)
				continue
			}
			if ended {
				return
			}
			break
		}
	}
}

func (q *events) tell(e *event) {
	switch e.kind {
	case framePublished:
		e.publishing.to.Published(e.publishing.ticket, e.published)
	case frameDeliver:
		q.remote.receiver.Receive(e.delivered)
	case frameLost:
		q.remote.receiver.Lost(e.lost)
	}
}
