package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// hidden is shown instead of a secret that was written down.
const hidden = "(secret)"

// secretBytesMax bounds the file of a secret.
const secretBytesMax = 1 << 20

// Secret is a secret, or where it is: "env:NAME" is the value of a variable of the
// environment, "file:PATH" the content of a file. Whatever prints it gets the
// reference, or "(secret)" for one that was written down itself. The zero value is
// none.
type Secret struct{ text string }

// ParseSecret returns the secret that text is or refers to. Nothing is read yet.
func ParseSecret(text string) (Secret, error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok && !isVariable(name) {
		return Secret{}, errors.New("env: is not followed by the name of a variable; write for example env:TOKEN_SECRET")
	}
	if path, ok := strings.CutPrefix(text, "file:"); ok && (path == "" || strings.IndexByte(path, 0) >= 0) {
		return Secret{}, errors.New("file: is not followed by a path; write for example file:token.secret")
	}
	switch text {
	case "":
		return Secret{}, errors.New("it is empty; write env:NAME or file:PATH")
	case hidden:
		return Secret{}, errors.New(hidden + " is what is shown instead of a secret; write env:NAME or file:PATH")
	}
	return Secret{text}, nil
}

func isVariable(name string) bool {
	for i, r := range name {
		isLetter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !isLetter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// IsLiteral reports whether the secret itself was written down.
func (s Secret) IsLiteral() bool { return s.text != "" && !s.isReference() }

func (s Secret) isReference() bool {
	return strings.HasPrefix(s.text, "env:") || strings.HasPrefix(s.text, "file:")
}

// Resolve returns the secret itself, without a line end after it. The caller owns
// the bytes. A reference is looked up each time; what it leads to may not be empty.
// The error never contains the secret.
func (s Secret) Resolve() ([]byte, error) {
	var b []byte
	if name, ok := strings.CutPrefix(s.text, "env:"); ok {
		value, isSet := os.LookupEnv(name)
		if !isSet {
			return nil, fmt.Errorf("the variable %s is not set", name)
		}
		b = []byte(value)
	} else if path, ok := strings.CutPrefix(s.text, "file:"); ok {
		var err error
		if b, err = readSecret(path); err != nil {
			return nil, err
		}
	} else {
		b = []byte(s.text)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if len(b) == 0 {
		return nil, fmt.Errorf("%s is empty", s)
	}
	return b, nil
}

func readSecret(path string) (b []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err = io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	if err == nil && len(b) > secretBytesMax {
		err = fmt.Errorf("%s is longer than %d bytes, this is no secret", path, secretBytesMax)
	}
	return b, err
}

// below is s with a path that is relative to dir.
func (s Secret) below(dir string) Secret {
	if path, ok := strings.CutPrefix(s.text, "file:"); ok {
		return Secret{"file:" + below(dir, path)}
	}
	return s
}

// below is path, which is relative to dir if it is relative.
func below(dir, path string) string {
	if path == "" || dir == "" || dir == "." || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// hasPassword reports whether what was written down is a URL with a user or a password, or
// no URL at all.
func (s Secret) hasPassword() bool {
	u, err := url.Parse(s.text)
	return err != nil || u.Host == "" || u.User != nil || u.RawQuery != ""
}

// String is the reference, "(secret)" for a secret that was written down, or "".
func (s Secret) String() string {
	if s.IsLiteral() {
		return hidden
	}
	return s.text
}

// Format is String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
