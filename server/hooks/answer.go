package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Bounds of what the application answers.
const (
	// ReasonBytesMax is the longest reason for a client. A longer one is cut. It
	// fits into a close frame (RFC 6455 §5.5).
	ReasonBytesMax = 123

	UserBytesMax = 255     // a longer name of a user is a failure
	InfoBytesMax = 4 << 10 // so is longer public information, without insignificant white space
)

// lifetimeMax is the longest expires_in that makes sense.
const lifetimeMax = 10 * 365 * 24 * time.Hour

// readVerdict returns the members of "allow", which may be those that are known, or
// the *access.Refusal that "deny" is. Any other error says why the answer makes no
// sense.
//
// encoding/json takes names in any case, names it does not know, and the last of several; an answer
// that says who may do what is read more strictly.
func readVerdict(body []byte, known ...string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("it is not UTF-8")
	}
	verdict, err := readObject(body, "the answer", "allow", "deny")
	if err != nil {
		return nil, err
	}
	allow, allows := verdict["allow"]
	deny, denies := verdict["deny"]
	switch {
	case allows && denies:
		return nil, errors.New(`it has both "allow" and "deny"`)
	case allows:
		return readObject(allow, `"allow"`, known...)
	case !denies:
		return nil, errors.New(`it has neither "allow" nor "deny"`)
	}
	members, err := readObject(deny, `"deny"`, "reason")
	if err != nil {
		return nil, err
	}
	reason := ""
	if raw, ok := members["reason"]; ok {
		if reason, err = readString(raw, "deny.reason"); err != nil {
			return nil, err
		}
	}
	return nil, &access.Refusal{Cause: access.Denied, Reason: reasonLine(reason)}
}

// readObject reads an object of members that are known. A null member is as if
// it were not there, but for "data", where null is a value like others.
func readObject(b []byte, what string, known ...string) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s is no JSON object", what)
	}
	members := map[string]json.RawMessage{}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%s is no valid JSON", what)
		}
		name, _ := t.(string) // it is one: d counts
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s is no valid JSON", what)
		}
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%s has the member %.40q; known are %q", what, name, known)
		case seen[name]:
			return nil, fmt.Errorf("%s has %q twice", what, name)
		}
		seen[name] = true
		if name == "data" || string(value) != "null" {
			members[name] = value
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%s is no valid JSON", what)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s is followed by something else", what)
	}
	return members, nil
}

func readString(raw json.RawMessage, what string) (s string, err error) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s is no string", what)
	}
	return s, nil
}

func readBase64(raw json.RawMessage, what string) ([]byte, error) {
	text, err := readString(raw, what)
	if err != nil {
		return nil, err
	}
	b, err := decodeBase64(text)
	if err != nil {
		return nil, errors.New(what + " is not base64")
	}
	return b, nil
}

// reasonLine makes a reason of the application one line that is not too long.
func reasonLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if s == "" {
		return "the application does not allow it"
	}
	if len(s) <= ReasonBytesMax {
		return s
	}
	cut := ReasonBytesMax - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// readConnect reads the answer to whether a client may connect, and its identity.
func readConnect(body []byte, now time.Time) (*access.Identity, error) {
	allow, err := readVerdict(body, "user", "info", "grants", "expires_in")
	if err != nil {
		return nil, err
	}
	id := &access.Identity{Kind: access.Application, IssuedAt: now}
	if raw, ok := allow["user"]; ok {
		if id.User, err = readString(raw, "allow.user"); err != nil {
			return nil, err
		}
		switch {
		case len(id.User) > UserBytesMax:
			return nil, fmt.Errorf("allow.user is %d bytes long; at most %d are allowed", len(id.User), UserBytesMax)
		case strings.ContainsFunc(id.User, unicode.IsControl):
			return nil, errors.New("allow.user contains a control character")
		}
	}
	if raw, ok := allow["info"]; ok {
		if id.Info = jsontext.AppendCompact(nil, raw); len(id.Info) > InfoBytesMax {
			return nil, fmt.Errorf("allow.info is %d bytes long; at most %d are allowed", len(id.Info), InfoBytesMax)
		}
	}
	if raw, ok := allow["grants"]; ok {
		if err := id.Grants.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("allow.grants: %w", err)
		}
	}
	if raw, ok := allow["expires_in"]; ok {
		seconds, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || !(seconds > 0 && seconds <= lifetimeMax.Seconds()) {
			return nil, fmt.Errorf("allow.expires_in is %.40s; it is a number of seconds, more than 0 and at most %.0f", raw, lifetimeMax.Seconds())
		}
		id.Expires = now.Add(time.Duration(seconds * float64(time.Second)))
	}
	return id, nil
}

// readSubscribe reads the answer to whether somebody may subscribe.
func readSubscribe(body []byte) error {
	_, err := readVerdict(body)
	return err
}

// readPublish reads the answer to whether a publication of some kind may be
// published, and as what.
func readPublish(body []byte, kind hub.Kind) (PublishAnswer, error) {
	allow, err := readVerdict(body, "data", "data_base64")
	if err != nil {
		return PublishAnswer{}, err
	}
	data, hasData := allow["data"]
	encoded, isBinary := allow["data_base64"]
	switch {
	case hasData && isBinary:
		return PublishAnswer{}, errors.New(`"allow" has both "data" and "data_base64"`)
	case isBinary:
		b, err := readBase64(encoded, "allow.data_base64")
		if err != nil {
			return PublishAnswer{}, err
		}
		return PublishAnswer{Changed: true, Kind: hub.Binary, Data: b}, nil
	case hasData && kind != hub.JSON && data[0] == '"':
		text, err := readString(data, "allow.data")
		return PublishAnswer{Changed: true, Kind: hub.Text, Data: []byte(text)}, err
	case hasData:
		return PublishAnswer{Changed: true, Kind: hub.JSON, Data: data}, nil
	}
	return PublishAnswer{}, nil
}
