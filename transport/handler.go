package transport

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/handshake"
)

// route is what a request is for.
type route struct {
	presence bool   // below PresencePath, else below ChannelsPath
	name     string // what follows, still percent-encoded
}

// routeOf reads the path as it was sent, because decoding it first would make
// an encoded slash a separator. "/channels" is a channel without a name.
func routeOf(path string) (route, bool) {
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

// channelName decodes a name segment by segment and checks it. The error is
// fit for a detail.
func channelName(escaped string) (string, error) {
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
	if err := hub.CheckChannel(name); errors.As(err, &fault) {
		return "", nameDetail(fault)
	}
	return name, nil
}

func nameDetail(fault *hub.NameError) error {
	return errors.New("channel name " + quote(fault.Name) + ": " + fault.Problem)
}

// The methods of the two resources, for Allow.
const (
	channelMethods  = "GET, HEAD, POST, OPTIONS"
	presenceMethods = "GET, HEAD, OPTIONS"
)

// ServeHTTP serves a request for a channel or its presence.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := askedHTTP(r)
	route, ok := routeOf(a.path)
	if !ok {
		ProblemNotFound.Write(w, "nothing is served at "+quote(r.URL.Path)+"; channels are below "+ChannelsPath+", presence is below "+PresencePath)
		return
	}
	methods := channelMethods
	if route.presence {
		methods = presenceMethods
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if route.presence {
		h.Add("Vary", "Origin")
	} else {
		h.Add("Vary", "Accept, Origin")
	}
	t.allowOrigin(h, a)
	t.boundBody(w, r)

	upgrade := !route.presence && isUpgrade(r)
	switch {
	case upgrade:
	case r.Method == http.MethodOptions:
		t.serveOptions(w, a, methods)
		return
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		if hasContent(r) {
			// While a body is unread, net/http cannot notice that the client left.
			h.Set("Connection", "close")
			ProblemGetBody.Write(w, "a "+r.Method+" was sent with a body; to publish it use POST")
			return
		}
	case r.Method == http.MethodPost && !route.presence:
		if !t.allowUnsafe(a) {
			refuseOrigin(w, a)
			return
		}
	default:
		h.Set("Allow", methods)
		ProblemMethod.Write(w, quote(r.Method)+" is not a method of this resource; use one of "+methods)
		return
	}

	channel, err := channelName(route.name)
	if err != nil {
		if upgrade {
			// The client may have sent frames already: they are no request.
			closeHTTP1(w, r)
		}
		ProblemChannelName.Write(w, err.Error())
		return
	}
	switch {
	case upgrade:
		t.serveWebSocket(w, r, channel)
	case route.presence:
		t.servePresence(w, r, channel)
	case r.Method == http.MethodPost:
		t.servePublish(w, r, a, channel)
	default:
		t.serveRead(w, r, a, channel)
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

// refusal is a request that is answered with a problem.
type refusal struct {
	problem    *Problem
	detail     string
	extension  []byte    // members of the document, see Problem.write
	field      [2]string // one more field and its value, or two empty strings
	retryAfter bool      // the client is told when to try again
	close      bool      // the answer is the last one on its connection
}

// write answers with the refusal.
func (f *refusal) write(w http.ResponseWriter, r *http.Request) {
	if f.retryAfter {
		w.Header().Set("Retry-After", retryAfter)
	}
	if f.field[0] != "" {
		w.Header().Set(f.field[0], f.field[1])
	}
	if f.close {
		closeHTTP1(w, r)
	}
	f.problem.write(w, f.detail, f.extension)
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

// retryAfter is what a client is told to wait, in seconds, while the server
// cannot serve it.
const retryAfter = "2"

// refuseHub is the answer to a request that the hub could not serve.
func (t *Transport) refuseHub(path string, err error) *refusal {
	var name *hub.NameError
	switch {
	case errors.As(err, &name):
		return &refusal{problem: ProblemChannelName, detail: nameDetail(name).Error()}
	case errors.Is(err, hub.ErrTooLarge):
		return &refusal{problem: ProblemTooLarge, detail: detail(err)}
	case errors.Is(err, hub.ErrTextNotUTF8):
		return &refusal{problem: ProblemNotText, detail: "the body is announced as text and is not valid UTF-8; send UTF-8, or Content-Type: application/octet-stream for other bytes"}
	case errors.Is(err, hub.ErrNotJSON):
		return &refusal{problem: ProblemNotJSON, detail: "the body is announced as JSON and is not exactly one JSON value in UTF-8"}
	case errors.Is(err, hub.ErrIdempotencyKey):
		return &refusal{problem: ProblemIdempotencyKey, detail: detail(err)}
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		// The client's next request is to go elsewhere.
		return &refusal{problem: ProblemShutdown, detail: "the server is going away; try again, here or at another", retryAfter: true, close: true}
	case errors.Is(err, hub.ErrTooManyChannels):
		return &refusal{problem: ProblemTooManyChannels, detail: "the server holds as many channels as it is allowed to", retryAfter: true}
	case errors.Is(err, hub.ErrUnanswered):
		t.o.Logger.Error("broker did not answer", "path", path)
		return &refusal{problem: ProblemBroker, retryAfter: true,
			detail: "the broker behind this server did not answer in time; it is not known whether this was published"}
	}
	t.o.Logger.Error("broker failed", "path", path, "error", err)
	return &refusal{problem: ProblemBroker, retryAfter: true,
		detail: "the broker behind this server could not be reached; nothing is known to have happened"}
}

// detail is an error of the hub without its prefix.
func detail(err error) string { return strings.TrimPrefix(err.Error(), "hub: ") }
