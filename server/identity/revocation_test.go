package identity_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

func TestRevocation(t *testing.T) {
	for name, c := range map[string]struct {
		revoke      []identity.Revocation
		hits, spare []map[string]any // claims
	}{
		"a token": {
			[]identity.Revocation{{TokenID: "t-1"}},
			[]map[string]any{{"jti": "t-1"}, {"jti": "t-1", "sub": "bob"}, {"jti": "t-1", "iat": noon.Unix()}},
			[]map[string]any{{"jti": "t-2"}, {}},
		},
		"a token of a user": {
			[]identity.Revocation{{TokenID: "t-1", User: "ann"}},
			[]map[string]any{{"jti": "t-1"}},
			[]map[string]any{{"jti": "t-1", "sub": "bob"}, {"jti": "t-2"}},
		},
		"a user, until now": {
			[]identity.Revocation{{User: "ann"}},
			[]map[string]any{{}, {"iat": noon.Unix() - 1}, {"iat": nil}},
			[]map[string]any{{"iat": noon.Unix()}, {"sub": "bob"}, {"sub": nil}},
		},
		"a user, earlier tokens": {
			[]identity.Revocation{{User: "ann", Before: noon.Add(-time.Minute + time.Second/2)}},
			[]map[string]any{{}, {"iat": nil}},
			[]map[string]any{{"iat": noon.Unix() - 59}, {"sub": "bob"}},
		},
		"all earlier tokens": {
			[]identity.Revocation{{Before: noon.Add(-30 * time.Second)}},
			[]map[string]any{{}, {"sub": "bob"}, {"sub": nil}, {"iat": nil}},
			[]map[string]any{{"iat": noon.Unix() - 30}},
		},
		"less later": {
			[]identity.Revocation{{User: "ann"}, {User: "ann", Before: noon.Add(-time.Hour)}, {Before: noon.Add(-time.Hour)}, {TokenID: "t-1"}, {TokenID: "t-1", Before: noon.Add(-time.Hour)}},
			[]map[string]any{{}, {"sub": "bob", "jti": "t-1"}},
			[]map[string]any{{"sub": "bob"}},
		},
		"more later": {
			[]identity.Revocation{{User: "ann", Before: noon.Add(-time.Hour)}, {Before: noon}},
			[]map[string]any{{}, {"sub": "bob"}},
			[]map[string]any{{"iat": noon.Unix()}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{Secret: secret}, {PEM: publicPEM(edKey())}}})
			var hits, spare []head
			var open, kept []*access.Identity // sessions that are open
			for _, claims := range c.hits {
				hits = append(hits, bearer(sign(t, "HS256", secret, nil, valid(claims))), bearer(sign(t, "EdDSA", edKey(), nil, valid(claims))))
			}
			for _, claims := range c.spare {
				spare = append(spare, bearer(sign(t, "HS256", secret, nil, valid(claims))), bearer(sign(t, "EdDSA", edKey(), nil, valid(claims))))
			}
			remembered := func(all []head) (open []*access.Identity) {
				for n, r := range all {
					if n%3 > 0 { // some are remembered, others come only later
						id, err := identify(t, ids, r)
						if err != nil {
							t.Fatal(err)
						}
						open = append(open, id)
					}
				}
				return open
			}
			open, kept = remembered(hits), remembered(spare)
			for _, r := range c.revoke {
				if err := ids.Revoke(r); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range hits {
				refused(t, ids, r, access.Unauthenticated, "the token was revoked; get a new one")
			}
			for _, r := range spare {
				if _, err := identify(t, ids, r); err != nil {
					t.Error(err)
				}
			}
			// Those that another process has taken over are the same.
			var carried bytes.Buffer
			if err := ids.WriteRevocations(&carried); err != nil {
				t.Fatal(err)
			}
			next := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{Secret: secret}, {PEM: publicPEM(edKey())}}})
			if err := next.ReadRevocations(&carried); err != nil {
				t.Fatal(err)
			}
			for _, ids := range []*identity.Identities{ids, next} {
				for _, id := range open {
					if !ids.IsRevoked(id) {
						t.Errorf("an open session of %+v goes on", id)
					}
				}
				for _, id := range kept {
					if ids.IsRevoked(id) {
						t.Errorf("an open session of %+v does not go on", id)
					}
				}
			}
		})
	}
}

// Pages have all of it, whatever fits into one, and end.
func TestCarryPages(t *testing.T) {
	users := 300
	if testing.Short() {
		users = 75
	}
	for _, bytesMax := range []int{1, 66 << 10, 70 << 10, 16 << 20} {
		from, to := withSecret(t), withSecret(t)
		var want []access.Identity
		for i := range users {
			user, id := fmt.Sprint("user", i), fmt.Sprint("token", i)
			for _, r := range []identity.Revocation{{User: user}, {TokenID: id}, {TokenID: id + "x", User: user}} {
				if err := from.Revoke(r); err != nil {
					t.Fatal(err)
				}
			}
			want = append(want, access.Identity{Kind: access.Token, User: user}, access.Identity{Kind: access.Token, ID: id}, access.Identity{Kind: access.Token, User: user, ID: id + "x", IssuedAt: noon.Add(time.Hour)})
		}
		pages, after := 0, ""
		for {
			var b bytes.Buffer
			if err := from.WriteRevocationsAfter(&b, after, bytesMax); err != nil {
				t.Fatal(err)
			}
			if bytesMax > 64<<10 && b.Len() > bytesMax {
				t.Errorf("a page of %d bytes, at most %d are asked for", b.Len(), bytesMax)
			}
			next, err := to.ReadRevocationsPage(&b, after)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			if after = next; next == "" {
				break
			}
		}
		if least := min(3*users, 3*users*60/max(1, bytesMax-64<<10)); pages < least || bytesMax == 16<<20 && pages != 1 {
			t.Errorf("%d pages of %d bytes", pages, bytesMax)
		}
		for _, id := range want {
			if !to.IsRevoked(&id) {
				t.Fatalf("with pages of %d bytes %+v is not revoked", bytesMax, id)
			}
		}
	}
	if _, err := withSecret(t).ReadRevocationsPage(strings.NewReader(`{"next":"a"}`), "b"); err == nil {
		t.Error("pages that go round are read for ever")
	}
}

// A process that knows no tokens hands over nothing, and takes nothing.
func TestCarryNothing(t *testing.T) {
	var none *identity.Identities
	var b bytes.Buffer
	if err := errors.Join(none.WriteRevocations(&b), none.ReadRevocations(&b), none.WriteRevocations(&b), withSecret(t).ReadRevocations(&b)); err != nil {
		t.Error(err)
	}
	if err := withSecret(t).ReadRevocations(strings.NewReader("{")); err == nil {
		t.Error("half of it was taken")
	}
}

// Only what came of a token, or of an application's word, can be revoked.
func TestWhatIsNotRevoked(t *testing.T) {
	ids := withSecret(t)
	if err := ids.Revoke(identity.Revocation{Before: noon}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []access.Kind{access.Open, access.Anonymous, access.Key} {
		if ids.IsRevoked(&access.Identity{Kind: kind}) {
			t.Errorf("%v is revoked", kind)
		}
	}
	if ids.IsRevoked(nil) || !ids.IsRevoked(&access.Identity{Kind: access.Application, User: "ann"}) {
		t.Error("everybody is revoked, or the application's users are not")
	}
	if err := ids.Revoke(identity.Revocation{}); !errors.Is(err, identity.ErrRevocation) {
		t.Error(err)
	}
}

// A revocation is remembered until no token can be valid that it means.
func TestRevocationsAreBounded(t *testing.T) {
	clock := newClock()
	ids := newIdentities(t, &identity.Options{
		Now: clock.now, RevocationsMax: 3, RevocationAge: 24 * time.Hour, Issuers: []identity.Issuer{{Secret: secret}},
	})
	days := func(n int) int64 { return noon.Add(time.Duration(n) * 24 * time.Hour).Unix() }
	user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": days(3), "sub": "old"}))), "old")
	for n := range 3 {
		if err := ids.Revoke(identity.Revocation{User: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	full := func(want bool) {
		t.Helper()
		if err := ids.Revoke(identity.Revocation{TokenID: "x"}); errors.Is(err, identity.ErrRevocationsFull) != want {
			t.Errorf("%v after %v", err, clock.now().Sub(noon))
		}
	}
	full(true)
	if err := ids.Revoke(identity.Revocation{User: "1"}); err != nil { // takes no place
		t.Error(err)
	}
	clock.advance(25 * time.Hour)
	full(true) // a token was seen that is valid for three days
	clock.advance(49 * time.Hour)
	full(false)
	// One for all makes place, and always has it.
	clock.advance(time.Hour)
	for n := range 2 {
		if err := ids.Revoke(identity.Revocation{User: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := ids.Revoke(identity.Revocation{User: "9"}); !errors.Is(err, identity.ErrRevocationsFull) {
		t.Error(err)
	}
	if err := ids.Revoke(identity.Revocation{Before: clock.now()}); err != nil {
		t.Error(err)
	}
	if err := ids.Revoke(identity.Revocation{User: "9", Before: clock.now().Add(time.Second)}); err != nil {
		t.Error(err)
	}
}

// Where tokens without an end were seen, nothing is forgotten.
func TestRevocationsOfTokensWithoutEnd(t *testing.T) {
	clock := newClock()
	ids := newIdentities(t, &identity.Options{Now: clock.now, RevocationsMax: 1, Issuers: []identity.Issuer{{Secret: secret, AllowWithoutExpiry: true}}})
	user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": nil}))), "ann")
	if err := ids.Revoke(identity.Revocation{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	clock.advance(50 * 365 * 24 * time.Hour)
	if err := ids.Revoke(identity.Revocation{User: "bob"}); !errors.Is(err, identity.ErrRevocationsFull) {
		t.Error(err)
	}
}

// Everything at once, for the race detector.
func TestManyAtOnce(t *testing.T) {
	i := newIssuer(t, says(jwks(jwk(edKey(), "a", nil), jwk(otherKey(), "b", nil))))
	ids := newIdentities(t, &identity.Options{CacheMax: 8, Issuers: []identity.Issuer{{JWKSURL: i.URL}, {Secret: secret}}})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for n := range 20 {
				name := fmt.Sprint("user-", g, "-", n%5)
				user(t, ids, signedBy(t, "ab"[n%2:n%2+1], map[string]any{"sub": name}), name)
				user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"sub": name}))), name)
				if n%7 == 0 {
					if err := ids.Revoke(identity.Revocation{User: name + "-other"}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}
