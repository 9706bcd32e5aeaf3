package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// patience is how long something may take on a busy machine.
const patience = 60 * time.Second

// subscribers does with what a Broker delivers what a hub does for the subscribers of a
// channel, and notes what they have seen.
type subscribers struct {
	t testing.TB
	b *Broker

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	events  []event
	closed  bool
	of      map[string]*seen

	done sync.WaitGroup
}

type event struct {
	p    *hub.Publication
	lost string
}

// seen is what a subscriber of a channel has.
type seen struct {
	last  hub.Position
	texts []string
	gaps  int
}

// start starts b with subscribers, which end with the test.
func start(t testing.TB, b *Broker) *subscribers {
	t.Helper()
	s := &subscribers{t: t, b: b, changed: make(chan struct{}), of: make(map[string]*seen)}
	if err := b.Start(s); err != nil {
		t.Fatal(err)
	}
	s.done.Go(s.loop)
	t.Cleanup(func() {
		if err := b.Close(); err != nil && !errors.Is(err, hub.ErrClosed) {
			t.Error(err)
		}
		s.mu.Lock()
		s.closed = true
		s.note()
		s.mu.Unlock()
		s.done.Wait()
	})
	return s
}

// note says that something has changed; mu is held.
func (s *subscribers) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *subscribers) Receive(p *hub.Publication) { s.add(event{p: p}) }
func (s *subscribers) Lost(channel string)        { s.add(event{lost: channel + "!"}) }

func (s *subscribers) add(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	s.note()
}

func (s *subscribers) loop() {
	for {
		s.mu.Lock()
		events, changed, closed := s.events, s.changed, s.closed
		s.events = nil
		s.mu.Unlock()
		if closed {
			return
		}
		for _, e := range events {
			s.see(e)
		}
		if len(events) == 0 {
			<-changed
		}
	}
}

func (s *subscribers) see(e event) {
	if e.p == nil {
		for name := range s.snapshot() {
			if e.lost == "!" || e.lost == name+"!" {
				s.catchUp(name)
			}
		}
		return
	}
	s.mu.Lock()
	of := s.of[e.p.Channel]
	if of == nil {
		s.mu.Unlock()
		return
	}
	missed := of.last.Epoch != e.p.Position.Epoch || e.p.Previous > of.last.Offset
	s.mu.Unlock()
	if missed {
		s.catchUp(e.p.Channel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.last.Epoch == e.p.Position.Epoch && e.p.Position.Offset > of.last.Offset {
		of.last = e.p.Position
		of.texts = append(of.texts, string(e.p.Data))
		s.note()
	}
}

// catchUp reads what a channel has had since the last that was seen.
func (s *subscribers) catchUp(name string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		of, closed := s.of[name], s.closed
		last := of.last
		s.mu.Unlock()
		page, err := s.b.History(s.t.Context(), name, hub.Query{Since: last, Limit: 100})
		if closed || errors.Is(err, hub.ErrClosed) || s.t.Context().Err() != nil {
			return
		}
		if err != nil {
			<-tick.C
			continue
		}
		s.mu.Lock()
		if page.Gap != nil {
			of.gaps++
		}
		for _, p := range page.Publications {
			of.texts = append(of.texts, string(p.Data))
		}
		of.last = page.Position
		s.note()
		s.mu.Unlock()
		if len(page.Publications) == 0 || page.Position == last {
			return
		}
	}
}

// snapshot is what was seen of each channel.
func (s *subscribers) snapshot() map[string]seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]seen, len(s.of))
	for name, of := range s.of {
		all[name] = seen{of.last, slices.Clone(of.texts), of.gaps}
	}
	return all
}

// listen subscribes to a channel.
func (s *subscribers) listen(names ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	select {
	case <-s.b.reached: // until then everything is refused after a second, and a busy machine may take longer
	case <-ctx.Done():
		s.t.Fatal(s.b.away())
	}
	for _, name := range names {
		top, err := s.b.Listen(ctx, name)
		if err != nil {
			s.t.Fatal(err)
		}
		s.mu.Lock()
		s.of[name] = &seen{last: top}
		s.mu.Unlock()
	}
}

// await waits until what was seen is enough.
func (s *subscribers) await(what string, is func(map[string]seen) bool) map[string]seen {
	s.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		all := s.snapshot()
		if is(all) {
			return all
		}
		select {
		case <-changed:
		case <-limit.C:
			for name, of := range all {
				s.t.Logf("%s: %d publications, %d gaps, at %v, the last are %q", name, len(of.texts), of.gaps, of.last, of.texts[max(0, len(of.texts)-5):])
			}
			s.t.Fatalf("after %v it is not so: %s", patience, what)
		}
	}
}

// awaitText waits until every channel of names has a publication.
func (s *subscribers) awaitText(text string, names ...string) map[string]seen {
	s.t.Helper()
	left := names
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		for len(left) > 0 && slices.Contains(s.of[left[0]].texts, text) {
			left = left[1:]
		}
		s.mu.Unlock()
		if len(left) == 0 {
			return s.snapshot()
		}
		select {
		case <-changed:
		case <-limit.C:
			of := s.snapshot()[left[0]]
			s.t.Fatalf("after %v %q has not come to %s and perhaps others: %d publications, %d gaps, at %v, the last are %q", patience, text, left[0], len(of.texts), of.gaps, of.last, of.texts[max(0, len(of.texts)-5):])
		}
	}
}

// result is the outcome of a publication.
type result chan hub.Published

func (r result) Published(_ uint64, p hub.Published) { r <- p }

var plenty = hub.Retention{Count: 100_000, Age: time.Hour}

// publish publishes once.
func publish(b *Broker, m hub.Message) hub.Published {
	r := make(result, 1)
	b.Publish(m, plenty, r, 1)
	return <-r
}

// mustPublish publishes until it is accepted, as a publisher with an idempotency key may.
func mustPublish(t testing.TB, b *Broker, channel, text string) hub.Position {
	t.Helper()
	return mustPublishAs(t, b, hub.Message{Channel: channel, Data: []byte(text), IdempotencyKey: text})
}

// mustPublishAs is mustPublish of a message that may have no idempotency key.
func mustPublishAs(t testing.TB, b *Broker, m hub.Message) hub.Position {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		p := publish(b, m)
		if p.Err == nil {
			return p.Position
		}
		if time.Since(began) > patience {
			t.Fatalf("%q was not accepted in %v: %v", m.Data, patience, p.Err)
		}
	}
}

// load publishes numbered texts to channels, one after another in each, until stop is called,
// which returns what was accepted.
type load struct {
	stop     chan struct{}
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted map[string][]string
	longest  time.Duration // that an acceptance has taken
}

func startLoad(t testing.TB, b *Broker, channels ...string) *load {
	l := &load{stop: make(chan struct{}), accepted: make(map[string][]string)}
	for _, name := range channels {
		l.wg.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond) // others use this machine, too
			defer pace.Stop()
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				case <-pace.C:
				}
				text := fmt.Sprintf("%s %d", name, i)
				began := time.Now()
				mustPublish(t, b, name, text)
				l.mu.Lock()
				l.accepted[name] = append(l.accepted[name], text)
				l.longest = max(l.longest, time.Since(began))
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, texts := range l.accepted {
		n += len(texts)
	}
	return n
}

// awaitMore waits until n more were accepted.
func (l *load) awaitMore(t testing.TB, n int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	want := l.count() + n
	for began := time.Now(); l.count() < want; <-tick.C {
		if time.Since(began) > patience {
			t.Fatalf("only %d of %d were accepted in %v", l.count(), want, patience)
		}
	}
}

// end stops publishing and compares what was seen with what was accepted: it is the same, in
// order and once, but for gaps that were announced. It returns the gaps.
func (l *load) end(t testing.TB, s *subscribers) (gaps int) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	var names []string
	for name := range l.accepted {
		names = append(names, name)
		mustPublish(t, s.b, name, "end")
	}
	all := s.awaitText("end", names...)
	for _, name := range names {
		got, want := all[name], append(l.accepted[name], "end")
		gaps += got.gaps
		if got.gaps > 0 { // what was published, lost and published again was seen by those who saw it first
			got.texts = firsts(got.texts)
		}
		missing, from := 0, 0
		for _, text := range want {
			i := slices.Index(got.texts[from:], text)
			if i < 0 {
				missing++
				continue
			}
			from += i + 1
		}
		if n := len(got.texts); from != n || n+missing != len(want) {
			t.Errorf("%s: of %d publications %d are missing, and %d were seen", name, len(want), missing, n)
		}
		if missing > 0 && got.gaps == 0 {
			t.Errorf("%s: %d publications are missing, and no gap was announced", name, missing)
		}
	}
	t.Logf("%d publications, %d gaps, longest acceptance %v", l.count(), gaps, l.longest.Round(time.Millisecond))
	return gaps
}

// firsts are texts without those that have come before.
func firsts(texts []string) (list []string) {
	known := make(map[string]bool)
	for _, text := range texts {
		if !known[text] {
			known[text] = true
			list = append(list, text)
		}
	}
	return list
}
