package engine

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine/internal/poller"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/internal/wsproto"
)

// napping is a poller that notes how long it is asked to sleep, and does not.
type napping struct {
	poller.Parked
	naps   []time.Duration
	brings int // so many of them bring an event
	event  bool

	endless bool // there is always one
}

func (n *napping) Pause(d time.Duration) {
	n.naps = append(n.naps, d)
	n.event = len(n.naps) <= n.brings
}

func (n *napping) Wait(events []poller.Event, _ time.Duration) int {
	if !n.event && !n.endless {
		return 0
	}
	n.event = false
	events[0] = poller.Event{Key: -1}
	return 1
}

// delivering is a loop that sends messages in so many system calls a turn, after
// deliveries of which turn says how long ago they were and how long they took.
type delivering struct {
	loop           loop
	poll           napping
	messages, sent uint64
}

func newDelivering(messages, sent uint64) *delivering {
	d := &delivering{messages: messages, sent: sent}
	d.loop.origin = time.Now()
	d.loop.poll = &d.poll
	return d
}

func (d *delivering) turn(took, ago time.Duration) {
	d.loop.now = d.loop.clock()
	d.loop.gathering.took = wsproto.Time(took)
	d.loop.gathering.ended = d.loop.now - wsproto.Time(ago)
	d.loop.tasks = append(d.loop.tasks, func() {
		d.loop.tally.MessagesOut += d.messages
		d.loop.tally.sends += d.sent
	})
	d.loop.deliver(true)
}

func TestLingersOnlyBetweenDeliveriesThatFollowEachOther(t *testing.T) {
	tests := []struct {
		name      string
		took, ago time.Duration
		naps      int
	}{
		{"the first ever", 0, 0, 0},
		{"short ones", lingerMin - 1, 0, 0},
		{"close ones", 50 * time.Microsecond, 40 * time.Microsecond, 1},
		{"long ones", 20 * time.Millisecond, 0, 1},
		{"the last was a while ago", 50 * time.Microsecond, 51 * time.Microsecond, 0},
		{"the last was long ago", 50 * time.Microsecond, time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDelivering(20, 10)
			d.turn(tt.took, tt.ago)
			if len(d.poll.naps) != tt.naps {
				t.Fatalf("it slept %v", d.poll.naps)
			}
			for _, nap := range d.poll.naps {
				if nap > min(2*tt.took, napMax) {
					t.Errorf("it slept for %v before deliveries that take %v", nap, tt.took)
				}
			}
		})
	}
}

func TestLingersAsLongAsItIsWorthIt(t *testing.T) {
	const turns = 256
	tests := []struct {
		name           string
		messages, sent uint64
		min, max       int
	}{
		{"ten messages for each receiver", 100, 10, turns, turns},
		{"two", 20, 10, turns, turns},
		{"everybody talks to somebody else", 10, 10, 1, 10},
		{"nothing can be sent", 0, 10, 1, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDelivering(tt.messages, tt.sent)
			for range turns {
				d.turn(50*time.Microsecond, 0)
			}
			if n := len(d.poll.naps); n < tt.min || n > tt.max {
				t.Errorf("it slept before %d of %d deliveries, want %d to %d", n, turns, tt.min, tt.max)
			}
		})
	}
}

// A burst is delivered before there is more of it than receivers have room for.
func TestEnoughIsDelivered(t *testing.T) {
	for _, tt := range []struct{ heard, want uint64 }{
		{0, gatherMessages}, {gatherMessages - 1, gatherMessages}, {gatherMessages, gatherMessages}, {10 * gatherMessages, 10 * gatherMessages},
	} {
		d := newDelivering(20, 10)
		heard := &d.loop.tally.MessagesIn
		*heard = 7 + tt.heard
		d.loop.gathering.heard = 7
		d.poll.endless = true
		d.loop.listeners = []*acceptor{{}}
		d.loop.system = &socket.Calls{Accept: func(int32) (int32, socket.Address, error) {
			*heard++ // as if it were a message
			return -1, socket.Address{}, socket.ErrAgain
		}}
		d.turn(time.Millisecond, 0)
		if got := *heard - 7; got != tt.want {
			t.Errorf("%d messages, then %d, want %d", tt.heard, got, tt.want)
		}
		if slept := len(d.poll.naps) > 0; slept != (tt.heard < gatherMessages) {
			t.Errorf("with %d messages: it slept %v", tt.heard, d.poll.naps)
		}
	}
}

// It goes on sleeping while each nap brings something, and not for ever.
func TestLingersWhileThereIsMore(t *testing.T) {
	for _, brings := range []int{0, 1, 3, 1 << 30} {
		d := newDelivering(20, 10)
		d.loop.listeners = []*acceptor{{}} // what is found is a listener that nobody comes to
		d.loop.system = &socket.Calls{Accept: func(int32) (int32, socket.Address, error) { return -1, socket.Address{}, socket.ErrAgain }}
		d.poll.brings = brings
		began := time.Now()
		d.turn(time.Millisecond, 0)
		if d.loop.tally.Busy >= 0 {
			t.Error("naps count as busy")
		}
		if took, n := time.Since(began), len(d.poll.naps); n > brings+1 || n < 1 || took < lingerMax && n < brings+1 {
			t.Errorf("it slept %d times, in %v; %d of them brought something", n, took, brings)
		}
	}
}
