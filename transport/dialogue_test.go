package transport

import (
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// TestDialogues plays every dialogue without a carrier, in virtual time: with a
// broker that never waits, and with one that may. With -update it writes what was
// heard.
func TestDialogues(t *testing.T) {
	for _, s := range scripts(t) {
		t.Run(s.name(), func(t *testing.T) {
			got := speak(t, s, !s.isBrokerSlow())
			if *update && !t.Failed() {
				if err := os.WriteFile(s.file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				s = got
			}
			compare(t, s, got)
			if !t.Failed() {
				compare(t, s, speak(t, s, false))
			}
		})
	}
}

// speak plays s without a carrier.
func speak(t *testing.T, s *script, isImmediate bool) (played *script) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlayer(t, s, isImmediate)
		_, o := s.site()
		o.Logger = slog.New(slog.DiscardHandler)
		stage := &spokenStage{t: t, transport: New(p.hub, &o), woken: newSignal()}
		p.stage = stage
		defer func() {
			for _, c := range stage.clients {
				c.end()
			}
			elapse(time.Minute) // whatever the broker takes
			if left := p.hub.Stats(); len(left.Sessions) > 0 || left.Channels > 0 || left.Subscriptions > 0 {
				t.Errorf("everybody has left, and %+v is left", left)
			}
			_ = p.hub.Close()
		}()
		played = p.play(false)
	})
	return played
}

// newPlayer returns a player on a hub, which its caller closes, without a stage.
func newPlayer(t *testing.T, s *script, isImmediate bool) *player {
	t.Helper()
	h, _ := s.site()
	p := &player{t: t, script: s, broker: newTroubled(isImmediate)}
	var err error
	if p.hub, err = hub.New(p.broker, &h); err != nil {
		t.Fatal(err)
	}
	return p
}

// A dialogue that is not as it is written fails, and says where.
func TestDialoguesCanFail(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"# x\npost /channels/chat hi\n201 {\"position\":\"E:2\"}\n", "E:2"},
		{"# x\npost /channels/chat hi\n", "nothing"},
		{"# x\nann opens websocket /channels/chat\nann > hi\nann < ho\n", "ho"},
		{"# x\nann opens websocket /channels/chat\nann > hi\nann < hi\nann < hi\n", "twice"},
		{"# x\nann opens sse /channels/chat\nann < retry: 2000\nann < id: E:0\n", "the empty line"},
	} {
		s, err := parseScript("x.txt", test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := speak(t, s, true); got.String() == test.text {
			t.Errorf("%s: %q passes", test.want, test.text)
		}
	}
}
