package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/seldom"
	"github.com/godwit-io/godwit/server/tracing"
	"github.com/godwit-io/godwit/transport"
)

// Prefix is where the API is, and DocsPath the page that describes it.
const (
	Prefix   = "/api/v1/"
	DocsPath = "/docs/api"
)

// New returns a Handler of everything below Prefix, and of DocsPath. It is safe for
// concurrent use. Errors are problem documents (RFC 9457).
//
// A request of another site's page that would change something is refused, whichever
// user the browser sends. Streams end when the Hub shuts down; other requests are
// answered.
func New(o *Options) (*API, error) {
	e, err := o.effective()
	if err != nil {
		return nil, err
	}
	return &API{o: e, page: thePage(), foreign: http.NewCrossOriginProtection()}, nil
}

// API is the Handler that New returns.
type API struct {
	o       Options
	page    page
	foreign *http.CrossOriginProtection

	failures seldom.Gate // of the broker, for the log
}

// route is an operation: a method and a path below Prefix, which may have parts in
// braces. That of a channel or a method may have slashes, sent as they are or encoded; the
// last one of two is such a part.
type route struct {
	method, path string
	serve        func(*call) *fault
	query        []string // the parameters that it knows
	across       *across  // nil if it is not about the sessions of other nodes
}

// routes are all operations. openapi.json describes the same ones.
var routes = []route{
	{"POST", "publish", (*call).publish, nil, nil},
	{"POST", "batch", (*call).batch, nil, nil},
	{"GET", "channels", (*call).listChannels, []string{"match", "limit", "cursor"}, &across{merge: mergeChannels}},
	{"DELETE", "channels/{channel}/history", (*call).clearHistory, nil, nil},
	{"GET", "channels/{channel}/presence", (*call).listMembers, []string{"limit", "cursor", "by", "count"}, nil},
	{"GET", "sessions", (*call).listSessions, []string{"user", "channel", "limit", "cursor"}, &across{merge: mergeSessions}},
	{"GET", "sessions/{session}", (*call).showSession, nil, &across{isOne: true}},
	{"DELETE", "sessions/{session}", (*call).endSession, nil, &across{isOne: true}},
	{"POST", "sessions/{session}/subscriptions", (*call).subscribeSession, nil, &across{isOne: true}},
	{"DELETE", "sessions/{session}/subscriptions/{channel}", (*call).unsubscribeSession, nil, &across{isOne: true}},
	{"POST", "users/{user}/subscriptions", (*call).subscribeUser, nil, &across{merge: mergeCounts}},
	{"DELETE", "users/{user}/subscriptions/{channel}", (*call).unsubscribeUser, nil, &across{merge: mergeCounts}},
	{"DELETE", "users/{user}/sessions", (*call).endSessionsOfUser, nil, &across{merge: mergeCounts}},
	{"POST", "users/{user}/messages", (*call).publishToUser, nil, nil},
	{"POST", "call/{method}", (*call).callMethod, nil, nil},
	{"POST", "revocations", (*call).revoke, nil, &across{merge: mergeCounts}},
	{"GET", "info", (*call).info, nil, nil},
	{"GET", "cluster", (*call).cluster, nil, nil},
	{"GET", "explain", (*call).explain, []string{"token", "action", "channel", "session", "user", "position"}, &across{merge: mergeExplanations, alone: asksForDecision}},
}

// match returns what stands in the place of the braces: the second part is "" if there is
// one.
func (rt *route) match(path string) (part, second string, ok bool) {
	before, rest, hasPart := strings.Cut(rt.path, "{")
	if !hasPart {
		return "", "", path == rt.path
	}
	name, after, _ := strings.Cut(rest, "}")
	if part, ok = strings.CutPrefix(path, before); !ok {
		return "", "", false
	}
	if between, _, hasSecond := strings.Cut(after, "{"); hasSecond {
		if part, second, ok = strings.Cut(part, between); !ok || second == "" {
			return "", "", false
		}
		after = ""
	}
	if part, ok = strings.CutSuffix(part, after); !ok || part == "" || name != "channel" && name != "method" && strings.Contains(part, "/") {
		return "", "", false
	}
	part, err := url.PathUnescape(part)
	if err == nil {
		second, err = url.PathUnescape(second)
	}
	return part, second, err == nil
}

// call is a request and its caller.
type call struct {
	*API
	w         http.ResponseWriter
	r         *http.Request
	id        *access.Identity
	part      string // of the path
	last      string // the second part of the path, if it has two
	isForNode bool   // another node asks, for its caller

	trace string // the span of the request, as hub.Attributes.Trace; "" if none is recorded
	query map[string]string

	publishing func(context.Context, *hub.Message) error // nil before the first
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	switch {
	case r.URL.Path == DocsPath, r.URL.Path == DocsPath+"/":
		a.page.docs.serve(w, r)
	case ok && path == "openapi.json":
		a.page.document.serve(w, r)
	case !ok:
		transport.ProblemNotFound.Write(w, "nothing is served at this path; the API is below "+Prefix+", and "+DocsPath+" describes it")
	default:
		a.serve(w, r, path)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, path string) {
	c := &call{API: a, w: w, r: r, trace: tracing.Trace(r.Context())}
	rt, f := c.find(path)
	if f == nil {
		r.Pattern = rt.method + " " + Prefix + rt.path // as a ServeMux does, for the handler around this
		f = c.admit(rt)
	}
	switch {
	case f != nil:
	case c.isAcross(rt):
		f = c.serveAcross(rt)
	default:
		f = rt.serve(c)
	}
	if f != nil {
		f.write(w)
	}
}

// find returns the operation that is asked for.
func (c *call) find(path string) (*route, *fault) {
	var allowed []string
	for i := range routes {
		rt := &routes[i]
		part, last, ok := rt.match(path)
		if !ok {
			continue
		}
		if c.r.Method == rt.method || c.r.Method == http.MethodHead && rt.method == http.MethodGet {
			c.part, c.last = part, last
			return rt, nil
		}
		if allowed = append(allowed, rt.method); rt.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if allowed == nil {
		return nil, &fault{problem: transport.ProblemNotFound, detail: "there is no operation at this path; " + DocsPath + " describes all of them"}
	}
	allow := strings.Join(allowed, ", ")
	return nil, &fault{problem: transport.ProblemMethod, field: [2]string{"Allow", allow},
		detail: quote(c.r.Method) + " is not a method of this resource; use " + allow}
}

// admit identifies the caller, and reads the query.
func (c *call) admit(rt *route) *fault {
	if c.foreign.Check(c.r) != nil {
		return &fault{problem: transport.ProblemOrigin, detail: "a page of another site may not change anything here; call the API from your own server"}
	}
	r := c.r
	if rt.path == "explain" {
		r = withoutToken(r)
	}
	id, err := c.o.Identify(r)
	if err != nil {
		return c.identifyFault(err)
	}
	if id == nil {
		id = &access.Identity{Kind: access.Anonymous}
	}
	c.id = id
	return c.readQuery(rt.query)
}

// withoutToken is r without a token in its query.
func withoutToken(r *http.Request) *http.Request {
	var kept []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != "token" {
			kept = append(kept, part)
		}
	}
	u := *r.URL
	u.RawQuery = strings.Join(kept, "&")
	other := r.WithContext(r.Context())
	other.URL, other.RequestURI = &u, u.RequestURI()
	return other
}

// readQuery reads the parameters: those that are known, each once. One that is
// misspelled would ask for something else than was meant. A token is for Identify.
func (c *call) readQuery(known []string) *fault {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return &fault{problem: transport.ProblemParameter, detail: "the query cannot be read; encode what is not a letter or a digit as %XX"}
	}
	c.query = make(map[string]string, len(values))
	for name, list := range values {
		switch {
		case !contains(known, name) && name != "token":
			return &fault{problem: transport.ProblemParameter, detail: quote(name) + " is not a parameter of this request; " + listed("parameter", known)}
		case len(list) > 1:
			return &fault{problem: transport.ProblemParameter, detail: "the parameter " + name + " is given more than once; give it once"}
		}
		c.query[name] = list[0]
	}
	return nil
}
