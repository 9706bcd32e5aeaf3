//go:build !js

package ws

import (
	"fmt"
	"net/http"
	"net/url"
)

// redirectTarget returns where a response sends the client, if it does.
func redirectTarget(u *url.URL, r *http.Response) (*url.URL, bool) {
	if r == nil {
		return nil, false
	}
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false
	}
	location := r.Header.Get("Location")
	if location == "" {
		return nil, false
	}
	next, err := httpURL(u).Parse(location)
	return next, err == nil
}

// follow returns the URL to dial after a redirect from u to next, and takes away
// what must not be sent there. RFC 6455 §4.1 leaves redirects to the client;
// these rules are those that browsers have for fetches.
func (d *dialer) follow(u, next *url.URL) (*url.URL, error) {
	next.Fragment, next.RawFragment = "", ""
	target, err := parseURL(next.String())
	if err != nil {
		return nil, fmt.Errorf("websocket: redirect by %s: %w", u.Host, err)
	}
	if u.Scheme == "wss" && target.Scheme == "ws" {
		return nil, fmt.Errorf("websocket: redirect by %s from wss to ws refused: it would give up encryption", u.Host)
	}
	if sameOrigin(u, target) {
		if target.User == nil {
			target.User = u.User
		}
		return target, nil
	}
	// Also a name below the old one is another origin: the owner of a subdomain need
	// not be the one that the credentials are for.
	d.header = d.header.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Cookie2", "Proxy-Authorization", "Www-Authenticate"} {
		d.header.Del(name)
	}
	return target, nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}
