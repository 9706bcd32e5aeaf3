package ws

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrURL is in the chain of Dial's error when the URL cannot be dialled.
var ErrURL = errors.New("websocket: a URL begins with ws:// or wss:// (http:// and https:// mean the same), has a host and no fragment")

// parseURL reads a URL per RFC 6455 §3.
func parseURL(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Hostname() == "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("%w: got %.200q", ErrURL, target)
	}
	return u, nil
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
