package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// keysMax is how many keys an issuer may have, and triesMax how many of them a
	// token that names none is tried with.
	keysMax  = 100
	triesMax = 16

	// secretBytesMin is what a secret must have, and secretBytesAdvised what it
	// should have: the holder of a token can try secrets on a machine of his own.
	secretBytesMin     = 16
	secretBytesAdvised = 32

	rsaBitsMin, rsaBitsMax = 2048, 8192
)

// Algorithms are those that tokens can be signed with. The caller owns the slice.
func Algorithms() []string {
	return slices.Concat(secretAlgorithms, rsaAlgorithms, []string{"ES256", "ES384", "ES512", "EdDSA"})
}

var (
	secretAlgorithms = []string{"HS256", "HS384", "HS512"}
	rsaAlgorithms    = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
)

// key verifies signatures. It is not modified once made, but for gone.
type key struct {
	kid        string   // "" for one without a name
	algorithms []string // those that it verifies
	material   any      // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	text       string   // which it is, for explanations

	// gone says that the issuer has it no more. What it has verified is not to be
	// remembered then.
	gone atomic.Bool
}

func (k *key) isSecret() bool { _, is := k.material.([]byte); return is }

// fits reports whether the key may have signed a token of these fields. The
// algorithms are the key's: what the token says only has to be one of them.
func (k *key) fits(alg, kid string) bool {
	return slices.Contains(k.algorithms, alg) && (k.kid == "" || kid == "" || k.kid == kid)
}

// verifies reports whether signature is one of the key over signed. alg is one of
// the key's.
func (k *key) verifies(alg, signed string, signature []byte) bool {
	method := jwt.GetSigningMethod(alg)
	return method != nil && method.Verify(signed, signature, k.material) == nil
}

func (k *key) equal(o *key) bool {
	if k.kid != o.kid || !slices.Equal(k.algorithms, o.algorithms) {
		return false
	}
	switch m := k.material.(type) {
	case []byte:
		other, ok := o.material.([]byte)
		return ok && subtle.ConstantTimeCompare(m, other) == 1
	case *rsa.PublicKey:
		return m.Equal(o.material)
	case *ecdsa.PublicKey:
		return m.Equal(o.material)
	case ed25519.PublicKey:
		return m.Equal(o.material)
	}
	return false
}

// newKey makes a key of material, for those of the algorithms that only names, if
// it names any.
func newKey(material any, only []string, kid, text string) (*key, error) {
	able, kind, err := ableOf(material)
	if err != nil {
		return nil, err
	}
	algorithms := able
	if len(only) > 0 {
		algorithms = nil
		for _, a := range able {
			if slices.Contains(only, a) {
				algorithms = append(algorithms, a)
			}
		}
		if algorithms == nil {
			return nil, fmt.Errorf("%s verifies %s, and only %s is to be verified", kind, strings.Join(able, ", "), strings.Join(only, ", "))
		}
	}
	return &key{kid: kid, algorithms: algorithms, material: material, text: text}, nil
}

// ableOf returns which algorithms a key of that kind can verify.
func ableOf(material any) (algorithms []string, kind string, err error) {
	switch m := material.(type) {
	case []byte:
		if len(m) < secretBytesMin {
			return nil, "", fmt.Errorf("the secret has %d bytes, and whoever has a token can guess it; it needs %d, better %d: openssl rand -hex 32 makes one", len(m), secretBytesMin, secretBytesAdvised)
		}
		return secretAlgorithms, "a secret", nil
	case *rsa.PublicKey:
		if bits := m.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax {
			return nil, "", fmt.Errorf("an RSA key of %d bits; %d to %d are accepted", bits, rsaBitsMin, rsaBitsMax)
		}
		if m.E < 3 || m.E&1 == 0 {
			return nil, "", fmt.Errorf("an RSA key whose exponent is %d; it is odd and usually 65537", m.E)
		}
		return rsaAlgorithms, "an RSA key", nil
	case *ecdsa.PublicKey:
		switch m.Curve {
		case elliptic.P256():
			return []string{"ES256"}, "a P-256 key", nil
		case elliptic.P384():
			return []string{"ES384"}, "a P-384 key", nil
		case elliptic.P521():
			return []string{"ES512"}, "a P-521 key", nil
		}
		return nil, "", errors.New("an EC key of a curve other than P-256, P-384 and P-521")
	case ed25519.PublicKey:
		return []string{"EdDSA"}, "an Ed25519 key", nil
	}
	return nil, "", fmt.Errorf("a key of a kind that signs no token (%T)", material)
}

// pemKeys are the keys of a PEM file: public keys and certificates.
func pemKeys(b []byte, only []string) (keys []*key, err error) {
	for n := 1; ; n++ {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		b = rest
		if n > keysMax {
			return nil, fmt.Errorf("more than %d keys", keysMax)
		}
		material, err := publicKey(block)
		if err == nil {
			var k *key
			if k, err = newKey(material, only, "", fmt.Sprintf("key %d of the file", n)); err == nil {
				keys = append(keys, k)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("key %d of the file: %w", n, err)
		}
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("there is no PEM block in it; a public key begins with -----BEGIN PUBLIC KEY-----")
	case len(bytes.TrimSpace(b)) > 0 && bytes.Contains(b, []byte("-----BEGIN")):
		return nil, errors.New("the last PEM block of it is damaged")
	}
	return keys, nil
}

func publicKey(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("it is no public key that can be read")
		}
		return k, nil
	case block.Type == "RSA PUBLIC KEY":
		k, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("it is no RSA public key that can be read")
		}
		return k, nil
	case block.Type == "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("it is no certificate that can be read")
		}
		return c.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it is a private key, and whoever verifies must not have it: openssl pkey -in FILE -pubout makes the public one of it")
	}
	return nil, fmt.Errorf("it is a %.40q; a PUBLIC KEY or a CERTIFICATE is needed", block.Type)
}

// setKeys are the keys of a JSON Web Key Set that can verify tokens. What else is
// in it is left out, and skipped says why. It is an error if none is left.
func setKeys(b []byte, only []string, secrets bool) (keys []*key, skipped []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil || set.Keys == nil {
		return nil, nil, errors.New(`it is no JSON Web Key Set, which is an object with a list "keys"`)
	}
	for i, raw := range set.Keys {
		if i == keysMax {
			skipped = append(skipped, fmt.Sprintf("those after the first %d", keysMax))
			break
		}
		k, err := setKey(raw, i+1, only, secrets)
		if err != nil {
			skipped = append(skipped, fmt.Sprintf("key %d: %s", i+1, err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		if len(skipped) > 0 {
			return nil, nil, fmt.Errorf("no key of the set can verify tokens (%s)", strings.Join(skipped[:min(len(skipped), 3)], "; "))
		}
		return nil, nil, errors.New("the set has no key")
	}
	return keys, skipped, nil
}

func setKey(raw json.RawMessage, n int, only []string, secrets bool) (*key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("it is no key")
	}
	switch {
	case m.KTY == jwkset.KtyOct && !secrets:
		return nil, errors.New("it is a secret, and everybody can fetch it")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return nil, errors.New("its use is not sig")
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return nil, errors.New("its key_ops do not have verify")
	case m.ALG != "" && !slices.Contains(Algorithms(), string(m.ALG)):
		return nil, fmt.Errorf("its alg %.20q signs no tokens", string(m.ALG))
	case m.ALG != "" && len(only) > 0 && !slices.Contains(only, string(m.ALG)):
		return nil, fmt.Errorf("its alg %s is not among those allowed", m.ALG)
	case m.ALG != "":
		only = []string{string(m.ALG)}
	}
	// Certificates add nothing to a set that is trusted, and x5u would be fetched.
	m.ALG, m.X5U, m.X5C, m.X5T, m.X5TS256 = "", "", nil, "", ""
	// Half of a key that signs is not looked at: nobody here needs it.
	m.D, m.P, m.Q, m.DP, m.DQ, m.QI, m.OTH = "", "", "", "", "", "", nil
	parsed, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: secrets}, jwkset.JWKValidateOptions{SkipKeyOps: true, SkipUse: true})
	if err != nil {
		return nil, errors.New("it cannot be read: its members do not make a key of a known kind")
	}
	text := fmt.Sprintf("key %d of the set", n)
	if m.KID != "" {
		text = fmt.Sprintf("key %.100q of the set", m.KID)
	}
	return newKey(parsed.Key(), only, m.KID, text)
}
