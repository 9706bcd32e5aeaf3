package sockjs

import (
	"strings"

	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// admits reports whether the origin policy admits the page behind r.
//
// Where there is an Origin, it decides. A browser sends none with a GET of its own origin,
// and none when it loads a script or a frame, whatever page wants it: needsPage is for
// these, which must come from a page that is admitted for certain. What the browser says
// then is Sec-Fetch-Site, and the Referer.
func (s *Server) admits(r *httpcarrier.Request, needsPage bool) bool {
	switch origins := r.Values("Origin"); {
	case len(origins) > 1: // no browser sends two
		return s.refuseOrigin(r, strings.Join(origins, ", "))
	case len(origins) == 1 && origins[0] != "":
		return s.o.Origins.Allow(origins[0], r.Host(), r.IsSecure()) || s.refuseOrigin(r, origins[0])
	}
	if !needsPage || s.o.Origins.Any() {
		return true
	}
	if site := r.Get("Sec-Fetch-Site"); site == "same-origin" {
		return true
	}
	page := originOf(r.Get("Referer"))
	return page != "" && s.o.Origins.Allow(page, r.Host(), r.IsSecure()) || s.refuseOrigin(r, page)
}

// refuseOrigin tells the Observer, and returns false.
func (s *Server) refuseOrigin(r *httpcarrier.Request, origin string) bool {
	if f := s.o.Observer.OriginRefused; f != nil {
		f(strings.Clone(origin), strings.Clone(r.Host()))
	}
	return false
}

// originOf is the origin of a URL, "" if it has none.
func originOf(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + "://" + rest
}
