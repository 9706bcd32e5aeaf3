package hub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

func TestTheHubCalls(t *testing.T) {
	h := newHub(t, nil, nil)
	handle(t, h, "m", func(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
		if c.User != "bob" || c.Session != "" {
			t.Errorf("%+v", c)
		}
		return hub.Answer{Data: c.Data}, nil
	})
	bob := &access.Identity{User: "bob"}
	if a, err := h.Call(t.Context(), bob, hub.Call{Method: "m", Data: []byte("x")}); err != nil || string(a.Data) != "x" {
		t.Errorf("%s, %v", a.Data, err)
	}
	if _, err := h.Call(t.Context(), bob, hub.Call{Method: "none"}); err != hub.ErrNoMethod {
		t.Error(err)
	}
	if _, err := h.Call(t.Context(), nil, hub.Call{Method: "no//ne"}); err == nil {
		t.Error("a name that is none was called")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Call(ctx, bob, hub.Call{Method: "m"}); err != context.Canceled {
		t.Error(err)
	}
	_ = h.Close()
	if _, err := h.Call(t.Context(), bob, hub.Call{Method: "m"}); err != hub.ErrClosed {
		t.Error(err)
	}
}

// A call that is refused has its outcome, and a caller that cancels it gets no second one.
func TestCancelOfARefusedCall(t *testing.T) {
	h := newHub(t, nil, &hub.Options{RPC: hub.RPC{OpenMax: 2, MethodOpenMax: 1}})
	handleNever(t, h, "*")
	var outcomes []error
	begin := func() func() {
		return h.BeginCall(nil, hub.Call{Method: "m"}, func(_ hub.Answer, err error) { outcomes = append(outcomes, err) })
	}
	first := begin()
	begin()()
	begin()() // the cancellation of the one before has not made room
	first()
	first()
	if len(outcomes) != 3 || outcomes[0] != hub.ErrTooManyCalls || outcomes[1] != hub.ErrTooManyCalls || outcomes[2] != hub.ErrCanceled {
		t.Errorf("the outcomes are %v", outcomes)
	}
	if n := h.Stats().Calls; n != 0 {
		t.Errorf("%d are open", n)
	}
}

func TestCallsOfAHubThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		began, ended := make(chan struct{}), make(chan error, 1)
		handle(t, h, "m", func(ctx context.Context, _ *hub.IncomingCall) (hub.Answer, error) {
			close(began)
			<-ctx.Done()
			<-time.After(time.Second)
			ended <- ctx.Err()
			return hub.Answer{}, ctx.Err()
		})
		var canceled bool
		if _, err := h.HandleAsync("later", func(*hub.IncomingCall, func(hub.Answer, error)) func() { return func() { canceled = true } }); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, 2)
		for _, method := range []string{"m", "later"} {
			h.BeginCall(nil, hub.Call{Method: method}, func(_ hub.Answer, err error) { outcomes <- err })
		}
		<-began
		_ = h.Close()
		select {
		case err := <-ended:
			if err != context.Canceled {
				t.Error(err)
			}
		default:
			t.Error("Close has not waited for the handler")
		}
		if !canceled {
			t.Error("the other one was not told")
		}
		for range 2 {
			if err := <-outcomes; err != hub.ErrClosed {
				t.Error(err)
			}
		}
	})
}

func TestCallsWhileShuttingDown(t *testing.T) {
	h := newHub(t, nil, nil)
	handle(t, h, "m", echo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := connect(t, h)
	_ = h.Shutdown(ctx)
	if _, err := h.Call(t.Context(), nil, hub.Call{Method: "m"}); err != hub.ErrShutdown {
		t.Error(err)
	}
	e.Close()
}

// A call from its beginning to its outcome: of a handler that answers at once, and of a
// session beside 10,000 calls that stay open.
func BenchmarkCall(b *testing.B) {
	for _, open := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("handler/%d open", open), func(b *testing.B) {
			h := busyHub(b, open)
			if _, err := h.HandleAsync("now", func(c *hub.IncomingCall, done func(hub.Answer, error)) func() {
				done(hub.Answer{Data: c.Data}, nil)
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			answered := 0
			b.ReportAllocs()
			for b.Loop() {
				h.BeginCall(nil, hub.Call{Method: "now"}, func(hub.Answer, error) { answered++ })
			}
			if answered != b.N {
				b.Fatalf("%d of %d were answered", answered, b.N)
			}
		})
		b.Run(fmt.Sprintf("session/%d open", open), func(b *testing.B) {
			h := busyHub(b, open)
			asks, answers := connect(b, h), connect(b, h)
			answers.register("now", 0)
			var pushes []hub.Push
			b.ReportAllocs()
			for b.Loop() {
				asks.Call(1, hub.Call{Method: "now"})
				pushes, _ = answers.Take(pushes[:0])
				answers.AnswerCall(0, pushes[0].Call.ID, hub.Answer{})
				if pushes, _ = asks.Take(pushes[:0]); pushes[0].Outcome.Err != nil {
					b.Fatal(pushes[0].Outcome.Err)
				}
			}
		})
	}
}

// busyHub is one with so many calls that are not answered.
func busyHub(b *testing.B, open int) *hub.Hub {
	h := newHub(b, nil, &hub.Options{RPC: hub.RPC{OpenMax: open + 10, MethodOpenMax: open + 10}})
	if _, err := h.HandleAsync("never", never); err != nil {
		b.Fatal(err)
	}
	for range open {
		h.BeginCall(nil, hub.Call{Method: "never"}, func(hub.Answer, error) {})
	}
	return h
}
