package natsbroker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// told counts the outcomes of publications, by ticket.
type told struct {
	t      *testing.T
	counts []int
}

func (o *told) Published(ticket uint64, _ hub.Published) {
	if o.counts[ticket]++; o.counts[ticket] > 1 {
		o.t.Errorf("publication %d has %d outcomes", ticket, o.counts[ticket])
	}
}

// ringOf is a ring that sends, of a broker that does nothing else.
func ringOf(t *testing.T) (*ring, *told) {
	b := &Broker{}
	b.options.PublishTimeout, b.options.PendingMax, b.options.PendingBytesMax = time.Minute, 10_000, 1<<20
	b.stage.Store(stageOpen)
	b.ring.init(b)
	b.ring.resume()
	return &b.ring, &told{t: t}
}

func (o *told) push(r *ring, since time.Time, channel string) {
	o.counts = append(o.counts, 0)
	if err := r.push(&entry{m: hub.Message{Channel: channel, Data: []byte("x")}, to: o, ticket: uint64(len(o.counts) - 1), since: since}); err != nil {
		o.t.Fatal(err)
	}
}

// Publications that were answered before the oldest one are over, whatever ends the oldest.
func TestRingEndsInAnyOrder(t *testing.T) {
	now := time.Now()
	for name, end := range map[string]func(r *ring){
		"closed": (*ring).close,
		"swept":  func(r *ring) { r.sweep(now.Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			r, outcomes := ringOf(t)
			for range 4 {
				outcomes.push(r, now, "c")
			}
			r.take(nil)
			give([]outcome{answered(t, r, 1, 1), answered(t, r, 2, 2)})
			end(r)
			for ticket, n := range outcomes.counts {
				if n != 1 {
					t.Errorf("publication %d has %d outcomes", ticket, n)
				}
			}
		})
	}
}

// A publication that is still being stored when it is sent again keeps its number, of which
// its ID is made, and its place: behind others it would be a second one.
func TestRingIsBusyWithItself(t *testing.T) {
	r, outcomes := ringOf(t)
	now := time.Now()
	sent := func(want ...uint64) {
		t.Helper()
		var numbers []uint64
		if r.next != r.tail { // else take waits
			for _, s := range r.take(nil) {
				numbers = append(numbers, s.number)
			}
		}
		if !slices.Equal(numbers, want) {
			t.Fatalf("publications %v are sent, want %v", numbers, want)
		}
	}
	busy := func(number uint64) {
		t.Helper()
		_, ok, strange := r.answer(number, ack{err: &apiError{ErrCode: codeDuplicateBusy}}, &era{epoch: "e"})
		if ok || !strange {
			t.Fatalf("that publication %d is being stored is its outcome: %v, strange: %v", number, ok, strange)
		}
	}
	for range 2 {
		outcomes.push(r, now, "c")
	}
	sent(0, 1)
	r.resume()
	sent(0, 1)
	busy(0)
	r.resume()
	sent(0, 1) // in order
	busy(0)
	give([]outcome{answered(t, r, 1, 1)})
	r.resume() // behind the other one it would be out of order
	sent()
	if outcomes.counts[0] != 1 {
		t.Error("the first one has no outcome")
	}
}

// answered answers a publication.
func answered(t *testing.T, r *ring, number, seq uint64) outcome {
	t.Helper()
	o, ok, strange := r.answer(number, ack{seq: seq}, &era{epoch: "e"})
	if !ok || strange {
		t.Fatalf("the answer to %d is taken: %v, strange: %v", number, ok, strange)
	}
	return o
}

// Whatever happens in whatever order, each publication has one outcome.
func TestRingAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		r, outcomes := ringOf(t)
		now, seq, sent := time.Now(), uint64(0), []uint64(nil)
		for range 300 {
			switch random.IntN(12) {
			case 0:
				r.stall()
			case 1:
				r.resume()
			case 2:
				now = now.Add(time.Duration(random.IntN(20)) * time.Second)
				r.sweep(now)
			case 3, 4, 5, 6:
				outcomes.push(r, now, fmt.Sprint("c", random.IntN(3)))
			case 7, 8:
				if !r.stalled && r.next != r.tail {
					for _, s := range r.take(nil) {
						sent = append(sent, s.number)
					}
				}
			default:
				if len(sent) == 0 {
					continue
				}
				a := ack{seq: seq + 1, duplicate: random.IntN(8) == 0}
				if random.IntN(8) == 0 {
					a.err = &apiError{ErrCode: codeDuplicateBusy}
				}
				seq++
				if o, ok, _ := r.answer(sent[random.IntN(len(sent))], a, &era{epoch: "e"}); ok {
					o.to.Published(o.ticket, o.p)
				}
			}
		}
		r.close()
		for ticket, n := range outcomes.counts {
			if n != 1 {
				t.Errorf("seed %d: publication %d has %d outcomes", seed, ticket, n)
			}
		}
		if t.Failed() {
			return
		}
	}
}
