package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// handle is Client.Handle for a test.
func handle(t *testing.T, c *client.Client, method string, o *client.HandleOptions, f func(context.Context, client.Call) (client.Data, error)) *client.Handler {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h, err := c.Handle(ctx, method, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// records is a log that can be read while it is written.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// within is a channel's value, which has to come.
func within[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("it has not come")
		panic("unreachable")
	}
}

// TestHandle: the caller gets the handler's answer.
func TestHandle(t *testing.T) {
	each(t, func(t *testing.T, o *client.Options) {
		s := start(t, nil)
		with := *o
		log := &records{}
		with.Logger = slog.New(slog.NewTextHandler(log, nil))
		c, caller := dial(t, s.url(), &with), dial(t, s.url(), o)
		handle(t, c, "bank/*", nil, func(_ context.Context, call client.Call) (client.Data, error) {
			switch call.Method {
			case "bank/echo":
				return call.Data, nil
			case "bank/who":
				return client.Text(call.Session), nil
			case "bank/pay":
				return client.Data{}, fmt.Errorf("refused: %w", &client.Problem{Type: "https://example.com/poor", Title: "Not enough money", Detail: "there are 3", Data: []byte(`{"have":3}`)})
			case "bank/panic":
				panic("secret of a panic")
			case "bank/untyped":
				return client.Data{}, &client.Problem{Title: "secret without a type"}
			case "bank/broken":
				return client.Data{Kind: hub.JSON, Bytes: []byte(`{"secret`)}, nil
			case "bank/nothing":
				return client.Data{}, nil
			}
			return client.Data{}, errors.New("secret of an error")
		})
		handle(t, c, "bank/echo/**", nil, func(_ context.Context, call client.Call) (client.Data, error) {
			return client.Text("deep"), nil
		})

		for _, d := range []client.Data{client.Text("a \"b\"\n"), client.JSON([]int{1, 2}), client.Binary([]byte{0, 255})} {
			if got, err := caller.RPC(t.Context(), "bank/echo", d); err != nil || got.Kind != d.Kind || !bytes.Equal(got.Bytes, d.Bytes) {
				t.Errorf("%+v: %+v %v", d, got, err)
			}
		}
		if got, err := caller.RPC(t.Context(), "bank/echo/x/y", client.Data{}); err != nil || string(got.Bytes) != "deep" {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := caller.RPC(t.Context(), "bank/who", client.Data{}); err != nil || string(got.Bytes) != caller.Status().Session {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := caller.RPC(t.Context(), "bank/nothing", client.Data{}); err != nil || len(got.Bytes) != 0 {
			t.Errorf("%+v %v", got, err)
		}
		var problem *client.Problem
		if _, err := caller.RPC(t.Context(), "bank/pay", client.Data{}); !errors.As(err, &problem) || problem.Type != "https://example.com/poor" || problem.Detail != "there are 3" || string(problem.Data) != `{"have":3}` {
			t.Errorf("%+v %v", problem, err)
		}
		for _, method := range []string{"bank/other", "bank/panic", "bank/untyped", "bank/broken"} {
			if _, err := caller.RPC(t.Context(), method, client.Data{}); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemCallFailed) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", method, err)
			}
		}
		for _, want := range []string{"secret of an error", "secret of a panic", "handler_test.go", "has a type of 1 to 255", "is not one JSON value"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has nothing of %q:\n%s", want, log)
			}
		}
	})
}

// TestHandleContext: the context of a call ends when no caller waits for the answer.
func TestHandleContext(t *testing.T) {
	s := start(t, nil)
	c, caller, leaver := dial(t, s.url(), nil), dial(t, s.url(), nil), dial(t, s.url(), nil)
	began, ended := make(chan string, 1), make(chan error, 1)
	h := handle(t, c, "wait/*", &client.HandleOptions{Concurrency: 2}, func(ctx context.Context, call client.Call) (client.Data, error) {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > hub.DefaultCallTimeout {
			t.Errorf("%s: the time that is left is %v", call.Method, time.Until(at))
		}
		began <- call.Method
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return client.Data{}, ctx.Err()
	})
	call := func(by *client.Client, method string) (outcome chan error, cancel func()) {
		ctx, cancel := context.WithCancel(t.Context())
		outcome = make(chan error, 1)
		go func() {
			_, err := by.RPC(ctx, method, client.Data{})
			outcome <- err
		}()
		return outcome, cancel
	}

	outcome, cancel := call(caller, "wait/canceled")
	within(t, began)
	cancel()
	if cause := within(t, ended); !strings.Contains(cause.Error(), "given the call up") || !errors.Is(within(t, outcome), context.Canceled) {
		t.Error(cause)
	}
	outcome, cancel = call(leaver, "wait/gone")
	within(t, began)
	leaver.Close()
	if cause := within(t, ended); !strings.Contains(cause.Error(), "caller is gone") {
		t.Error(cause)
	}
	if err := within(t, outcome); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
	cancel()

	// Stop waits for the calls under way, and no more come.
	outcome, cancel = call(caller, "wait/stop")
	within(t, began)
	over, now := context.WithCancel(t.Context())
	now()
	if err := h.Stop(over); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	within(t, h.Done())
	if h.Err() != nil {
		t.Error(h.Err())
	}
	stopped := make(chan error, 1)
	go func() { stopped <- h.Stop(t.Context()) }()
	select {
	case err := <-stopped:
		t.Error("it has not waited", err)
	default:
	}
	cancel()
	within(t, ended)
	within(t, outcome)
	if err := within(t, stopped); err != nil {
		t.Error(err)
	}
	var problem *client.Problem
	if _, err := caller.RPC(t.Context(), "wait/late", client.Data{}); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemMethodUnknown) {
		t.Error(err)
	}

	// The end of the Client is the end of its calls.
	h = handle(t, c, "wait/*", nil, func(ctx context.Context, call client.Call) (client.Data, error) {
		began <- call.Method
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return client.Data{}, ctx.Err()
	})
	outcome, cancel = call(caller, "wait/close")
	defer cancel()
	within(t, began)
	c.Close()
	if cause := within(t, ended); !errors.Is(cause, client.ErrClosed) {
		t.Error(cause)
	}
	if err := within(t, outcome); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemAnswererGone) {
		t.Error(err)
	}
	within(t, h.Done())
	if !errors.Is(h.Err(), client.ErrClosed) {
		t.Error(h.Err())
	}
}

// TestHandleConcurrency: no more calls run than are wanted, and one beyond is refused to its caller, or given to
// another handler.
func TestHandleConcurrency(t *testing.T) {
	s := start(t, nil)
	c, caller := dial(t, s.url(), nil), dial(t, s.url(), nil)
	var running, most atomic.Int32
	began, gate := make(chan struct{}, 10), make(chan struct{})
	h := handle(t, c, "slow", &client.HandleOptions{Concurrency: 3}, func(context.Context, client.Call) (client.Data, error) {
		most.Store(max(most.Load(), running.Add(1)))
		began <- struct{}{}
		<-gate
		running.Add(-1)
		return client.Text("done"), nil
	})
	outcomes := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := caller.RPC(t.Context(), "slow", client.Data{})
			outcomes <- err
		}()
	}
	for range 3 {
		within(t, began)
	}
	var problem *client.Problem
	if _, err := caller.RPC(t.Context(), "slow", client.Data{}); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemTooManyCalls) {
		t.Error(err)
	}
	close(gate)
	for range 3 {
		if err := within(t, outcomes); err != nil {
			t.Error(err)
		}
	}
	if err := h.Stop(t.Context()); err != nil || most.Load() != 3 {
		t.Error(err, most.Load())
	}
}

// TestHandleCuts: calls are answered over broken connections, each at most once, and the answers come.
func TestHandleCuts(t *testing.T) {
	each(t, func(t *testing.T, o *client.Options) {
		s := start(t, nil)
		waiting := make(chan struct{}, 1)
		with := *o
		with.OnStatus = func(s client.Status) {
			if s.State == client.Waiting && s.Session != "" {
				select {
				case waiting <- struct{}{}:
				default:
				}
			}
		}
		c := dial(t, s.url(), &with)
		began, gate := make(chan struct{}), make(chan struct{})
		var asked atomic.Int32
		handle(t, c, "slow", nil, func(ctx context.Context, call client.Call) (client.Data, error) {
			asked.Add(1)
			began <- struct{}{}
			select {
			case <-gate:
				return call.Data, nil
			case <-ctx.Done():
				return client.Data{}, context.Cause(ctx)
			}
		})
		ask := func(text string) chan hub.Answer {
			answers := make(chan hub.Answer, 1)
			go func() {
				a, err := s.hub.Call(t.Context(), nil, hub.Call{Method: "slow", Data: []byte(text), Timeout: time.Minute})
				if err != nil {
					t.Errorf("%s: %v", text, err)
				}
				answers <- a
			}()
			return answers
		}
		// The answer is given while there is no connection.
		first := ask("first")
		within(t, began)
		s.wire.cut(true)
		within(t, waiting)
		gate <- struct{}{}
		s.wire.cut(false)
		c.Hurry()
		if a := within(t, first); string(a.Data) != "first" {
			t.Errorf("%+v", a)
		}
		// The connection is new, the call is not.
		second := ask("second")
		within(t, began)
		s.wire.cut(false)
		gate <- struct{}{}
		for { // polls may not notice at all
			select {
			case <-waiting:
				c.Hurry()
				continue
			case a := <-second:
				if string(a.Data) != "second" || asked.Load() != 2 {
					t.Errorf("%+v, asked %d times", a, asked.Load())
				}
			case <-time.After(patience):
				t.Error("no answer has come")
			}
			break
		}
	})
}

// TestHandleAgain: a session that is gone takes its calls along, and the next one registers again.
func TestHandleAgain(t *testing.T) {
	s := start(t, nil)
	waiting, opened := make(chan struct{}, 100), make(chan string, 100)
	c := dial(t, s.url(), &client.Options{Transports: []client.Transport{client.WebSocket}, OnStatus: func(s client.Status) {
		switch s.State {
		case client.Waiting:
			waiting <- struct{}{}
		case client.Open:
			opened <- s.Session
		}
	}})
	old := within(t, opened)
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	handle(t, c, "echo", nil, func(ctx context.Context, call client.Call) (client.Data, error) {
		if string(call.Data.Bytes) == "wait" {
			began <- struct{}{}
			<-ctx.Done()
			ended <- context.Cause(ctx)
		}
		return call.Data, nil
	})
	outcome := make(chan error, 1)
	go func() {
		_, err := s.hub.Call(t.Context(), nil, hub.Call{Method: "echo", Data: []byte("wait"), Timeout: time.Minute})
		outcome <- err
	}()
	within(t, began)
	s.wire.cut(true)
	for len(waiting) > 0 { // it begins by waiting
		<-waiting
	}
	within(t, waiting)
	s.hub.EndSessions(func(one *hub.Session) bool { return one.ID() == old }, errors.New("gone"))
	if err := within(t, outcome); !errors.Is(err, hub.ErrAnswererGone) {
		t.Error(err)
	}
	s.wire.cut(false)
	c.Hurry()
	for within(t, opened) == old {
		t.Error("the session goes on")
	}
	if cause := within(t, ended); !strings.Contains(cause.Error(), "session that was to answer is gone") {
		t.Error(cause)
	}
	// The method is answered as soon as the server knows, which is when this Handle has an answer.
	handle(t, c, "other", nil, func(context.Context, client.Call) (client.Data, error) { return client.Data{}, nil })
	if a, err := s.hub.Call(t.Context(), nil, hub.Call{Method: "echo", Data: []byte("again")}); err != nil || string(a.Data) != "again" {
		t.Errorf("%+v %v", a, err)
	}
}

func TestHandleOptions(t *testing.T) {
	s := start(t, nil)
	c := dial(t, s.url(), nil)
	f := func(context.Context, client.Call) (client.Data, error) { return client.Data{}, nil }
	handle(t, c, "twice", nil, f)
	for _, test := range []struct {
		method string
		o      client.HandleOptions
	}{
		{"twice", client.HandleOptions{}},
		{"a", client.HandleOptions{Concurrency: -1}},
		{"a//b", client.HandleOptions{}},
		{"a/b*", client.HandleOptions{}},
		{"a/{user}", client.HandleOptions{}},
	} {
		if _, err := c.Handle(t.Context(), test.method, f, &test.o); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if _, err := c.Handle(t.Context(), "a", nil, nil); !errors.Is(err, client.ErrOptions) {
		t.Error(err)
	}
	for _, bad := range []client.Data{{Kind: hub.Text, Bytes: []byte{255}}, {Kind: hub.JSON, Bytes: []byte("{}}")}, {Kind: 9}} {
		if _, err := c.Publish(t.Context(), "a", bad, nil); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%+v: %v", bad, err)
		}
		if _, err := c.RPC(t.Context(), "a", bad); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	// A call given up while there is no server leaves nothing behind.
	lonely, err := client.Start("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lonely.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lonely.Handle(ctx, "a", f, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := lonely.Handle(ctx, "a", f, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	lonely.Close()
	if _, err := lonely.Handle(t.Context(), "a", f, nil); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}
