package dialect

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

func movingOptions() *SessionOptions {
	return &SessionOptions{
		Heartbeat: time.Second, ConnectTimeout: time.Second,
		Reconnect: func(at int32) (time.Duration, int32) { return 0, at },
		Describe:  func(err error) Failure { return Failure{Problem: clientproto.ProblemForbidden, Detail: err.Error()} },
	}
}

// beginAfter has s go on where old was, or to a new session if old is nil.
func beginAfter(s, old *Session) {
	var e Effects
	s.Begin(epoch, &e)
	s.ask(epoch, &clientproto.Command{Verb: clientproto.Connect, ID: 100}, &e)
	if old != nil {
		s.Adopt(old, true)
	} else {
		s.newest.Store(1)
	}
	s.Connected(epoch, &Connected{Tag: 100}, &e)
}

// TestRepliesOfAMovedSession are repeated as they were, over as many moves as there are.
func TestRepliesOfAMovedSession(t *testing.T) {
	o := movingOptions()
	s := NewSessionLines(o)
	beginAfter(s, nil)
	var e Effects
	for id := uint64(2); id < 6; id++ {
		verb := clientproto.Publish
		if id > 3 {
			verb = clientproto.RPC
		}
		s.ask(epoch, &clientproto.Command{Verb: verb, ID: id, Channel: "c", Method: "m"}, &e)
	}
	e = Effects{}
	s.Push(epoch, []hub.Push{
		{Outcome: &hub.Outcome{Tag: 4, Command: hub.CommandCall, Err: errors.New("denied")}},
		{Outcome: &hub.Outcome{Tag: 2, Command: hub.CommandPublish, Position: hub.Position{Epoch: "E", Offset: 7}}},
	}, &e)
	first := sent(&e)
	for move := range 2 {
		state := s.State()
		var ids []string
		for _, r := range state.Replies {
			ids = append(ids, fmt.Sprint(r.ID, r.Reply != nil))
		}
		// The publication without an outcome is left out, and the call is not.
		if got := strings.Join(ids, " "); got != "5 false 4 true 2 true" {
			t.Fatalf("move %d: replies are %s", move, got)
		}
		old := RestoreSession(o, &state)
		s = NewSessionLines(o)
		beginAfter(s, old)
		again := func(id uint64) string {
			var e Effects
			s.ask(epoch, &clientproto.Command{Verb: clientproto.RPC, ID: id, Method: "m"}, &e)
			if len(e.Commands) > 0 {
				t.Errorf("move %d: command %d is done again", move, id)
			}
			return sent(&e)
		}
		if got := again(4) + again(2); got != first {
			t.Errorf("move %d: repeated were\n%swant\n%s", move, got, first)
		}
		if got := again(5); !strings.Contains(got, "not known") {
			t.Errorf("move %d: a call of which nobody knows is answered with %s", move, got)
		}
	}
	// What came over as JSON is not sent to a client that speaks CBOR by now.
	state := s.State()
	c := NewSession(o)
	c.Agree(SubprotocolCBOR, false)
	beginAfter(c, RestoreSession(o, &state))
	e = Effects{}
	c.ask(epoch, &clientproto.Command{Verb: clientproto.Publish, ID: 2, Channel: "c"}, &e)
	if got, ok := objectsOf(t, &e, true)[0].(map[string]any); !ok || got["error"] == nil || len(e.Commands) > 0 {
		t.Errorf("a client that speaks CBOR is told %v", got)
	}
}

// TestStateOfABusySession is read while its carrier works: a command with an outcome is
// in it with its reply, or forgotten, from when its carrier has said so.
func TestStateOfABusySession(t *testing.T) {
	s := NewSessionLines(movingOptions())
	beginAfter(s, nil)
	var done sync.WaitGroup
	finished := make(chan struct{})
	done.Go(func() {
		for {
			state := s.State()
			for _, r := range state.Replies {
				if r.ID <= state.Newest && r.Reply != nil && !strings.HasPrefix(string(r.Reply), fmt.Sprintf(`{"id":%d,"ok":{"position":"E:%d"`, r.ID, r.ID)) {
					t.Errorf("the reply to %d is %s", r.ID, r.Reply)
				}
			}
			select {
			case <-finished:
				return
			default:
			}
		}
	})
	for id := uint64(2); id < 1000; id++ {
		var e Effects
		s.ask(epoch, &clientproto.Command{Verb: clientproto.Publish, ID: id, Channel: "c"}, &e)
		s.Push(epoch, []hub.Push{{Outcome: &hub.Outcome{Tag: id, Command: hub.CommandPublish, Position: hub.Position{Epoch: "E", Offset: id}}}}, &e)
	}
	close(finished)
	done.Wait()
	if state := s.State(); state.Newest != 999 || len(state.Replies) != recentMax || state.Forgotten != 999-recentMax {
		t.Errorf("of 998 publications it has %d, the newest is %d and the last forgotten %d", len(state.Replies), state.Newest, state.Forgotten)
	}
}
