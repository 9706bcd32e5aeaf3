package identity_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// Whatever a request has, the outcome is one of the identities that were given out,
// or a refusal that repeats nothing of what was shown.
func FuzzRequest(f *testing.F) {
	ann := sign(f, "HS256", secret, nil, valid(nil))
	f.Add("Bearer "+ann, "", "", "")
	f.Add("", "token="+ann, "", "")
	f.Add("Basic "+base64.StdEncoding.EncodeToString([]byte("x:gk_shop")), "a&%74oken=%2e", "godwit.v1, godwit.token.x", "session=y; session=z")
	f.Add("", "", "godwit.token."+ann, `session="`+ann+`"`)
	f.Fuzz(func(t *testing.T, auth, query, protocols, cookie string) {
		ids := newIdentities(t, &identity.Options{
			Issuers: []identity.Issuer{{Secret: secret, Cookie: "session"}},
			Keys:    []identity.Key{{Name: "shop", Hash: identity.HashKey("gk_shop")}},
		})
		r := head{query: query, fields: make(http.Header)}
		for name, value := range map[string]string{"Authorization": auth, "Sec-WebSocket-Protocol": protocols, "Cookie": cookie} {
			if value != "" {
				r.fields.Set(name, value)
			}
		}
		id, err := identify(t, ids, r)
		if again, err2 := identify(t, ids, r); (err == nil) != (err2 == nil) || err == nil && again.String() != id.String() {
			t.Fatalf("%v, %v and then %v, %v", id, err, again, err2)
		}
		if err != nil {
			return
		}
		switch id.Kind {
		case access.Anonymous:
		case access.Key:
			if !strings.Contains(auth, " ") {
				t.Fatalf("%q is a key", auth)
			}
		case access.Token:
			if id.User != "ann" {
				t.Fatalf("user %q", id.User)
			}
		default:
			t.Fatalf("it is %v", id)
		}
	})
}

// A token that is not signed with the secret is refused, whatever is in it; a token that
// is is what it says, or is refused for that.
func FuzzToken(f *testing.F) {
	f.Add(`{"alg":"HS256"}`, `{"sub":"ann","exp":4102444800,"godwit":{"subscribe":["a/*"],"info":1}}`)
	f.Add(`{"alg":"HS512","kid":"k","crit":null}`, `{"exp":1e10,"aud":["x"],"iat":0.5,"jti":"t"}`)
	f.Add(`{"alg":"none"}`, `null`)
	f.Add(`{"alg":"EdDSA","jwk":{}}`, `{"exp":1e400}`)
	signer, err := identity.NewSigner(secret, "")
	must(err)
	f.Fuzz(func(t *testing.T, header, claims string) {
		ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{{Secret: secret}, {PEM: publicPEM(edKey())}}})
		encode := base64.RawURLEncoding.EncodeToString
		signed := encode([]byte(header)) + "." + encode([]byte(claims))
		for _, signature := range []string{"", "AAAA", encode([]byte(claims))} {
			if id, err := identify(t, ids, bearer(signed+"."+signature)); err == nil {
				t.Fatalf("%s %s is %v", header, claims, id)
			}
		}
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			mac, err := signMAC(alg, signed)
			if err != nil {
				t.Fatal(err)
			}
			text := signed + "." + encode(mac)
			found := ids.Check(t.Context(), text, noon)
			id, err := identify(t, ids, bearer(text))
			if (err == nil) != (found.Identity != nil) || err != nil && err.Error() != found.Reason {
				t.Fatalf("%v, %v, and Check: %+v", id, err, found)
			}
			if err != nil {
				if len(claims) > 40 && strings.Contains(err.Error(), encode([]byte(claims))) {
					t.Fatalf("%q has the token", err)
				}
				continue
			}
			if id.Expires.IsZero() || len(id.User) > 255 {
				t.Fatalf("%+v", id)
			}
			// Written again, it says the same.
			again, err := signer.Sign(&identity.Claims{User: id.User, ID: id.ID, Expires: id.Expires, Grants: id.Grants, Info: id.Info})
			if err != nil {
				continue // it has become longer
			}
			if other, err := identify(t, ids, bearer(again)); err == nil && (other.User != id.User || other.Grants.String() != id.Grants.String()) {
				t.Fatalf("%+v and %+v", id, other)
			}
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(identity.HashKey("gk_x"))
	f.Add("gk_x")
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := identity.ParseHash(text)
		if err != nil {
			if len(text) > 10 && strings.Contains(err.Error(), text) {
				t.Fatalf("%q has %q", err, text)
			}
			return
		}
		ids := newIdentities(t, &identity.Options{Keys: []identity.Key{{Name: "k", Hash: text}}})
		if _, err := identify(t, ids, bearer("gk_"+string(sum[:]))); err == nil {
			t.Fatal("the hash is as good as the key")
		}
	})
}

// Whatever a set or a PEM file has, there is an error or there are keys.
func FuzzKeys(f *testing.F) {
	f.Add(jwks(jwk(edKey(), "a", nil), jwk(rsaKey(), "b", nil), jwk(secret, "c", nil)))
	f.Add(jwks(jwk(p256Key(), "a", map[string]any{"alg": "ES256", "use": "sig"})))
	f.Add(publicPEM(edKey(), p256Key(), rsaKey()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	text := sign(f, "EdDSA", otherKey(), nil, valid(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, issuer := range []identity.Issuer{{JWKS: b}, {PEM: b}} {
			ids, err := identity.New(&identity.Options{Logger: new(logged).logger(), Issuers: []identity.Issuer{issuer}})
			if err != nil {
				continue
			}
			if id, err := identify(t, ids, bearer(text)); err == nil {
				t.Errorf("%q lets %v in", b, id)
			}
			ids.Close()
		}
	})
}
