package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// noon is the time of tests in which it stands still.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

var secret = []byte("a secret that is for these tests only")

// head is an identity.Request.
type head struct {
	fields  http.Header
	query   string
	foreign bool // of an origin that is not admitted
}

func (h head) Get(name string) string      { return h.fields.Get(name) }
func (h head) Values(name string) []string { return h.fields.Values(name) }
func (h head) Query() string               { return h.query }
func (h head) AdmitsCookies() bool         { return !h.foreign }

func bearer(text string) head { return head{fields: http.Header{"Authorization": {"Bearer " + text}}} }

// newIdentities makes Identities that are closed with the test, whose clock stands
// at noon unless o has one, and that log nothing.
func newIdentities(t testing.TB, o *identity.Options) *identity.Identities {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ids, err := identity.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ids.Close)
	return ids
}

type outcome struct {
	id  *access.Identity
	err error
}

// begin asks for the identity behind r; the outcome comes on the channel.
func begin(ids *identity.Identities, r identity.Request) <-chan outcome {
	came := make(chan outcome, 2) // so that a second one is seen
	ids.Identify(r, func(id *access.Identity, err error) { came <- outcome{id, err} })
	return came
}

// identify returns the identity behind r.
func identify(t testing.TB, ids *identity.Identities, r identity.Request) (*access.Identity, error) {
	t.Helper()
	came := begin(ids, r)
	select {
	case o := <-came:
		select {
		case <-came:
			t.Fatal("there was a second outcome")
		default:
		}
		if (o.id == nil) == (o.err == nil) {
			t.Fatalf("the outcome is %v and %v", o.id, o.err)
		}
		return o.id, o.err
	case <-time.After(patience):
		t.Fatal("there was no outcome")
		return nil, nil
	}
}

// refused checks that r is refused for that cause and reason.
func refused(t testing.TB, ids *identity.Identities, r identity.Request, cause access.Cause, reason string) {
	t.Helper()
	id, err := identify(t, ids, r)
	var refusal *access.Refusal
	switch {
	case err == nil:
		t.Errorf("%v was let in, want %q", id, reason)
	case !errors.As(err, &refusal) || refusal.Cause != cause || !strings.Contains(refusal.Reason, reason):
		t.Errorf("got %v (%+v), want %q", err, refusal, reason)
	case (refusal.RetryAfter > 0) != (cause == access.Unavailable):
		t.Errorf("%v: to be tried again after %v", err, refusal.RetryAfter)
	}
}

// user checks the user of r.
func user(t testing.TB, ids *identity.Identities, r identity.Request, want string) *access.Identity {
	t.Helper()
	id, err := identify(t, ids, r)
	if err != nil {
		t.Errorf("%v, want user %s", err, want)
		return nil
	}
	if id.Kind != access.Token || id.User != want {
		t.Errorf("it is %v, want user %s", id, want)
	}
	return id
}

// sign makes a token as any library does, with whatever is in it.
func sign(t testing.TB, alg string, key any, header, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims(claims))
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// valid are claims of user ann that are valid at noon, with others over them. One
// that is nil is left out.
func valid(over map[string]any) map[string]any {
	claims := map[string]any{"sub": "ann", "iat": noon.Add(-time.Minute).Unix(), "exp": noon.Add(time.Hour).Unix()}
	for name, value := range over {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// Keys of each kind, made once.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { k, err := rsa.GenerateKey(rand.Reader, 2048); must(err); return k })
	p256Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P256()) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P384()) })
	p521Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newECKey(elliptic.P521()) })
	edKey    = sync.OnceValue(newEdKey)
	otherKey = sync.OnceValue(newEdKey)
)

func newECKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(err)
	return k
}

func newEdKey() ed25519.PrivateKey {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func publicPEM(keys ...crypto.Signer) (text []byte) {
	for _, k := range keys {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		must(err)
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

func privatePEM(k crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// jwk is a key as it stands in a set, with other members over it.
func jwk(k any, kid string, over map[string]any) map[string]any {
	if s, ok := k.(crypto.Signer); ok {
		k = s.Public()
	}
	made, err := jwkset.NewJWKFromKey(k, jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: kid}, Marshal: jwkset.JWKMarshalOptions{Private: true},
	})
	must(err)
	b, err := json.Marshal(made.Marshal())
	must(err)
	members := make(map[string]any)
	must(json.Unmarshal(b, &members))
	for name, value := range over {
		members[name] = value
	}
	return members
}

func jwks(keys ...map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"keys": keys})
	must(err)
	return b
}

// logged collects the log.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(io.Writer(l), nil)) }

// signMAC is the signature with the secret over what may be no JWT.
func signMAC(alg, signed string) ([]byte, error) {
	return jwt.GetSigningMethod(alg).Sign(signed, secret)
}
