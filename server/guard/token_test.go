package guard

import (
	"strconv"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// TestTokensShownLater: a new token of the same user is no second connection, and one of
// another user counts under that.
func TestTokensShownLater(t *testing.T) {
	secret := []byte("a secret of at least thirty-two bytes")
	ids, err := identity.New(&identity.Options{Issuers: []identity.Issuer{{Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ids.Close()
	signer, err := identity.NewSigner(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	sign := func(user string) string {
		n++
		token, err := signer.Sign(&identity.Claims{User: user, ID: strconv.Itoa(n), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	g := New(Options{}, &Settings{Identities: ids, Limits: Limits{ConnectionsPerUser: 1}})
	show := func(c *transport.Client, token string) (*transport.Client, error) {
		answers := make(chan error, 1)
		var got *transport.Client
		g.IdentifyToken(c, token, func(c *transport.Client, err error) { got = c; answers <- err })
		return got, <-answers
	}
	first := client(far, &access.Identity{Kind: access.Anonymous})
	ann, err := show(first, sign("ann"))
	if err != nil || ann.Identity.User != "ann" {
		t.Fatal(ann, err)
	}
	g.Leave(first)
	again, err := show(ann, sign("ann"))
	if err != nil {
		t.Fatalf("a new token of the same user: %v", err)
	}
	g.Leave(ann)
	if _, err := show(client(far, &access.Identity{Kind: access.Anonymous}), sign("ann")); causeOf(err) != access.TooMany {
		t.Errorf("a second connection of ann: %v", err)
	}
	if _, err := show(again, "nonsense"); causeOf(err) != access.Unauthenticated {
		t.Errorf("nonsense: %v", err)
	}
	g.Leave(again)
	if next, err := show(client(far, &access.Identity{Kind: access.Anonymous}), sign("ann")); err != nil {
		t.Errorf("ann has left and may not come back: %v", err)
	} else {
		g.Leave(next)
	}
}
