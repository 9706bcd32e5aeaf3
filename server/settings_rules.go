package server

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/server/natsbroker"
	"github.com/godwit-io/godwit/ws/handshake"
)

// rule says which values of a type a setting accepts.
type rule struct {
	// check says what is wrong with a value, a pointer to one, or nothing. Of a list
	// it is asked about each item.
	check func(field any) string

	// sections are the settings of each item, of a list of sections.
	sections []setting

	least, most any      // of numbers, for schemas
	words       []string // the only ones, for schemas
	pattern     string   // a regular expression of what is accepted, for schemas
	isNeeded    bool     // in a section of a list, for schemas

	mayBeOne        bool // a list of one may be written as its item
	mayHaveSpaces   bool // so that spaces do not separate items
	isPath          bool // of a file: in a file, relative to it
	isFileReference bool // the same for what follows "file:"
	isSecret        bool // or could be: errors do not show it
}

var (
	anything       = rule{}
	secret         = rule{isSecret: true, isFileReference: true}
	hash           = rule{isSecret: true, isNeeded: true, check: checkText(checkHash), pattern: "^sha256:[0-9a-fA-F]{64}$"}
	path           = rule{isPath: true, mayHaveSpaces: true}
	addressList    = rule{check: checkText(checkListen), mayBeOne: true, mayHaveSpaces: true}
	actionList     = rule{words: channelActionNames(), check: checkChannelAction}
	channelPattern = rule{check: func(field any) string {
		if p := field.(*access.Pattern); p.HasUser() {
			return fmt.Sprintf("pattern %q: here no user asks, so %s matches nothing; write * for the segment", p, access.UserMark)
		}
		return ""
	}}
)

// needed is r in a section of a list that makes no sense without it.
func needed(r rule) rule {
	r.isNeeded = true
	return r
}

// oneOr is r of a list of which one may stand without brackets.
func oneOr(r rule) rule {
	r.mayBeOne = true
	return r
}

func sections(rows []setting) rule { return rule{sections: rows} }

func text(check func(string) string) rule { return rule{check: checkText(check)} }

// texts is the rule of a list of texts, each of which check accepts.
func texts(check func(string) string) rule { return text(check) }

func checkText(check func(string) string) func(any) string {
	return func(field any) string { return check(*field.(*string)) }
}

func words(valid ...string) rule {
	return rule{words: valid, check: checkText(func(s string) string {
		if slices.Contains(valid, s) {
			return ""
		}
		return strconv.Quote(s) + " is not one of " + strings.Join(valid, ", ")
	})}
}

func number(least, most int) rule {
	return rule{least: least, most: most, check: func(field any) string {
		var n int
		switch p := field.(type) {
		case *int:
			n = *p
		case **int:
			n = **p
		}
		if n < least || n > most {
			return fmt.Sprintf("%d is out of range; use %d to %d", n, least, most)
		}
		return ""
	}}
}

func fraction(least, most float64) rule {
	return rule{least: least, most: most, check: func(field any) string {
		var n float64
		switch p := field.(type) {
		case *float64:
			n = *p
		case **float64:
			n = **p
		}
		if !(n >= least && n <= most) {
			return fmt.Sprintf("%s is out of range; use %s to %s", plain(n), plain(least), plain(most))
		}
		return ""
	}}
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func duration(least, most time.Duration) rule {
	return rule{least: least, most: most, check: func(field any) string {
		if d := *field.(*time.Duration); d < least || d > most {
			return fmt.Sprintf("%v is out of range; use %v to %v", d, least, most)
		}
		return ""
	}}
}

func actionNames() []string {
	var names []string
	for _, a := range access.Actions() {
		names = append(names, a.String())
	}
	return names
}

// channelActionNames are those of actions that are about channels.
func channelActionNames() []string {
	return slices.DeleteFunc(actionNames(), func(name string) bool {
		a, err := access.ParseAction(name)
		return err == nil && a.IsOfMethods()
	})
}

func checkChannelAction(field any) string {
	if a := *field.(*access.Action); a.IsOfMethods() {
		return fmt.Sprintf("%q is about methods, and no channel decides about them; grant it in anonymous, tokens or keys", a)
	}
	return ""
}

// systemdPrefix begins a Config.Listen that means inherited sockets.
const systemdPrefix = "systemd:"

func checkListen(listen string) string {
	if path, ok := strings.CutPrefix(listen, unixPrefix); ok {
		if path == "" || path[0] == '@' || strings.IndexByte(path, 0) >= 0 {
			return strconv.Quote(path) + " is not the path of a socket file; write for example unix:/run/godwit.sock"
		}
		return ""
	}
	if name, ok := strings.CutPrefix(listen, systemdPrefix); ok {
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
			return strconv.Quote(name) + " is not the name of a socket; write systemd: for all, or systemd: and a FileDescriptorName="
		}
		return ""
	}
	return checkAddress(listen, ", or unix:/path/to.sock")
}

// checkHostPort is for addresses that are always of TCP.
func checkHostPort(address string) string { return checkAddress(address, "") }

// checkAddress says what is wrong with host:port, and besides what else would be right.
func checkAddress(address, besides string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return strconv.Quote(address) + " is not an address; write host:port, for example " + DefaultListen + " or :8000" + besides
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return strconv.Quote(port) + " is not a port; write a number from 0 (any free port) to 65535"
	} else if strconv.FormatUint(n, 10) != port {
		return strconv.Quote(port) + " is not a port; write " + strconv.FormatUint(n, 10)
	}
	return ""
}

func checkOrigin(pattern string) string {
	if strings.ContainsAny(pattern, ", ") {
		return strconv.Quote(pattern) + " is not one pattern; write each on a line of its own"
	}
	if _, err := handshake.ParseOrigins([]string{pattern}); err != nil {
		return strings.TrimPrefix(err.Error(), "handshake: ")
	}
	return ""
}

func checkDomain(name string) string {
	_, err := netip.ParseAddr(name)
	isLabel := func(label string) bool {
		return label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-' &&
			!strings.ContainsFunc(label, func(r rune) bool {
				return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			})
	}
	labels := strings.Split(name, ".")
	if err == nil || len(name) > 253 || len(labels) < 2 || slices.ContainsFunc(labels, func(l string) bool { return !isLabel(l) }) {
		return strconv.Quote(name) + " is not the name of a host; write for example rt.example.com, without scheme, port or wildcard"
	}
	return ""
}

func checkEmail(address string) string {
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
		return strconv.Quote(address) + " is not an address of e-mail; write for example ops@example.com"
	}
	return ""
}

// checkURL wants an http or https URL without user, password and fragment.
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "it is not a URL; write for example https://app.example.com/hook" // its text might have a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return strconv.Quote(u.Redacted()) + " is not a URL with http or https; write for example https://app.example.com/hook"
	case u.User != nil:
		return "the URL has a user or a password, which would be shown; leave them out"
	case u.Fragment != "":
		return strconv.Quote(s) + " has a fragment, which is never sent; leave out #" + u.Fragment
	}
	return ""
}

func checkHookURL(s string) string { return checkURL(s) }

// checkTrustedURL wants a URL whose answer nobody on the way can replace.
func checkTrustedURL(s string) string {
	if wrong := checkURL(s); wrong != "" {
		return wrong
	}
	u, _ := url.Parse(s)
	ip, err := netip.ParseAddr(u.Hostname())
	isHere := err == nil && ip.IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")
	if u.Scheme != "https" && !isHere {
		return strconv.Quote(s) + " could be answered by anybody on the way; use https"
	}
	return ""
}

func checkJWKS(s string) string {
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		if path == "" {
			return "file: is not followed by a path; write for example file:keys.json"
		}
		return ""
	}
	if !strings.Contains(s, "://") {
		return strconv.Quote(s) + " is neither a URL nor a file; write https://… or file:" + s
	}
	return checkTrustedURL(s)
}

func checkSomething(s string) string {
	if strings.TrimSpace(s) == "" {
		return "it is empty; leave it out, or write a text"
	}
	return ""
}

func checkCookie(name string) string {
	if !httpsyntax.IsToken(name) {
		return strconv.Quote(name) + " is not the name of a cookie; write for example session"
	}
	return ""
}

func checkFieldName(name string) string {
	if !httpsyntax.IsToken(name) {
		return strconv.Quote(name) + " is not the name of a header field; write for example Cookie"
	}
	return ""
}

// keyNameBytesMax bounds the name of a key, which is in logs and lists.
const keyNameBytesMax = 255

func checkKeyName(name string) string {
	switch {
	case strings.TrimSpace(name) == "", strings.ContainsFunc(name, unicode.IsControl):
		return strconv.Quote(name) + " is not a name; write for example shop"
	case len(name) > keyNameBytesMax:
		return fmt.Sprintf("the name is %d bytes long; at most %d are possible", len(name), keyNameBytesMax)
	}
	return ""
}

// checkHash does not show what is wrong: it could be the key.
func checkHash(hash string) string {
	if _, err := identity.ParseHash(hash); err != nil {
		return strings.TrimPrefix(err.Error(), "identity: ")
	}
	return ""
}

func checkMain(channel string) string {
	if err := hub.CheckChannel(channel); err != nil {
		return strings.TrimPrefix(err.Error(), "hub: ")
	}
	return ""
}

// checkPathPrefix wants the beginning of a path that no other resource has.
func checkPathPrefix(prefix string) string {
	segments := strings.TrimPrefix(prefix, "/")
	if segments == prefix || hub.CheckChannel(segments) != nil || strings.ContainsAny(segments, "%?# ") {
		return strconv.Quote(prefix) + " is not the beginning of a path; write for example /pusher-js"
	}
	if first, _, _ := strings.Cut(segments, "/"); slices.Contains(takenPaths, first) {
		return strconv.Quote(prefix) + " begins with /" + first + ", where something else is served; write for example /pusher-js"
	}
	return ""
}

// takenPaths are the first segments of what is served beside Pusher: a channel app/chat at
// /channels/app/chat must not become a path of Pusher's.
var takenPaths = []string{
	"channels", "presence", "connect", "socket.io", "sockjs", "v3", "v4", "api", "app", "apps", "pusher",
	"welcome", "docs", "examples", "client.mjs", "client.js", "client.d.ts", "metrics", "healthz", "readyz", "debug",
}

// checkScriptURL wants where a script is: at this server, or anywhere by https.
func checkScriptURL(s string) string {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") {
		return ""
	}
	return checkTrustedURL(s)
}

// brokerSchemes are those of broker.url.
var brokerSchemes = []string{"nats", "tls", "redis", "rediss"}

// checkBrokerURL says what is wrong with the URL of a broker, without showing it: it may
// have a password.
func checkBrokerURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return "it is no URL; write for example nats://localhost:4222 or redis://localhost:6379"
	case !slices.Contains(brokerSchemes, u.Scheme):
		return fmt.Sprintf("there is no broker for %s://; use nats://, tls:// (NATS), redis:// or rediss://", u.Scheme)
	}
	return ""
}

func checkNATSPrefix(s string) string {
	if !natsbroker.IsPrefix(s) {
		return "it is not 1 to 32 letters, digits, - and _"
	}
	return ""
}
