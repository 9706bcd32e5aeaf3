package pusher

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// Where everything needs a grant, the key of an app is one for its public channels, and a
// signature one for its channel; nobody else has either.
func TestSignaturesAreGrants(t *testing.T) {
	a := testApp()
	a.Prefix = "shop/"
	f := newFixture(t, nil, a)
	guarded, err := transport.New(f.hub, &transport.Options{
		Protocols: []transport.Protocol{f.server},
		Guard: transport.Identify(func(r *transport.Request) (*access.Identity, error) {
			return &access.Identity{Kind: access.Anonymous}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Carry(guarded)
	s := f.serve()
	ann, bob := connect(t, s), connect(t, s)
	ann.subscribe("news", "")
	ann.subscribe("presence-x", `{"user_id":"ann"}`)
	bob.subscribe("presence-x", `{"user_id":"bob"}`)
	ann.hear("pusher_internal:member_added")
	bob.say(`{"event":"client-x","channel":"presence-x","data":1}`)
	if h, err := ann.next(); err != nil || h.Event != "client-x" || h.User != "bob" {
		t.Errorf("ann hears %+v, %v", h, err)
	}
	ann.say(`{"event":"client-x","channel":"news","data":1}`)
	ann.hear("pusher:error")
	for _, path := range []string{"/channels/shop/news", "/channels/shop/presence-x", "/presence/shop/presence-x"} {
		r, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	// What somebody was granted for a channel is nothing in another app, or another channel.
	members, err := f.hub.ListMembers("shop/presence-x", hub.PresenceQuery{ByUser: true})
	if err != nil || len(members.Members) != 2 || members.Members[0].User != "shop/ann" {
		t.Errorf("%+v, %v", members, err)
	}
}

// Without anything that guards, a client needs the signatures all the same.
func TestSignaturesAreNeededOnOpenServers(t *testing.T) {
	f := newFixture(t, nil)
	c := connect(t, f.serve())
	for _, channel := range []string{"private-x", "presence-x", "private-encrypted-x", "private-cache-x", "presence-cache-x", "#server-to-user-ann"} {
		for _, auth := range []string{``, `,"auth":""`, `,"auth":"app-key:"`, `,"auth":":"`, `,"auth":"app-key:` + strings.Repeat("0", 64) + `"`} {
			c.say(`{"event":"pusher:subscribe","data":{"channel":%q,"channel_data":"{\"user_id\":\"ann\"}"%s}}`, channel, auth)
			c.hear("pusher:subscription_error")
			c.hear("pusher:error")
		}
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("GET", "/apps/app/channels", nil))
	if w.Code != 401 {
		t.Errorf("the API without a signature: %d", w.Code)
	}
}
