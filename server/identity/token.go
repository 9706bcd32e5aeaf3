package identity

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
)

// token is a JWT that was read and not verified.
type token struct {
	signed    string // the first two parts, over which the signature is
	signature []byte
	header    fields
	claims    fields
	alg, kid  string
	issuer    string
}

// fields are the members of a JSON object. Names are exact, as RFC 7519 has it;
// encoding/json would take "SUB" for a field named sub.
type fields map[string]json.RawMessage

// has reports whether there is a member of that name, and more than null.
func (f fields) has(name string) bool {
	raw, ok := f[name]
	return ok && string(raw) != "null"
}

// text is a member that is text, or "" if there is none.
func (f fields) text(name string) (s string, problem string) {
	if !f.has(name) {
		return "", ""
	}
	if json.Unmarshal(f[name], &s) != nil {
		return "", name + " is not text"
	}
	return s, ""
}

// texts is a member that is text or a list of them.
func (f fields) texts(name string) (list []string, problem string) {
	if !f.has(name) {
		return nil, ""
	}
	var s string
	if json.Unmarshal(f[name], &s) == nil {
		return []string{s}, ""
	}
	if json.Unmarshal(f[name], &list) != nil {
		return nil, name + " is neither text nor a list of texts"
	}
	return list, ""
}

// lastDate is the end of the year 9999, in seconds since 1970.
const lastDate = 253402300799

// date is a member that is a NumericDate, seconds since 1970, or zero if there is
// none.
func (f fields) date(name string) (t time.Time, problem string) {
	if !f.has(name) {
		return time.Time{}, ""
	}
	seconds, err := strconv.ParseFloat(string(f[name]), 64)
	if err != nil || !(seconds >= 0 && seconds <= lastDate) {
		return time.Time{}, name + " is not a time in seconds since 1970"
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), ""
}

// read reads a JWT. The problem says why it is none, and has nothing of it. The
// result refers to text.
func read(text string) (t *token, problem string) {
	if len(text) > TokenBytesMax {
		return nil, fmt.Sprintf("it has %d bytes, and at most %d are read", len(text), TokenBytesMax)
	}
	head, rest, ok := strings.Cut(text, ".")
	body, signature, ok2 := strings.Cut(rest, ".")
	switch {
	case text == "":
		return nil, "it is empty"
	case strings.Count(text, ".") == 4:
		return nil, "it is encrypted (JWE); only signed tokens are read"
	case !ok || !ok2 || strings.Contains(signature, "."):
		return nil, "it is not three parts with dots between"
	}
	t = &token{signed: text[:len(head)+1+len(body)]}
	if t.header, problem = object("header", head); problem != "" {
		return nil, problem
	}
	if t.claims, problem = object("claims", body); problem != "" {
		return nil, problem
	}
	var err error
	if t.signature, err = encoding.DecodeString(signature); err != nil {
		return nil, "its signature is not base64url"
	}
	if t.alg, problem = t.header.text("alg"); problem == "" {
		t.kid, problem = t.header.text("kid")
	}
	if problem == "" {
		t.issuer, problem = t.claims.text("iss")
	}
	switch {
	case problem != "":
		return nil, problem
	case t.header.has("crit"): // RFC 7515 §4.1.11: what is critical and not understood makes it invalid
		return nil, "its header has crit, and nothing that could be critical is understood"
	case t.alg == "":
		return nil, "its header has no alg"
	case strings.EqualFold(t.alg, "none"):
		return nil, "it is not signed (alg none)"
	}
	return t, ""
}

// encoding is that of the parts of a JWT. It is strict: one token has one text.
var encoding = base64.RawURLEncoding.Strict()

func object(what, part string) (f fields, problem string) {
	b, err := encoding.DecodeString(part)
	if err != nil {
		return nil, "its " + what + " is not base64url"
	}
	if !utf8.Valid(b) || json.Unmarshal(b, &f) != nil || f == nil {
		return nil, "its " + what + " is not a JSON object"
	}
	return f, ""
}

// userBytesMax is the length of the longest name of a user.
const userBytesMax = 255

// identity returns the identity that the claims describe, or why they count for nothing.
// The claim iss has been looked at.
func (t *token) identity(issuer *issuer, now time.Time, skew time.Duration) (*access.Identity, *refusal) {
	id := &access.Identity{Kind: access.Token, Name: t.issuer}
	if id.Name == "" {
		id.Name = issuer.Name
	}
	var problems [7]string
	var notBefore time.Time
	var audience []string
	id.User, problems[0] = t.claims.text("sub")
	id.ID, problems[1] = t.claims.text("jti")
	id.Expires, problems[2] = t.claims.date("exp")
	id.IssuedAt, problems[3] = t.claims.date("iat")
	notBefore, problems[4] = t.claims.date("nbf")
	audience, problems[5] = t.claims.texts("aud")
	id.Grants, id.Info, problems[6] = granted(t.claims["godwit"])
	for _, problem := range problems {
		if problem != "" {
			return nil, &refusal{client: "the token's claim " + problem}
		}
	}
	const stamp = time.RFC3339
	switch {
	case len(issuer.Audience) > 0 && !intersects(issuer.Audience, audience):
		return nil, &refusal{
			client: "the token is for another audience than this server",
			detail: fmt.Sprintf("its aud is %q, and %s accepts %q", shortened(audience), issuer.Source, issuer.Audience),
		}
	case id.Expires.IsZero() && !issuer.AllowWithoutExpiry:
		return nil, &refusal{client: "the token has no claim exp, which says when it ends"}
	case !id.Expires.IsZero() && !now.Before(id.Expires.Add(skew)):
		return nil, &refusal{
			client: "the token expired at " + id.Expires.Format(stamp) + "; get a new one",
			detail: fmt.Sprintf("that was %v ago, and clocks may differ by %v", now.Sub(id.Expires).Round(time.Second), skew),
		}
	case now.Add(skew).Before(notBefore):
		return nil, &refusal{client: "the token is not valid before " + notBefore.Format(stamp)}
	case now.Add(skew).Before(id.IssuedAt):
		// It would be later than any revocation of what was issued until now.
		return nil, &refusal{client: "the token was issued in the future, at " + id.IssuedAt.Format(stamp) + ": a clock is wrong"}
	case len(id.User) > userBytesMax:
		return nil, &refusal{client: fmt.Sprintf("the token's claim sub has %d bytes, and a user's name has at most %d", len(id.User), userBytesMax)}
	case strings.ContainsFunc(id.User, unicode.IsControl):
		return nil, &refusal{client: "the token's claim sub has a control character"}
	}
	return id, nil
}

// granted reads the claim godwit: grants, and what others may know.
func granted(raw json.RawMessage) (g access.Grants, info json.RawMessage, problem string) {
	if raw == nil || string(raw) == "null" {
		return access.Grants{}, nil, ""
	}
	var claim fields
	if json.Unmarshal(raw, &claim) != nil || claim == nil {
		return access.Grants{}, nil, `godwit is not an object such as {"subscribe":["chat/*"]}`
	}
	if claim.has("info") {
		info = claim["info"]
	}
	patterns := make(map[string][]string, len(claim))
	for name, list := range claim {
		if name == "info" {
			continue
		}
		var texts []string
		if json.Unmarshal(list, &texts) != nil {
			return access.Grants{}, nil, fmt.Sprintf("godwit: %.40q is not a list of patterns", name)
		}
		patterns[name] = texts
	}
	g, err := access.ParseGrants(patterns)
	if err != nil {
		return access.Grants{}, nil, "godwit: " + strings.TrimPrefix(err.Error(), "access: ")
	}
	return g, info, ""
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// shortened is a list of somebody else, fit for an explanation.
func shortened(list []string) []string {
	const most = 4
	short := slices.Clone(list[:min(len(list), most)])
	for i, s := range short {
		if len(s) > 64 {
			short[i] = strings.ToValidUTF8(s[:64], "") + "…"
		}
	}
	return short
}
