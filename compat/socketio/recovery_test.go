package socketio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// lastOffset is that of an event.
func lastOffset(t *testing.T, event string) string {
	t.Helper()
	parts := strings.Split(event, `"`)
	if len(parts) < 4 {
		t.Fatalf("%s has no offset", event)
	}
	return parts[len(parts)-2]
}

// A client whose connection is lost goes on with its id and its rooms, and is given the
// events that it has missed.
func TestRecovery(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		index := 0
		s := start(Options{Recovery: time.Minute, Rules: []Rule{{Event: "join", Subscribe: &index}}}, transport.Options{})
		for _, isStillThere := range []bool{false, true} {
			p := s.join("/chat", "")
			if p.pid == "" {
				t.Fatal("there is no pid")
			}
			p.send(`42/chat,1["join","cats"]`)
			p.read()
			s.publish("chat", "n", "1")
			s.publish("chat/cats", "n", "2")
			s.publish("chat", "n", "3")
			p.read()
			seen := p.read()
			if !strings.HasPrefix(seen, `42/chat,["n","2","`) {
				t.Fatal(seen)
			}
			offset := lastOffset(t, seen)
			sid, pid := p.sid, p.pid
			if !isStillThere {
				_ = p.conn.CloseNow()
				s.gone(sid)
				s.publish("chat/cats", "n", "4")
			}
			again := s.dial("")
			if said := again.join("/chat", fmt.Sprintf(`{"pid":%q,"offset":%q}`, pid, offset)); again.sid != sid || again.pid != pid {
				t.Fatalf("it goes on as %s, want %s, %s", said, sid, pid)
			}
			want := []string{"3"}
			if !isStillThere {
				want = []string{"3", "4"}
			}
			var got []string
			for range want {
				text := again.read()
				got = append(got, strings.Split(text, `"`)[3])
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("it has missed %v, want %v", got, want)
			}
			s.publish("chat/cats", "n", "5")
			if got := again.read(); !strings.HasPrefix(got, `42/chat,["n","5","`) {
				t.Error(got)
			}
			if isStillThere {
				if code := p.expectEndAfter(); code != 1000 {
					t.Errorf("the old connection ends with %d", code)
				}
			}
			again.send("41/chat,")
			s.gone(sid)
			third := s.dial("")
			third.join("/chat", fmt.Sprintf(`{"pid":%q,"offset":%q}`, pid, offset))
			if third.pid == pid || third.sid == sid {
				t.Error("a client that has left goes on")
			}
		}
	})
}

// expectEndAfter waits for the end behind whatever comes before.
func (p *peer) expectEndAfter() uint16 {
	for {
		if _, err := p.next(); err != nil {
			return endCode(err)
		}
	}
}

// A lost session does not go on: the client is told so by a new pid.
func TestRecoveryOfWhatIsLost(t *testing.T) {
	s := newSite(t, "loop", Options{Recovery: time.Minute}, transport.Options{})
	s.hub.SetPolicies(func(string) *hub.Policy { return &hub.Policy{Retention: hub.Retention{Count: 3, Age: time.Minute}} })
	p := s.join("/chat", "")
	s.publish("chat", "n", "1")
	offset := lastOffset(t, p.read())
	_ = p.conn.CloseNow()
	s.gone(p.sid)
	for range 10 {
		s.publish("chat", "n", "x")
	}
	again := s.dial("")
	again.join("/chat", fmt.Sprintf(`{"pid":%q,"offset":%q}`, p.pid, offset))
	if again.pid == p.pid {
		t.Error("it goes on although something is lost")
	}
	s.publish("chat", "n", "new")
	if got := again.read(); !strings.HasPrefix(got, `42/chat,["n","new"`) {
		t.Error(got)
	}
	// A pid of another namespace, and none at all, are a new session.
	for _, auth := range []string{fmt.Sprintf(`{"pid":%q}`, again.pid), `{"pid":"x","offset":"y"}`, `{"pid":7}`} {
		other := s.dial("")
		if other.join("/other", auth); other.pid == again.pid {
			t.Errorf("%s goes on", auth)
		}
	}
}

func TestRecordsAreBounded(t *testing.T) {
	records := newRecords(time.Hour, 2)
	defer records.close()
	var all []*record
	for i := range 5 {
		r := &record{pid: fmt.Sprint(i), name: "/"}
		all = append(all, r)
		records.enter(r, &conversation{})
		records.release(r)
	}
	for i, r := range all {
		var got *record
		records.take(r.pid, "/", func(found *record) { got = found })
		if (got != nil) != (i >= 3) {
			t.Errorf("%d is there: %v", i, got != nil)
		}
	}
	if len(records.byPID) != 0 || records.wait != 0 {
		t.Errorf("%d records, %d wait", len(records.byPID), records.wait)
	}
	old := newRecords(time.Nanosecond, 10)
	defer old.close()
	r := &record{pid: "a", name: "/"}
	old.enter(r, &conversation{})
	old.release(r)
	deadline(t, func() bool {
		old.mu.Lock()
		defer old.mu.Unlock()
		return len(old.byPID) == 0 && old.wait == 0
	})
}

// The positions of all channels are known at each of the last events, and at none before.
func TestPositionsOfSeveralChannels(t *testing.T) {
	at := func(n int) hub.Position { return hub.Position{Epoch: "E", Offset: uint64(n)} }
	r := &record{channel: "c", begin: map[string]hub.Position{"c": at(1)}}
	r.sent("c", at(2))
	r.entered("c/x", room{}, at(2))
	for n := 3; n < 3+2*pairsMax; n++ {
		r.sent([]string{"c", "c/x"}[n%2], at(n))
	}
	newest := 2 + 2*pairsMax
	for n := 1; n <= newest; n++ {
		channel, offset := "c", at(n).String()
		if n%2 == 1 {
			channel, offset = "c/x", offset+" c/x"
		}
		positions, ok := r.at(offset)
		if want := n >= newest-pairsMax; ok != want {
			t.Fatalf("%s is known: %v", offset, ok)
		}
		other := map[string]string{"c": "c/x", "c/x": "c"}[channel]
		if ok && (positions[channel] != at(n) || positions[other] != at(n-1)) {
			t.Fatalf("at %s: %v", offset, positions)
		}
	}
	if _, ok := r.at(""); ok {
		t.Error("the beginning is known")
	}
	r.left("c/x")
	if positions, ok := r.at(at(newest).String()); !ok || len(positions) != 1 {
		t.Errorf("without the room: %v, %v", positions, ok)
	}
}

// A client with the pid of another does not go on as that client: not with its id, nor in
// rooms that the application has let it into.
func TestNobodyElseGoesOn(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		g := &tokens{t: t, grants: map[string]string{"ann": "subscribe chat, publish chat", "bob": "subscribe chat, publish chat"}}
		a := &application{event: func(r *EventRequest) (*EventAnswer, error) {
			return &EventAnswer{Join: []string{"staff"}}, nil
		}}
		s := start(Options{Recovery: time.Minute, Backend: a, BackendEvents: []string{"join"}}, transport.Options{Guard: g})
		ann := s.dial("&user=ann")
		ann.join("/chat", "")
		ann.send(`42/chat,1["join"]`)
		ann.read()
		s.publish("chat", "n", "1")
		auth := fmt.Sprintf(`{"pid":%q,"offset":%q}`, ann.pid, lastOffset(t, ann.read()))
		_ = ann.conn.CloseNow()
		s.gone(ann.sid)
		bob := s.dial("&user=bob")
		if bob.join("/chat", auth); bob.sid == ann.sid || bob.pid == ann.pid {
			t.Errorf("bob goes on as ann")
		}
		s.publish("chat/staff", "n", "secret")
		s.publish("chat", "n", "2")
		if got := bob.read(); !strings.HasPrefix(got, `42/chat,["n","2","`) {
			t.Errorf("bob hears %s", got)
		}

		// Ann herself does, with a new token as well as with that of before.
		ann = s.dial("&user=bob")
		ann.join("/chat", `{"token":"ann"}`)
		ann.send(`42/chat,1["join"]`)
		ann.read()
		s.publish("chat", "n", "3")
		auth = fmt.Sprintf(`{"pid":%q,"offset":%q,"token":"ann"}`, ann.pid, lastOffset(t, ann.read()))
		_ = ann.conn.CloseNow()
		s.gone(ann.sid)
		again := s.dial("&user=bob")
		if again.join("/chat", auth); again.sid != ann.sid || again.pid != ann.pid {
			t.Errorf("ann does not go on")
		}
		s.publish("chat/staff", "n", "4")
		if got := again.read(); !strings.HasPrefix(got, `42/chat,["n","4","`) {
			t.Errorf("ann hears %s", got)
		}
	})
}
