package redisbroker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// bus carries messages from node to node. A topic is in a partition like a channel: in a
// cluster one server has it, whatever node asks.
type bus struct {
	mu     sync.Mutex // guards what follows; taken before that of backend
	topics map[string]*busTopic

	sending sync.Mutex // guards what follows
	out     []busMessage
	bytes   int
	wake    chan struct{}
}

type busMessage struct {
	topic string
	data  []byte
}

// busTopic is a topic that is heard. A worker delivers its messages, to one Hearer after the
// other.
type busTopic struct {
	mu      sync.Mutex // guards what follows
	hearers []*hearer
	pending [][]byte
	missed  bool
	busy    bool
}

type hearer struct{ to hub.Hearer }

const (
	busBytesMax   = 32 << 20 // that wait to be sent
	busPendingMax = 1 << 14  // messages of a topic that wait for its hearers
	busBatch      = 128
)

func (s *bus) init() {
	s.topics = make(map[string]*busTopic)
	s.wake = make(chan struct{}, 1)
}

// Send implements hub.BusBroker. Too much that waits is lost.
func (b *Broker) Send(topic string, data []byte) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	if err := checkTopic(topic); err != nil {
		return err
	}
	if len(data) > hub.BusBytesMax {
		return fmt.Errorf("redisbroker: a message of %d bytes; at most %d are allowed", len(data), hub.BusBytesMax)
	}
	s := &b.bus
	s.sending.Lock()
	if s.bytes+len(data) <= busBytesMax {
		s.out = append(s.out, busMessage{topic, data})
		s.bytes += len(data) + 64
	}
	s.sending.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func checkTopic(topic string) error {
	if topic == "" || len(topic) > hub.BusTopicBytesMax || strings.ContainsFunc(topic, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return fmt.Errorf("redisbroker: a topic is 1 to %d bytes without control characters and white space", hub.BusTopicBytesMax)
	}
	return nil
}

// sendLoop sends what waits, in order.
func (b *Broker) sendLoop(be *backend) {
	s := &b.bus
	for {
		s.sending.Lock()
		n := min(len(s.out), busBatch)
		batch := s.out[:n:n]
		if s.out = s.out[n:]; len(s.out) == 0 {
			s.out = nil
		}
		for i := range batch {
			s.bytes -= len(batch[i].data) + 64
		}
		s.sending.Unlock()
		if n == 0 {
			select {
			case <-s.wake:
			case <-b.ctx.Done():
				return
			}
			continue
		}
		commands := make([]rueidis.Completed, n)
		for i, m := range batch {
			topic, data := be.partition(m.topic).busTopic(m.topic), rueidis.BinaryString(m.data)
			if be.isCluster {
				commands[i] = be.client.B().Spublish().Channel(topic).Message(data).Build()
			} else {
				commands[i] = be.client.B().Publish().Channel(topic).Message(data).Build()
			}
		}
		ctx, cancel := context.WithTimeout(b.ctx, callTimeout)
		for _, answer := range be.client.DoMulti(ctx, commands...) {
			if err := answer.Error(); err != nil {
				said, _ := fateOf(err)
				b.note(said) // nothing keeps what is sent, and its receivers are told by their lines
			}
		}
		cancel()
	}
}

// Hear implements hub.BusBroker.
func (b *Broker) Hear(ctx context.Context, topic string, to hub.Hearer) (stop func(), err error) {
	if err := checkTopic(topic); err != nil {
		return nil, err
	}
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return nil, err
	}
	topic = strings.Clone(topic)
	part, h, done := be.partition(topic), &hearer{to}, make(chan struct{})
	s := &b.bus
	s.mu.Lock()
	t := s.topics[topic]
	if t == nil {
		t = &busTopic{}
		s.topics[topic] = t
	}
	t.mu.Lock()
	t.hearers = append(t.hearers[:len(t.hearers):len(t.hearers)], h)
	t.mu.Unlock()
	be.want(part, part.busTopic(topic), true, busOf(t), done)
	s.mu.Unlock()
	stop = sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.leave(h) && s.topics[topic] == t {
			delete(s.topics, topic)
			be.want(part, part.busTopic(topic), false, nil, nil)
		}
	})
	select {
	case <-done:
		return stop, nil
	case <-ctx.Done():
		stop()
		return nil, b.lateError(ctx)
	case <-b.ctx.Done():
		return nil, hub.ErrClosed
	}
}

// leave removes a hearer, and reports whether none is left.
func (t *busTopic) leave(h *hearer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var left []*hearer
	for _, other := range t.hearers {
		if other != h {
			left = append(left, other)
		}
	}
	t.hearers = left
	return len(left) == 0
}

// heard queues a message.
func (s *bus) heard(b *Broker, topic string, data []byte) {
	s.mu.Lock()
	t := s.topics[topic]
	s.mu.Unlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) >= busPendingMax {
		t.pending, t.missed = nil, true
	}
	t.pending = append(t.pending, data)
	t.activate(b)
}

// miss says that messages may have been lost.
func (t *busTopic) miss(b *Broker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed = true
	t.activate(b)
}

// activate has a worker deliver; mu is held.
func (t *busTopic) activate(b *Broker) {
	if !t.busy {
		t.busy = true
		b.deliveries.workers.push(func() { t.run(b) })
	}
}

func (t *busTopic) run(b *Broker) {
	for {
		t.mu.Lock()
		batch, missed, hearers := t.pending, t.missed, t.hearers
		t.pending, t.missed = nil, false
		if len(batch) == 0 && !missed {
			t.busy = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		for _, h := range hearers {
			if missed && b.stage.Load() != stageClosed {
				h.to.Missed()
			}
		}
		for _, data := range batch {
			for _, h := range hearers {
				if b.stage.Load() != stageClosed {
					h.to.Heard(data)
				}
			}
		}
	}
}

func busOf(t *busTopic) func(*topic) { return func(on *topic) { on.bus = t } }
