package engine

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// opener is a loop's memory for reading requests, one at a time.
type opener struct {
	head    *httphead.Head
	request handshake.Request
	admit   Request
	seen    *Request // while the answer is made that refuses it

	// known has the fields that package handshake looks at. The map always has the
	// same keys.
	known  handshake.Header
	values [len(knownFields)][]string
}

var knownFields = [...]string{
	"Origin", "Upgrade", "Connection", "Content-Length", "Sec-Websocket-Key", "Transfer-Encoding",
	"Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
}

func newOpener() *opener {
	return &opener{head: httphead.New(), known: make(handshake.Header, len(knownFields))}
}

// collectKnown fills known from the head.
func (o *opener) collectKnown() {
	for i := range o.values {
		o.values[i] = o.values[i][:0]
	}
	for _, f := range o.head.Fields {
		for i, known := range knownFields {
			if httpsyntax.EqualFold(f.Name, known) {
				o.values[i] = append(o.values[i], f.Value)
				break
			}
		}
	}
	for i, name := range knownFields {
		o.known[name] = o.values[i]
	}
}

// agreement is the outcome of an opening handshake.
type agreement struct {
	subprotocol string
	compressed  bool
	compression deflate.Params
	admission   Admission
	settings    *settings
	isMisfit    bool     // the handshake was not in order
	pending     *pending // of a connection that is adopted while its handshake waits
}

// takeHead takes p, a part of a request's head, and handles the request when its head
// is whole.
func (l *loop) takeHead(c *Conn, p []byte) {
	var cut httphead.Cut
	at := &cut
	if m := c.message; m != nil {
		m.b = append(m.b, p...)
		p, at = m.b, &m.cut
	}
	n, err := at.Next(p, l.server.numbers.headBytesMax)
	switch {
	case err != nil:
		l.refuse(c, "", malformed(err))
	case n > 0:
		l.handleRequest(c, p[at.Start:], n-at.Start)
	case c.message == nil:
		m := c.needMessage()
		m.b, m.cut = append(m.b, p...), cut
		if c.exchange() != nil { // until now the connection had KeepAliveTimeout
			l.wheel.Set(c, l.now+wsproto.Time(l.server.numbers.handshakeTimeout))
		}
	}
}

// malformed returns the refusal of a malformed head.
func malformed(err error) *handshake.Fault {
	status := http.StatusBadRequest
	if err == httphead.ErrTooLarge {
		status = http.StatusRequestHeaderFieldsTooLarge
	}
	return &handshake.Fault{Status: status, Reason: err.Error(), Header: handshake.Header{"Connection": {"close"}}}
}

// doubtful returns the refusal of a request that is not understood, for a server
// without HTTP.
func doubtful(d httphead.Doubt) *handshake.Fault {
	status := http.StatusBadRequest
	switch d {
	case httphead.Version:
		status = http.StatusHTTPVersionNotSupported
	case httphead.Coding:
		status = http.StatusLengthRequired
	case httphead.Expectation:
		status = http.StatusExpectationFailed
	}
	return &handshake.Fault{Status: status, Reason: d.String(), Header: handshake.Header{"Connection": {"close"}}}
}

// handleRequest handles a request whose head is whole: it is the first n bytes of p,
// and the rest came behind it.
func (l *loop) handleRequest(c *Conn, p []byte, n int) {
	s, o := l.server, l.opener
	if err := o.head.Parse(p[:n]); err != nil {
		l.refuse(c, "", malformed(err))
		return
	}
	doubt := o.head.Doubt()
	if s.Route != nil && doubt == httphead.None && o.head.Get("Sec-WebSocket-Key") == "" && l.serveRequest(c, p, n) {
		return
	}
	o.collectKnown()
	o.request = handshake.Request{
		Method: o.head.Method, ProtoMajor: o.head.Major, ProtoMinor: o.head.Minor,
		Host: o.head.Host, Secure: c.isSecure(), Header: o.known,
	}
	if !handshake.IsUpgrade(o.known) {
		if s.HTTP != nil {
			// RFC 9112 §6.3: a request with both ends its connection.
			l.forward(c, p, o.head.Get("Content-Length") != "" && o.head.Get("Transfer-Encoding") != "")
			return
		}
		if over := c.excess(); over != within {
			l.refuse(c, o.head.Method, s.tooManyConns(over))
			return
		}
		if s.Route != nil && doubt != httphead.None && doubt != httphead.Upgrade {
			l.refuse(c, o.head.Method, doubtful(doubt))
			return
		}
	}
	o.admit = Request{head: o.head, conn: c, remote: c.remote(), secure: o.request.Secure, over: c.excess()}
	accepted, agreed, fault := s.check(&o.request, &o.admit, s.Admit)
	if fault != nil && s.isRefusedByHTTP(&o.admit, &agreed, fault) {
		l.forward(c, p, true)
		return
	}
	if fault != nil {
		l.noteRefusal(c)
		o.seen = &o.admit
		l.answerFault(c, o.head.Method == http.MethodHead, fault, &agreed.admission, fault)
		o.seen = nil
		return
	}
	if agreed.admission.Pending != nil {
		pending, err := s.newPending(&accepted, &agreed.admission)
		if err != nil {
			s.log().Error("engine: an opening handshake cannot wait", "error", err)
			l.refuse(c, o.head.Method, internalError)
			return
		}
		l.suspendHandshake(c, pending, &agreed.admission, p[n:])
		return
	}
	if agreed.admission.HTTP {
		l.forward(c, p, true) // the bytes behind a handshake are no request
		return
	}
	response := &l.cork
	var err error
	if response.Bytes, err = s.respond(response.Bytes, &accepted, &agreed); err != nil {
		response.Empty()
		s.log().Error("engine: the response to an opening handshake could not be made", "error", err)
		l.refuse(c, o.head.Method, internalError)
		return
	}
	if agreed.subprotocol != "" {
		agreed.subprotocol = keepSubprotocol(agreed.subprotocol, s.Subprotocols, agreed.admission.Subprotocols)
	}
	c.mu.Lock()
	l.applyAgreement(c, &agreed)
	c.out, c.queued = response, len(response.Bytes)
	c.mu.Unlock()
	l.tally.Accepted++
	held := c.message // p may be in it
	c.message = nil
	l.openWebSocket(c, p[n:])
	if held != nil {
		held.recycle()
	}
}

// openWebSocket makes c a WebSocket. The peer has sent early behind its request.
func (l *loop) openWebSocket(c *Conn, early []byte) {
	c.cork()
	c.mu.Lock()
	h := c.handler()
	c.mu.Unlock()
	c.state = stateOpen
	c.mode |= hooked
	if c.mode&keepsInput != 0 { // since an earlier request
		l.releaseInput(c)
	}
	l.wheel.Clear(c)
	l.arm(c)
	h.OnOpen(c)
	if len(early) > 0 {
		l.input(c, early)
		return
	}
	l.uncork(c)
}

// applyAgreement sets up c as agreed. mu is held, or no other goroutine knows c yet.
func (l *loop) applyAgreement(c *Conn, a *agreement) {
	c.flags |= webSocket
	c.settings = a.settings
	c.proto.Init(&c.settings.protocol, l.clock())
	c.value = a.admission.Value
	if a.admission.Handler != nil {
		c.needExtra().handler = a.admission.Handler
	}
	if a.subprotocol != "" {
		if i := slices.Index(l.server.Subprotocols, a.subprotocol); i >= 0 && i < math.MaxUint16 {
			c.spoken = uint16(i + 1)
		} else {
			c.needRare().subprotocol = a.subprotocol
		}
	}
	if a.compressed {
		c.needRare().compression = a.compression
		c.proto.Compress(a.compression, c.settings.compression)
	}
}

// refuse answers with f, and ends the connection when the peer has taken the answer.
func (l *loop) refuse(c *Conn, method string, f *handshake.Fault) {
	l.noteRefusal(c)
	l.answerFault(c, method == http.MethodHead, f, nil, f)
}

// answerFault is refuse with a cause of its own for the end. The body is that of a, if
// it has one.
func (l *loop) answerFault(c *Conn, headOnly bool, f *handshake.Fault, a *Admission, cause error) {
	contentType, body := l.server.refusal(l.opener.seen, f, a)
	response := &l.cork
	response.Empty() // a panic may have left bytes in it
	response.Bytes = appendFault(response.Bytes, f, contentType, body, headOnly, time.Now())
	c.mu.Lock()
	c.out, c.queued = response, len(response.Bytes)
	c.mu.Unlock()
	l.finish(c, abnormal(cause), true)
	l.flush(c)
}

// refusal returns the body of a refusal: that of a, if it has one, else Refuse's.
func (s *Server) refusal(r *Request, f *handshake.Fault, a *Admission) (contentType string, body []byte) {
	if a != nil && a.Status != 0 && len(a.Body) > 0 {
		if a.ContentType != "" && httpsyntax.IsFieldValue(a.ContentType) {
			return a.ContentType, a.Body
		}
		return plainTextType, a.Body
	}
	if s.Refuse != nil {
		if contentType, body = s.callRefuse(r, f); contentType != "" {
			return contentType, body
		}
	}
	return plainTextType, []byte(f.Reason + "\n")
}

const plainTextType = "text/plain; charset=utf-8"

// callRefuse calls Refuse. After a panic, or a content type that is malformed, it
// returns "".
func (s *Server) callRefuse(r *Request, f *handshake.Fault) (contentType string, body []byte) {
	defer func() {
		if reason := recover(); reason != nil {
			s.log().Error("engine: Refuse panicked; the refusal is plain text", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			contentType = ""
		}
	}()
	contentType, body = s.Refuse(r, f)
	if !httpsyntax.IsFieldValue(contentType) {
		s.log().Error("engine: Refuse returned a content type that is none; the refusal is plain text", "type", fmt.Sprintf("%.100q", contentType))
		contentType = ""
	}
	return contentType, body
}

// appendFault appends a response that refuses a request and ends its connection.
func appendFault(dst []byte, f *handshake.Fault, contentType string, body []byte, headOnly bool, now time.Time) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(f.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(f.Status)...)
	dst = append(dst, "\r\nDate: "...)
	dst = now.UTC().AppendFormat(dst, http.TimeFormat) // RFC 9110 §6.6.1
	dst = append(dst, "\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\nX-Content-Type-Options: nosniff\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n"...)
	names := make([]string, 0, len(f.Header))
	for name := range f.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range f.Header[name] {
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, v...)
			dst = append(dst, "\r\n"...)
		}
	}
	dst = append(dst, "\r\n"...)
	if headOnly {
		return dst
	}
	return append(dst, body...)
}

// The rules of the engine itself, in a handshake.Fault for Server.Refuse and in
// Request.Fault.
const (
	RuleConnsMax    handshake.Rule = "connections"             // 503: Server.ConnsMax
	RuleAddresses   handshake.Rule = "connections-per-address" // 429: Server.Addresses
	RuleOverload    handshake.Rule = "overload"                // 503: Server.ShedAfter
	RuleShutdown    handshake.Rule = "shutdown"                // 503: the server ends
	RuleBodyTimeout handshake.Rule = "body-timeout"            // 408: Server.BodyTimeout
)

var (
	internalError = &handshake.Fault{Status: http.StatusInternalServerError, Reason: http.StatusText(http.StatusInternalServerError),
		Header: handshake.Header{"Connection": {"close"}}}
	shuttingDown = &handshake.Fault{Status: http.StatusServiceUnavailable, Rule: RuleShutdown, Reason: "the server is shutting down; try again, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"2"}}}
)

// check applies the rules of the handshake to a request, and then asks admit.
func (s *Server) check(r *handshake.Request, seen *Request, admit func(*Request) Admission) (handshake.Accepted, agreement, *handshake.Fault) {
	var agreed agreement
	policy := handshake.Policy{Origins: s.Origins, Subprotocols: s.Subprotocols, Select: s.SelectSubprotocol}
	accepted, fault := handshake.Check(r, &policy)
	if fault != nil {
		agreed.isMisfit = true
		return accepted, agreed, fault
	}
	if s.closing.Load() {
		return accepted, agreed, shuttingDown
	}
	if seen.over != within {
		return accepted, agreed, s.tooManyConns(seen.over)
	}
	if fault = s.refuseOverload(seen); fault != nil {
		return accepted, agreed, fault
	}
	if admit != nil {
		agreed.admission = admit(seen)
		if a := &agreed.admission; a.Status != 0 {
			return accepted, agreed, a.fault()
		}
	}
	agreed.admission.choose(&accepted)
	agreed.subprotocol = accepted.Subprotocol
	return accepted, agreed, nil
}

// isRefusedByHTTP reports whether HTTP answers a handshake that is not in order.
func (s *Server) isRefusedByHTTP(r *Request, agreed *agreement, f *handshake.Fault) bool {
	return agreed.isMisfit && s.HTTP != nil && s.HTTPRefuses != nil && s.HTTPRefuses(r, f)
}

// choose chooses the subprotocol again, of those that a has.
func (a *Admission) choose(accepted *handshake.Accepted) {
	if a.Subprotocols == nil || a.Pending != nil {
		return
	}
	accepted.Subprotocol = ""
	for _, name := range a.Subprotocols {
		if slices.Contains(accepted.Offered, name) {
			accepted.Subprotocol = name
			return
		}
	}
}

// fault returns the refusal that a describes.
func (a *Admission) fault() *handshake.Fault {
	f := &handshake.Fault{Status: a.Status, Reason: a.Reason, Header: handshake.Header{}}
	if f.Status < 300 || f.Status > 599 {
		f.Status = http.StatusInternalServerError
	}
	if f.Reason == "" {
		f.Reason = http.StatusText(f.Status)
	}
	for name, values := range a.Header {
		for _, v := range values {
			if httpsyntax.IsToken(name) && httpsyntax.IsFieldValue(v) {
				f.Header[name] = append(f.Header[name], v)
			}
		}
	}
	f.Header["Connection"] = []string{"close"}
	return f
}

// respond appends the response that accepts, and completes the agreement.
func (s *Server) respond(dst []byte, accepted *handshake.Accepted, agreed *agreement) (_ []byte, err error) {
	if agreed.settings, err = s.limits(agreed.admission.Limits); err != nil {
		return dst, err
	}
	var extension string
	if s.settings.compression != nil {
		if params, response, ok := deflate.Accept(accepted.Extensions, s.settings.compression); ok {
			agreed.compressed, agreed.compression = true, params
			b, err := handshake.AppendExtension(nil, response)
			if err != nil {
				return dst, err
			}
			extension = string(b)
		}
	}
	return handshake.AppendResponse(dst, accepted, extension, agreed.admission.Header)
}

// keepSubprotocol returns subprotocol in memory that is not the request's, without a copy
// if it is in one of the lists that the server and its program have.
func keepSubprotocol(subprotocol string, lists ...[]string) string {
	for _, list := range lists {
		if i := slices.Index(list, subprotocol); i >= 0 {
			return list[i]
		}
	}
	return strings.Clone(subprotocol)
}

// isSecure reports whether c came over TLS.
func (c *Conn) isSecure() bool {
	if c.mode&secured != 0 {
		return true
	}
	s := c.streamOf()
	return s != nil && s.isSecure()
}

// remote returns the peer's address for Request.
func (c *Conn) remote() netip.AddrPort {
	if s := c.streamOf(); s != nil {
		return addrPortOf(s.nc.RemoteAddr())
	}
	return c.peer.AddrPort()
}
