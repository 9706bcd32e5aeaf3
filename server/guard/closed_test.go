package guard

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

func TestIsOnlyOpen(t *testing.T) {
	for path, want := range map[string]bool{
		"/channels/chat": true, "/channels/a%20b": true, "/channels/": true, "/presence/chat": true, "/channels/**": true, "/channels/a/private": true,
		"/channels/private-a": false, "/channels/%70rivate-a": false, "/channels/private%2Da": false, "/channels/%70%72%69%76%61%74%65%2d": false,
		"/channels/a/presence-b": false, "/channels/a%2Fprivate-b": false, "/presence/presence-a": false, "/channels/private-a/*": false,
		"/channels/%zz": false, "/channels": false, "/connect": false, "/api/v1/channels": false, "/": false, "": false,
	} {
		if got := isOnlyOpen(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { isOnlyOpen("/channels/scores/football/final") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// On a server that protects nothing, closed channels are asked about, for a program of
// the same machine, too; there is no more to others than before.
func TestClosedChannelsOfAnOpenServer(t *testing.T) {
	for _, address := range []netip.Addr{near, far, {}} {
		g := New(Options{Address: func(*transport.Request) netip.Addr { return address }}, &Settings{})
		tr, err := transport.New(newHub(t), &transport.Options{Guard: g})
		if err != nil {
			t.Fatal(err)
		}
		identify := func(path string) (c *transport.Client) {
			g.Identify(tr.RequestOf(httptest.NewRequest(http.MethodGet, path, nil)), func(got *transport.Client, err error) {
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				c = got
			})
			return c
		}
		if c := identify("/channels/chat"); (c == nil) != isLocal(address) {
			t.Errorf("from %v: an open channel has the client %v", address, c)
		}
		for _, path := range []string{"/channels/chat", "/channels/private-a", "/connect"} {
			open := g.IsOpenTo(tr.RequestOf(httptest.NewRequest(http.MethodGet, path, nil)))
			if open != (identify(path) == nil) {
				t.Errorf("%s from %v: it is open: %v", path, address, open)
			}
		}
		for _, path := range []string{"/channels/private-a", "/connect", "/presence/a/presence-b"} {
			c := identify(path)
			if c == nil {
				t.Errorf("%s from %v: nobody is asked about", path, address)
				continue
			}
			for _, a := range access.Actions() {
				for channel, isClosed := range map[string]bool{"chat": false, "private-a": true, "a/presence-b": true} {
					m := &hub.Message{Channel: channel}
					err := decide(g, c, &transport.Act{Action: a, Channel: channel, Message: m})
					if refused := err != nil; refused != (isClosed && !a.IsOfMethods()) {
						t.Errorf("%s from %v: %v %s: %v", path, address, a, channel, err)
					}
				}
			}
		}
	}
}

// A rule that names a closed channel opens it, and one with a wildcard does not.
func TestRulesOpenClosedChannels(t *testing.T) {
	p := policies(t, "private-lobby", "private-rooms/*", "**")
	for i := range p.list {
		p.list[i].Rules = access.Rules{Source: "a rule", Allowed: []access.Action{access.Subscribe}}
	}
	g := New(Options{}, &Settings{Policies: p})
	for channel, want := range map[string]bool{"private-lobby": true, "private-rooms/1": true, "private-rooms/*": true, "private-other": false, "presence-lobby": false, "private-rooms/private-x": false} {
		err := decide(g, client(near, access.Everybody), &transport.Act{Action: access.Subscribe, Channel: channel})
		if (err == nil) != want {
			t.Errorf("%s: %v", channel, err)
		}
		if d := g.Explain(nil, access.Subscribe, channel); d.Allowed != want {
			t.Errorf("%s: %v", channel, d)
		}
	}
}
