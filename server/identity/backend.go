package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/access"
)

const (
	// KeyPrefix is how the key of a back end begins.
	KeyPrefix = "gk_"

	// keyRandomBytes is how much of a key cannot be guessed: 160 bits.
	keyRandomBytes = 20

	// keyBytesMax is the length of the longest key that is looked at.
	keyBytesMax = 256

	hashPrefix = "sha256:"
)

// readable has no letters that look like a digit, and no u: Crockford's base 32, in
// lower case.
var readable = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewKey makes the key of a back end: KeyPrefix and 160 random bits in letters and
// digits that cannot be confused.
func NewKey() string {
	var b [keyRandomBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return KeyPrefix + readable.EncodeToString(b[:])
}

// HashKey is what the configuration has of a key: "sha256:" and 64 hexadecimal
// digits. A key is random, so a plain hash cannot be reversed by guessing.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// ParseHash reads what HashKey makes.
func ParseHash(text string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(text, hashPrefix)
	if !ok || len(digits) != 2*sha256.Size {
		if strings.HasPrefix(text, KeyPrefix) {
			return sum, errors.New("identity: this is a key and not its hash; whoever reads it can use it, so make a new one with godwit key new")
		}
		return sum, errors.New("identity: a hash of a key is sha256: and 64 hexadecimal digits; godwit key new prints one")
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return sum, errors.New("identity: after sha256: stand 64 hexadecimal digits; godwit key new prints them")
	}
	return sum, nil
}

// backend is a back end that has a key.
type backend struct {
	sum [sha256.Size]byte
	id  *access.Identity

	// former are what the same key was before reloads, the newest first.
	former []*access.Identity
}

// formerMax is how many reloads a back end may stay connected through that has changed
// with each of them.
const formerMax = 16

// isOf reports whether id is the back end's, or was.
func (b *backend) isOf(id *access.Identity) bool { return b.id == id || slices.Contains(b.former, id) }

// inherit has the back ends know the identities that the same keys had before.
func (s *Identities) inherit(before *Identities) {
	for i := range s.backends {
		b := &s.backends[i]
		for _, old := range before.backends {
			if old.sum == b.sum && old.id.Name == b.id.Name {
				b.former = append([]*access.Identity{old.id}, old.former[:min(len(old.former), formerMax-1)]...)
			}
		}
	}
}

// Current returns the present identity of a client that had id from the Identities that
// these have replaced: a back end has what its key is granted, and a client that has shown
// nothing is anonymous. It is nil for the holder of a key that is there no
// more. A token holds until it expires. It does not allocate.
func (s *Identities) Current(id *access.Identity) *access.Identity {
	switch id.Kind {
	case access.Open, access.Anonymous:
		return s.Anonymous()
	case access.Key:
		for i := range s.backends {
			if s.backends[i].isOf(id) {
				return s.backends[i].id
			}
		}
		return nil
	}
	return id
}

func newBackends(keys []Key) ([]backend, error) {
	backends := make([]backend, 0, len(keys))
	names := make(map[string]bool, len(keys))
	for i, k := range keys {
		sum, err := ParseHash(k.Hash)
		switch {
		case k.Name == "":
			return nil, fmt.Errorf("identity: keys[%d] has no name", i)
		case names[k.Name]:
			return nil, fmt.Errorf("identity: two keys have the name %.64q; a name says in logs and explanations whose key it is", k.Name)
		case err != nil:
			return nil, fmt.Errorf("identity: keys[%d], %.64q: %s", i, k.Name, strings.TrimPrefix(err.Error(), "identity: "))
		}
		names[k.Name] = true
		backends = append(backends, backend{sum: sum, id: &access.Identity{Kind: access.Key, Name: k.Name, Grants: k.Grants}})
	}
	return backends, nil
}

// backendOf is whose key that is, or nil. Its time says nothing of the keys: all
// are compared, by their hashes, whether or not one was found.
func (s *Identities) backendOf(key string) (found *access.Identity) {
	if len(key) > keyBytesMax {
		return nil
	}
	sum := sumOf(key)
	at := -1
	for i := range s.backends {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], s.backends[i].sum[:]), i, at)
	}
	if at < 0 {
		return nil
	}
	return s.backends[at].id
}

// sumOf is the SHA-256 of what a client has sent. For what has a usual length it does
// not allocate.
func sumOf(text string) [sha256.Size]byte {
	var usual [1 << 10]byte
	return sha256.Sum256(append(usual[:0], text...))
}
