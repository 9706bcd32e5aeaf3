package identity_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

func withSecret(t testing.TB) *identity.Identities {
	return newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{Secret: secret}}})
}

func TestToken(t *testing.T) {
	ids := withSecret(t)
	id := user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{
		"iss": "https://a.example", "jti": "t-1", "aud": "anybody",
		"godwit": map[string]any{
			"subscribe": []string{"chat/*", "inbox/{user}"}, "publish": []string{"chat/*"},
			"info": map[string]any{"name": "Ann"},
		},
	}))), "ann")
	if id.Name != "https://a.example" || id.ID != "t-1" || string(id.Info) != `{"name":"Ann"}` ||
		!id.Expires.Equal(noon.Add(time.Hour)) || !id.IssuedAt.Equal(noon.Add(-time.Minute)) {
		t.Errorf("%+v", id)
	}
	if got := id.Grants.String(); got != "subscribe on chat/*, inbox/{user}; publish on chat/*" {
		t.Error(got)
	}
	if !access.May(id, nil, access.Subscribe, "inbox/ann") || access.May(id, nil, access.Subscribe, "inbox/bob") {
		t.Error("the grants are not what the token says")
	}
	// A token may say next to nothing.
	id = user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"sub": nil, "iat": nil}))), "")
	if !id.Grants.IsZero() || id.Info != nil || id.ID != "" || !id.IssuedAt.IsZero() || id.Name != "" {
		t.Errorf("%+v", id)
	}
}

func TestAlgorithms(t *testing.T) {
	keys := map[string]any{
		"HS256": secret, "HS384": secret, "HS512": secret,
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "PS256": rsaKey(), "PS384": rsaKey(), "PS512": rsaKey(),
		"ES256": p256Key(), "ES384": p384Key(), "ES512": p521Key(), "EdDSA": edKey(),
	}
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, slices.Sorted(slices.Values(identity.Algorithms()))) {
		t.Errorf("%q are tried of %q", got, identity.Algorithms())
	}
	public := publicPEM(rsaKey(), p256Key(), p384Key(), p521Key(), edKey())
	set := jwks(jwk(rsaKey(), "r", nil), jwk(p256Key(), "e", nil), jwk(p384Key(), "", nil), jwk(p521Key(), "", nil), jwk(edKey(), "d", nil), jwk(secret, "s", nil))
	for form, issuers := range map[string][]identity.Issuer{
		"PEM":  {{Secret: secret}, {PEM: public}},
		"JWKS": {{JWKS: set}},
	} {
		t.Run(form, func(t *testing.T) {
			ids := newIdentities(t, &identity.Options{Issuers: issuers})
			for alg, key := range keys {
				text := sign(t, alg, key, nil, valid(nil))
				user(t, ids, bearer(text), "ann")
				user(t, ids, bearer(text), "ann") // as remembered

				// A few bits of the signature are others.
				at := len(text) - 10
				digit := "A"
				if text[at] == 'A' {
					digit = "B"
				}
				damaged := text[:at] + digit + text[at+1:]
				refused(t, ids, bearer(damaged), access.Unauthenticated, "the token's signature is of no key that is known here")
			}
			// The right algorithm, and somebody else's key.
			refused(t, ids, bearer(sign(t, "EdDSA", otherKey(), nil, valid(nil))), access.Unauthenticated, "signature is of no key")
			refused(t, ids, bearer(sign(t, "HS256", []byte(strings.Repeat("x", 32)), nil, valid(nil))), access.Unauthenticated, "signature is of no key")
		})
	}
}

// The algorithm is the key's. A public key is known to everybody, so as a secret it
// would let everybody in.
func TestAlgorithmConfusion(t *testing.T) {
	public := publicPEM(rsaKey())
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{PEM: public}}})
	refused(t, ids, bearer(sign(t, "HS256", public, nil, valid(nil))), access.Unauthenticated, "a key that is not known here")
	refused(t, ids, bearer(sign(t, "HS256", []byte(strings.TrimSpace(string(public))), nil, valid(nil))), access.Unauthenticated, "a key that is not known here")
	refused(t, ids, bearer(sign(t, "EdDSA", edKey(), nil, valid(nil))), access.Unauthenticated, "a key that is not known here")
	user(t, ids, bearer(sign(t, "PS256", rsaKey(), nil, valid(nil))), "ann")

	none := sign(t, "none", jwt.UnsafeAllowNoneSignatureType, nil, valid(nil))
	for _, alg := range []string{"none", "None", "nOnE"} {
		head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q}`, alg))
		_, rest, _ := strings.Cut(none, ".")
		refused(t, ids, bearer(head+"."+rest), access.Unauthenticated, "it is not signed (alg none)")
		refused(t, withSecret(t), bearer(head+"."+rest), access.Unauthenticated, "it is not signed (alg none)")
	}

	// A restricted issuer verifies nothing else.
	ids = newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{PEM: public, Algorithms: []string{"RS512"}}}})
	refused(t, ids, bearer(sign(t, "RS256", rsaKey(), nil, valid(nil))), access.Unauthenticated, "a key that is not known here")
	user(t, ids, bearer(sign(t, "RS512", rsaKey(), nil, valid(nil))), "ann")
	ids = newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{JWKS: jwks(jwk(rsaKey(), "", map[string]any{"alg": "PS384"}))}}})
	refused(t, ids, bearer(sign(t, "RS256", rsaKey(), nil, valid(nil))), access.Unauthenticated, "a key that is not known here")
	user(t, ids, bearer(sign(t, "PS384", rsaKey(), nil, valid(nil))), "ann")
}

// Keys come from the configuration, whatever a token says of where to get one.
func TestKeysInHeadersAreIgnored(t *testing.T) {
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{PEM: publicPEM(edKey())}}})
	for name, value := range map[string]any{
		"jwk": jwk(otherKey(), "mine", nil), "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert",
	} {
		text := sign(t, "EdDSA", otherKey(), map[string]any{name: value, "kid": "mine"}, valid(nil))
		refused(t, ids, bearer(text), access.Unauthenticated, "signature is of no key")
		user(t, ids, bearer(sign(t, "EdDSA", edKey(), map[string]any{name: value}, valid(nil))), "ann")
		if f := ids.Check(t.Context(), text, noon); len(f.Ignored) != 1 || f.Ignored[0] != name || f.Identity != nil {
			t.Errorf("%+v", f)
		}
	}
}

func TestClaims(t *testing.T) {
	at := func(d time.Duration) any { return noon.Add(d).Unix() }
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{
		{Source: "tokens[0]", Secret: secret, Name: "https://a.example", Audience: []string{"chat", "news"}},
	}})
	over := func(more map[string]any) map[string]any {
		claims := valid(map[string]any{"iss": "https://a.example", "aud": "chat"})
		for name, value := range more {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		return claims
	}
	for _, c := range []struct {
		claims map[string]any
		wrong  string // "" for none
	}{
		{map[string]any{}, ""},
		{map[string]any{"aud": []string{"other", "news"}}, ""},
		{map[string]any{"aud": "other"}, "for another audience"},
		{map[string]any{"aud": []string{}}, "for another audience"},
		{map[string]any{"aud": nil}, "for another audience"},
		{map[string]any{"aud": "Chat"}, "for another audience"},
		{map[string]any{"aud": 5}, "claim aud is neither text nor a list"},
		{map[string]any{"iss": nil}, "issuer is not accepted here"},
		{map[string]any{"iss": "https://b.example"}, "issuer is not accepted here"},
		{map[string]any{"iss": "https://a.example/"}, "issuer is not accepted here"},
		{map[string]any{"iss": []string{"https://a.example"}}, "iss is not text"},

		{map[string]any{"exp": at(-59 * time.Second)}, ""},
		{map[string]any{"exp": at(-60 * time.Second)}, "the token expired at 2026-11-29T11:59:00Z; get a new one"},
		{map[string]any{"exp": nil}, "no claim exp"},
		{map[string]any{"exp": "soon"}, "claim exp is not a time"},
		{map[string]any{"exp": 1e300}, "claim exp is not a time"},
		{map[string]any{"exp": -1}, "claim exp is not a time"},
		{map[string]any{"exp": int64(4102444800)}, ""},
		{map[string]any{"exp": float64(noon.Unix()) + 1.5}, ""},
		{map[string]any{"nbf": at(60 * time.Second)}, ""},
		{map[string]any{"nbf": at(61 * time.Second)}, "not valid before 2026-11-29T12:01:01Z"},
		{map[string]any{"nbf": true}, "claim nbf is not a time"},
		{map[string]any{"iat": at(60 * time.Second)}, ""},
		{map[string]any{"iat": at(61 * time.Second)}, "issued in the future"},

		{map[string]any{"sub": 5}, "claim sub is not text"},
		{map[string]any{"sub": "a\nb"}, "claim sub has a control character"},
		{map[string]any{"sub": strings.Repeat("x", 256)}, "claim sub has 256 bytes"},
		{map[string]any{"jti": 5}, "claim jti is not text"},
		{map[string]any{"SUB": "eve", "Exp": 0, "GODWIT": 5}, ""}, // other names than those

		{map[string]any{"godwit": []string{"chat/*"}}, "claim godwit is not an object"},
		{map[string]any{"godwit": map[string]any{"subscibe": []string{"a"}}}, `claim godwit: "subscibe" is not an action; the actions are`},
		{map[string]any{"godwit": map[string]any{"subscribe": "chat/*"}}, `claim godwit: "subscribe" is not a list of patterns`},
		{map[string]any{"godwit": map[string]any{"subscribe": []string{"a//b"}}}, `claim godwit: pattern "a//b": it has an empty segment`},
		{map[string]any{"godwit": map[string]any{"info": nil}}, ""},
		{map[string]any{"godwit": map[string]any{"info": "Ann"}}, ""},
	} {
		r := bearer(sign(t, "HS256", secret, nil, over(c.claims)))
		if c.wrong != "" {
			refused(t, ids, r, access.Unauthenticated, c.wrong)
			continue
		}
		if c.claims["sub"] == nil {
			user(t, ids, r, "ann")
		}
	}
}

func TestExpiryCanBeLeftOut(t *testing.T) {
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{Secret: secret, AllowWithoutExpiry: true}}})
	r := bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": nil})))
	for range 2 {
		if id := user(t, ids, r, "ann"); !id.Expires.IsZero() {
			t.Error(id.Expires)
		}
	}
	refused(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": noon.Add(-time.Hour).Unix()}))), access.Unauthenticated, "expired")
}

func TestSkew(t *testing.T) {
	ids := newIdentities(t, &identity.Options{Skew: 5 * time.Second, Issuers: []identity.Issuer{{Secret: secret}}})
	id := user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": noon.Add(-4 * time.Second).Unix()}))), "ann")
	if !id.Expires.Equal(noon.Add(-4 * time.Second)) {
		t.Errorf("it ends at %v: the skew is for taking it, and makes it no longer", id.Expires)
	}
	refused(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"exp": noon.Add(-5 * time.Second).Unix()}))), access.Unauthenticated, "expired")
}

func TestMalformedTokens(t *testing.T) {
	ids := withSecret(t)
	good := sign(t, "HS256", secret, nil, valid(nil))
	parts := strings.Split(good, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for text, want := range map[string]string{
		"undefined":                           "not three parts with dots between",
		"a.b":                                 "not three parts with dots between",
		good + ".x":                           "not three parts with dots between",
		"a.b.c.d.e":                           "it is encrypted (JWE)",
		"!." + parts[1] + "." + parts[2]:      "its header is not base64url",
		parts[0] + ".=." + parts[2]:           "its claims is not base64url",
		parts[0] + "." + parts[1] + ".+/":     "its signature is not base64url",
		encode("x") + "." + parts[1] + ".":    "its header is not a JSON object",
		encode("null") + "." + parts[1] + ".": "its header is not a JSON object",
		parts[0] + "." + encode("[]") + ".":   "its claims is not a JSON object",
		parts[0] + "." + encode("{\"sub\":\"\xff\"}") + ".":                                   "its claims is not a JSON object",
		encode("{}") + "." + parts[1] + ".":                                                   "its header has no alg",
		encode(`{"alg":5}`) + "." + parts[1] + ".":                                            "alg is not text",
		encode(`{"alg":"HS256","kid":5}`) + "." + parts[1] + ".":                              "kid is not text",
		encode(`{"alg":"HS256","crit":["exp"]}`) + "." + parts[1] + ".":                       "nothing that could be critical is understood",
		encode(`{"ALG":"HS256"}`) + "." + parts[1] + ".":                                      "its header has no alg",
		encode(`{"alg":"XS256"}`) + "." + parts[1] + ".":                                      "a key that is not known here",
		strings.Repeat("x", identity.TokenBytesMax+1):                                         "it has 8193 bytes, and at most 8192 are read",
		sign(t, "HS256", secret, nil, valid(map[string]any{"x": strings.Repeat("x", 7<<10)})): "at most 8192 are read",
	} {
		refused(t, ids, bearer(text), access.Unauthenticated, want)
	}
	// One token has one text: what differs in bits that mean nothing is another.
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	refused(t, ids, bearer(good[:len(good)-1]+string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1])),
		access.Unauthenticated, "its signature is not base64url")
}

// The longest token passes, and what it says is all understood.
func TestLongestToken(t *testing.T) {
	ids := withSecret(t)
	n := 5000
	var text string
	for ; ; n++ {
		text = sign(t, "HS256", secret, nil, valid(map[string]any{"x": strings.Repeat("x", n)}))
		if len(text) > identity.TokenBytesMax {
			refused(t, ids, bearer(text), access.Unauthenticated, "at most 8192 are read")
			break
		}
	}
	user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"x": strings.Repeat("x", n-1)}))), "ann")
}

// Several issuers are told apart by their names, and by their keys where they have
// none.
func TestIssuers(t *testing.T) {
	other := []byte("another secret, of another issuer")
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{
		{Name: "a", Secret: secret, Audience: []string{"x"}},
		{Name: "a", Secret: secret, Audience: []string{"y"}},
		{Name: "b", PEM: publicPEM(p256Key(), edKey())},
		{Secret: other},
		{JWKS: jwks(jwk(otherKey(), "k1", nil), jwk(rsaKey(), "k2", nil))},
	}})
	for _, aud := range []string{"x", "y"} {
		user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"iss": "a", "aud": aud}))), "ann")
	}
	refused(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"iss": "a", "aud": "z"}))), access.Unauthenticated, "another audience")
	refused(t, ids, bearer(sign(t, "HS256", secret, nil, valid(map[string]any{"aud": "x"}))), access.Unauthenticated, "signature is of no key")
	user(t, ids, bearer(sign(t, "EdDSA", edKey(), nil, valid(map[string]any{"iss": "b"}))), "ann")
	refused(t, ids, bearer(sign(t, "EdDSA", edKey(), nil, valid(map[string]any{"iss": "c"}))), access.Unauthenticated, "signature is of no key")
	if id := user(t, ids, bearer(sign(t, "HS256", other, nil, valid(map[string]any{"iss": "c"}))), "ann"); id.Name != "c" {
		t.Errorf("the issuer is %q", id.Name)
	}
	user(t, ids, bearer(sign(t, "EdDSA", otherKey(), map[string]any{"kid": "k1"}, valid(nil))), "ann")
	user(t, ids, bearer(sign(t, "RS256", rsaKey(), nil, valid(nil))), "ann")
	refused(t, ids, bearer(sign(t, "RS256", rsaKey(), map[string]any{"kid": "k1"}, valid(nil))), access.Unauthenticated, "a key that is not known here")
}

// A verified token is remembered, until it ends and no longer.
func TestRememberedTokensEnd(t *testing.T) {
	now := noon
	ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{PEM: publicPEM(edKey())}}, Now: func() time.Time { return now }})
	r := bearer(sign(t, "EdDSA", edKey(), nil, valid(nil)))
	first := user(t, ids, r, "ann")
	now = noon.Add(time.Hour + 59*time.Second)
	if again := user(t, ids, r, "ann"); again != first {
		t.Error("it was verified again")
	}
	now = noon.Add(time.Hour + 60*time.Second)
	refused(t, ids, r, access.Unauthenticated, "the token expired at 2026-11-29T13:00:00Z")
}

// No error has anything of the token, or of the secret.
func TestErrorsKeepSecrets(t *testing.T) {
	log := new(logged)
	ids := newIdentities(t, &identity.Options{Logger: log.logger(), Issuers: []identity.Issuer{
		{Name: "a", Secret: []byte("hush-hush-hush-hush")}, {PEM: publicPEM(edKey()), Audience: []string{"x"}},
	}})
	hush := []byte("hush-hush-hush-hush")
	tokens := []string{
		"hushhushhushhush", "hush.hush.hush", "gk_hushhushhushhush", strings.Repeat("hush", 3000),
		sign(t, "HS256", hush, nil, valid(map[string]any{"iss": "a", "exp": 5})),
		sign(t, "HS256", secret, nil, valid(map[string]any{"iss": "a"})),
		sign(t, "EdDSA", edKey(), nil, valid(nil)),
		sign(t, "RS256", rsaKey(), nil, valid(map[string]any{"iss": "z"})),
	}
	parts := func(s string) []string {
		return slices.DeleteFunc(append(strings.Split(s, "."), s), func(p string) bool { return len(p) < 4 })
	}
	for _, text := range tokens {
		for _, r := range []head{bearer(text), {query: "token=" + text}, {fields: map[string][]string{"Sec-Websocket-Protocol": {identity.SubprotocolPrefix + text}}}} {
			_, err := identify(t, ids, r)
			if err == nil {
				t.Fatalf("%q was let in", text)
			}
			f := ids.Check(context.Background(), text, noon)
			for _, part := range parts(text) {
				for _, said := range []string{err.Error(), f.Reason, f.Detail, log.String()} {
					if strings.Contains(said, part) || strings.Contains(said, "hush") {
						t.Errorf("%q has %q", said, part)
					}
				}
			}
		}
	}
}
