package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// hearer keeps the messages that it hears.
type hearer struct {
	t      *testing.T
	mu     sync.Mutex
	texts  []string
	missed int
	more   chan struct{} // closed and replaced with every message
}

func newHearer(t *testing.T) *hearer { return &hearer{t: t, more: make(chan struct{})} }

func (h *hearer) Heard(data []byte) { h.note(func() { h.texts = append(h.texts, string(data)) }) }
func (h *hearer) Missed()           { h.note(func() { h.missed++ }) }

func (h *hearer) note(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what()
	close(h.more)
	h.more = make(chan struct{})
}

// await returns the messages that were heard once they end with last.
func (h *hearer) await(last string) []string {
	h.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		h.mu.Lock()
		texts, more := slices.Clone(h.texts), h.more
		h.mu.Unlock()
		if slices.Contains(texts, last) {
			return texts
		}
		select {
		case <-more:
		case <-timeout.C:
			h.t.Fatalf("after %v %q was not heard, but %.20q", patience, last, texts)
		}
	}
}

// startBus starts a Broker that has a bus, or skips the test.
func (f *fixture) startBus() hub.BusBroker {
	f.t.Helper()
	f.start(nil)
	b, ok := f.Broker.(hub.BusBroker)
	if !ok {
		f.t.Skip("this broker is no hub.BusBroker")
	}
	return b
}

func (f *fixture) hear(b hub.BusBroker, topic string) (*hearer, func()) {
	f.t.Helper()
	h := newHearer(f.t)
	stop, err := b.Hear(f.ctx, topic, h)
	if err != nil {
		f.t.Fatalf("Hear(%q): %v", topic, err)
	}
	return h, stop
}

func (f *fixture) send(b hub.BusBroker, topic string, texts ...string) {
	f.t.Helper()
	for _, text := range texts {
		if err := b.Send(topic, []byte(text)); err != nil {
			f.t.Fatalf("Send(%q, %q): %v", topic, text, err)
		}
	}
}

// busCarries: every hearer of a topic is given the messages sent to it, the sender's own
// process too, in order and once; and nothing of other topics.
func busCarries(t *testing.T, f *fixture) {
	b := f.startBus()
	one, _ := f.hear(b, "a")
	two, _ := f.hear(b, "a")
	other, _ := f.hear(b, "a/b")
	texts := numbered(300)
	for i, text := range texts {
		f.send(b, "a", text)
		if i%100 == 0 {
			f.send(b, "a/b", "other "+text)
			f.send(b, "nobody", "")
		}
	}
	f.send(b, "a/b", "end")
	for _, h := range []*hearer{one, two} {
		if got := h.await(texts[len(texts)-1]); !slices.Equal(got, texts) {
			t.Errorf("%.400q was heard, want 0 to 299 once each and in order", got)
		}
	}
	if got := other.await("end"); !slices.Equal(got, []string{"other 0", "other 100", "other 200", "end"}) {
		t.Errorf("of another topic %q was heard", got)
	}
}

// busStops: after stop nothing new is heard, and other hearers of the topic go on.
func busStops(t *testing.T, f *fixture) {
	b := f.startBus()
	gone, stop := f.hear(b, "a")
	stays, _ := f.hear(b, "a")
	f.send(b, "a", "1")
	gone.await("1")
	stop()
	stop()
	f.send(b, "a", "2")
	stays.await("2")
	again, _ := f.hear(b, "a")
	f.send(b, "a", "3")
	stays.await("3")
	if got := again.await("3"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("%q was heard by one who came after 2", got)
	}
	gone.mu.Lock()
	defer gone.mu.Unlock()
	if slices.Contains(gone.texts, "3") {
		t.Errorf("%q was heard by one who has stopped", gone.texts)
	}
}

// busTopics: a topic is any text without control characters and white space, and
// topics that others might mean something by are only themselves.
func busTopics(t *testing.T, f *fixture) {
	b := f.startBus()
	topics := []string{"*", ">", "a.*", "a.b", "a..b", ".a.", "a/*", "a/**", "%2A", "{a}", "ä✓", "a?[b]c\\", "$SYS", strings.Repeat("t", hub.BusTopicBytesMax)}
	hearers := make([]*hearer, len(topics))
	for i, topic := range topics {
		hearers[i], _ = f.hear(b, topic)
	}
	for _, topic := range topics {
		f.send(b, topic, topic)
	}
	for i, topic := range topics {
		f.send(b, topic, "end")
		if got := hearers[i].await("end"); !slices.Equal(got, []string{topic, "end"}) {
			t.Errorf("by the hearer of %q was heard %q", topic, got)
		}
	}
}

// busBounds: a message of the greatest length arrives, and a longer one is refused.
func busBounds(t *testing.T, f *fixture) {
	b := f.startBus()
	h, _ := f.hear(b, "a")
	long := strings.Repeat("x", hub.BusBytesMax-1) + "y"
	f.send(b, "a", long)
	if got := h.await(long); len(got) != 1 {
		t.Errorf("%d messages were heard, want one", len(got))
	}
	if err := b.Send("a", make([]byte, hub.BusBytesMax+1)); err == nil || errors.Is(err, hub.ErrClosed) {
		t.Errorf("a message that is too long: %v", err)
	}
	for _, topic := range []string{"", strings.Repeat("t", hub.BusTopicBytesMax+1)} {
		if err := b.Send(topic, nil); err == nil {
			t.Errorf("Send to a topic of %d bytes was accepted", len(topic))
		}
		if _, err := b.Hear(f.ctx, topic, h); err == nil {
			t.Errorf("Hear of a topic of %d bytes was accepted", len(topic))
		}
	}
}

// busConcurrently: of each of several senders the order is kept.
func busConcurrently(t *testing.T, f *fixture) {
	b := f.startBus()
	h, _ := f.hear(b, "a")
	var wg sync.WaitGroup
	for sender := range 4 {
		wg.Go(func() {
			for i := range 100 {
				if err := b.Send("a", fmt.Appendf(nil, "%d %d", sender, i)); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	wg.Wait()
	f.send(b, "a", "end")
	var next [4]int
	for sender := range 4 { // the last one of each
		h.await(fmt.Sprint(sender, " 99"))
	}
	for _, text := range h.await("end") {
		var sender, i int
		if _, err := fmt.Sscanf(text, "%d %d", &sender, &i); err != nil {
			continue
		}
		if i != next[sender] {
			t.Fatalf("of sender %d message %d was heard, want %d", sender, i, next[sender])
		}
		next[sender]++
	}
}

// busMissed: after its connection broke and was mended, a hearer is told that it may have
// missed something, and hears the messages sent from then on.
func busMissed(t *testing.T, f *fixture) {
	if f.suite.Disconnect == nil {
		t.Skip("nothing can break the connection of this broker")
	}
	b := f.startBus()
	h, _ := f.hear(b, "a")
	f.send(b, "a", "before")
	h.await("before")
	f.suite.Disconnect(f.Broker)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		h.mu.Lock()
		missed, more := h.missed, h.more
		h.mu.Unlock()
		if missed > 0 {
			break
		}
		select {
		case <-more:
		case <-timeout.C:
			t.Fatalf("nobody was told within %v that messages may have been lost", patience)
		}
	}
	f.send(b, "a", "after")
	h.await("after")
}

// busCloses: after Close nothing is sent or heard.
func busCloses(t *testing.T, f *fixture) {
	b := f.startBus()
	h, stop := f.hear(b, "a")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Send("a", nil); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Send after Close: %v, want hub.ErrClosed", err)
	}
	if _, err := b.Hear(f.ctx, "a", h); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Hear after Close: %v, want hub.ErrClosed", err)
	}
	stop()
}
