package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// house is a server whose delays say how many sessions it has.
type house struct{ sessions, asked int }

func (h *house) options() *StreamOptions {
	return &StreamOptions{Heartbeat: 15 * time.Second, Reconnect: func(at int32) (time.Duration, int32) {
		h.asked++
		if at == int32(h.sessions) {
			return 0, at
		}
		return time.Duration(h.sessions) * time.Second, int32(h.sessions)
	}}
}

func sent(e *Effects) string {
	text := ""
	for _, frame := range e.Frames {
		text += string(frame)
	}
	e.Reset()
	return text
}

// A client that is silent is told its new delay instead of a heartbeat, and only when it
// is another one.
func TestNewDelaysOfSilentStreams(t *testing.T) {
	h := house{sessions: 3}
	s := NewEvents("c", hub.SubscribeOptions{}, h.options())
	var e Effects
	now := epoch
	s.Begin(now, &e)
	s.Push(now, pushes(subscribed(7)), &e)
	if got := sent(&e); !strings.HasPrefix(got, "retry: 3000\n") {
		t.Errorf("the stream begins with %q", got)
	}
	for _, step := range []struct {
		sessions int
		want     string
	}{{3, ":\n\n"}, {8, "retry: 8000\n\n"}, {8, ":\n\n"}, {2, "retry: 2000\n\n"}} {
		h.sessions = step.sessions
		now = s.Deadline()
		s.Expire(now, &e)
		if got := sent(&e); got != step.want {
			t.Errorf("with %d sessions: %q, want %q", step.sessions, got, step.want)
		}
		if got := s.Deadline(); got != now.Add(15*time.Second) {
			t.Errorf("the next is due after %v", got.Sub(now))
		}
	}
}

// A client of a busy channel is told with a publication, within 16 s, and it costs
// nothing in between.
func TestNewDelaysOfBusyStreams(t *testing.T) {
	h := house{sessions: 3}
	s := NewEvents("c", hub.SubscribeOptions{}, h.options())
	var e Effects
	s.Begin(epoch, &e)
	s.Push(epoch, pushes(subscribed(0)), &e)
	sent(&e)
	h.sessions, h.asked = 8, 0
	var told []int
	for i := range 600 {
		s.Push(epoch.Add(time.Duration(i)*100*time.Millisecond), pushes(delivered(uint64(i+1), "x")), &e)
		if got := sent(&e); strings.Contains(got, "retry: 8000\n\n") {
			told = append(told, i)
		}
	}
	if len(told) != 1 || told[0] >= 160 {
		t.Errorf("told with publications %v, want with one in the first 16 s", told)
	}
	if h.asked < 3 || h.asked > 4 {
		t.Errorf("looked %d times in a minute", h.asked)
	}
}

// Lines have no word for it.
func TestLinesHaveNoDelay(t *testing.T) {
	h := house{sessions: 3}
	s := NewLines("c", hub.SubscribeOptions{}, h.options())
	var e Effects
	s.Begin(epoch, &e)
	s.Push(epoch, pushes(subscribed(7)), &e)
	s.Expire(s.Deadline(), &e)
	s.End(hub.ErrShutdown, &e)
	if got := fmt.Sprintf("%s %d", sent(&e), h.asked); got != "{}\n{}\n 0" {
		t.Errorf("%q", got)
	}
}

// A client with a session that is never silent is told its new delay with a push, on every
// carrier, and it costs nothing in between.
func TestNewDelaysOfBusySessions(t *testing.T) {
	for name, begin := range map[string]func(o *SessionOptions) *Session{"socket": NewSession, "events": NewSessionEvents, "lines": NewSessionLines} {
		h := house{sessions: 3}
		s := begin(&SessionOptions{PingInterval: 25 * time.Second, Heartbeat: 15 * time.Second, Reconnect: h.options().Reconnect})
		var e Effects
		s.Agree("godwit.v1", false)
		s.Begin(epoch, &e)
		s.phase = phaseConnecting
		s.Connected(epoch, &Connected{Tag: 1, Session: "s", Secret: "x"}, &e)
		if got := sentBySession(&e); !strings.Contains(got, `"reconnect":{"after_ms":3000}`) {
			t.Errorf("%s: the session begins with %q", name, got)
		}
		h.sessions, h.asked = 8, 0
		var told []int
		for i := range 600 {
			s.Push(epoch.Add(time.Duration(i)*100*time.Millisecond), pushes(delivered(uint64(i+1), "x")), &e)
			if got := sentBySession(&e); strings.Contains(got, `{"reconnect":{"after_ms":8000}}`) {
				told = append(told, i)
			}
		}
		if len(told) != 1 || told[0] > 160 {
			t.Errorf("%s: told with publications %v, want with one in the first 16 s", name, told)
		}
		if h.asked < 3 || h.asked > 4 {
			t.Errorf("%s: looked %d times in a minute", name, h.asked)
		}
	}
}

// sentBySession is what a session has sent, also over a WebSocket.
func sentBySession(e *Effects) string {
	text := ""
	for _, m := range e.Messages {
		text += string(m.Frame())
	}
	return text + sent(e)
}
