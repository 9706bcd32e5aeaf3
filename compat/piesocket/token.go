package piesocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Token is the content of a valid token.
type Token struct {
	Channel string // the claim sub
	Expires time.Time

	// User is a string, a number or an object, as JSON; nil if there is none.
	User json.RawMessage
}

// Bounds of tokens.
const (
	TokenBytesMax = 8 << 10
	tokenLeeway   = 30 * time.Second // by which clocks may differ
)

// ParseToken verifies a token: a JWT with HS256 and the app's secret as its key, at the
// moment now. It needs the claims sub and exp. The error says the fault, and nothing of
// the secret; clients are told less.
func ParseToken(text string, secret []byte, now time.Time) (Token, error) {
	if text == "" {
		return Token{}, errors.New("piesocket: the token is missing")
	}
	if len(text) > TokenBytesMax {
		return Token{}, fmt.Errorf("piesocket: the token has %d bytes, and at most %d are read", len(text), TokenBytesMax)
	}
	parser := jwt.NewParser(
		// Only this: the key of another algorithm could be known to everybody.
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(), jwt.WithLeeway(tokenLeeway), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	claims := jwt.MapClaims{} // with exact names
	parsed, err := parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if _, isCritical := t.Header["crit"]; isCritical { // RFC 7515 §4.1.11
			return nil, errors.New("its header has crit, and nothing that could be critical is understood")
		}
		return secret, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Token{}, errors.New("piesocket: the token has expired")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return Token{}, errors.New("piesocket: the token has no claim exp, which says when it ends")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid) && parsed != nil && parsed.Method == jwt.SigningMethodHS256:
		return Token{}, errors.New("piesocket: the token's signature is invalid: it has to be made with the secret of the app")
	case err != nil:
		return Token{}, fmt.Errorf("piesocket: %w", err)
	case len(secret) == 0 || !parsed.Valid:
		return Token{}, errors.New("piesocket: there is no secret to verify the token with")
	}
	var t Token
	t.Channel, err = claims.GetSubject()
	if err != nil || t.Channel == "" {
		return Token{}, errors.New("piesocket: the token has no claim sub, the channel that it is for")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return Token{}, fmt.Errorf("piesocket: %w", err)
	}
	t.Expires = expires.UTC()
	switch user := claims["user"].(type) {
	case nil:
	case string, json.Number, map[string]any:
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(user); err != nil {
			return Token{}, fmt.Errorf("piesocket: the token's claim user: %w", err)
		}
		t.User = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	default:
		return Token{}, errors.New("piesocket: the token's claim user is no string, number or object")
	}
	return t, nil
}
