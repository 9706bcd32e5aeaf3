package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/godwit-io/godwit/access"
)

// Claims are what a token says. Zero fields are left out.
type Claims struct {
	User      string
	Issuer    string
	Audience  []string
	ID        string
	IssuedAt  time.Time
	NotBefore time.Time
	Expires   time.Time
	Grants    access.Grants
	Info      json.RawMessage // one JSON value
}

// Signer makes tokens. It is safe for concurrent use.
type Signer struct {
	method jwt.SigningMethod
	key    any
	kid    string
}

// NewSigner makes a Signer with a secret. The algorithm is HS256 if it is empty.
func NewSigner(secret []byte, algorithm string) (*Signer, error) {
	if _, _, err := ableOf(secret); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return newSigner(secret, secretAlgorithms, algorithm)
}

// NewPEMSigner makes a Signer with a private key in PEM. The algorithm is RS256 with
// an RSA key if it is empty; others have only one.
func NewPEMSigner(b []byte, algorithm string) (*Signer, error) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return nil, errors.New("identity: there is no private key in it, which begins with -----BEGIN PRIVATE KEY-----")
		}
		b = rest
		private, err := privateKey(block)
		if err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
		if private == nil {
			continue
		}
		able, _, err := ableOf(private.Public())
		if err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
		return newSigner(private, able, algorithm)
	}
}

// privateKey is the key of a block, or nil for a block that says something about it.
func privateKey(block *pem.Block) (crypto.Signer, error) {
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case "EC PARAMETERS", "CERTIFICATE": // openssl writes them before or after the key
		return nil, nil
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("it is a public key, which verifies; the private one signs")
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key is encrypted; openssl pkey -in FILE decrypts it")
	default:
		return nil, fmt.Errorf("it is a %.40q; a PRIVATE KEY is needed", block.Type)
	}
	signer, ok := private.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("it is no private key that can be read")
	}
	return signer, nil
}

func newSigner(key any, able []string, algorithm string) (*Signer, error) {
	if algorithm == "" {
		algorithm = able[0]
	}
	if !slices.Contains(able, algorithm) {
		return nil, fmt.Errorf("identity: this key signs with %s, and not with %.20q", strings.Join(able, ", "), algorithm)
	}
	return &Signer{method: jwt.GetSigningMethod(algorithm), key: key}, nil
}

// WithKeyID returns a Signer whose tokens name their key in the field kid.
func (s *Signer) WithKeyID(kid string) *Signer {
	named := *s
	named.kid = kid
	return &named
}

// Sign makes a token. It is an error if it would be longer than any server reads.
func (s *Signer) Sign(c *Claims) (string, error) {
	claims := jwt.MapClaims{}
	for name, text := range map[string]string{"sub": c.User, "iss": c.Issuer, "jti": c.ID} {
		if text != "" {
			claims[name] = text
		}
	}
	for name, t := range map[string]time.Time{"iat": c.IssuedAt, "nbf": c.NotBefore, "exp": c.Expires} {
		if !t.IsZero() {
			claims[name] = t.Unix()
		}
	}
	switch len(c.Audience) {
	case 0:
	case 1:
		claims["aud"] = c.Audience[0]
	default:
		claims["aud"] = c.Audience
	}
	own := make(map[string]any)
	for _, a := range access.Actions() {
		if patterns := c.Grants.Patterns(a); len(patterns) > 0 {
			own[a.String()] = patterns
		}
	}
	if c.Info != nil {
		if !json.Valid(c.Info) {
			return "", errors.New("identity: the info is not one JSON value")
		}
		own["info"] = c.Info
	}
	if len(own) > 0 {
		claims["godwit"] = own
	}
	t := jwt.NewWithClaims(s.method, claims)
	if s.kid != "" {
		t.Header["kid"] = s.kid
	}
	text, err := t.SignedString(s.key)
	switch {
	case err != nil:
		return "", fmt.Errorf("identity: cannot sign: %w", err)
	case len(text) > TokenBytesMax:
		return "", fmt.Errorf("identity: the token would have %d bytes, and at most %d are read; use fewer patterns, or wildcards", len(text), TokenBytesMax)
	}
	return text, nil
}
