package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// call makes a call and waits for its outcome.
func (e *edge) call(method, data string) hub.Outcome {
	e.t.Helper()
	return e.outcome(func(tag uint64) { e.Call(tag, hub.Call{Method: method, Data: []byte(data)}) })
}

func (e *edge) register(pattern string, concurrent int) {
	e.t.Helper()
	if err := e.tryRegister(pattern, concurrent); err != nil {
		e.t.Fatalf("Register(%q): %v", pattern, err)
	}
}

func (e *edge) tryRegister(pattern string, concurrent int) error {
	e.t.Helper()
	return e.outcome(func(tag uint64) { e.Register(tag, pattern, hub.RegisterOptions{ConcurrentMax: concurrent}) }).Err
}

// incoming waits for a call.
func (e *edge) incoming() *hub.IncomingCall {
	e.t.Helper()
	p := e.callPush()
	if p.Incoming == nil || p.Over != nil || p.ID != p.Incoming.ID {
		e.t.Fatalf("%+v is no call", p)
	}
	return p.Incoming
}

func (e *edge) callPush() *hub.CallPush {
	e.t.Helper()
	all := e.await(func(all []hub.Push) bool { return len(all) > 0 })
	if all[0].Call == nil {
		e.t.Fatalf("%+v is no news of a call", all[0])
	}
	e.kept = all[1:]
	return all[0].Call
}

// result waits for the outcome of a call that was made before.
func (e *edge) result(tag uint64) hub.Outcome {
	e.t.Helper()
	e.tag = tag - 1
	return e.outcome(func(uint64) {})
}

func (e *edge) answer(id uint64, data string) error {
	e.t.Helper()
	e.tag += 1000
	return e.outcome(func(tag uint64) { e.AnswerCall(tag, id, hub.Answer{Data: []byte(data)}) }).Err
}

func handle(t testing.TB, h *hub.Hub, pattern string, f func(context.Context, *hub.IncomingCall) (hub.Answer, error)) func() {
	t.Helper()
	remove, err := h.Handle(pattern, f)
	if err != nil {
		t.Fatalf("Handle(%q): %v", pattern, err)
	}
	return remove
}

func echo(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
	return hub.Answer{Kind: c.Kind, Data: c.Data}, nil
}

func TestCallOfAHandler(t *testing.T) {
	h := newHub(t, nil, nil)
	var got hub.IncomingCall
	remove := handle(t, h, "math/*", func(ctx context.Context, c *hub.IncomingCall) (hub.Answer, error) {
		got = *c
		if deadline, ok := ctx.Deadline(); !ok || !deadline.Equal(c.Deadline) {
			t.Errorf("the context ends at %v, the call at %v", deadline, c.Deadline)
		}
		return hub.Answer{Kind: hub.JSON, Data: []byte(`3`)}, nil
	})
	id := &access.Identity{User: "ann", Info: []byte(`{"a":1}`)}
	s, err := h.ConnectAs(id, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := connect(t, h)
	defer s.Close()
	s.Call(7, hub.Call{Method: "math/add", Kind: hub.JSON, Data: []byte(`[1,2]`), Trace: "00-trace"})
	var pushes []hub.Push
	for len(pushes) == 0 {
		if pushes, err = s.Take(pushes); err != nil {
			t.Fatal(err)
		}
	}
	o := pushes[0].Outcome
	if o.Tag != 7 || o.Command != hub.CommandCall || o.Err != nil || o.Answer.Kind != hub.JSON || string(o.Answer.Data) != "3" {
		t.Errorf("%+v", o)
	}
	if got.ID == 0 || got.ID >= 1<<53 || got.Method != "math/add" || got.Kind != hub.JSON || string(got.Data) != "[1,2]" ||
		got.User != "ann" || got.Info != `{"a":1}` || got.Session != s.ID() || got.Trace != "00-trace" {
		t.Errorf("the handler was given %+v", got)
	}
	if o := e.call("math/add/more", ""); o.Err != hub.ErrNoMethod {
		t.Errorf("a method that no pattern matches: %v", o.Err)
	}
	remove()
	remove()
	if o := e.call("math/add", ""); o.Err != hub.ErrNoMethod {
		t.Errorf("after the handler was removed: %v", o.Err)
	}
}

func TestErrorsOfHandlers(t *testing.T) {
	var log bytes.Buffer
	h := newHub(t, nil, &hub.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), PublicationBytesMax: 100})
	failures := map[string]error{
		"call":    &hub.CallError{Type: "no_funds", Title: "No funds", Detail: "3 missing", Data: []byte(`{"missing":3}`)},
		"wrapped": fmt.Errorf("while adding: %w", &hub.CallError{Type: "no_funds"}),
		"refusal": &access.Refusal{Cause: access.Unavailable, Reason: "later"},
		"none":    fmt.Errorf("not me: %w", hub.ErrNoMethod),
		"busy":    hub.ErrTooManyCalls,
		"other":   errors.New("password is 1234"),
		"badtype": &hub.CallError{Type: ""},
	}
	handle(t, h, "fail/*", func(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
		return hub.Answer{}, failures[strings.TrimPrefix(c.Method, "fail/")]
	})
	handle(t, h, "panic", func(context.Context, *hub.IncomingCall) (hub.Answer, error) { panic("oh") })
	if _, err := h.HandleAsync("panic/async", func(*hub.IncomingCall, func(hub.Answer, error)) func() { panic("oh no") }); err != nil {
		t.Fatal(err)
	}
	handle(t, h, "long", func(context.Context, *hub.IncomingCall) (hub.Answer, error) {
		return hub.Answer{Data: make([]byte, 101)}, nil
	})
	e := connect(t, h)
	for method, want := range map[string]error{
		"fail/call": failures["call"], "fail/wrapped": errors.Unwrap(failures["wrapped"]), "fail/refusal": failures["refusal"],
		"fail/none": hub.ErrNoMethod, "fail/busy": hub.ErrTooManyCalls, "fail/other": hub.ErrAnswererFailed, "fail/badtype": hub.ErrAnswererFailed,
		"panic": hub.ErrAnswererFailed, "panic/async": hub.ErrAnswererFailed, "long": hub.ErrAnswererFailed,
	} {
		if o := e.call(method, ""); o.Err != want || o.Answer != nil {
			t.Errorf("%s: %v, %v; want %v", method, o.Answer, o.Err, want)
		}
	}
	if want := `hub: the call was answered with an error: "No funds: 3 missing"`; failures["call"].Error() != want {
		t.Errorf("%s, want %s", failures["call"], want)
	}
	_ = h.Close() // so that all has been logged
	for _, text := range []string{"password is 1234", "panic=oh", `panic="oh no"`, "it has no type", "101 bytes", "method=panic/async"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("%q was not logged in\n%s", text, log.String())
		}
	}
}

func TestCallsThatAreNone(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PublicationBytesMax: 10})
	handle(t, h, "**", echo)
	e := connect(t, h)
	for _, row := range []struct {
		call hub.Call
		want error
	}{
		{hub.Call{Method: "a", Data: make([]byte, 11)}, hub.ErrTooLarge},
		{hub.Call{Method: "a", Data: []byte("\xff")}, hub.ErrTextNotUTF8},
		{hub.Call{Method: "a", Kind: hub.JSON, Data: []byte("{")}, hub.ErrNotJSON},
		{hub.Call{Method: "a", Kind: 99}, hub.ErrKind},
		{hub.Call{Method: "a", Trace: "\n"}, hub.ErrAttribute},
		{hub.Call{Method: "a", Timeout: -1}, hub.ErrNegativeTimeout},
	} {
		if o := e.outcome(func(tag uint64) { e.Call(tag, row.call) }); !errors.Is(o.Err, row.want) {
			t.Errorf("%+v: %v, want %v", row.call, o.Err, row.want)
		}
	}
	for _, method := range []string{"", "a//b", "a/*", "**", "a/../b", strings.Repeat("a", 256)} {
		var wrong *hub.MethodError
		if o := e.call(method, ""); !errors.As(o.Err, &wrong) || !strings.HasPrefix(o.Err.Error(), "hub: method ") {
			t.Errorf("%q: %v", method, o.Err)
		}
	}
	if o := e.outcome(func(tag uint64) { e.Call(tag, hub.Call{Method: "a", Kind: hub.Binary, Data: []byte("\xff")}) }); o.Err != nil || string(o.Answer.Data) != "\xff" {
		t.Errorf("a binary call: %+v", o)
	}
}

func TestPatternsOfHandlers(t *testing.T) {
	h := newHub(t, nil, nil)
	for _, pattern := range []string{"", "a/{user}", "a**", "/a"} {
		var wrong *hub.MethodError
		if _, err := h.Handle(pattern, echo); !errors.As(err, &wrong) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	handle(t, h, "a/*", echo)
	if _, err := h.Handle("a/*", echo); !errors.Is(err, hub.ErrRegistered) {
		t.Errorf("twice: %v", err)
	}
	if _, err := h.Handle("b", nil); err == nil {
		t.Error("a handler that is nil was taken")
	}
	if _, err := h.HandleAsync("b", nil); err == nil {
		t.Error("a handler that is nil was taken")
	}
	_ = h.Close()
	if _, err := h.Handle("c", echo); err != hub.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestTheMostSpecificHandlerAnswers(t *testing.T) {
	h := newHub(t, nil, nil)
	for _, pattern := range []string{"**", "a/**", "a/*", "a/b", "*/b/c", "a/*/c"} {
		handle(t, h, pattern, func(context.Context, *hub.IncomingCall) (hub.Answer, error) {
			return hub.Answer{Data: []byte(pattern)}, nil
		})
	}
	e := connect(t, h)
	for method, want := range map[string]string{
		"x": "**", "a": "**", "a/b": "a/b", "a/c": "a/*", "a/b/c": "a/*/c", "x/b/c": "*/b/c", "a/b/d": "a/**", "x/b/d": "**",
	} {
		if o := e.call(method, ""); o.Err != nil || string(o.Answer.Data) != want {
			t.Errorf("%s is answered by %+v, want %s", method, o, want)
		}
	}
	if o := e.call("@ann", ""); o.Err != hub.ErrNoMethod {
		t.Errorf("a wildcard stands for @ann: %v", o.Err)
	}
}

func TestCallOfASession(t *testing.T) {
	h := newHub(t, nil, nil)
	asks, answers := connect(t, h), connect(t, h)
	answers.register("math/*", 0)
	asks.Call(5, hub.Call{Method: "math/add", Data: []byte("1+2")})
	c := answers.incoming()
	if c.Method != "math/add" || string(c.Data) != "1+2" || c.Session != asks.ID() {
		t.Errorf("%+v", c)
	}
	if err := asks.answer(c.ID, "4"); err != hub.ErrNoCall {
		t.Errorf("somebody else answers: %v", err)
	}
	answers.tag++
	if o := answers.outcome(func(tag uint64) { answers.AnswerCall(tag, c.ID, hub.Answer{Kind: hub.JSON, Data: []byte("{")}) }); o.Err != hub.ErrNotJSON || o.Command != hub.CommandAnswer {
		t.Errorf("an answer that is no JSON: %+v", o)
	}
	if err := answers.answer(c.ID, "3"); err != nil {
		t.Error(err)
	}
	if o := asks.result(5); o.Err != nil || string(o.Answer.Data) != "3" {
		t.Errorf("%+v", o)
	}
	if err := answers.answer(c.ID, "3"); err != hub.ErrNoCall {
		t.Errorf("answered twice: %v", err)
	}

	asks.Call(6, hub.Call{Method: "math/div"})
	c = answers.incoming()
	e := hub.CallError{Type: "by_zero", Title: "Division by zero", Data: []byte(`[0]`)}
	if o := answers.outcome(func(tag uint64) { answers.FailCall(tag, c.ID, hub.CallError{Type: "x", Data: []byte(`[`)}) }); !errors.Is(o.Err, hub.ErrCallError) {
		t.Errorf("an error that is none: %v", o.Err)
	}
	if o := answers.outcome(func(tag uint64) { answers.FailCall(tag, c.ID, e) }); o.Err != nil {
		t.Error(o.Err)
	}
	var failed *hub.CallError
	if o := asks.result(6); !errors.As(o.Err, &failed) || failed.Type != "by_zero" || failed.Title != e.Title || string(failed.Data) != "[0]" || o.Answer != nil {
		t.Errorf("%+v", o)
	}
}

func TestErrorsThatCannotBeUsed(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PublicationBytesMax: 10})
	e := connect(t, h)
	for _, wrong := range []hub.CallError{
		{}, {Type: strings.Repeat("a", 256)}, {Type: "\n"}, {Type: "a", Title: "\xff"}, {Type: "a", Detail: strings.Repeat("a", 4097)},
		{Type: "a", Detail: "\xff"}, {Type: "a", Data: []byte(`"45678901"`)[:10]}, {Type: "a", Data: []byte(`"456789012"`)}, {Type: "a", Data: []byte{}},
	} {
		o := e.outcome(func(tag uint64) { e.FailCall(tag, 1, wrong) })
		if string(wrong.Data) == `"45678901"` {
			if o.Err != hub.ErrNoCall {
				t.Errorf("%+v: %v", wrong, o.Err)
			}
			continue
		}
		if !errors.Is(o.Err, hub.ErrCallError) {
			t.Errorf("%+v: %v", wrong, o.Err)
		}
	}
}

func TestRegistering(t *testing.T) {
	var observed []string
	h := newHub(t, nil, &hub.Options{RPC: hub.RPC{RegistrationsMax: 2}, Observer: &hub.Observer{
		Registered: func(_ *hub.Session, pattern string) { observed = append(observed, pattern) },
	}})
	e := connect(t, h)
	e.register("a/*", 1)
	var wrong *hub.MethodError
	for pattern, want := range map[string]error{"a/*": hub.ErrRegistered, "b": nil} {
		if err := e.tryRegister(pattern, 0); err != want {
			t.Errorf("%s: %v, want %v", pattern, err, want)
		}
	}
	if err := e.tryRegister("c", 0); err != hub.ErrTooManyRegistrations {
		t.Errorf("one more than allowed: %v", err)
	}
	if err := e.tryRegister("c/{user}", 0); !errors.As(err, &wrong) {
		t.Errorf("{user}: %v", err)
	}
	if got := fmt.Sprint(e.Methods(), connect(t, h).Methods(), observed); got != "[a/* b] [] [a/* b]" {
		t.Errorf("registrations, of nobody, and observed: %s", got)
	}
	if n := h.Stats().Registrations; n != 2 {
		t.Errorf("%d registrations", n)
	}
	unregister := func(pattern string) hub.Outcome {
		return e.outcome(func(tag uint64) { e.Unregister(tag, pattern) })
	}
	if o := unregister("a/*"); o.Err != nil || o.Command != hub.CommandUnregister {
		t.Errorf("%+v", o)
	}
	if o := unregister("a/*"); o.Err != hub.ErrNotRegistered {
		t.Errorf("twice: %v", o.Err)
	}
	if o := connect(t, h).call("a/b", ""); o.Err != hub.ErrNoMethod {
		t.Errorf("after Unregister: %v", o.Err)
	}
	e.register("c", 0)
	e.Close()
	if n := h.Stats().Registrations; n != 0 {
		t.Errorf("%d registrations after Close", n)
	}
}

// What the program handles is never given to a session, however specific its pattern.
func TestHandlersComeFirst(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.register("pay", 0)
	handle(t, h, "**", echo)
	if o := connect(t, h).call("pay", "1234"); o.Err != nil || string(o.Answer.Data) != "1234" {
		t.Errorf("%+v", o)
	}
	want(t, e.drain(), "")
}

func TestCallsGoToTheLeastBusyInTurn(t *testing.T) {
	h := newHub(t, nil, nil)
	asks := connect(t, h)
	var answerers []*edge
	for range 3 {
		e := connect(t, h)
		e.register("m", 3)
		answerers = append(answerers, e)
	}
	counts := func() (n [3]int) {
		for i, e := range answerers {
			for _, p := range e.drain() {
				if p.Call != nil {
					n[i]++
				}
			}
		}
		return n
	}
	for i := range 6 {
		asks.Call(uint64(i+1), hub.Call{Method: "m"})
	}
	if got := counts(); got != [3]int{2, 2, 2} {
		t.Errorf("six calls are spread as %v", got)
	}
	busy := answerers[1]
	busy.Close()
	for i := range 2 {
		if o := asks.result(uint64([]int{2, 5}[i])); o.Err != hub.ErrAnswererGone {
			t.Errorf("a call of the one that left: %v", o.Err)
		}
	}
	for i := range 3 {
		asks.Call(uint64(i+11), hub.Call{Method: "m"})
	}
	answerers[1] = connect(t, h)
	if got := counts(); got != [3]int{1, 0, 1} {
		t.Errorf("two more have room for one each, and got %v", got)
	}
	if o := asks.result(13); o.Err != hub.ErrTooManyCalls {
		t.Errorf("all are full: %v", o.Err)
	}
}

func TestCancelCall(t *testing.T) {
	h := newHub(t, nil, nil)
	asks, answers := connect(t, h), connect(t, h)
	answers.register("m", 0)
	asks.Call(1, hub.Call{Method: "m"})
	c := answers.incoming()
	asks.Call(2, hub.Call{Method: "m"})
	if asks.CancelCall(3) || answers.CancelCall(1) {
		t.Error("a call that is not there was canceled")
	}
	if !asks.CancelCall(1) || !asks.CancelCall(2) || asks.CancelCall(1) {
		t.Error("calls were not canceled once")
	}
	for tag := range uint64(2) {
		if o := asks.result(tag + 1); o.Err != hub.ErrCanceled {
			t.Errorf("%+v", o)
		}
	}
	// The second one was never taken, so there is no news of it.
	pushes := answers.drain()
	if len(pushes) != 1 || pushes[0].Call == nil || pushes[0].Call.ID != c.ID || pushes[0].Call.Over != hub.ErrCanceled || pushes[0].Call.Incoming != nil {
		t.Errorf("%+v", pushes)
	}
	if err := answers.answer(c.ID, ""); err != hub.ErrNoCall {
		t.Errorf("an answer to a call that was canceled: %v", err)
	}
}

func TestSessionsThatLeave(t *testing.T) {
	h := newHub(t, nil, nil)
	asks, answers := connect(t, h), connect(t, h)
	answers.register("m", 0)
	asks.Call(1, hub.Call{Method: "m"})
	c := answers.incoming()
	asks.Close()
	if p := answers.callPush(); p.ID != c.ID || p.Over != hub.ErrCallerGone {
		t.Errorf("%+v", p)
	}
	// A session that has ended and is not closed yet is given nothing.
	other := connect(t, h)
	other.register("m", 0)
	answers.End(errors.New("over"))
	asks = connect(t, h)
	for i := range 4 {
		asks.Call(uint64(i+1), hub.Call{Method: "m"})
		if err := other.answer(other.incoming().ID, "x"); err != nil {
			t.Error(err)
		}
		if o := asks.result(uint64(i + 1)); o.Err != nil {
			t.Error(o.Err)
		}
	}
	other.Close()
	answers.Close()
	if o := asks.call("m", ""); o.Err != hub.ErrNoMethod {
		t.Errorf("all have left: %v", o.Err)
	}
}

func TestCallWithoutATag(t *testing.T) {
	h := newHub(t, nil, &hub.Options{RPC: hub.RPC{SessionOpenMax: 1}})
	handle(t, h, "m", echo)
	e := connect(t, h)
	for range 3 {
		e.Call(0, hub.Call{Method: "none"})
		if all := e.await(func(all []hub.Push) bool { return len(all) > 0 }); all[0].Outcome.Err != hub.ErrNoMethod {
			t.Errorf("%+v", all[0].Outcome)
		}
		e.outcome(func(tag uint64) { e.Call(tag, hub.Call{Method: "m"}) })
	}
	done := make(chan struct{})
	if _, err := h.HandleAsync("later", func(_ *hub.IncomingCall, answer func(hub.Answer, error)) func() {
		go func() { answer(hub.Answer{}, nil); done <- struct{}{} }()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.Call(0, hub.Call{Method: "later"})
		<-done
		want(t, e.drain(), "")
	}
}
