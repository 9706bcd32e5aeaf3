package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// troubled returns a hub on a broker that may wait, and the broker.
func troubled(t *testing.T, o *hub.Options) (*hub.Hub, *brokertest.Troubled) {
	t.Helper()
	b := brokertest.NewTroubled(newBroker())
	return newHub(t, b, o), b
}

// blocked makes calls wait until release is called.
func blocked(b *brokertest.Troubled, method brokertest.Method, channel string) (release func()) {
	until := make(chan struct{})
	b.Make(method, channel, brokertest.Trouble{Until: until})
	return func() { close(until) }
}

func TestPublishIsPipelined(t *testing.T) {
	const messages = 100
	for name, trouble := range map[string]brokertest.Trouble{
		"late": {Delay: 3 * time.Second}, "out of turn": {Delay: time.Second, Reversed: true}, "twice": {Delay: time.Second, Twice: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, b := troubled(t, nil)
				e := connect(t, h)
				b.Make(brokertest.Publish, "", trouble)
				began := time.Now()
				for i := range messages {
					e.Publish(uint64(i+1), hub.Message{Channel: fmt.Sprint("c", i%2)})
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("Publish took %v", took)
				}
				time.Sleep(trouble.Delay)
				synctest.Wait()
				at := make(map[uint64]hub.Position)
				for _, p := range e.drain() {
					if o := p.Outcome; o == nil || o.Err != nil || o.Command != hub.CommandPublish || !at[o.Tag].IsZero() {
						t.Fatalf("took %+v", p.Outcome)
					}
					at[p.Outcome.Tag] = p.Outcome.Position
				}
				if len(at) != messages || h.Stats().Publications != messages {
					t.Fatalf("%d outcomes, %d counted, want %d", len(at), h.Stats().Publications, messages)
				}
				for tag := uint64(3); tag <= messages; tag++ {
					if at[tag].Offset <= at[tag-2].Offset {
						t.Errorf("%v of tag %d does not come after %v", at[tag], tag, at[tag-2])
					}
				}
			})
		})
	}
}

// TestUnanswered gives up exactly when the broker may take no longer, and ignores a
// later answer.
func TestUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := troubled(t, nil)
		e := connect(t, h)
		release := blocked(b, brokertest.Publish, "")
		began := time.Now()
		e.Publish(1, hub.Message{Channel: "c"})
		begun := make(chan hub.Published, 2)
		h.BeginPublish("post", hub.Message{Channel: "c"}, completer(begun), 9)
		direct := make(chan error, 1)
		go func() {
			_, _, err := h.Publish(t.Context(), hub.Message{Channel: "c"})
			direct <- err
		}()
		time.Sleep(time.Second)
		e.Publish(2, hub.Message{Channel: "c"})
		time.Sleep(9*time.Second - 1)
		synctest.Wait()
		want(t, e.drain(), "")
		if len(begun) != 0 || len(direct) != 0 {
			t.Error("given up too early")
		}
		if err := <-direct; err != hub.ErrUnanswered || time.Since(began) != 10*time.Second {
			t.Errorf("Hub.Publish: %v after %v", err, time.Since(began))
		}
		if p := <-begun; p.Err != hub.ErrUnanswered {
			t.Errorf("BeginPublish: %+v", p)
		}
		unanswered := func(tag int) string { return fmt.Sprintf("outcome(%d 1 %v)", tag, hub.ErrUnanswered) }
		synctest.Wait()
		want(t, e.drain(), unanswered(1))
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, e.drain(), unanswered(2))
		release()
		synctest.Wait()
		want(t, e.drain(), "")
		if len(begun) != 0 {
			t.Errorf("an outcome came late: %+v", <-begun)
		}
		// What comes after is answered.
		b.Make(brokertest.Publish, "", brokertest.Trouble{})
		if o := e.publish(hub.Message{Channel: "c"}); o.Err != nil {
			t.Error("Publish:", o.Err)
		}
		publish(t, h, "c", "x")
	})
}

type completer chan hub.Published

func (c completer) Published(ticket uint64, p hub.Published) {
	if ticket != 9 {
		p.Err = fmt.Errorf("the ticket is %d, want 9", ticket)
	}
	c <- p
}

func TestBeginPublish(t *testing.T) {
	h := newHub(t, nil, nil)
	outcomes := make(completer, 2)
	h.BeginPublish("post", hub.Message{Channel: "c", IdempotencyKey: "k"}, outcomes, 9)
	first := <-outcomes
	h.BeginPublish("post", hub.Message{Channel: "c", IdempotencyKey: "k"}, outcomes, 9)
	if second := <-outcomes; first.Err != nil || second.Position != first.Position || !second.Duplicate {
		t.Errorf("outcomes are %+v and %+v", first, second)
	}
	h.BeginPublish("post", hub.Message{Channel: "a//b"}, outcomes, 9)
	var name *hub.NameError
	if p := <-outcomes; !errors.As(p.Err, &name) {
		t.Errorf("a bad name: %+v", p)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h.BeginPublish("post", hub.Message{Channel: "c"}, outcomes, 9)
	if p := <-outcomes; p.Err != hub.ErrClosed {
		t.Errorf("after Close: %+v", p)
	}
}

// keepingBroker keeps the receiver of publications, for tests that tell them.
type keepingBroker struct {
	hub.Broker
	tell []func(hub.Published)
}

func (b *keepingBroker) Publish(_ hub.Message, _ hub.Retention, to hub.Completer, ticket uint64) {
	b.tell = append(b.tell, func(p hub.Published) { to.Published(ticket, p) })
}

// What a Broker says of a publication a second time is not taken for the outcome of a later
// one, which is given the memory of the first.
func TestOutcomesOfEarlierPublications(t *testing.T) {
	b := &keepingBroker{Broker: newBroker()}
	h := newHub(t, b, nil)
	outcomes := make(completer, 2)
	for i := range 50 {
		h.BeginPublish("post", hub.Message{Channel: "c"}, outcomes, 9)
		if i > 0 {
			b.tell[i-1](hub.Published{Position: hub.Position{Epoch: "again", Offset: 1}})
		}
		if len(outcomes) != 0 {
			t.Fatalf("publication %d has the outcome of the one before: %+v", i, <-outcomes)
		}
		at := hub.Position{Epoch: "e", Offset: uint64(i + 1)}
		b.tell[i](hub.Published{Position: at})
		b.tell[i](hub.Published{Position: hub.Position{Epoch: "again", Offset: 1}})
		if p := <-outcomes; p.Err != nil || p.Position != at || len(outcomes) != 0 {
			t.Fatalf("publication %d: %+v, and %d more", i, p, len(outcomes))
		}
	}
}

// TestIsBusy counts wakes exactly: one for what can be taken, one when the edge
// may go on, and none again and again.
func TestIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := troubled(t, &hub.Options{CommandsMax: 4})
		var wakes atomic.Int32
		s, err := h.Connect("test", func() { wakes.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var gates [4]chan struct{}
		for i := range gates {
			if s.IsBusy() {
				t.Errorf("busy with %d commands", i)
			}
			gates[i] = make(chan struct{})
			b.Make(brokertest.Publish, "", brokertest.Trouble{Until: gates[i]})
			s.Publish(uint64(i+1), hub.Message{Channel: fmt.Sprint(i)})
		}
		if !s.IsBusy() {
			t.Error("not busy with as many as are allowed")
		}
		take := func(pushes, wantWakes int32) {
			t.Helper()
			synctest.Wait()
			if got := wakes.Swap(0); got != wantWakes {
				t.Errorf("woken %d times, want %d", got, wantWakes)
			}
			if got, err := s.Take(nil); len(got) != int(pushes) || err != nil {
				t.Errorf("took %d, error %v; want %d", len(got), err, pushes)
			}
		}
		take(0, 0)
		close(gates[0])
		take(1, 1)
		take(0, 0) // three are left: still busy
		close(gates[1])
		take(1, 1)
		take(0, 1) // now it may go on, and is told once
		take(0, 0)
		if s.IsBusy() {
			t.Error("busy with half of what is allowed")
		}
		// The same without outcomes.
		quiet := make(chan struct{})
		b.Make(brokertest.Publish, "", brokertest.Trouble{Until: quiet})
		s.Publish(0, hub.Message{Channel: "4"})
		s.Publish(0, hub.Message{Channel: "5"})
		if !s.IsBusy() {
			t.Error("not busy")
		}
		close(quiet)
		take(0, 1)
		take(0, 0)
		close(gates[2])
		take(1, 1)
		close(gates[3])
		take(1, 1)
		take(0, 0)
		// An outcome that is not taken counts, too.
		b.Make(brokertest.Publish, "", brokertest.Trouble{})
		for range 4 {
			s.Publish(1, hub.Message{Channel: "c"})
		}
		if !s.IsBusy() {
			t.Error("not busy though four outcomes were not taken")
		}
		take(4, 1)
		take(0, 1)
		take(0, 0)
	})
}

// TestTooManyCommands hands in commands of every kind that have no outcome.
func TestTooManyCommands(t *testing.T) {
	for name, command := range map[string]func(e *edge, i int){
		"Publish":     func(e *edge, i int) { e.Publish(1, hub.Message{Channel: "c"}) },
		"Subscribe":   func(e *edge, i int) { e.Subscribe(1, fmt.Sprint("c", i), hub.SubscribeOptions{}) },
		"Unsubscribe": func(e *edge, i int) { e.Unsubscribe(1, "c") },
		"History":     func(e *edge, i int) { e.History(1, "c", hub.Query{}) },
		"Presence":    func(e *edge, i int) { e.Presence(1, "c", hub.PresenceQuery{}) },
		"bad names":   func(e *edge, i int) { e.History(0, "a//b", hub.Query{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, b := troubled(t, &hub.Options{CommandsMax: 4})
				e := connect(t, h)
				for _, method := range []brokertest.Method{brokertest.Publish, brokertest.Listen, brokertest.History} {
					defer blocked(b, method, "")()
				}
				for i := range 8 {
					command(e, i)
				}
				synctest.Wait()
				if _, err := e.Take(nil); err != nil {
					t.Fatalf("with the most that are allowed: %v", err)
				}
				e2 := connect(t, h)
				for i := range 9 {
					command(e2, i)
				}
				<-e2.woken
				var err error
				for taken := []hub.Push(nil); err == nil; {
					if taken, err = e2.Take(taken); len(taken) > 8 {
						t.Fatal("more outcomes than commands")
					}
				}
				if err != hub.ErrTooManyCommands {
					t.Errorf("with one more: %v", err)
				}
				command(e2, 9)
				e2.Close()
			})
		})
	}
}

// TestHistoryCommand reads one page at a time, and no more than a page.
func TestHistoryCommand(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueBytesMax: 1000})
	e := connect(t, h)
	for i := range 600 {
		publish(t, h, "c", fmt.Sprint(i%10))
	}
	history := func(q hub.Query) hub.Page {
		t.Helper()
		o := e.outcome(func(tag uint64) { e.History(tag, "c", q) })
		if o.Err != nil || o.Command != hub.CommandHistory {
			t.Fatalf("outcome is %+v", o)
		}
		return o.Page
	}
	first := history(hub.Query{})
	second := history(hub.Query{Since: first.Position})
	if len(first.Publications) != 256 || len(second.Publications) != 256 || second.Publications[0].Previous != first.Position.Offset {
		t.Errorf("pages have %d and %d", len(first.Publications), len(second.Publications))
	}
	if page := history(hub.Query{Last: 7, Limit: 3}); len(page.Publications) != 3 || string(page.Publications[0].Data) != "3" {
		t.Errorf("page is %+v", page)
	}
	for range 3 {
		publish(t, h, "large", fmt.Sprint(make([]int, 220))) // 441 bytes
	}
	for tag := range 3 {
		e.History(uint64(100+tag), "large", hub.Query{})
	}
	for tag := range 3 {
		<-e.woken
		got, err := e.Take(nil)
		if err != nil || len(got) != 1 || got[0].Outcome.Tag != uint64(100+tag) || len(got[0].Outcome.Page.Publications) != 2 {
			t.Fatalf("took %s, error %v; want one page of two", describe(got), err)
		}
	}
	e.History(0, "c", hub.Query{}) // its outcome is not told
	if got := history(hub.Query{Last: 1}); len(got.Publications) != 1 {
		t.Errorf("page is %+v", got)
	}
	var name *hub.NameError
	if o := e.outcome(func(tag uint64) { e.History(tag, "a//b", hub.Query{}) }); !errors.As(o.Err, &name) {
		t.Errorf("a bad name: %+v", o)
	}
}

// TestOutcomesAreInOrder: nothing of a subscription comes before it begins or
// after it ends, and nothing of one reaches another of the same name.
func TestOutcomesAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := troubled(t, nil)
		e := connect(t, h)
		since := publish(t, h, "c", "1")
		publish(t, h, "c", "2")
		e.Subscribe(1, "c", hub.SubscribeOptions{Since: since})
		synctest.Wait()
		release := blocked(b, brokertest.History, "c")
		want(t, e.drain(), "outcome(1 2 <nil>)") // and its page is asked for
		e.Unsubscribe(2, "c")
		e.Subscribe(3, "c", hub.SubscribeOptions{})
		synctest.Wait()
		publish(t, h, "c", "3")
		release()
		synctest.Wait()
		want(t, e.drain(), "outcome(2 3 <nil>) outcome(3 2 <nil>) 3")
	})
}

// TestSlowChannel blocks everything in one channel, for many sessions: others do
// not notice, and Close ends it all.
func TestSlowChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := troubled(t, &hub.Options{CallsMax: 8})
		top := publish(t, h, "slow", "1", "2")
		since := publish(t, h, "quick", "1")
		publish(t, h, "quick", "2")
		slow := func(n int) (edges []*edge) {
			for range n {
				e := connect(t, h)
				e.Subscribe(0, "slow", hub.SubscribeOptions{Since: hub.Position{Epoch: top.Epoch}})
				edges = append(edges, e)
			}
			synctest.Wait()
			return edges
		}
		edges := slow(50)
		for _, method := range []brokertest.Method{brokertest.Publish, brokertest.Listen, brokertest.Mute, brokertest.History} {
			defer blocked(b, method, "slow")()
		}
		for _, e := range edges {
			e.Publish(1, hub.Message{Channel: "slow"})
			e.History(2, "slow", hub.Query{})
			want(t, e.drain(), "")
		}
		histories := make(chan error, 100)
		for range 50 {
			h.BeginHistory("slow", hub.Query{}, func(_ hub.Page, err error) { histories <- err })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.History(ctx, "slow", hub.Query{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("History: %v", err)
		}
		began := time.Now()
		e := connect(t, h)
		e.Subscribe(1, "quick", hub.SubscribeOptions{Since: since})
		e.History(2, "quick", hub.Query{Last: 1})
		e.Publish(3, hub.Message{Channel: "quick", Data: []byte("3")})
		var got []hub.Push
		for range 5 { // rounds of what a loop does
			synctest.Wait()
			got = append(got, e.drain()...)
		}
		if len(got) != 5 || time.Since(began) != 0 {
			t.Errorf("in %v took %q", time.Since(began), describe(got))
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := <-histories; err != hub.ErrClosed {
				t.Fatalf("a history at the end: %v", err)
			}
		}
		h.BeginHistory("slow", hub.Query{}, func(_ hub.Page, err error) { histories <- err })
		if err := <-histories; err != hub.ErrClosed {
			t.Errorf("a history after the end: %v", err)
		}
	})
}

// TestAbandonedReads subscribes to and leaves a channel whose history blocks: no
// read stays behind.
func TestAbandonedReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := troubled(t, &hub.Options{CallsMax: 4})
		top := publish(t, h, "c", "1")
		other := connect(t, h)
		other.Subscribe(0, "c", hub.SubscribeOptions{}) // the broker listens
		synctest.Wait()
		release := blocked(b, brokertest.History, "c")
		e := connect(t, h)
		for range 100 {
			e.Subscribe(0, "c", hub.SubscribeOptions{Since: hub.Position{Epoch: top.Epoch}})
			synctest.Wait()
			want(t, e.drain(), "")
			e.unsubscribe("c")
		}
		synctest.Wait()
		release()
		b.Make(brokertest.History, "c", brokertest.Trouble{})
		if page, err := h.History(t.Context(), "c", hub.Query{}); len(page.Publications) != 1 || err != nil {
			t.Errorf("page is %+v, error %v", page, err)
		}
	})
}
