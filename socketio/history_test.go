package socketio

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

// credentials are what a client needs to recover.
type credentials struct{ sid, pid, offset string }

var idPattern = regexp.MustCompile(`^40\{"sid":"(.*)","pid":"(.*)"\}$`)

// recoverer joins the main namespace, and returns what it was told and got.
func recoverer(t *testing.T, s *Server, c *credentials) (p *peer, got []string) {
	t.Helper()
	p = newPeer(t, s)
	if c.pid == "" {
		p.say("0")
	} else {
		auth, _ := json.Marshal(map[string]string{"pid": c.pid, "offset": c.offset})
		p.say("0" + string(auth))
	}
	got = p.take()
	if len(got) == 0 {
		t.Fatal("not let in")
	}
	m := idPattern.FindStringSubmatch(got[0])
	if m == nil {
		t.Fatalf("%s has no pid", got[0])
	}
	c.sid, c.pid = m[1], m[2]
	return p, got[1:]
}

// read returns the first arguments of events, and keeps the last offset.
func (c *credentials) read(events []string) string {
	var first []string
	for _, e := range events {
		var values []any
		if json.Unmarshal([]byte(strings.TrimPrefix(e, "42")), &values) != nil || len(values) < 2 {
			first = append(first, e)
			continue
		}
		first = append(first, fmt.Sprint(values[1]))
		c.offset = fmt.Sprint(values[len(values)-1])
	}
	return strings.Join(first, " ")
}

func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{}})
		n := s.Namespace("/")
		var told []string
		n.OnConnect(func(s *Socket, _ Auth) error {
			if !s.Recovered() {
				s.SetData("kept")
				return s.Join("room", "other")
			}
			told = append(told, fmt.Sprintf("recovered %v %v", s.Data(), s.Rooms()))
			return s.Emit("x", "welcome back")
		})
		n.OnDisconnect(func(_ *Socket, r Reason) { told = append(told, string(r)) })
		var c credentials
		p, _ := recoverer(t, s, &c)
		first := c
		socket := n.Socket(c.sid)
		s.Emit("x", 1)
		n.To("room").Emit("x", 2)
		c.read(p.take())
		n.To("nowhere").Emit("x", "no")
		n.To("other").Emit("x", 3) // was under way when the connection broke
		socket.Leave("other")
		n.To("other").Emit("x", "no")
		p.vanish(engineio.ReasonTransportError)
		n.To("room").Emit("x", 4)
		n.To(c.sid).Emit("x", 5)
		n.Except("room").Emit("x", "no")
		n.To("room").Volatile().Emit("x", "no")
		if s.Stats().Recoverable != 1 {
			t.Errorf("%+v", s.Stats())
		}

		p, got := recoverer(t, s, &c)
		if c.sid != first.sid || c.pid != first.pid {
			t.Errorf("it is %+v, and was %+v", c, first)
		}
		if got := c.read(got); got != "3 4 5 welcome back" {
			t.Errorf("it has missed %q", got)
		}
		if want := []string{"transport error", "recovered kept [room]"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		n.To("room").Emit("x", 6)
		if got := c.read(p.take()); got != "6" {
			t.Errorf("then %q", got)
		}
		// Once more, from the last offset: nothing is repeated.
		p.vanish(engineio.ReasonPingTimeout)
		p, got = recoverer(t, s, &c)
		if got := c.read(got); got != "welcome back" {
			t.Errorf("repeated: %q", got)
		}
		if s.Stats().Recovered != 2 || s.Stats().Recoverable != 0 {
			t.Errorf("%+v", s.Stats())
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

// A client that has got no event yet has no offset; all that was sent to it is missing.
func TestRecoverWithoutOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{}})
		n := s.Namespace("/")
		n.Emit("x", "before")
		var c credentials
		p, _ := recoverer(t, s, &c)
		first := c
		n.Emit("x", 1)
		p.take() // lost
		p.vanish(engineio.ReasonTransportClose)
		n.Emit("x", 2)
		p, got := recoverer(t, s, &c)
		if got := c.read(got); got != "1 2" || c.sid != first.sid {
			t.Errorf("it has missed %q", got)
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

// A client may come back before anybody has noticed that it was gone.
func TestRecoverTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{}})
		n := s.Namespace("/")
		var told []string
		n.OnConnect(func(s *Socket, _ Auth) error {
			told = append(told, fmt.Sprintf("connect %v", s.Recovered()))
			return s.Join("room")
		})
		n.On("slow", func(*Event) {
			time.Sleep(time.Second)
			told = append(told, "slow")
		})
		n.OnDisconnect(func(_ *Socket, r Reason) { told = append(told, string(r)) })
		var c credentials
		old, _ := recoverer(t, s, &c)
		first := c
		old.say(`2["slow"]`)
		n.Emit("x", 1)
		n.To("room").Emit("x", 2)
		now := newPeer(t, s)
		now.say(`0{"pid":"` + c.pid + `"}`)
		now.expect() // it waits until the old one is done
		if !old.isClosed() {
			t.Error("the old connection stays")
		}
		n.To("room").Emit("x", "between")
		time.Sleep(2 * time.Second)
		got := now.take()
		if m := idPattern.FindStringSubmatch(got[0]); m[1] != first.sid || m[2] != first.pid {
			t.Errorf("it is %s, and was %+v", got[0], first)
		}
		if got := c.read(got[1:]); got != "1 2 between" {
			t.Errorf("it has missed %q", got)
		}
		if want := []string{"connect false", "slow", "recovered elsewhere", "connect true"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if n.Len() != 1 || n.Socket(first.sid) == nil || n.RoomLen("room") != 1 {
			t.Errorf("%d sockets", n.Len())
		}
		now.vanish(engineio.ReasonTransportClose)
	})
}

func TestNotRecovered(t *testing.T) {
	const tooLate = time.Minute
	tests := []struct {
		name   string
		limits Recovery
		act    func(s *Server, p *peer, c *credentials)
	}{
		{"unknown pid", Recovery{}, func(_ *Server, p *peer, c *credentials) {
			p.vanish(engineio.ReasonTransportClose)
			c.pid = "unknown"
		}},
		{"offset of another server", Recovery{}, func(_ *Server, p *peer, c *credentials) {
			p.vanish(engineio.ReasonTransportClose)
			c.offset = "other:1"
		}},
		{"offset of the future", Recovery{}, func(_ *Server, p *peer, c *credentials) {
			p.vanish(engineio.ReasonTransportClose)
			c.offset = c.offset[:9] + "999"
		}},
		{"client left", Recovery{}, func(_ *Server, p *peer, _ *credentials) { p.say("1"); p.vanish(engineio.ReasonTransportClose) }},
		{"server disconnected", Recovery{}, func(s *Server, p *peer, c *credentials) {
			s.Namespace("/").Socket(c.sid).Disconnect()
			p.vanish(engineio.ReasonTransportClose)
		}},
		{"too late", Recovery{Time: tooLate - 16*time.Second}, func(_ *Server, p *peer, _ *credentials) { p.vanish(engineio.ReasonTransportClose) }},
		{"too many", Recovery{ClientsMax: 1}, func(s *Server, p *peer, _ *credentials) {
			p.vanish(engineio.ReasonTransportClose)
			q := newPeer(p.t, s)
			q.join("/")
			q.vanish(engineio.ReasonTransportClose)
		}},
		{"missed too much", Recovery{BytesMax: 1500}, func(s *Server, p *peer, _ *credentials) {
			p.vanish(engineio.ReasonTransportClose)
			for i := range 10 {
				s.Emit("x", i)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, Options{Recovery: &tt.limits})
				n := s.Namespace("/")
				var c credentials
				p, _ := recoverer(t, s, &c)
				n.Emit("x", "seen")
				c.read(p.take())
				before := c
				tt.act(s, p, &c)
				if tt.limits.Time > 0 {
					time.Sleep(tooLate)
				}
				synctest.Wait()
				p, got := recoverer(t, s, &c)
				if c.sid == before.sid || c.pid == before.pid || len(got) > 0 {
					t.Errorf("it is %+v and has got %q", c, got)
				}
				p.vanish(engineio.ReasonTransportClose)
			})
		})
	}
}

// An event that was forgotten for want of room does not matter to a client that has got it.
func TestRecoverDespiteForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{BytesMax: 1500}})
		n := s.Namespace("/")
		var c credentials
		p, _ := recoverer(t, s, &c)
		first := c
		n.Emit("x", "seen")
		c.read(p.take())
		for range 10 {
			n.To("others").Emit("x", "no")
		}
		p.vanish(engineio.ReasonTransportClose)
		n.Emit("x", "missed")
		p, got := recoverer(t, s, &c)
		if got := c.read(got); got != "missed" || c.sid != first.sid {
			t.Errorf("got %q", got)
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

// The history is empty some time after the last event, without any call.
func TestHistoryExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{}})
		n := s.Namespace("/")
		var c credentials
		p, _ := recoverer(t, s, &c)
		for i := range 100 {
			n.Emit("x", i)
		}
		p.vanish(engineio.ReasonTransportClose)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		h := s.history
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.entries) != 0 || h.bytes != 0 || len(h.gone) != 0 || len(h.order) != 0 || h.timer != nil {
			t.Errorf("%d events of %d bytes and %d clients are left", len(h.entries), h.bytes, len(h.gone))
		}
	})
}
