package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// answerer registers a session at a server, which answers what it is asked with answer, until
// the test ends.
func answerer(t *testing.T, one *running, pattern string, answer func(s *hub.Session, c *hub.IncomingCall)) *hub.Session {
	t.Helper()
	woken := make(chan struct{}, 1)
	s, err := one.hub.ConnectAs(&access.Identity{Kind: access.Token, User: "answers"}, "test", func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	registered, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for range woken {
			pushes, err := s.Take(nil)
			for _, p := range pushes {
				switch {
				case p.Outcome != nil && p.Outcome.Tag == 1:
					registered <- p.Outcome.Err
				case p.Call != nil && p.Call.Incoming != nil:
					answer(s, p.Call.Incoming)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.Close()
		select {
		case woken <- struct{}{}:
		default:
		}
		<-ended
	})
	s.Register(1, pattern, hub.RegisterOptions{})
	if err := <-registered; err != nil {
		t.Fatal(err)
	}
	return s
}

// TestClusterCalls: a method that a session on another node answers is answered, and so are its errors.
func TestClusterCalls(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	s := startSeveral(t, 3, nil)
	failing := hub.CallError{Type: "sorry", Title: "No", Data: []byte(`{"a":1}`)}
	ann := &access.Identity{Kind: access.Token, User: "ann", Info: []byte(`{"n":1}`)}
	held := make(chan struct{}, 1)
	session := answerer(t, s.all[1], "math/*", func(session *hub.Session, c *hub.IncomingCall) {
		if c.User != "ann" || c.Info != `{"n":1}` {
			t.Errorf("the call is %+v", c)
		}
		switch string(c.Data) {
		case `"fail"`:
			session.FailCall(2, c.ID, failing)
		case `"hold"`:
			held <- struct{}{}
		default:
			session.AnswerCall(2, c.ID, hub.Answer{Kind: hub.JSON, Data: c.Data})
		}
	})
	call := func(one *running, method, data string) (hub.Answer, error) {
		return one.hub.Call(t.Context(), ann, hub.Call{Method: method, Kind: hub.JSON, Data: []byte(data), Timeout: 20 * time.Second})
	}
	// The registration is told within a window.
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for _, one := range []*running{s.all[0], s.all[2]} {
		for {
			a, err := call(one, "math/add", `{"x":1}`)
			if err == nil && string(a.Data) == `{"x":1}` && a.Kind == hub.JSON {
				break
			}
			if !errors.Is(err, hub.ErrNoMethod) {
				t.Fatalf("%s, %v", a.Data, err)
			}
			select {
			case <-timeout.C:
				t.Fatal("nobody answers")
			default:
				one.do(t, "GET", "/healthz", "")
			}
		}
	}
	var failed *hub.CallError
	if _, err := call(s.all[0], "math/add", `"fail"`); !errors.As(err, &failed) || failed.Type != failing.Type || string(failed.Data) != string(failing.Data) {
		t.Errorf("a call that fails: %v", err)
	}
	for _, method := range []string{"math", "math/add/more", "other/add"} {
		if _, err := call(s.all[0], method, `1`); !errors.Is(err, hub.ErrNoMethod) {
			t.Errorf("%s: %v", method, err)
		}
	}
	gone := make(chan error, 1)
	go func() {
		_, err := call(s.all[0], "math/add", `"hold"`)
		gone <- err
	}()
	<-held
	session.Close()
	if err := <-gone; !errors.Is(err, hub.ErrAnswererGone) {
		t.Errorf("a call whose answerer leaves: %v", err)
	}
	for {
		if _, err := call(s.all[2], "math/add", `1`); errors.Is(err, hub.ErrNoMethod) {
			break
		}
		select {
		case <-timeout.C:
			t.Fatal("the registration that has ended is not forgotten")
		default:
			s.all[2].do(t, "GET", "/healthz", "")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.all[0].hub.Call(ctx, ann, hub.Call{Method: "math/add"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was canceled: %v", err)
	}
}
