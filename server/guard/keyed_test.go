package guard

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// The key of an app is for its protocol to look at: tokens of the same request count for
// nothing, and without more the client may do nothing. The rates of its address hold.
func TestKeyedRequests(t *testing.T) {
	identities, err := identity.New(&identity.Options{Issuers: []identity.Issuer{{Secret: []byte(strings.Repeat("k", 32)), Source: "tokens[0]"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer identities.Close()
	server := site(t, Options{
		Keyed: func(r *transport.Request) bool { return strings.HasPrefix(r.Path(), "/channels/keyed") },
	}, &Settings{Identities: identities, Policies: policies(t), Limits: Limits{RequestsPerAddress: 2}})
	for path, want := range map[string]int{"/channels/other": 401, "/channels/keyed": 403} {
		if code, text := status(t, server, "GET", path, "", "Authorization", "Bearer junk"); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	for range 5 {
		_, _ = status(t, server, "GET", "/channels/keyed", "", "From-Address", "192.0.2.1")
	}
	if code, _ := status(t, server, "GET", "/channels/keyed", "", "From-Address", "192.0.2.1"); code != 429 {
		t.Errorf("above the rate of the address: %d", code)
	}

	// What a signature has vouched for is allowed, for what it is for.
	g := New(Options{}, &Settings{Identities: identities, Policies: policies(t)})
	as := client(near, &access.Identity{Kind: access.Application, Name: "key", Grants: grants(t, `{"subscribe":["shop/private-room"]}`)})
	for channel, allowed := range map[string]bool{"shop/private-room": true, "shop/room": false, "news/private-room": false} {
		if err := decide(g, as, &transport.Act{Action: access.Subscribe, Channel: channel}); (err == nil) != allowed {
			t.Errorf("%s: %v", channel, err)
		}
	}
}
