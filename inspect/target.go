package inspect

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/internal/redact"
)

// target is a URL to connect to.
type target struct {
	url     *url.URL // scheme ws or wss, with a path
	guessed bool     // the scheme is a guess
}

func (t *target) secure() bool { return t.url.Scheme == "wss" }

// host is the name or address without brackets, and without an IPv6 zone in names of TLS.
func (t *target) host() string { return t.url.Hostname() }

func (t *target) port() string {
	if p := t.url.Port(); p != "" {
		return p
	}
	if t.secure() {
		return "443"
	}
	return "80"
}

// hostPort is what to dial.
func (t *target) hostPort() string { return net.JoinHostPort(t.host(), t.port()) }

// hostField is the value of Host: without the zone of an IPv6 address, which
// means something on this machine only (RFC 6874 §4), and without a port that
// the scheme implies, as browsers send it.
func (t *target) hostField() string {
	host, _, _ := strings.Cut(t.host(), "%")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := t.url.Port(); p != "" && !(p == "80" && !t.secure()) && !(p == "443" && t.secure()) {
		host += ":" + p
	}
	return host
}

// origin is that of the pages which the same host serves.
func (t *target) origin() string { return t.httpURL().Scheme + "://" + t.hostField() }

// httpURL is the URL with the scheme that proxies are configured for.
func (t *target) httpURL() *url.URL {
	u := *t.url
	u.Scheme = "http"
	if t.secure() {
		u.Scheme = "https"
	}
	return &u
}

// String is the URL without secrets.
func (t *target) String() string { return printable(redact.URL(t.url), 2048) }

// with is the same target with another scheme. A port that was implied follows.
func (t *target) with(scheme string) *target {
	u := *t.url
	u.Scheme = scheme
	return &target{url: &u}
}

// TargetError says why a target is none. It is a mistake of the caller.
type TargetError struct {
	Target string // as it was given, without secrets
	Reason string // what was wrong and what would be right
}

func (e *TargetError) Error() string {
	return "inspect: " + quote(e.Target) + " is not a target: " + e.Reason
}

// parseTarget reads a URL with the scheme ws, wss, http or https, or host,
// host:port and either with a path, for which it guesses the scheme. asHTTP says
// that it was http or https.
func parseTarget(text string) (t *target, asHTTP bool, err error) {
	fail := func(format string, args ...any) (*target, bool, error) {
		return nil, false, &TargetError{redact.Text(text), fmt.Sprintf(format, args...)}
	}
	const example = "; write for example wss://example.com/socket"
	guess := !strings.Contains(text, "://")
	whole := text
	if guess {
		// An address without brackets has colons that look like a port's.
		host, rest, _ := strings.Cut(text, "/")
		if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
			host = "[" + host + "]"
			whole = host
			if rest != "" {
				whole += "/" + rest
			}
		}
		whole = "ws://" + whole
	}
	u, err := url.Parse(whole)
	if err != nil {
		if redact.Text(text) != text {
			return fail("in a user, a password and a query some characters are written in percent-encoding, as %%2F for /")
		}
		reason := err
		if ue, ok := err.(*url.Error); ok {
			reason = ue.Err
		}
		return fail("%s%s", printable(reason.Error(), quotedBytesMax), example)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch u.Scheme {
	case "http", "https":
		asHTTP = true
		u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	case "ws", "wss":
	default:
		return fail("the scheme must be ws, wss, http or https%s", example)
	}
	switch {
	case u.Hostname() == "":
		return fail("it has no host%s", example)
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return fail("a WebSocket URL must not have a fragment: remove what is behind # (RFC 6455 §3)")
	case strings.IndexFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
		return fail("write the host in ASCII, as xn-- labels where it has other letters")
	}
	if !isHost(u.Hostname()) {
		return fail("%s is neither a host name nor an address", quote(u.Hostname()))
	}
	if p := u.Port(); p != "" && !isPort(p) {
		return fail("%s is not a port from 1 to 65535", quote(p))
	}
	if u.Path == "" {
		u.Path = "/"
	}
	t = &target{url: u, guessed: guess}
	if guess && guessSecure(u) {
		u.Scheme = "wss"
	}
	return t, asHTTP, nil
}

// isHost allows names of letters, digits, dots, hyphens and underscores, which
// some networks have, and addresses.
func isHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	return strings.Trim(h, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

func isPort(p string) bool {
	_, err := netip.ParseAddrPort("0.0.0.0:" + p)
	return err == nil && strings.Trim(p, "0") != ""
}

// guessSecure guesses as browsers do of a bare host: names of the Internet
// speak TLS, and what runs on this machine or an odd port does not.
func guessSecure(u *url.URL) bool {
	switch u.Port() {
	case "443", "8443", "9443":
		return true
	case "":
		_, err := netip.ParseAddr(u.Hostname())
		return err != nil && u.Hostname() != "localhost" && strings.Contains(u.Hostname(), ".")
	}
	return false
}
