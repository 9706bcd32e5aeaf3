package brokertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/godwit-io/godwit/hub"
)

// BusTrouble is what happens to messages of the bus.
type BusTrouble struct {
	// Delay is how much later a message is heard here.
	Delay time.Duration

	// Lose is asked about every message that would be heard here: it is lost without notice
	// if Lose returns true. nil loses nothing. from is the broker that
	// sent it.
	Lose func(from *SharedBroker, topic string, data []byte) bool
}

// Trouble sets what happens to messages of the bus that are heard here from now on.
func (b *SharedBroker) Trouble(t BusTrouble) { b.trouble.Store(&t) }

// CheckBus returns what a BusBroker has to answer to Send of a topic and data, or nil.
func CheckBus(topic string, data []byte) error {
	switch {
	case topic == "" || len(topic) > hub.BusTopicBytesMax || strings.ContainsFunc(topic, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("brokertest: the topic %.40q is empty, too long, or has white space or control characters", topic)
	case len(data) > hub.BusBytesMax:
		return fmt.Errorf("brokertest: %d bytes are more than a message may have", len(data))
	}
	return nil
}

// Send implements hub.BusBroker.
func (b *SharedBroker) Send(topic string, data []byte) error {
	if err := b.check(); err != nil && err != ErrCut {
		return err
	}
	if err := CheckBus(topic, data); err != nil || b.isCut.Load() {
		return err
	}
	b.shared.mu.Lock() // so that messages of a sender have one order
	defer b.shared.mu.Unlock()
	for _, h := range b.shared.hearings[topic] {
		if h.of.isCut.Load() {
			continue
		}
		m := heard{data: slices.Clone(data)}
		if t := h.of.trouble.Load(); t != nil {
			if t.Lose != nil && t.Lose(b, topic, data) {
				continue
			}
			m.due = time.Now().Add(t.Delay)
		}
		h.add(m)
	}
	return nil
}

// hearing is a call of Hear. Its goroutine calls the Hearer.
type hearing struct {
	of      *SharedBroker
	to      hub.Hearer
	stopped chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []heard
	more    chan struct{}
}

// heard is a message that a Hearer is to be given, or that some were missed.
type heard struct {
	data   []byte
	due    time.Time
	missed bool
}

func (h *hearing) add(m heard) {
	h.mu.Lock()
	h.waiting = append(h.waiting, m)
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// Hear implements hub.BusBroker.
func (b *SharedBroker) Hear(ctx context.Context, topic string, to hub.Hearer) (stop func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := CheckBus(topic, nil); err != nil {
		return nil, err
	}
	s := b.shared
	h := &hearing{of: b, to: to, stopped: make(chan struct{}), more: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := b.check(); err != nil { // with the lock, see Close
		return nil, err
	}
	s.hearings[topic] = append(s.hearings[topic], h)
	b.hears.Go(h.loop)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hearings[topic] = slices.DeleteFunc(s.hearings[topic], func(other *hearing) bool { return other == h })
		if len(s.hearings[topic]) == 0 {
			delete(s.hearings, topic)
		}
		close(h.stopped)
	}), nil
}

func (h *hearing) loop() {
	for {
		h.mu.Lock()
		waiting := h.waiting
		h.waiting = nil
		h.mu.Unlock()
		for _, m := range waiting {
			if !h.give(m) {
				return
			}
		}
		if len(waiting) > 0 {
			continue
		}
		select {
		case <-h.more:
		case <-h.stopped:
			return
		case <-h.of.closing:
			return
		}
	}
}

// give gives a message when it is due, unless this has ended.
func (h *hearing) give(m heard) bool {
	// No timer is made for a message that is due: a timer that has expired when it is waited
	// for crashes the race detector of Go 1.26 in a bubble.
	if wait := time.Until(m.due); !m.due.IsZero() && wait > 0 {
		late := time.NewTimer(wait)
		defer late.Stop()
		select {
		case <-late.C:
		case <-h.stopped:
			return false
		case <-h.of.closing:
			return false
		}
	}
	select {
	case <-h.stopped:
		return false
	case <-h.of.closing:
		return false
	default:
	}
	if m.missed {
		h.to.Missed()
	} else {
		h.to.Heard(m.data)
	}
	return true
}
