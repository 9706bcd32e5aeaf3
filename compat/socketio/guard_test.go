package socketio

import (
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// tokens is a Guard whose tokens are names of users, each with what it may; clients that
// show none have the grants of "".
type tokens struct {
	grants map[string]string // by user: "subscribe chat, publish chat"

	mu    sync.Mutex // guards what follows
	there map[*transport.Client]bool
	t     *testing.T
}

func (g *tokens) client(user string) (*transport.Client, error) {
	text, ok := g.grants[user]
	if !ok {
		return nil, &access.Refusal{Cause: access.Unauthenticated, Reason: "nobody is called " + user}
	}
	patterns := map[string][]string{}
	for grant := range strings.SplitSeq(text, ",") {
		if action, channel, ok := strings.Cut(strings.TrimSpace(grant), " "); ok {
			patterns[action] = append(patterns[action], channel)
		}
	}
	granted, err := access.ParseGrants(patterns)
	if err != nil {
		panic(err)
	}
	c := &transport.Client{Identity: &access.Identity{Kind: access.Token, User: user, Grants: granted}}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.there == nil {
		g.there = map[*transport.Client]bool{}
	}
	g.there[c] = true
	return c, nil
}

func (g *tokens) Identify(r *transport.Request, done func(*transport.Client, error)) {
	_, user, _ := strings.Cut(r.Query(), "user=")
	if user == "many" {
		done(nil, &access.Refusal{Cause: access.TooMany, Reason: "slowly"})
		return
	}
	done(g.client(user))
}

func (g *tokens) IdentifyToken(_ *transport.Client, token string, done func(*transport.Client, error)) {
	go func() { done(g.client(token)) }()
}

func (g *tokens) Authorize(c *transport.Client, act *transport.Act, _ func(error)) (bool, error) {
	if !access.May(c.Identity, nil, act.Action, act.Channel) {
		return true, transport.Deny(c.Identity, act)
	}
	return true, nil
}

func (g *tokens) Leave(c *transport.Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.there[c] {
		g.t.Errorf("%v leaves who is not there", c.Identity)
	}
	delete(g.there, c)
}

// A client has the identity of its token, for each namespace, and a verdict is
// told as the protocol has it.
func TestGuard(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		g := &tokens{t: t, grants: map[string]string{"": "subscribe public", "ann": "subscribe chat, publish chat", "bob": "subscribe chat, subscribe chat/*"}}
		index := 0
		s := start(Options{Rules: []Rule{{Event: "join", Subscribe: &index}}}, transport.Options{Guard: g})
		p := s.dial("")
		p.join("/public", "")
		p.send("40/chat,")
		if got := p.read(); !strings.HasPrefix(got, `44/chat,{"message":"this needs the grant subscribe on channel \"chat\"`) || !strings.Contains(got, `"data":{"type":"https://godwit.io/problems/forbidden"`) {
			t.Error(got)
		}
		p.send(`40/chat,{"token":"eve"}`)
		if got := p.read(); !strings.HasPrefix(got, `44/chat,{"message":"nobody is called eve","data":{"type":"https://godwit.io/problems/unauthorized"`) {
			t.Error(got)
		}
		p.join("/chat", `{"token":"ann","more":[1]}`)
		p.send(`42/chat,1["said","hello"]`)
		for range 2 {
			if got := p.read(); got != `42/chat,["said","hello"]` && !strings.HasPrefix(got, `43/chat,1[{"position"`) {
				t.Error(got)
			}
		}
		page, err := s.hub.History(t.Context(), "chat", hub.Query{})
		if err != nil || len(page.Publications) != 1 || page.Publications[0].Attributes.User != "ann" {
			t.Errorf("%+v, %v", page, err)
		}
		p.send(`42/public,2["said","hello"]`)
		if got := p.read(); !strings.HasPrefix(got, `43/public,2[{"error":{"type":"https://godwit.io/problems/forbidden"`) {
			t.Error(got)
		}
		p.send(`42/chat,3["join","cats"]`)
		if got := p.read(); !strings.HasPrefix(got, `43/chat,3[{"error":{"type":"https://godwit.io/problems/forbidden"`) {
			t.Error(got)
		}
		bob := s.dial("&user=bob")
		bob.join("/chat", "")
		bob.send(`42/chat,3["join","cats"]`)
		if got := bob.read(); !strings.HasPrefix(got, `43/chat,3[{`) || strings.Contains(got, "error") {
			t.Error(got)
		}
		s.publish("chat/cats", "said", "meow")
		bob.expect(`42/chat,["said","meow"]`)
		if status, body := s.get("/socket.io/?EIO=4&transport=polling&user=many"); status != 503 {
			t.Error(status, body)
		}
		eve := s.dial("&user=eve") // is let in, to be told
		eve.send("40/public,")
		if got := eve.read(); !strings.HasPrefix(got, `44/public,{"message":"nobody is called eve"`) {
			t.Error(got)
		}
		last := []string{p.sid, bob.sid}
		_ = p.conn.CloseNow()
		_ = bob.conn.CloseNow()
		for _, session := range last {
			s.gone(session)
		}
		_ = eve.conn.CloseNow()
		deadline(t, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return len(g.there) == 0 && s.server.Len() == 0
		})
	})
}

// Without a token or a rule that names it nobody reaches a closed channel.
func TestClosedNamespaces(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		g := transport.Identify(func(*transport.Request) (*access.Identity, error) { return access.Everybody, nil })
		index := 0
		s := start(Options{Echo: true, Rules: []Rule{{Event: "join", Subscribe: &index}}}, transport.Options{Guard: g})
		p := s.join("/", "")
		for _, namespace := range []string{"/private-a", "/a/presence-b"} {
			p.send("40" + namespace + ",")
			if got := p.read(); !strings.HasPrefix(got, "44"+namespace+",") || !strings.Contains(got, "closes a channel") {
				t.Error(got)
			}
		}
		p.send(`421["join","private-room"]`)
		if got := p.read(); !strings.Contains(got, "closes a channel") {
			t.Error(got)
		}
		p.send(`422["subscribe",{"channel":"private-a"}]`)
		p.expect(`42["subscription_error","private-a",403]`)
		if got := p.read(); !strings.Contains(got, "closes a channel") {
			t.Error(got)
		}
	})
}
