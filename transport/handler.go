package transport

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/handshake"
)

// route is the target of a request.
type route struct {
	protocol Protocol // the owner of the path, nil for paths of channels
	connect  bool     // ConnectPath
	presence bool     // below PresencePath, else below ChannelsPath
	name     string   // what follows, still percent-encoded
}

// routeOf returns the route of a path, as it was sent.
func (t *Transport) routeOf(path string) (route, bool) {
	for _, p := range t.o.Protocols {
		if p.Serves(path) {
			return route{protocol: p}, true
		}
	}
	return routeOf(path)
}

// routeOf reads the path as it was sent, because decoding it first would make
// an encoded slash a separator. "/channels" is a channel without a name.
func routeOf(path string) (route, bool) {
	if path == ConnectPath {
		return route{connect: true}, true
	}
	for _, prefix := range [...]string{ChannelsPath, PresencePath} {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			return route{presence: prefix == PresencePath, name: name}, true
		}
		if path+"/" == prefix {
			return route{presence: prefix == PresencePath}, true
		}
	}
	return route{}, false
}

// channelName decodes a name, or a pattern, segment by segment and checks it. The error
// is fit for a detail.
func channelName(escaped string) (string, error) {
	if escaped != "" && !strings.Contains(escaped, "%") && hub.CheckChannel(escaped) == nil {
		return escaped, nil // as nearly always
	}
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return "", errors.New("the percent-encoding " + quote(segment) + " is malformed; encode UTF-8 bytes as %XX")
		}
		if strings.Contains(decoded, "/") {
			return "", errors.New("the segment " + quote(segment) +
				" contains an encoded slash, which proxies disagree about; write / between segments and use another character inside one")
		}
		segments[i] = decoded
	}
	name := strings.Join(segments, "/")
	if name == "" {
		return "", errors.New("the name of the channel is missing: write " + ChannelsPath + "NAME; a channel exists because it is used, so any name will do")
	}
	var fault *hub.NameError
	check := hub.CheckChannel
	if hub.IsPattern(name) {
		check = hub.CheckPattern
	}
	if err := check(name); errors.As(err, &fault) {
		return "", nameDetail(fault)
	}
	return name, nil
}

func nameDetail(fault *hub.NameError) error {
	kind := "channel name "
	if hub.IsPattern(fault.Name) {
		kind = "pattern "
	}
	return errors.New(kind + quote(fault.Name) + ": " + fault.Problem)
}

// The methods of the two resources, for Allow.
const (
	channelMethods  = "GET, HEAD, POST, OPTIONS"
	connectMethods  = "GET, POST, DELETE, OPTIONS"
	presenceMethods = "GET, HEAD, OPTIONS"
)

// ServeHTTP serves a request for a channel or its presence.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := askedHTTP(r)
	t.boundBody(w, r)
	var d decision
	if isUpgrade(r) {
		d = t.decideSocket(&a)
	} else {
		d = t.decide(&a)
	}
	if d.response == nil && d.socket == nil { // a handshake may yet be refused
		d.visitor = t.visitOf(&d, &a, false)
		defer d.visitor.leave() // also if the content is refused and nothing begins
	}
	switch {
	case d.response != nil:
		t.writeResponse(w, r, d.response)
	case d.socket != nil:
		t.serveWebSocket(w, r, &d)
	case d.isPost:
		t.servePublish(w, r, &d)
	case d.content != nil:
		t.serveContent(w, r, &d)
	default:
		t.serveResponse(w, r, &d)
	}
}

// decide applies the rules to a request that is no opening handshake.
func (t *Transport) decide(a *asked) decision {
	var d decision
	route, ok := t.recognize(a, &d)
	if !ok {
		return d
	}
	switch {
	case route.protocol != nil:
		return t.refused(d, &refusal{problem: ProblemUpgrade, close: true, detail: "there is only a WebSocket at " + quote(a.path) + "; ask for it with the fields of an opening handshake"})
	case route.connect:
		return t.decideConnect(a, d)
	}
	methods := channelMethods
	if route.presence {
		methods = presenceMethods
	}
	switch {
	case a.method == http.MethodOptions:
		d.response = t.options(a, &d.asker, methods)
		return d
	case a.method == http.MethodGet, a.method == http.MethodHead:
		if a.hasContent() {
			// While a body is unread, net/http cannot notice that the client left.
			return t.refused(d, &refusal{problem: ProblemGetBody, close: true,
				detail: "a " + a.method + " was sent with a body; to publish it use POST"})
		}
	case a.method == http.MethodPost && !route.presence:
		if !t.allowUnsafe(a) {
			return t.refused(d, t.refuseOrigin(a))
		}
	default:
		return t.refused(d, &refusal{problem: ProblemMethod, field: [2]string{"Allow", methods},
			detail: quote(a.method) + " is not a method of this resource; use one of " + methods})
	}
	channel, err := channelName(route.name)
	if err != nil {
		return t.refused(d, &refusal{problem: ProblemChannelName, detail: err.Error()})
	}
	switch {
	case hub.IsPattern(channel) && (route.presence || a.method == http.MethodPost):
		return t.refused(d, &refusal{problem: ProblemChannelName, detail: "the pattern " + quote(channel) + " can only be read; name one channel to publish or to see who is subscribed"})
	case route.presence:
		q, err := parsePresenceQuery(a.query)
		if err != nil {
			return t.refused(d, &refusal{problem: ProblemParameter, detail: err.Error()})
		}
		d.dialect = dialect.NewPresence(channel, q)
		return d
	case a.method == http.MethodPost:
		var refused *refusal
		if d.message, refused = t.publication(a, channel); refused != nil {
			return t.refused(d, refused)
		}
		d.isPost = true
		return d
	}
	read, refused := t.readDialect(a, channel)
	if refused != nil {
		return t.refused(d, refused)
	}
	stream, isStream := read.(*dialect.Stream)
	switch {
	case isStream && d.isHead:
		stream.HeadOnly()
	case isStream && t.tellsPage(a):
		stream.ForPage()
	}
	if d.origin == "" && a.get("Origin") != "" && a.get("Sec-Fetch-Site") != "same-origin" && isHeld(read) {
		// The browser would not let the page see anything of it.
		return t.refused(d, t.refuseOrigin(a))
	}
	if isHeld(read) && !isContinued(a, read) {
		if d.response = t.admitSession(&d.asker, read.Transport()); d.response != nil {
			return d
		}
	}
	d.dialect = read
	return d
}

// isHeld reports whether a read lasts.
func isHeld(d dialect.Dialect) bool { return d.Transport() != Page && d.Transport() != "head" }

// tellsPage reports whether a client that is refused is a page in a browser, which
// is not shown the status of a response, and is to be told in another way.
func (t *Transport) tellsPage(a *asked) bool {
	return !t.o.RefuseByStatus && (a.get("Origin") != "" || a.get("Sec-Fetch-Site") != "")
}

// recognize notes in d what every response to a needs, and returns the route of a.
// It reports false for a request that is not served here, which it has refused.
func (t *Transport) recognize(a *asked, d *decision) (route, bool) {
	route, ok := t.routeOf(a.path)
	d.asker = asker{path: a.path, isPresence: route.presence, isHead: a.method == http.MethodHead}
	// A read by a page of another origin is answered all the same: it changes
	// nothing, and the browser does not let the page see the answer.
	if origin := a.get("Origin"); origin != "" && t.admits(a) {
		d.origin = strings.Clone(origin)
	}
	if !ok {
		*d = t.refused(*d, &refusal{problem: ProblemNotFound,
			detail: "nothing is served at " + quote(a.path) + "; channels are below " + ChannelsPath + ", presence is below " + PresencePath})
	}
	return route, ok
}

// refused is d with a refusal as the answer.
func (t *Transport) refused(d decision, f *refusal) decision {
	d.response = new(response)
	t.refuse(&d.asker, f, d.response)
	return d
}

// writeResponse answers with a complete response.
func (t *Transport) writeResponse(w http.ResponseWriter, r *http.Request, out *response) {
	out.writeHead(w, r)
	if r.Method == http.MethodHead || len(out.body) == 0 {
		return
	}
	writer := t.newWriter(w, r)
	if _, err := writer.Write(out.body); err == nil {
		_ = writer.flush()
	}
}

// hasContent reads a byte of a body whose length is not announced: several
// gateways send chunks without any content with a GET.
func hasContent(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength > 0
	}
	n, err := io.ReadFull(r.Body, make([]byte, 1))
	return n > 0 || err != io.EOF
}

func refuseQuery(err error) *refusal {
	if _, ok := err.(positionFault); ok {
		return &refusal{problem: ProblemPosition, detail: err.Error()}
	}
	return &refusal{problem: ProblemParameter, detail: err.Error()}
}

// isUpgrade reports whether r asks for a WebSocket: by Upgrade over HTTP/1.1, by
// extended CONNECT over HTTP/2 (RFC 8441, a pseudo-header as net/http shows it)
// or HTTP/3 (RFC 9220, where the protocol stands in Proto).
func isUpgrade(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return r.Proto == "websocket" || hasToken(r.Header[":protocol"], "websocket")
	}
	return handshake.IsUpgrade(r.Header)
}

// closeHTTP1 makes the response the last one on its connection. HTTP/2 and
// HTTP/3 have no Connection field and end the stream instead.
func closeHTTP1(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// refuseHub is the answer to a request that the hub could not serve.
func (t *Transport) refuseHub(path string, err error) *refusal {
	if errors.Is(err, errSessionUnknown) {
		return &refusal{problem: ProblemSessionUnknown, detail: "there is no such session here; connect again, with the positions that you have"}
	}
	var name *hub.NameError
	var vector *hub.VectorError
	var refused *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.As(err, &refused):
		return refuseAccess(refused)
	case errors.As(err, &ended) && ended.Code == clientproto.CloseSessionUnknown:
		return &refusal{problem: ProblemSessionUnknown, detail: "the session has to be resumed: " + ended.Reason}
	case errors.As(err, &ended):
		return &refusal{problem: ProblemForbidden, detail: ended.Reason}
	case errors.As(err, &name):
		return &refusal{problem: ProblemChannelName, detail: nameDetail(name).Error()}
	case errors.As(err, &vector):
		return &refusal{problem: ProblemPosition, detail: detail(err)}
	case errors.Is(err, hub.ErrNotSupported):
		return &refusal{problem: ProblemBroker, detail: "the broker behind this server has no patterns; name one channel"}
	case errors.Is(err, hub.ErrTooLarge):
		return &refusal{problem: ProblemTooLarge, detail: detail(err)}
	case errors.Is(err, hub.ErrTextNotUTF8):
		return &refusal{problem: ProblemNotText, detail: "the body is announced as text and is not valid UTF-8; send UTF-8, or Content-Type: application/octet-stream for other bytes"}
	case errors.Is(err, hub.ErrNotJSON):
		return &refusal{problem: ProblemNotJSON, detail: "the body is announced as JSON and is not exactly one JSON value in UTF-8"}
	case errors.Is(err, hub.ErrAttribute):
		return &refusal{problem: ProblemAttribute, detail: detail(err)}
	case errors.Is(err, hub.ErrCursor):
		return &refusal{problem: ProblemParameter, detail: "cursor is none that this list gives; give back what the page before said, or none for the first page"}
	case errors.Is(err, hub.ErrNoPresence):
		return &refusal{problem: ProblemNoPresence, detail: "who is subscribed to this channel is not shown"}
	case errors.Is(err, hub.ErrIdempotencyKey):
		return &refusal{problem: ProblemIdempotencyKey, detail: detail(err)}
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		// The client's next request is to go elsewhere.
		return &refusal{problem: ProblemShutdown, detail: "the server is going away; try again, here or at another", retryAfter: true, close: true}
	case errors.Is(err, hub.ErrTooManyChannels):
		return &refusal{problem: ProblemTooManyChannels, detail: "the server holds as many channels as it is allowed to", retryAfter: true}
	case errors.Is(err, hub.ErrUnanswered):
		t.logBroker("broker did not answer", path, nil)
		return &refusal{problem: ProblemBroker, retryAfter: true,
			detail: "the broker behind this server did not answer in time; it is not known whether this was published"}
	}
	t.logBroker("broker failed", path, err)
	return &refusal{problem: ProblemBroker, retryAfter: true,
		detail: "the broker behind this server could not be reached; nothing is known to have happened"}
}

// logBroker logs that the broker has failed at something. While it is known to be away every
// request fails: the discovery has been logged, and else one line stands for many requests.
func (t *Transport) logBroker(what, path string, err error) {
	if t.hub.Away() != nil {
		return
	}
	others, ok := t.failures.Pass(time.Now())
	if !ok {
		return
	}
	attributes := []any{"path", path}
	if err != nil {
		attributes = append(attributes, "error", err)
	}
	if others > 0 {
		attributes = append(attributes, "others", others)
	}
	t.o.Logger.Error(what, attributes...)
}

// detail is an error of the hub without its prefix.
func detail(err error) string { return strings.TrimPrefix(err.Error(), "hub: ") }
