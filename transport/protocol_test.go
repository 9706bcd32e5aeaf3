package transport

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// words is a protocol of words at /words/: "subscribe CHANNEL [AS]", "publish CHANNEL
// DATA [AS]", "bye". It gives up after some silence.
type words struct {
	patience time.Duration
	refuse   bool
}

func (w words) Serves(path string) bool { return strings.HasPrefix(path, "/words/") }

func (w words) Open(r *Request) (dialect.OverSocket, *Refusal) {
	if w.refuse || !r.IsUpgrade() {
		return nil, &Refusal{Problem: ProblemNotFound, Detail: "no words are spoken at " + r.Path()}
	}
	return &wordsDialect{patience: w.patience}, nil
}

type wordsDialect struct {
	patience time.Duration
	due      time.Time
	session  string
}

func (d *wordsDialect) Transport() string      { return "words" }
func (d *wordsDialect) Agree(string, bool)     {}
func (d *wordsDialect) Subprotocols() []string { return nil }
func (d *wordsDialect) Opened(session string)  { d.session = session }
func (d *wordsDialect) Deadline() time.Time    { return d.due }

func (d *wordsDialect) say(out *dialect.Effects, format string, args ...any) {
	out.Frames = append(out.Frames, wire.AppendFrame(nil, true, wire.Text, fmt.Appendf(nil, format, args...)))
}

func (d *wordsDialect) Begin(now time.Time, out *dialect.Effects) {
	out.Answer = &dialect.Answer{Status: 101}
	out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: 1})
	if d.patience > 0 {
		d.due = now.Add(d.patience)
	}
}

func (d *wordsDialect) Receive(now time.Time, f dialect.Frame, out *dialect.Effects) {
	if d.patience > 0 {
		d.due = now.Add(d.patience)
	}
	said := strings.Fields(string(f.Data))
	as := func(n int, action string) *access.Identity {
		if len(said) <= n {
			return nil
		}
		granted, err := access.ParseGrants(map[string][]string{action: {said[1]}})
		if err != nil {
			panic(err)
		}
		return &access.Identity{Kind: access.Application, User: said[n], Grants: granted}
	}
	switch said[0] {
	case "subscribe":
		out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: 2, Channel: said[1], As: as(2, "subscribe")})
	case "publish":
		m := hub.Message{Channel: said[1], Data: []byte(said[2])}
		out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandPublish, Action: access.Publish, Tag: 3, Channel: said[1], Message: m, As: as(3, "publish")})
	case "become":
		out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: 4, As: &access.Identity{Kind: access.Application, User: said[1]}})
	case "bye":
		out.Closing = &dialect.Closing{End: EndClient, Code: clientproto.CloseNormal, Reason: "bye"}
	}
}

func (d *wordsDialect) Push(_ time.Time, pushes []hub.Push, out *dialect.Effects) {
	for i := range pushes {
		switch p := &pushes[i]; {
		case p.Delivery != nil:
			user := ""
			if a := p.Delivery.Publication.Attributes; a != nil {
				user = a.User
			}
			d.say(out, "%s: %s (%s)", p.Channel, p.Delivery.Publication.Data, user)
		case p.Outcome != nil && p.Outcome.Err != nil:
			d.say(out, "%d refused: %v", p.Outcome.Tag, p.Outcome.Err)
		case p.Outcome != nil && p.Outcome.Tag == 1:
			d.say(out, "1 done, known: %v", d.session != "")
		case p.Outcome != nil:
			d.say(out, "%d done", p.Outcome.Tag)
		}
	}
}

func (d *wordsDialect) End(reason error, out *dialect.Effects) {
	out.Closing = dialect.ClosingOf(reason)
}

func (d *wordsDialect) Expire(_ time.Time, out *dialect.Effects) {
	d.say(out, "nothing was said")
	out.Closing = &dialect.Closing{End: EndRefused, Code: clientproto.CloseNormal, Reason: "silence"}
}

// What a Protocol is told and may do is the same on both drivers.
func TestWebSocketOfProtocol(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{Protocols: []Protocol{words{}}}})
	c := s.socket("/words/x")
	c.expect(text, "1 done, known: true")
	c.send(text, "subscribe chat")
	c.expect(text, "2 done")
	s.publish("chat", hub.Text, "hello")
	c.expect(text, "chat: hello ()")
	c.send(text, "publish chat hi")
	for range 2 { // the outcome and the publication come in either order
		if _, got, err := c.conn.Read(c.ctx); err != nil || string(got) != "3 done" && string(got) != "chat: hi ()" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	c.send(text, "become ann")
	c.expect(text, "4 done")
	roster, err := s.hub.ListMembers("chat", hub.PresenceQuery{})
	if err != nil || len(roster.Members) != 1 || roster.Members[0].User != "ann" || roster.Members[0].Transport != "words" {
		t.Errorf("%+v, %v", roster, err)
	}
	c.send(text, "bye")
	c.expectClose(1000, "bye")
	s.expectEnd(EndClient)
	s.expectGone()
}

func TestWebSocketOfProtocolThatIsSilent(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{Protocols: []Protocol{words{patience: 50 * time.Millisecond}}}})
	c := s.socket("/words/x")
	c.expect(text, "1 done, known: true")
	c.expect(text, "nothing was said")
	c.expectClose(1000, "silence")
	s.expectEnd(EndRefused)
	s.expectGone()
}

func TestWebSocketOfProtocolThatIsRefused(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{Protocols: []Protocol{words{refuse: true}}}})
	_, response, err := s.trySocket("/words/x")
	if err == nil || response.StatusCode != 404 {
		t.Errorf("%v, %v", response, err)
	}
	if response, body := s.do("GET", "/words/x", nil, ""); response.StatusCode != 426 && response.StatusCode != 400 || !strings.Contains(body, "only a WebSocket") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	s.expectGone()
}

// nobody is a Guard that knows nobody and grants nothing.
var nobody = Identify(func(*Request) (*access.Identity, error) { return nil, nil })

// A command is asked about as the identity that it names, and as nobody else.
func TestWebSocketOfProtocolAsSomebody(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{Protocols: []Protocol{words{}}, Guard: nobody}})
	c := s.socket("/words/x")
	c.expect(text, "1 done, known: true")
	c.send(text, "subscribe chat")
	c.expect(text, "2 refused: "+access.Missing(access.Subscribe, "chat")+", and there is no token")
	c.send(text, "subscribe chat ann")
	c.expect(text, "2 done")
	c.send(text, "publish chat hi")
	c.expect(text, "3 refused: "+access.Missing(access.Publish, "chat")+", and there is no token")
	c.send(text, "publish chat hi bob")
	for range 2 {
		if _, got, err := c.conn.Read(c.ctx); err != nil || string(got) != "3 done" && string(got) != "chat: hi (bob)" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// messenger is a session of another protocol, in memory.
type messenger struct {
	mu     sync.Mutex
	said   []string
	closed string
	wakes  chan struct{}
	alarm  *time.Timer
}

func newMessenger() *messenger { return &messenger{wakes: make(chan struct{}, 100)} }

func (m *messenger) WriteFrames(frames ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, frame := range frames {
		h, n, err := wire.ParseHeader(frame)
		if err != nil || n == 0 {
			return fmt.Errorf("no frame: %q: %v", frame, err)
		}
		if h.Opcode != wire.Text && h.Opcode != wire.Binary {
			return fmt.Errorf("no message: %q", frame)
		}
		m.said = append(m.said, string(bytes.Clone(frame[n:])))
	}
	return nil
}

func (m *messenger) Buffered() int { return 0 }

func (m *messenger) Close(code uint16, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = fmt.Sprintf("%d %s", code, reason)
}

func (m *messenger) Wake() { m.wakes <- struct{}{} }

func (m *messenger) WakeAt(at time.Time) {
	if m.alarm != nil {
		m.alarm.Stop()
	}
	m.alarm = time.AfterFunc(time.Until(at), m.Wake)
}

// run gives the carrier its wakes until nothing more happens, and returns what was said.
func (m *messenger) run(s *MessageCarrier) string {
	for {
		synctest.Wait()
		select {
		case <-m.wakes:
			s.OnWake()
			continue
		default:
		}
		m.mu.Lock()
		said := strings.Join(m.said, "; ")
		if m.closed != "" {
			said += "; closed " + m.closed
		}
		m.said, m.closed = nil, ""
		m.mu.Unlock()
		return said
	}
}

func bear(t *testing.T, guard Guard, token string, d dialect.Dialect) (*hub.Hub, *messenger, *MessageCarrier, *Visit) {
	h := newHub(t, nil, nil)
	transport, err := New(h, &Options{Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	m := newMessenger()
	visit := transport.Visit(transport.RequestOf(httptest.NewRequest("GET", "/elsewhere", nil)))
	return h, m, transport.NewMessageCarrier(m, visit, token, d, nil), visit
}

func TestMessageCarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m, s, visit := bear(t, nil, "", &wordsDialect{patience: time.Minute})
		s.OnOpen()
		if got := m.run(s); got != "1 done, known: true" {
			t.Error(got)
		}
		s.OnMessage(false, []byte("subscribe chat"))
		if got := m.run(s); got != "2 done" {
			t.Error(got)
		}
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Data: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
		if got := m.run(s); got != "chat: hello ()" {
			t.Error(got)
		}
		<-time.After(time.Minute)
		if got := m.run(s); got != "nothing was said; closed 1000 silence" {
			t.Error(got)
		}
		s.OnMessage(false, []byte("publish chat late"))
		if got := m.run(s); got != "" {
			t.Errorf("after its end: %s", got)
		}
		s.OnClose(EndClient, nil)
		visit.Leave()
		if n := len(h.Stats().Sessions); n > 0 && h.Stats().Sessions["words"] > 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// A Messenger gets each message by itself, also of a burst.
func TestMessagesOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, m, s, visit := bear(t, nil, "", dialect.NewSocket("chat", false, hub.SubscribeOptions{}))
		s.OnOpen()
		m.run(s)
		for i := range 5 {
			if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Data: []byte{'0' + byte(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.run(s); got != "0; 1; 2; 3; 4" {
			t.Error(got)
		}
		s.OnClose(EndClient, nil)
		visit.Leave()
	})
}

// A conversation of a session is with the client of its request, or with the holder of
// a token that it shows itself.
func TestVisit(t *testing.T) {
	granted, err := access.ParseGrants(map[string][]string{"subscribe": {"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	guard := &showing{Guard: nobody}
	for token, want := range map[string]string{
		"":      "2 refused: " + access.Missing(access.Subscribe, "chat") + ", and there is no token",
		"right": "2 done",
		"wrong": "2 refused: there is no such token",
	} {
		synctest.Test(t, func(t *testing.T) {
			guard.identify = func(shown string) (*access.Identity, error) {
				if shown != "right" {
					return nil, &access.Refusal{Cause: access.Unauthenticated, Reason: "there is no such token"}
				}
				return &access.Identity{Kind: access.Token, User: "ann", Grants: granted}, nil
			}
			_, m, s, visit := bear(t, guard, token, &wordsDialect{})
			s.OnOpen()
			m.run(s)
			s.OnMessage(false, []byte("subscribe chat"))
			if got := m.run(s); got != want {
				t.Errorf("with the token %q: %s, want %s", token, got, want)
			}
			s.OnClose(EndClient, nil)
			visit.Leave()
		})
	}
}

// showing is a Guard to which tokens are shown in a conversation.
type showing struct {
	Guard
	identify func(token string) (*access.Identity, error)
}

func (g *showing) IdentifyToken(_ *Client, token string, done func(*Client, error)) {
	id, err := g.identify(token)
	if err != nil {
		done(nil, err)
		return
	}
	done(&Client{Identity: id}, nil)
}
