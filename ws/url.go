package ws

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/internal/redact"
)

// ErrURL is in the chain of Dial's error when the URL cannot be dialled.
var ErrURL = errors.New("websocket: a URL begins with ws:// or wss:// (http:// and https:// mean the same), has a host and no fragment")

// parseURL reads a URL per RFC 6455 §3. Its error has no secrets of the URL.
func parseURL(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, unparsable(target, err))
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Hostname() == "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("%w: got %.200q", ErrURL, redact.Text(target))
	}
	return u, nil
}

// unparsable is err, or something else if that may have a part of a password in it.
func unparsable(target string, err error) error {
	shown := redact.Text(target)
	if shown == target {
		return err
	}
	return fmt.Errorf("%q is none; in a user, a password and a query some characters are written in percent-encoding, as %%2F for /", shown)
}

// hostField is the Host field for u: without the zone of an IPv6 address, which
// means something on this machine only (RFC 6874 §4).
func hostField(u *url.URL) string {
	host, zone, scoped := strings.Cut(u.Host, "%")
	if !scoped {
		return host
	}
	_, port, _ := strings.Cut(zone, "]")
	return host + "]" + port
}
