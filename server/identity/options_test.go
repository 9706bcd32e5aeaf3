package identity_test

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

func TestNegativeOptions(t *testing.T) {
	of := reflect.TypeFor[identity.Options]()
	count := 0
	for i := range of.NumField() {
		field := of.Field(i)
		if kind := field.Type.Kind(); kind < reflect.Int || kind > reflect.Int64 {
			continue
		}
		count++
		value := reflect.New(of)
		value.Elem().Field(i).SetInt(-5)
		_, err := identity.New(value.Interface().(*identity.Options))
		var wrong *identity.OptionError
		if !errors.As(err, &wrong) || wrong.Option != field.Name || !strings.Contains(err.Error(), "is negative; 0 is the default") {
			t.Errorf("%s: %v", field.Name, err)
		}
	}
	if count != 9 {
		t.Errorf("%d numbers", count)
	}
}

func TestNothingIsProtectedByDefault(t *testing.T) {
	ids := newIdentities(t, &identity.Options{})
	for _, r := range []head{{}, bearer("x"), {query: "token=a&token=b"}} {
		if id, err := identify(t, ids, r); err != nil || id != access.Everybody {
			t.Errorf("%v, %v", id, err)
		}
	}
	if !ids.IsOpen() {
		t.Error("it is not open")
	}
	if f := ids.Check(t.Context(), sign(t, "HS256", secret, nil, valid(nil)), noon); f.Identity != nil || !strings.Contains(f.Reason, "nothing is protected") {
		t.Errorf("%+v", f)
	}
}

// One of tokens, keys and anonymous is enough to protect everything.
func TestAnonymous(t *testing.T) {
	grants, err := access.ParseGrants(map[string][]string{"subscribe": {"public/**"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options identity.Options
		may     string
	}{
		"tokens":          {identity.Options{Issuers: []identity.Issuer{{Secret: secret}}}, "nothing"},
		"keys":            {identity.Options{Keys: []identity.Key{{Name: "shop", Hash: identity.HashKey("gk_x")}}}, "nothing"},
		"anonymous":       {identity.Options{Anonymous: &grants}, "subscribe on public/**"},
		"empty anonymous": {identity.Options{Anonymous: &access.Grants{}}, "nothing"},
	} {
		ids := newIdentities(t, &c.options)
		id, err := identify(t, ids, head{})
		if err != nil || id.Kind != access.Anonymous || id.Grants.String() != c.may || ids.IsOpen() {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
	ids := newIdentities(t, &identity.Options{Anonymous: &grants})
	refused(t, ids, bearer(sign(t, "HS256", secret, nil, valid(nil))), access.Unauthenticated, "tokens do not count here")
}

func TestWrongOptions(t *testing.T) {
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	key := func(k ...identity.Key) identity.Options { return identity.Options{Keys: k} }
	issuer := func(i identity.Issuer) identity.Options { return identity.Options{Issuers: []identity.Issuer{i}} }
	hash := identity.HashKey("gk_hush")
	for _, c := range []struct {
		o    identity.Options
		want string
	}{
		{issuer(identity.Issuer{}), "tokens[0]: it needs one of a secret, a key in PEM, a set of keys, and the URL of one"},
		{issuer(identity.Issuer{Source: "tokens[7]", Secret: secret, PEM: publicPEM(edKey())}), "tokens[7]: it needs one of"},
		{issuer(identity.Issuer{Secret: []byte{}}), "the secret has 0 bytes"},
		{issuer(identity.Issuer{Secret: []byte("hush-hush-hush-")}), "the secret has 15 bytes, and whoever has a token can guess it; it needs 16, better 32: openssl"},
		{issuer(identity.Issuer{Secret: secret, Algorithms: []string{"HS257"}}), `there is no algorithm "HS257"; there are HS256, HS384`},
		{issuer(identity.Issuer{Secret: secret, Algorithms: []string{"none"}}), `there is no algorithm "none"`},
		{issuer(identity.Issuer{Secret: secret, Algorithms: []string{"RS256"}}), "a secret verifies HS256, HS384, HS512, and only RS256 is to be verified"},
		{issuer(identity.Issuer{Secret: secret, Cookie: "a b"}), `"a b" is not the name of a cookie`},
		{issuer(identity.Issuer{PEM: []byte("hush")}), "there is no PEM block in it"},
		{issuer(identity.Issuer{PEM: privatePEM(edKey())}), "key 1 of the file: it is a private key, and whoever verifies must not have it: openssl pkey"},
		{issuer(identity.Issuer{PEM: append(publicPEM(edKey()), block("PUBLIC KEY", []byte("x"))...)}), "key 2 of the file: it is no public key that can be read"},
		{issuer(identity.Issuer{PEM: block("CERTIFICATE", []byte("x"))}), "it is no certificate that can be read"},
		{issuer(identity.Issuer{PEM: block("RSA PUBLIC KEY", []byte("x"))}), "it is no RSA public key"},
		{issuer(identity.Issuer{PEM: block("DH PARAMETERS", []byte("x"))}), `it is a "DH PARAMETERS"; a PUBLIC KEY or a CERTIFICATE is needed`},
		{issuer(identity.Issuer{PEM: append(publicPEM(edKey()), "-----BEGIN PUBLIC KEY-----\nabc"...)}), "the last PEM block of it is damaged"},
		{issuer(identity.Issuer{PEM: []byte(strings.Repeat(string(publicPEM(edKey())), 101))}), "more than 100 keys"},
		{issuer(identity.Issuer{JWKS: []byte("<html>")}), "it is no JSON Web Key Set"},
		{issuer(identity.Issuer{JWKS: []byte("{}")}), "it is no JSON Web Key Set"},
		{issuer(identity.Issuer{JWKS: jwks()}), "it is no JSON Web Key Set"},
		{issuer(identity.Issuer{JWKS: []byte(`{"keys":[]}`)}), "the set has no key"},
		{issuer(identity.Issuer{JWKS: jwks(jwk(edKey(), "a", map[string]any{"use": "enc"}))}), "no key of the set can verify tokens (key 1: its use is not sig)"},
		{issuer(identity.Issuer{JWKSURL: "hush"}), "is not a URL of a set of keys"},
		{issuer(identity.Issuer{JWKSURL: "file:///etc/keys"}), "is not a URL of a set of keys"},
		{issuer(identity.Issuer{JWKSURL: "http://a.example/?token=hush"}), `"http://a.example/?token=..." is http: whoever is in between`},
		{key(identity.Key{Hash: hash}), "keys[0] has no name"},
		{key(identity.Key{Name: "shop"}), `keys[0], "shop": a hash of a key is sha256: and 64 hexadecimal digits`},
		{key(identity.Key{Name: "shop", Hash: "gk_hush"}), "this is a key and not its hash"},
		{key(identity.Key{Name: "shop", Hash: hash[:len(hash)-1] + "x"}), "after sha256: stand 64 hexadecimal digits"},
		{key(identity.Key{Name: "shop", Hash: hash}, identity.Key{Name: "shop", Hash: hash}), `two keys have the name "shop"`},
	} {
		_, err := identity.New(&c.o)
		if err == nil || !strings.HasPrefix(err.Error(), "identity: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(strings.Replace(err.Error(), `"hush"`, "", 1), "hush") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestKeysOfASet(t *testing.T) {
	log := new(logged)
	odd := jwk(rsaKey(), "odd", nil)
	odd["e"] = "AQ" // 1
	ids := newIdentities(t, &identity.Options{Logger: log.logger(), Issuers: []identity.Issuer{{JWKS: jwks(
		map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AA"},
		map[string]any{"kty": "XYZ"},
		jwk(p256Key(), "a", map[string]any{"x": "AAAA"}), // not on the curve
		jwk(p256Key(), "a", map[string]any{"alg": "ECDH-ES"}),
		jwk(p256Key(), "a", map[string]any{"key_ops": []string{"sign"}}),
		jwk(p256Key(), "a", map[string]any{"alg": "ES384"}),
		jwk([]byte("short"), "s", nil),
		odd,
		jwk(edKey(), "good", map[string]any{"use": "sig", "key_ops": []string{"verify"}, "alg": "EdDSA", "x5u": "https://127.0.0.1:1/", "x5c": []string{"AAAA"}, "d": "AAAA"}),
	)}}})
	user(t, ids, bearer(sign(t, "EdDSA", edKey(), map[string]any{"kid": "good"}, valid(nil))), "ann")
	refused(t, ids, bearer(sign(t, "ES256", p256Key(), map[string]any{"kid": "a"}, valid(nil))), access.Unauthenticated, "a key that is not known here")
	if !strings.Contains(log.String(), "keys of a set are left out") || !strings.Contains(log.String(), "count=8") {
		t.Error(log.String())
	}
}

// A short secret is used, and said to be short.
func TestShortSecret(t *testing.T) {
	log := new(logged)
	short := []byte("hush-hush-hush-h")
	ids := newIdentities(t, &identity.Options{Logger: log.logger(), Issuers: []identity.Issuer{{Secret: short}}})
	user(t, ids, bearer(sign(t, "HS256", short, nil, valid(nil))), "ann")
	if got := log.String(); !strings.Contains(got, "a secret for tokens is short") || !strings.Contains(got, "where=tokens[0] bytes=16 better=32") || strings.Contains(got, "hush") {
		t.Error(got)
	}
}

func TestSigner(t *testing.T) {
	grants, err := access.ParseGrants(map[string][]string{"subscribe": {"chat/*"}, "manage": {"**"}})
	if err != nil {
		t.Fatal(err)
	}
	claims := &identity.Claims{
		User: "ann", Issuer: "a", Audience: []string{"x", "y"}, ID: "t-1", IssuedAt: noon, NotBefore: noon, Expires: noon.Add(time.Hour),
		Grants: grants, Info: []byte(`{"name":"Ann"}`),
	}
	try := func(s *identity.Signer, issuer identity.Issuer) {
		t.Helper()
		issuer.Name, issuer.Audience = "a", []string{"y"}
		ids := newIdentities(t, &identity.Options{Issuers: []identity.Issuer{issuer}})
		text, err := s.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		id := user(t, ids, bearer(text), "ann")
		if id.Grants.String() != grants.String() || string(id.Info) != `{"name":"Ann"}` || id.ID != "t-1" || !id.Expires.Equal(noon.Add(time.Hour)) {
			t.Errorf("%+v", id)
		}
	}
	for _, alg := range []string{"", "HS256", "HS512"} {
		s, err := identity.NewSigner(secret, alg)
		if err != nil {
			t.Fatal(err)
		}
		try(s, identity.Issuer{Secret: secret})
	}
	for _, k := range []crypto.Signer{rsaKey(), p256Key(), p384Key(), p521Key(), edKey()} {
		s, err := identity.NewPEMSigner(privatePEM(k), "")
		if err != nil {
			t.Fatal(err)
		}
		try(s.WithKeyID("k"), identity.Issuer{JWKS: jwks(jwk(otherKey(), "o", nil), jwk(k, "k", nil))})
	}
	for want, make := range map[string]func() (*identity.Signer, error){
		"the secret has 5 bytes":              func() (*identity.Signer, error) { return identity.NewSigner([]byte("short"), "") },
		"signs with HS256, HS384, HS512, and": func() (*identity.Signer, error) { return identity.NewSigner(secret, "RS256") },
		"signs with ES256, and not":           func() (*identity.Signer, error) { return identity.NewPEMSigner(privatePEM(p256Key()), "ES384") },
		"there is no private key in it":       func() (*identity.Signer, error) { return identity.NewPEMSigner([]byte("x"), "") },
		"it is a public key, which verifies":  func() (*identity.Signer, error) { return identity.NewPEMSigner(publicPEM(edKey()), "") },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s, _ := identity.NewSigner(secret, "")
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("channel/of/some/length/%d", i)
	}
	long, err := access.ParseGrants(map[string][]string{"subscribe": many})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(&identity.Claims{Grants: long}); err == nil || !strings.Contains(err.Error(), "at most 8192 are read; use fewer patterns") {
		t.Error(err)
	}
	if _, err := s.Sign(&identity.Claims{Info: []byte("{")}); err == nil || !strings.Contains(err.Error(), "not one JSON value") {
		t.Error(err)
	}
}
