package identity

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Request is the head of a request, from either driver.
type Request interface {
	// Get is the first value of a field, "" for none. It is not kept.
	Get(name string) string

	// Values are those of a field. They are not kept.
	Values(name string) []string

	// Query is the query as it was sent, without the question mark. It is not kept.
	Query() string

	// AdmitsCookies reports whether its Origin is admitted: only then does a cookie
	// say that the user wanted this.
	AdmitsCookies() bool
}

// credential is what a request shows of its client.
type credential struct {
	text   string // "" for nothing; it may refer to the request
	isKey  bool   // of a back end
	cookie string // the name of the cookie that it was in, or ""
	place  string // where it was, for people
}

// credential returns what r shows, or the fault of that.
//
// A credential that is sent on purpose comes first, and has to be one thing: a client that shows
// two does not know its own identity, and neither do we. Cookies are sent by browsers
// whether or not the page wants that, so one counts only if there is nothing else.
func (s *Identities) credential(r Request) (c credential, problem string) {
	if r.Get("Authorization") != "" {
		if c, problem = authorization(r.Values("Authorization")); problem != "" {
			return credential{}, problem
		}
	}
	query, ok, problem := inQuery(r.Query())
	if problem == "" && ok {
		c, problem = c.and(credential{text: query, place: "the query"})
	}
	// Spelled as net/http keeps it, which need not spell it first then.
	const protocols = "Sec-Websocket-Protocol"
	if problem == "" && r.Get(protocols) != "" {
		for _, value := range r.Values(protocols) {
			for offered := range strings.SplitSeq(value, ",") {
				text, is := strings.CutPrefix(strings.Trim(offered, " \t"), SubprotocolPrefix)
				if is && problem == "" {
					c, problem = c.and(credential{text: text, place: "a subprotocol"})
				}
			}
		}
	}
	if problem != "" {
		return credential{}, problem
	}
	if c.place == "" && len(s.cookies) > 0 && r.AdmitsCookies() && r.Get("Cookie") != "" {
		return s.inCookies(r.Values("Cookie"))
	}
	return c, ""
}

// and is c and another, which have to be the same.
func (c credential) and(other credential) (both credential, problem string) {
	switch {
	case other.text == "":
		return c, "the token in " + other.place + " is empty; leave it out to be anonymous"
	case strings.HasPrefix(other.text, KeyPrefix):
		return c, "a key does not belong into " + other.place + ", which logs and others may see; send it as Authorization: Bearer"
	case c.place == "":
		return other, ""
	case c.text != other.text:
		return c, "there are two different credentials, one in " + c.place + " and one in " + other.place + "; send one"
	}
	return c, ""
}

func authorization(values []string) (c credential, problem string) {
	const place = "Authorization"
	if len(values) > 1 && slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
		return c, "there are two different Authorization fields; send one"
	}
	scheme, rest, _ := strings.Cut(strings.Trim(values[0], " \t"), " ")
	rest = strings.Trim(rest, " \t")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		if rest == "" {
			return c, "Authorization: Bearer has no token"
		}
		return credential{text: rest, isKey: strings.HasPrefix(rest, KeyPrefix), place: place}, ""
	case strings.EqualFold(scheme, "Basic"):
		decoded, err := base64.StdEncoding.DecodeString(rest)
		user, password, ok := strings.Cut(string(decoded), ":")
		if err != nil || !ok {
			return c, "Authorization: Basic is not a user and a password in base64"
		}
		if password == "" { // as with curl -u KEY:
			password = user
		}
		if !strings.HasPrefix(password, KeyPrefix) {
			return c, "the password of Authorization: Basic is no key; keys begin with " + KeyPrefix
		}
		return credential{text: password, isKey: true, place: place}, ""
	}
	return c, "Authorization is neither Bearer, with a token or a key, nor Basic, with a key as the password"
}

// inQuery returns the parameter token of a query. Several of it have to be the same.
func inQuery(raw string) (text string, found bool, problem string) {
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name != "token" {
			if !strings.Contains(name, "%") {
				continue
			}
			if name, _ = url.QueryUnescape(name); name != "token" {
				continue
			}
		}
		value, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			return "", false, "the token in the query is not percent-encoded correctly"
		case found && value != text:
			return "", false, "there are two different tokens in the query; send one"
		}
		text, found = value, true
	}
	return text, found, ""
}

// inCookies returns the token that a cookie has which an issuer names: the one of
// the first such issuer. Two cookies of one name, which some other site under the
// same domain may have set, count for nothing if they differ.
func (s *Identities) inCookies(lines []string) (c credential, problem string) {
	for _, wanted := range s.cookies {
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
				if !ok || name != wanted {
					continue
				}
				value = strings.Trim(value, `"`)
				switch {
				case c.place != "" && value != c.text:
					return credential{}, "there are two different cookies with a token"
				case strings.HasPrefix(value, KeyPrefix):
					return credential{}, "a key does not belong into a cookie; send it as Authorization: Bearer"
				}
				c = credential{text: value, cookie: wanted, place: "a cookie"}
			}
		}
		if c.text != "" {
			return c, ""
		}
		c = credential{} // an empty one is what is left of a cookie that was deleted
	}
	return credential{}, ""
}
