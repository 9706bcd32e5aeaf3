package redact

import (
	"net/url"
	"strings"
)

// Hidden stands for a secret that is not shown.
const Hidden = "..."

// valueBytesMax is the longest value of a query that is shown: a longer one may
// be a token, whatever its name.
const valueBytesMax = 12

// nameBytesMax is the longest name of a parameter that is shown.
const nameBytesMax = 32

// secretParts are parts of names whose values are not shown, however short, and
// secretEnds are how a word of such a name may end.
var (
	secretParts = []string{"auth", "cred", "jwt", "passw", "pwd", "secret", "session", "signature", "ticket", "token"}
	secretEnds  = []string{"code", "key", "otp", "pass", "pin", "sid", "sig"}
)

// IsSecretName reports whether the value of a parameter or field of that name is
// likely to be a secret.
func IsSecretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range secretParts {
		if strings.Contains(name, part) {
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
		for _, end := range secretEnds {
			if strings.HasSuffix(word, end) {
				return true
			}
		}
	}
	return false
}

// URL is u without its password, without a user that has none, which is a token
// then, without the fragment, and with Query in place of its query.
func URL(u *url.URL) string {
	shown := *u
	if u.User != nil {
		shown.User = nil
	}
	shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = "", false, "", ""
	text := shown.String()
	if u.User != nil {
		user := Hidden
		if _, ok := u.User.Password(); ok {
			user = url.User(u.User.Username()).String() + ":" + Hidden
		}
		before, after, _ := strings.Cut(text, "//")
		text = before + "//" + user + "@" + after
	}
	if u.RawQuery != "" || u.ForceQuery {
		text += "?" + Query(u.RawQuery)
	}
	if u.Fragment != "" {
		text += "#" + Hidden
	}
	return text
}

// Query is a query, still encoded, without values that may be secrets: those
// that are longer than a word, and those with a name like token.
func Query(raw string) string {
	var b strings.Builder
	for i, part := range strings.Split(raw, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		name, value, hasValue := strings.Cut(part, "=")
		switch {
		case !isPlainName(name), !hasValue && len(name) > valueBytesMax:
			b.WriteString(Hidden) // a token without a name
		case value != "" && (len(value) > valueBytesMax || hasSecretName(name)):
			b.WriteString(name + "=" + Hidden)
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}

// isPlainName reports whether an encoded name is a name as programs give them, and no
// text that came there by mistake.
func isPlainName(escaped string) bool {
	if len(escaped) > nameBytesMax {
		return false
	}
	for i := range len(escaped) {
		switch c := escaped[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-.[]%", c) >= 0:
		default:
			return false
		}
	}
	return true
}

func hasSecretName(escaped string) bool {
	name, err := url.QueryUnescape(escaped)
	return err != nil || IsSecretName(name)
}

// Text is URL for what may be no URL. Where it cannot be told which part of it is
// the password, nothing is shown but the scheme.
func Text(raw string) string {
	u, err := url.Parse(raw)
	// An @ that does not end a user may end a password with a / or ? in it.
	if err == nil && u.Opaque == "" && (u.User == nil && !strings.Contains(raw, "@") || u.User != nil && strings.Count(raw, "@") == 1) {
		if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
			return raw // as it was written
		}
		return URL(u)
	}
	if !strings.ContainsAny(raw, "@?#=") {
		return raw
	}
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok || strings.ContainsAny(scheme, "@?#=:/") {
		return Hidden
	}
	return scheme + "://" + Hidden
}
