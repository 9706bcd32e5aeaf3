package transport

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
)

// TestDialogues plays every dialogue without a carrier, in virtual time: with a
// broker that never waits, and with one that may. With -update it writes what was
// heard.
func TestDialogues(t *testing.T) {
	for _, s := range scripts(t) {
		t.Run(s.name(), func(t *testing.T) {
			got := speak(t, s, !s.isBrokerSlow())
			if golden.IsUpdating() && !t.Failed() {
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
		o.Logger = quiet()
		stage := &spokenStage{t: t, transport: newTransport(p.hub, &o), woken: newSignal()}
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
func newPlayer(t testing.TB, s *script, isImmediate bool) *player {
	t.Helper()
	h, _ := s.site()
	p := &player{t: t, script: s, broker: newTroubled(isImmediate)}
	var err error
	if p.hub, err = hub.New(p.broker, &h); err != nil {
		t.Fatal(err)
	}
	return p
}

// A dialogue that is not as it is written fails, wherever it is played.
func TestDialoguesCanFail(t *testing.T) {
	for _, test := range []struct{ about, text string }{
		{"another position", "# x\npost /channels/chat hi\n201 {\"position\":\"E:2\"}\n"},
		{"another message", "# x\nann opens websocket /channels/chat\nann is open\nann > hi\nann < ho\n"},
		{"a message too few", "# x\nann opens websocket /channels/chat\nann is open\nann > hi\n"},
		{"a line too few", "# x\nann opens sse /channels/chat\nann is open behind E:0\nann < retry: 2000\nann < id: E:0\n"},
		{"a publication too many, at the end", "# x\nann opens ndjson /channels/chat\nann is open behind E:0\nann < {}\n" +
			"post /channels/chat hi\n201 {\"position\":\"E:1\"}\n"},
	} {
		s, err := parseScript("x.txt", test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := speak(t, s, true); got.String() == test.text {
			t.Errorf("%s: passes without a carrier", test.about)
		}
		for i := range carriers {
			if carriers[i].cannot(s) != "" {
				continue
			}
			if got, faults := carry(t, s, &carriers[i]); got.String() == test.text && len(faults) == 0 {
				t.Errorf("%s: passes on %s", test.about, carriers[i].name)
			}
		}
	}
}
