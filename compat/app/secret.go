package app

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden is shown instead of a secret.
const hidden = "(secret)"

// Secret is what an application and the server share. Whatever prints it gets
// "(secret)".
type Secret []byte

// Equal compares s with what a client has shown. The time that it takes says nothing
// of s, nor of its length.
func (s Secret) Equal(shown []byte) bool {
	have, want := sha256.Sum256(shown), sha256.Sum256(s)
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1 && len(s) > 0
}

// String is "(secret)", and "" if there is none.
func (s Secret) String() string {
	if len(s) == 0 {
		return ""
	}
	return hidden
}

// Format is String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
