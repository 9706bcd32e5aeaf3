package sockjs

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

const notFoundText = "404 Error: Page not found\n"

// match divides a path into the base and what SockJS makes of it.
func (s *Server) match(path string) (base, rest string, ok bool) {
	if s.o.Match != nil {
		return s.o.Match(path)
	}
	rest, ok = strings.CutPrefix(path, s.o.Base)
	if !ok || rest != "" && rest[0] != '/' {
		return "", "", false
	}
	return path[:len(s.o.Base)], rest, true
}

// route decides about a request whose path has been matched. An opening handshake that
// comes here is not in order.
func (s *Server) route(r *httpcarrier.Request, base, rest string) httpcarrier.Route {
	switch {
	case rest == "" || rest == "/":
		return s.static(r, func() httpcarrier.Route { return text(http.StatusOK, "Welcome to SockJS!\n") })
	case rest == "/info":
		return s.info(r)
	case isIframe(rest) && s.iframe != nil:
		return s.static(r, func() httpcarrier.Route { return s.serveIframe(r) })
	case rest == "/websocket" && s.isOn[RawWebSocket]:
		return noHandshake(r)
	}
	session, e, ok := parseSession(rest)
	if !ok || e.transport != 0 && !s.isOn[e.transport] || e.transport == 0 && !s.mayBeSent(e) {
		return text(http.StatusNotFound, notFoundText)
	}
	if e.transport == WebSocket {
		return noHandshake(r)
	}
	allowed := e.method
	if allowed == http.MethodPost && !e.isJSONP {
		allowed = "OPTIONS, POST"
		if r.Method() == http.MethodOptions {
			return s.preflight(r, allowed)
		}
	}
	if r.Method() != e.method {
		return notAllowed(allowed)
	}
	// A page can make the browser send these without an Origin.
	isAnybodys := e.isJSONP || e.transport == HTMLFile
	if !s.admits(r, isAnybodys) {
		return refused()
	}
	if e.sends {
		return s.send(r, base, session, e)
	}
	return s.receive(r, base, session, e.transport)
}

// mayBeSent reports whether there is a transport that sends with e.
func (s *Server) mayBeSent(e endpoint) bool {
	if e.isJSONP {
		return s.isOn[JSONPPolling]
	}
	return s.isOn[XHRPolling] || s.isOn[XHRStreaming] || s.isOn[EventSource] || s.isOn[HTMLFile]
}

// parseSession reads /SERVER/SESSION/ENDPOINT. What the client names the server is for
// balancers.
func parseSession(rest string) (session string, e endpoint, ok bool) {
	server, rest, _ := strings.Cut(rest[1:], "/")
	session, name, _ := strings.Cut(rest, "/")
	e, ok = endpoints[name]
	return session, e, ok && isSegment(server) && isSegment(session)
}

// static answers a request of a page that everybody gets.
func (s *Server) static(r *httpcarrier.Request, get func() httpcarrier.Route) httpcarrier.Route {
	if m := r.Method(); m != http.MethodGet && m != http.MethodHead {
		return notAllowed("GET, HEAD")
	}
	return get()
}

// refused is the answer to pages of origins that are not admitted.
func refused() httpcarrier.Route {
	return text(http.StatusForbidden, "A page of this origin may not do this here.\n")
}

// noHandshake is the answer to a request that is no opening handshake in order.
func noHandshake(r *httpcarrier.Request) httpcarrier.Route {
	if r.Method() != http.MethodGet {
		return notAllowed(http.MethodGet)
	}
	return text(http.StatusBadRequest, "Not a valid websocket request\n")
}

// info tells a client what there is.
func (s *Server) info(r *httpcarrier.Request) httpcarrier.Route {
	const allowed = "OPTIONS, GET"
	switch r.Method() {
	case http.MethodOptions:
		return s.preflight(r, allowed)
	case http.MethodGet, http.MethodHead:
	default:
		return notAllowed(allowed)
	}
	if !s.admits(r, false) {
		return refused()
	}
	a := &answer{status: http.StatusOK}
	a.fields = append(a.fields, notCached...)
	a.fields.addCORS(r)
	a.fields.add("Content-Type", typeJSON)
	a.body = frames.AppendInfo(nil, frames.Info{
		WebSocket: s.isOn[WebSocket], CookieNeeded: s.o.SetsCookie, Entropy: rand.Uint32(), BaseURL: s.o.ClientBase,
	})
	return a.route()
}

// preflight tells a browser what a page may ask (Fetch standard §3.3.5).
func (s *Server) preflight(r *httpcarrier.Request, methods string) httpcarrier.Route {
	if !s.admits(r, false) {
		return refused()
	}
	a := &answer{status: http.StatusNoContent}
	a.fields.addCached(time.Now())
	a.fields.addCORS(r)
	a.fields.add("Access-Control-Allow-Methods", methods)
	a.fields.add("Access-Control-Max-Age", yearSeconds)
	return a.route()
}

// iframe is the page for transports that begin with "iframe-".
type iframe struct {
	page []byte
	etag string
}

func newIframe(scriptURL string) *iframe {
	f := &iframe{page: frames.AppendIframe(nil, scriptURL)}
	sum := fnv.New64a()
	sum.Write(f.page)
	f.etag = `"` + strconv.FormatUint(sum.Sum64(), 36) + `"`
	return f
}

// serveIframe gives the page to pages that may use the server: a page that has it in a
// frame can speak through it with the rights of this origin.
func (s *Server) serveIframe(r *httpcarrier.Request) httpcarrier.Route {
	if !s.admits(r, true) {
		return refused()
	}
	a := &answer{status: http.StatusOK}
	if s.o.Origins.Any() {
		a.fields.addCached(time.Now())
	} else {
		// The answer depends on the page that asks, so caches must not keep it for others.
		a.fields.add("Cache-Control", "private, no-cache")
		a.fields.add("Vary", "Origin, Referer, Sec-Fetch-Site")
	}
	a.fields.add("ETag", s.iframe.etag)
	if strings.Contains(r.Get("If-None-Match"), s.iframe.etag) {
		a.status = http.StatusNotModified
		return a.route()
	}
	a.fields.add("Content-Type", typeHTML)
	a.body = s.iframe.page
	return a.route()
}
