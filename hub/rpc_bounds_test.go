package hub_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// never is a handler that does not answer.
func never(*hub.IncomingCall, func(hub.Answer, error)) func() { return nil }

func handleNever(t *testing.T, h *hub.Hub, pattern string) {
	t.Helper()
	if _, err := h.HandleAsync(pattern, never); err != nil {
		t.Fatal(err)
	}
}

func TestCallTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, &hub.Options{RPC: hub.RPC{Timeout: 2 * time.Second, TimeoutMax: 5 * time.Second}})
		var withdrawn atomic.Int32
		if _, err := h.HandleAsync("m", func(*hub.IncomingCall, func(hub.Answer, error)) func() { return func() { withdrawn.Add(1) } }); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for timeout, want := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Millisecond: time.Millisecond, 3 * time.Second: 3 * time.Second, time.Hour: 5 * time.Second} {
			h.BeginCall(nil, hub.Call{Method: "m", Timeout: timeout}, func(_ hub.Answer, err error) {
				if took := time.Since(began); err != hub.ErrCallTimeout || took != want {
					t.Errorf("a timeout of %v was over after %v, want %v: %v", timeout, took, want, err)
				}
			})
		}
		<-time.After(time.Minute)
		if n := h.Stats().Calls; n != 0 || withdrawn.Load() != 4 {
			t.Errorf("%d are open, %d were withdrawn", n, withdrawn.Load())
		}
	})
}

func TestTimeoutOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		asks, answers := connect(t, h), connect(t, h)
		answers.register("m", 1)
		asks.Call(1, hub.Call{Method: "m", Timeout: time.Second})
		c := answers.incoming()
		asks.Call(2, hub.Call{Method: "m"})
		if o := asks.result(2); o.Err != hub.ErrTooManyCalls {
			t.Error(o.Err)
		}
		if o := asks.result(1); o.Err != hub.ErrCallTimeout || !time.Now().Equal(c.Deadline) {
			t.Errorf("%v at %v, due at %v", o.Err, time.Now(), c.Deadline)
		}
		if p := answers.callPush(); p.ID != c.ID || p.Over != hub.ErrCallTimeout {
			t.Errorf("%+v", p)
		}
		if err := answers.answer(c.ID, ""); err != hub.ErrNoCall {
			t.Errorf("too late: %v", err)
		}
		asks.Call(3, hub.Call{Method: "m"})
		if answers.incoming(); answers.answer(c.ID+3, "") != hub.ErrNoCall {
			t.Error("a call that nobody has made was answered")
		}
	})
}

// A session that takes calls and answers none is not the least busy one for ever.
func TestWhoAnswersNothingIsAskedLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		asks, silent, answers := connect(t, h), connect(t, h), connect(t, h)
		silent.register("m", 0)
		answers.register("m", 0)
		lost := 0
		for range 100 {
			asks.tag++
			tag := asks.tag
			asks.Call(tag, hub.Call{Method: "m", Timeout: time.Second})
			for _, p := range answers.drain() {
				if p.Call != nil {
					answers.AnswerCall(0, p.Call.ID, hub.Answer{})
				}
			}
			silent.drain()
			if o := asks.result(tag); o.Err != nil {
				lost++
			}
		}
		if lost != 1 {
			t.Errorf("%d of 100 calls were lost", lost)
		}
	})
}

func TestBoundsOfCalls(t *testing.T) {
	h := newHub(t, nil, &hub.Options{RPC: hub.RPC{OpenMax: 5, MethodOpenMax: 3, SessionOpenMax: 4}})
	handleNever(t, h, "never/*")
	a, b := connect(t, h), connect(t, h)
	try := func(e *edge, method string) error {
		e.tag++
		e.Call(e.tag, hub.Call{Method: method})
		for _, p := range e.drain() {
			if p.Outcome != nil && p.Outcome.Tag == e.tag {
				return p.Outcome.Err
			}
		}
		return nil // it is open
	}
	for i, row := range []struct {
		by     *edge
		method string
		want   error
	}{
		{a, "never/1", nil}, {a, "never/1", nil}, {b, "never/1", nil}, {b, "never/1", hub.ErrTooManyCalls}, // of the method
		{a, "never/2", nil}, {a, "never/3", nil}, {a, "never/4", hub.ErrTooManyCalls}, // of the session
		{b, "never/4", hub.ErrTooManyCalls}, // of the hub
	} {
		if err := try(row.by, row.method); err != row.want {
			t.Errorf("call %d: %v, want %v", i, err, row.want)
		}
	}
	if !a.CancelCall(1) {
		t.Fatal("no call 1")
	}
	if err := try(a, "never/1"); err != hub.ErrTooManyCalls {
		t.Errorf("the outcome of the canceled one was not taken: %v", err)
	}
	if err := try(a, "never/1"); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

func TestBoundOfHandlers(t *testing.T) {
	h := newHub(t, nil, &hub.Options{RPC: hub.RPC{HandlersMax: 2}})
	release := make(chan struct{})
	handle(t, h, "m", func(context.Context, *hub.IncomingCall) (hub.Answer, error) {
		<-release
		return hub.Answer{}, nil
	})
	e := connect(t, h)
	e.Call(1, hub.Call{Method: "m"})
	e.Call(2, hub.Call{Method: "m"})
	if o := e.outcome(func(uint64) { e.tag = 3; e.Call(3, hub.Call{Method: "m"}) }); o.Err != hub.ErrTooManyCalls {
		t.Error(o.Err)
	}
	if n := h.Stats().Handlers; n != 2 {
		t.Errorf("%d run", n)
	}
	close(release)
	for tag := range uint64(2) {
		if o := e.result(tag + 1); o.Err != nil {
			t.Error(o.Err)
		}
	}
}

// The calls that a session does not take are bounded, and further ones are given to
// another session.
func TestAnswererThatDoesNotTake(t *testing.T) {
	for _, row := range []struct {
		options hub.Options
		holds   int
	}{
		{hub.Options{QueueCountMax: 5}, 5},
		{hub.Options{QueueBytesMax: 350}, 3},
		{hub.Options{QueueBytesMax: 10}, 1},
	} {
		h := newHub(t, nil, &row.options)
		asks, slow, quick := connect(t, h), connect(t, h), connect(t, h)
		slow.register("m", 1000)
		quick.register("m", 1000)
		ask := func() {
			asks.tag++
			asks.Call(asks.tag, hub.Call{Method: "m", Data: make([]byte, 100)})
		}
		got := 0
		for range 50 {
			ask()
			for _, p := range quick.drain() {
				if p.Call != nil {
					got++
				}
			}
		}
		if got != 50-row.holds {
			t.Errorf("%+v: the quick one was given %d of 50, and the slow one may hold %d", row.options, got, row.holds)
		}
		taken := slow.drain()
		if len(taken) != row.holds {
			t.Errorf("the slow one holds %d", len(taken))
		}
		ask() // it has fewest, and can have it now
		if again := slow.drain(); len(again) != 1 || again[0].Call == nil {
			t.Errorf("having taken, it is given %+v", again)
		}
	}
}

// Calls that are canceled before they are taken, over and over, leave nothing in the
// queue that grows.
func TestCanceledCallsDoNotPileUp(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueCountMax: 10})
	asks, answers := connect(t, h), connect(t, h)
	answers.register("m", 1000)
	refused := 0
	for i := range uint64(1000) {
		asks.Call(i+1, hub.Call{Method: "m"})
		asks.CancelCall(i + 1)
		for _, p := range asks.drain() {
			if errors.Is(p.Outcome.Err, hub.ErrTooManyCalls) {
				refused++
			}
		}
	}
	if refused != 990 {
		t.Errorf("%d of 1000 were refused, but 10 can wait", refused)
	}
	want(t, answers.drain(), "")
	asks.Call(1, hub.Call{Method: "m"})
	answers.incoming()
}
