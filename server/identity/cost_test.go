package identity_test

import (
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// More tokens than are remembered are verified again, and nothing else.
func TestFewAreRemembered(t *testing.T) {
	ids := newIdentities(t, &identity.Options{CacheMax: 10, Issuers: []identity.Issuer{{Secret: secret}}})
	var first []*access.Identity
	var tokens []head
	for n := range 100 {
		tokens = append(tokens, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"n": n}))))
		first = append(first, user(t, ids, tokens[n], "ann"))
		if again := user(t, ids, tokens[0], "ann"); again != first[0] { // what is used stays
			t.Fatalf("after %d others a token is not remembered that is used all the time", n)
		}
	}
	remembered := 0
	for n := len(tokens) - 1; n >= 0; n-- {
		if user(t, ids, tokens[n], "ann") == first[n] {
			remembered++
		}
	}
	if remembered < 5 || remembered > 10 {
		t.Errorf("%d are remembered", remembered)
	}
}

func TestIdentifyAllocs(t *testing.T) {
	key := identity.NewKey()
	ids := newIdentities(t, &identity.Options{
		Issuers: []identity.Issuer{{Secret: secret}, {PEM: publicPEM(edKey())}},
		Keys:    []identity.Key{{Name: "shop", Hash: identity.HashKey(key)}},
	})
	var r identity.Request = bearer(sign(t, "EdDSA", edKey(), nil, valid(nil)))
	user(t, ids, r.(head), "ann")
	done := func(_ *access.Identity, err error) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { ids.Identify(r, done) }); n > 0 {
		t.Errorf("a remembered token: %v allocations", n)
	}
	r = bearer(key)
	if n := testing.AllocsPerRun(100, func() { ids.Identify(r, done) }); n > 0 {
		t.Errorf("a key: %v allocations", n)
	}
	r = head{}
	if n := testing.AllocsPerRun(100, func() { ids.Identify(r, done) }); n > 0 {
		t.Errorf("nothing: %v allocations", n)
	}
}

func BenchmarkIdentify(b *testing.B) {
	claims := func(n int) map[string]any {
		return valid(map[string]any{"jti": fmt.Sprint(n), "godwit": map[string]any{"subscribe": []string{"chat/*", "inbox/{user}"}, "publish": []string{"chat/*"}}})
	}
	key := identity.NewKey()
	many := []identity.Key{{Name: "shop", Hash: identity.HashKey(key)}}
	for n := range 50 {
		many = append(many, identity.Key{Name: fmt.Sprint(n), Hash: identity.HashKey(fmt.Sprint(n))})
	}
	ids := newIdentities(b, &identity.Options{
		CacheMax: 2000, Keys: many,
		Issuers: []identity.Issuer{{Secret: secret}, {PEM: publicPEM(rsaKey(), p256Key(), edKey())}},
	})
	came := make(chan error, 1)
	one := func(b *testing.B, r identity.Request) {
		ids.Identify(r, func(_ *access.Identity, err error) { came <- err })
		if err := <-came; err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cached", func(b *testing.B) {
		r := bearer(sign(b, "ES256", p256Key(), nil, claims(0)))
		b.ReportAllocs()
		for b.Loop() {
			one(b, r)
		}
	})
	b.Run("key-of-51", func(b *testing.B) {
		r := bearer(key)
		b.ReportAllocs()
		for b.Loop() {
			one(b, r)
		}
	})
	// Each of so many tokens comes again only when it is forgotten.
	for alg, key := range map[string]any{"HS256": secret, "RS256": rsaKey(), "ES256": p256Key(), "EdDSA": edKey()} {
		b.Run("fresh-"+alg, func(b *testing.B) {
			tokens := make([]head, 2100)
			for n := range tokens {
				tokens[n] = bearer(sign(b, alg, key, nil, claims(n)))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				one(b, tokens[n%len(tokens)])
				n++
			}
		})
	}
}
