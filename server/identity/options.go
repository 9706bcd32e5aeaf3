package identity

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/option"
)

// Options say who is trusted. The zero value trusts nobody and protects nothing:
// with neither Issuers, Keys nor Anonymous everybody may do everything. Zero is the
// default of every number, and a negative one is refused with an *OptionError.
type Options struct {
	// Issuers are those whose tokens count.
	Issuers []Issuer

	// Keys are those of back ends.
	Keys []Key

	// Anonymous is what clients may that show nothing. Nil: nothing, if anything
	// else is protected.
	Anonymous *access.Grants

	// Skew is by how much clocks may differ: for so long a token is taken before its
	// nbf and after its exp. Default 60 s.
	Skew time.Duration

	// CacheMax is how many verified tokens are remembered. Default 100,000, of a few
	// hundred bytes each.
	CacheMax int

	// WorkersMax is how many goroutines verify signatures of public keys. Default
	// GOMAXPROCS.
	WorkersMax int

	// QueueBytesMax bounds the tokens that wait for such a goroutine or for keys;
	// one that finds it full is refused with access.Unavailable. Default 16 MiB,
	// some 20,000 tokens.
	QueueBytesMax int

	// FetchTimeout is how long fetching a set of keys may take. Default 5 s.
	FetchTimeout time.Duration

	// RefreshInterval is after how long a set of keys is fetched again, unless its
	// server says sooner with Cache-Control. Default 15 minutes.
	RefreshInterval time.Duration

	// RefetchInterval is how often, in the long run, a set is fetched for tokens
	// whose key is not in it, however many come. Default 10 s; three may come at once.
	RefetchInterval time.Duration

	// RevocationsMax is how many revocations are remembered. Default 100,000.
	RevocationsMax int

	// RevocationAge is how long a revocation is remembered at least, which should
	// be as long as tokens live. It is remembered longer if tokens that live longer
	// were seen. Default 30 days.
	RevocationAge time.Duration

	// HTTPClient fetches sets of keys. Its redirects and its time-out are decided
	// here. Default: one of its own, with the proxies of the environment.
	HTTPClient *http.Client

	// Logger is told when a set of keys cannot be fetched (Warn) and when it can be
	// again (Info). Default: slog.Default().
	Logger *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// From is what the new one takes the place of, if a configuration was reloaded:
	// revocations are the same from then on, and sets of keys that were fetched are
	// taken over. It still has to be closed.
	From *Identities
}

// Issuer is somebody whose tokens count. Exactly one of Secret, PEM, JWKS and JWKSURL
// says by which keys.
type Issuer struct {
	// Source is where it stands, such as tokens[0], for errors and explanations.
	Source string

	// Name is what the claim iss of a token must be. Empty: anything, or nothing.
	Name string

	// Audience are what the claim aud of a token must have one of. None: it is not
	// looked at.
	Audience []string

	// Secret is shared with the issuer. It verifies HS256, HS384 and HS512. It
	// must have 16 bytes, and should have 32 (RFC 7518 §3.2).
	Secret []byte

	// PEM is one or several public keys or certificates. Whether a certificate has
	// expired is not looked at. RSA keys verify RS256 to RS512 and PS256 to PS512,
	// EC keys the ES of their curve, Ed25519 keys EdDSA.
	PEM []byte

	// JWKS is a JSON Web Key Set (RFC 7517).
	JWKS []byte

	// JWKSURL is where a JSON Web Key Set is fetched, with https, or with http from
	// this machine. While it cannot be fetched the last one counts. Secrets in it
	// do not.
	JWKSURL string

	// InsecureJWKS lets JWKSURL be http from elsewhere. An attacker between here and
	// there can then make tokens.
	InsecureJWKS bool

	// Algorithms restrict which algorithms its keys verify. None: those above.
	Algorithms []string

	// Cookie is the name of a cookie that has a token of this issuer. Empty: none.
	Cookie string

	// AllowWithoutExpiry takes tokens that have no exp, and so never end.
	AllowWithoutExpiry bool
}

// Key is the key of a back end.
type Key struct {
	Name   string
	Hash   string // HashKey of the key: sha256: and 64 hexadecimal digits
	Grants access.Grants
}

// Defaults of Options.
const (
	DefaultSkew            = time.Minute
	DefaultCacheMax        = 100_000
	DefaultQueueBytesMax   = 16 << 20
	DefaultFetchTimeout    = 5 * time.Second
	DefaultRefreshInterval = 15 * time.Minute
	DefaultRefetchInterval = 10 * time.Second
	DefaultRevocationsMax  = 100_000
	DefaultRevocationAge   = 30 * 24 * time.Hour
)

// NoLimit, as the value of a number among Options, means that there is no limit.
const NoLimit = option.NoLimit

// TokenBytesMax is the length of the longest token that is read.
const TokenBytesMax = 8 << 10

// SubprotocolPrefix and a token are a subprotocol that a client offers beside the
// one that it means: a browser can send nothing else with a WebSocket.
const SubprotocolPrefix = "godwit.token."

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError struct {
	Option string // the name of the field
	Reason string // what is wrong, and what would be right
}

// Error names the option and says what is wrong with it.
func (e *OptionError) Error() string { return "option " + e.Option + ": " + e.Reason }

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	if err := cmp.Or(
		resolve("Skew", &e.Skew, DefaultSkew),
		resolve("CacheMax", &e.CacheMax, DefaultCacheMax),
		resolve("WorkersMax", &e.WorkersMax, runtime.GOMAXPROCS(0)),
		resolve("QueueBytesMax", &e.QueueBytesMax, DefaultQueueBytesMax),
		resolve("FetchTimeout", &e.FetchTimeout, DefaultFetchTimeout),
		resolve("RefreshInterval", &e.RefreshInterval, DefaultRefreshInterval),
		resolve("RefetchInterval", &e.RefetchInterval, DefaultRefetchInterval),
		resolve("RevocationsMax", &e.RevocationsMax, DefaultRevocationsMax),
		resolve("RevocationAge", &e.RevocationAge, DefaultRevocationAge),
	); err != nil {
		return Options{}, err
	}
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	return e, nil
}

func resolve[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return fmt.Errorf("identity: %w", &OptionError{name, wrong})
	}
	return nil
}
