package identity_test

import (
	"net/http"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// A client that was identified before reloads is the same after them, as long as its key is there.
func TestCurrent(t *testing.T) {
	shop, desk := identity.NewKey(), identity.NewKey()
	grants := func(channel string) access.Grants {
		g, err := access.ParseGrants(map[string][]string{"publish": {channel}})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	generation := func(before *identity.Identities, anonymous, shops string, keys ...string) *identity.Identities {
		o := &identity.Options{From: before, Anonymous: new(grants(anonymous))}
		for _, k := range keys {
			o.Keys = append(o.Keys, identity.Key{Name: "shop", Hash: identity.HashKey(k), Grants: grants(shops)})
		}
		s, err := identity.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	identify := func(s *identity.Identities, field, value string) (id *access.Identity) {
		s.Identify(head{fields: http.Header{field: {value}}}, func(got *access.Identity, err error) {
			if err != nil {
				t.Fatal(err)
			}
			id = got
		})
		return id
	}
	now := generation(nil, "a", "a", shop)
	key, nobody := identify(now, "Authorization", "Bearer "+shop), identify(now, "X", "")
	token := &access.Identity{Kind: access.Token, User: "ann"}
	if now.Current(key) != key || now.Current(nobody) != nobody || now.Current(token) != token {
		t.Error("somebody is not himself")
	}
	for range 3 {
		now = generation(now, "b", "b", shop)
	}
	for _, id := range []*access.Identity{now.Current(key), now.Current(nobody), now.Current(access.Everybody)} {
		if id == nil || id.Grants.String() != "publish on b" {
			t.Errorf("%v has not what is granted now", id)
		}
	}
	if now.Current(token) != token {
		t.Error("a token does not hold")
	}
	rotated := generation(now, "b", "b", desk)
	if id := rotated.Current(key); id != nil {
		t.Errorf("a key of the same name takes the place of another: %v", id)
	}
	if id := generation(rotated, "b", "b", shop).Current(key); id != nil {
		t.Errorf("a key that was gone for a while: %v", id)
	}
}
