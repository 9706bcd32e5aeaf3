package piesocket

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func jsonValue(t testing.TB, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTokens(t *testing.T) {
	for name, c := range map[string]struct {
		words string
		wrong string // what the error says, "" if there is none
		user  string
	}{
		"valid":                 {"sub=room exp=1h", "", ""},
		"with a user":           {`sub=room exp=1h user="<ann>"`, "", `"<ann>"`},
		"user is a number":      {"sub=room exp=1h user=12345678901234567", "", "12345678901234567"},
		"user is an object":     {`sub=room exp=1h user={"id":7}`, "", `{"id":7}`},
		"no user":               {"sub=room exp=1h user=null", "", ""},
		"user is a list":        {"sub=room exp=1h user=[1]", "user", ""},
		"user is true":          {"sub=room exp=1h user=true", "user", ""},
		"just expired":          {"sub=room exp=-29s", "", ""},
		"expired":               {"sub=room exp=-31s", "has expired", ""},
		"no exp":                {"sub=room", "exp", ""},
		"no sub":                {"exp=1h", "sub", ""},
		"empty sub":             {"sub= exp=1h", "sub", ""},
		"not yet":               {"sub=room exp=1h nbf=31s", "not valid yet", ""},
		"by clocks that differ": {"sub=room exp=1h nbf=29s iat=1h", "", ""},
		"alg none":              {"sub=room exp=1h alg=none", "signing method none", ""},
		"HS384":                 {"sub=room exp=1h alg=HS384", "signing method HS384", ""},
		"HS512":                 {"sub=room exp=1h alg=HS512", "signing method HS512", ""},
		"another secret":        {"sub=room exp=1h key=another_secret", "signature is invalid: it has to be made with the secret", ""},
		"crit":                  {"sub=room exp=1h crit=b64", "crit", ""},
	} {
		got, err := ParseToken(sign(t, c.words, start), []byte(secret), start)
		switch {
		case c.wrong == "" && (err != nil || got.Channel != "room" || string(got.User) != c.user):
			t.Errorf("%s: %+v, %v", name, got, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), secret)):
			t.Errorf("%s: %v, want something with %q", name, err, c.wrong)
		}
	}
}

func TestTokensThatAreNone(t *testing.T) {
	valid := sign(t, "sub=room exp=1h", start)
	head, _, _ := strings.Cut(valid, ".")
	for name, text := range map[string]string{
		"empty": "", "one part": "abc", "two parts": head + ".e30", "four parts": valid + ".x", "no signature": valid[:strings.LastIndexByte(valid, '.')+1],
		"another last letter": valid[:len(valid)-1] + string(valid[len(valid)-1]^1), "spaces": " " + valid, "too long": valid + strings.Repeat("A", TokenBytesMax),
	} {
		if got, err := ParseToken(text, []byte(secret), start); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := ParseToken(valid, nil, start); err == nil {
		t.Error("nothing verifies it")
	}
}

// The key of RS256 is public, and must not verify a token that is signed with it as a secret; nor
// does a real signature of RS256 count.
func TestTokenOfAnotherAlgorithm(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{"sub": "room", "exp": start.Add(time.Hour).Unix()}
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseToken(text, []byte(secret), start); err == nil {
		t.Error("RS256 counts")
	}
	_, rest, _ := strings.Cut(sign(t, "sub=room exp=1h", start), ".")
	if _, err := ParseToken("eyJhbGciOiJSUzI1NiJ9."+rest, []byte(secret), start); err == nil {
		t.Error("a signature of HS256 counts as RS256")
	}
}

// An accepted token has the claims, and was signed: nothing else has that signature.
func FuzzParseToken(f *testing.F) {
	f.Add(sign(f, `sub=room exp=1h user={"a":[1]}`, start))
	f.Add(sign(f, "sub=room exp=1h alg=none", start))
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseToken(text, []byte(secret), start)
		if err != nil {
			return
		}
		if got.Channel == "" || got.Expires.Before(start.Add(-tokenLeeway)) || got.User != nil && !json.Valid(got.User) {
			t.Fatalf("%q is %+v", text, got)
		}
		again := jwt.MapClaims{"sub": got.Channel, "exp": got.Expires.Unix()}
		if got.User != nil {
			again["user"] = got.User
		}
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, again).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseToken(signed, []byte(secret), start); err != nil || back.Channel != got.Channel || string(back.User) != string(got.User) {
			t.Fatalf("%+v became %+v, %v", got, back, err)
		}
	})
}
