package piesocket

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret of the shop"

// apps are those of most tests: two tenants, and a third that is switched off.
func apps(t testing.TB, change func(shop *app.App)) *app.Apps {
	t.Helper()
	shop := app.App{ID: "1", Key: "shop-key", Secret: []byte(secret), Prefix: "shop/", OpenPresence: true}
	if change != nil {
		change(&shop)
	}
	made, err := app.New([]app.App{
		shop,
		{ID: "2", Key: "news-key", Secret: []byte("a secret of the news"), Prefix: "news/"},
		{ID: "3", Key: "old-key", Secret: []byte("a secret of the old"), Prefix: "old/", Disabled: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// stage is a hub with clients of PieSocket, without a network.
type stage struct {
	t         *testing.T
	apps      *app.Apps
	hub       *hub.Hub
	transport *transport.Transport
	protocol  *Protocol
	clients   map[string]*client
	listeners map[string]*hub.Session
}

func newStage(t *testing.T, o *Options, ho *hub.Options) *stage {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(broker, ho)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if o.Apps == nil {
		o.Apps = apps(t, nil)
	}
	p, err := NewProtocol(o)
	if err != nil {
		t.Fatal(err)
	}
	p.returns.random = func() float64 { return 0.5 }
	tr, err := transport.New(h, &transport.Options{Protocols: []transport.Protocol{p}})
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, apps: o.Apps, hub: h, transport: tr, protocol: p, clients: make(map[string]*client), listeners: make(map[string]*hub.Session)}
}

// client is one of PieSocket: it notes what it hears. It is a transport.Messenger.
type client struct {
	carrier *transport.MessageCarrier
	timer   *time.Timer

	mu    sync.Mutex // guards what follows
	woken bool
	heard []string
	ended bool
}

// open has a client connect to the path and query of a URL.
func (s *stage) open(name, target, address string) *client {
	s.t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	if address != "" {
		r.RemoteAddr = address
	}
	d, refused := s.protocol.Open(s.transport.RequestOf(r))
	if refused != nil {
		s.t.Fatalf("%s: refused: %+v", target, refused)
	}
	c := &client{}
	c.carrier = s.transport.NewMessageCarrier(c, nil, "", d, nil)
	s.clients[name] = c
	c.carrier.OnOpen()
	s.settle()
	return c
}

// settle lets everything happen that is due.
func (s *stage) settle() {
	for {
		synctest.Wait()
		again := false
		for _, name := range slices.Sorted(maps.Keys(s.clients)) {
			c := s.clients[name]
			c.mu.Lock()
			woken := c.woken
			c.woken = false
			c.mu.Unlock()
			if woken {
				c.carrier.OnWake()
				again = true
			}
		}
		if !again {
			return
		}
	}
}

func (s *stage) say(name, text string) {
	s.clients[name].carrier.OnMessage(false, []byte(text))
	s.settle()
}

func (s *stage) leave(name string) {
	c := s.clients[name]
	if c.timer != nil {
		c.timer.Stop()
	}
	c.carrier.OnClose(transport.EndClient, nil)
	delete(s.clients, name)
	s.settle()
}

// end has everybody leave.
func (s *stage) end() {
	for name := range s.clients {
		s.leave(name)
	}
	for _, l := range s.listeners {
		l.Close()
	}
}

// take returns what the client has heard since it was asked last.
func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := c.heard
	c.heard = nil
	return heard
}

func (c *client) note(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		panic("something comes behind the end: " + line)
	}
	c.heard = append(c.heard, line)
}

// WriteFrames implements transport.Messenger.
func (c *client) WriteFrames(frames ...[]byte) error {
	for _, f := range frames {
		h, n, err := wire.ParseHeader(f)
		if err != nil || n == 0 || !h.Fin || h.Masked || int(h.Length) != len(f)-n {
			panic(fmt.Sprintf("%x is no frame of a server", f))
		}
		if h.Opcode == wire.Binary {
			c.note("bytes " + hex.EncodeToString(f[n:]))
		} else {
			c.note(string(f[n:]))
		}
	}
	return nil
}

func (c *client) Buffered() int { return 0 }

func (c *client) Close(code uint16, reason string) {
	c.note(fmt.Sprintf("closed %d %s", code, reason))
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

func (c *client) Wake() {
	c.mu.Lock()
	c.woken = true
	c.mu.Unlock()
}

func (c *client) WakeAt(t time.Time) {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(time.Until(t), c.Wake)
}

// sign makes a token of words such as "sub=room exp=+1h user=\"ann\" alg=HS256 key=…".
func sign(t testing.TB, words string, now time.Time) string {
	t.Helper()
	claims := jwt.MapClaims{}
	method, key := jwt.SigningMethod(jwt.SigningMethodHS256), any([]byte(secret))
	header := map[string]any{}
	for word := range strings.FieldsSeq(words) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "exp", "iat", "nbf":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			claims[name] = now.Add(d).Unix()
		case "sub", "aud":
			claims[name] = value
		case "user":
			claims[name] = jsonValue(t, value)
		case "key":
			key = []byte(value)
		case "crit":
			header["crit"] = []string{value}
		case "alg":
			if method = jwt.GetSigningMethod(value); method == jwt.SigningMethodNone {
				key = jwt.UnsafeAllowNoneSignatureType
			}
		default:
			t.Fatalf("what is %q?", word)
		}
	}
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// expand replaces {token …} in a line.
func expand(t testing.TB, line string, now time.Time) string {
	for {
		before, rest, ok := strings.Cut(line, "{token ")
		if !ok {
			return line
		}
		words, after, _ := strings.Cut(rest, " token}")
		line = before + sign(t, words, now) + after
	}
}

// TestDialogues plays the scripts of testdata. A line that is not indented is an
// act, and the lines below it are heard then.
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/*.txt", func(t *testing.T, text string) (got string) {
		synctest.Test(t, func(t *testing.T) { got = play(t, text) })
		return got
	})
}

func play(t *testing.T, script string) string {
	s := newStage(t, &Options{ChannelsMax: 4}, nil)
	defer s.hub.Close()
	defer s.end()
	s.hub.SetPolicies(func(channel string) *hub.Policy {
		if strings.HasSuffix(channel, "-secret") {
			return &hub.Policy{NoPresence: true}
		}
		return nil
	})
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.do(expand(t, line, time.Now())); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.settle()
		for _, name := range slices.Sorted(maps.Keys(s.clients)) {
			for _, heard := range s.clients[name].take() {
				for _, l := range s.listeners {
					heard = strings.ReplaceAll(heard, l.ID(), "SESSION")
				}
				fmt.Fprintf(&out, "    %s %s\n", name, heard)
			}
		}
		for _, channel := range slices.Sorted(maps.Keys(s.listeners)) {
			for _, heard := range s.hears(s.listeners[channel]) {
				fmt.Fprintf(&out, "    %s: %s\n", channel, heard)
			}
		}
	}
	return out.String()
}

// do does what a line says.
func (s *stage) do(line string) error {
	who, rest, _ := strings.Cut(line, " ")
	what, rest, _ := strings.Cut(rest, " ")
	switch {
	case who == "wait":
		d, err := time.ParseDuration(what)
		<-time.After(d)
		return err
	case who == "listen":
		session, err := s.hub.Connect("websocket", func() {})
		if err != nil {
			return err
		}
		session.Subscribe(0, what, hub.SubscribeOptions{})
		s.listeners[what] = session
		return nil
	case who == "publish": // CHANNEL KIND EVENT DATA
		fields := strings.SplitN(rest, " ", 3)
		m := hub.Message{Channel: what, Data: []byte(fields[2])}
		m.Kind = map[string]hub.Kind{"text": hub.Text, "json": hub.JSON, "binary": hub.Binary}[fields[0]]
		if fields[1] != "-" {
			m.Attributes = &hub.Attributes{Event: fields[1]}
		}
		_, _, err := s.hub.Publish(s.t.Context(), m)
		return err
	case who == "end": // the session of a client
		for _, session := range s.hub.Sessions() {
			if session.Identity() != nil && strings.Contains(string(session.Identity().Info), `"`+what+`"`) {
				session.End(&access.Refusal{Cause: access.Denied, Reason: rest})
			}
		}
		return nil
	case who == "remove":
		for _, session := range s.hub.Sessions() {
			session.Remove(what, &access.Refusal{Cause: access.Denied, Reason: rest})
		}
		return nil
	case who == "shutdown":
		go func() { _ = s.hub.Shutdown(context.Background()) }() // which waits for clients that leave
		return nil
	case what == "opens":
		s.open(who, rest, "")
		return nil
	case what == "leaves":
		s.leave(who)
		return nil
	case s.clients[who] == nil:
		return errors.New("who is that?")
	case what == "says":
		s.say(who, rest)
		return nil
	case what == "sends":
		b, err := hex.DecodeString(rest)
		s.clients[who].carrier.OnMessage(true, b)
		return err
	}
	return errors.New("what is that?")
}

// hears is what a client of another protocol is given.
func (s *stage) hears(session *hub.Session) (lines []string) {
	pushes, _ := session.Take(nil)
	for i := range pushes {
		if pushes[i].Delivery == nil {
			continue
		}
		p := pushes[i].Delivery.Publication
		line := [...]string{hub.Text: "text", hub.Binary: "binary", hub.JSON: "json"}[p.Kind]
		if a := p.Attributes; a != nil {
			if a.Event != "" {
				line += " event=" + a.Event
			}
			if a.Shape == hub.ShapeFrame {
				line += " framed"
			}
			if a.User != "" {
				line += " user=" + a.User
			}
		}
		if p.Kind == hub.Binary {
			line += " " + hex.EncodeToString(p.Data)
		} else {
			line += " " + string(p.Data)
		}
		lines = append(lines, line)
	}
	return lines
}
