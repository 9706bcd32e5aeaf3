package transport

import (
	"errors"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// The subprotocols of a channel, see dialect.Socket.
const (
	SubprotocolJSON = dialect.SubprotocolJSON
	SubprotocolText = dialect.SubprotocolText
)

// Subprotocols returns the subprotocols of channels and of sessions, for
// engine.Server.Subprotocols. The resource of a WebSocket decides which of them
// count. The caller owns the slice.
func Subprotocols() []string {
	return append([]string{SubprotocolJSON, SubprotocolText}, dialect.SessionSubprotocols...)
}

// decideSocket applies the rules to an opening handshake, but for those of RFC 6455.
func (t *Transport) decideSocket(a *asked) decision {
	var d decision
	route, ok := t.recognize(a, &d)
	if !ok {
		d.response.isLast = true // the client may have sent frames already: they are no request
		return d
	}
	refuse := func(f *refusal) decision {
		f.close = true
		return t.refused(d, f)
	}
	if route.protocol != nil {
		return t.decideProtocol(a, d, route.protocol)
	}
	if route.connect {
		if d.response = t.admitSession(&d.asker, Session); d.response != nil {
			d.response.isLast = true
			return d
		}
		d.socket, d.link = dialect.NewSession(&t.sessions), &link{}
		return d
	}
	if route.presence {
		return refuse(&refusal{problem: ProblemUpgrade, detail: "there is no WebSocket below " + PresencePath + "; channels are below " + ChannelsPath})
	}
	socket, wrong := ChannelSocket(route.name, a.query)
	if wrong != nil {
		return refuse(&refusal{problem: wrong.Problem, detail: wrong.Detail})
	}
	if d.response = t.admitSession(&d.asker, WebSocket); d.response != nil {
		return d
	}
	if t.tellsPage(a) {
		socket.OpenToRefuse()
	}
	d.socket = socket
	return d
}

// ChannelSocket returns the dialect of a WebSocket of a channel, for protocols whose paths
// name channels, too. name and query are as they were sent, percent-encoded; the parameters
// that count are those of a channel's WebSocket. Otherwise it says what is wrong with them.
func ChannelSocket(name, query string) (*dialect.Socket, *Refusal) {
	channel, err := channelName(name)
	if err != nil {
		return nil, &Refusal{Problem: ProblemChannelName, Detail: err.Error()}
	}
	q, err := parseQueryOf(channel, query)
	if err != nil {
		wrong := refuseQuery(err)
		return nil, &Refusal{Problem: wrong.problem, Detail: wrong.detail}
	}
	socket := dialect.NewSocket(channel, q.envelope, hub.SubscribeOptions{Since: q.since, Last: max(0, q.last), Vector: q.vector, ExcludeSelf: !q.self})
	if q.json {
		socket.PublishJSON()
	}
	return socket, nil
}

// serveWebSocket makes r a WebSocket.
//
// It is subscribed before the handshake is answered, so a client that has seen
// its WebSocket open misses nothing that is published from then on, and whatever
// can be wrong is said in an HTTP response, the last one on its connection.
func (t *Transport) serveWebSocket(w http.ResponseWriter, r *http.Request, d *decision) {
	// Accept checks too, but a client whose handshake is going to fail should not be
	// seen in presence.
	request := handshake.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Host: r.Host, Secure: r.TLS != nil, Content: r.ContentLength != 0, Header: r.Header,
	}
	if _, fault := handshake.Check(&request, &handshake.Policy{Origins: t.o.Origins}); fault != nil {
		t.refuseUpgrade(&d.asker)(w, r, fault)
		return
	}
	a := askedHTTP(r)
	d.visitor = t.visitOf(d, &a, true)
	if t.o.Engine != nil {
		t.serveOnLoop(w, r, d)
		return
	}
	t.serveOnGoroutines(w, r, d)
}

// saidGoodbye notes that the client of a WebSocket has closed it in good order, as a page
// does that goes away: its session has nobody to come back.
func (c *conversation) saidGoodbye(e *driver.CloseError) {
	l := c.link()
	if l == nil || e.Sent != 0 && e.Sent != e.Code {
		return
	}
	switch e.Code {
	case wire.CloseNormal, wire.CloseGoingAway:
		l.isOver = true
	}
}

// refuseSocket makes out the answer to a handshake that the hub refuses.
func (t *Transport) refuseSocket(a *asker, answer *dialect.Answer, out *response) {
	t.answer(a, answer, out, nil)
	out.isLast = true
}

// endSocket tells of the end of a WebSocket. A close frame is how one ends; what is
// logged as an error broke it.
func (t *Transport) endSocket(c *conversation, end dialect.End, err error) {
	t.observe.ended(c.dialect.Transport(), end)
	t.observe.disconnected(c.id(), end, err)
	fields := []any{"transport", c.dialect.Transport(), "session", c.id(), "end", string(end)}
	var closed *engine.CloseError
	switch {
	case errors.As(err, &closed) && closed.Err == nil:
		fields = append(fields, "close", closed)
	case err != nil:
		fields = append(fields, "error", err)
	}
	t.o.Logger.Debug("WebSocket ended", fields...)
}

// refuseUpgrade returns what answers a handshake that failed as a problem, with the
// status that RFC 6455 gives to the fault.
func (t *Transport) refuseUpgrade(a *asker) func(w http.ResponseWriter, r *http.Request, f *handshake.Fault) {
	return func(w http.ResponseWriter, r *http.Request, f *handshake.Fault) {
		if f.Rule == handshake.RuleOrigin {
			t.observe.originRefused(r.Header.Get("Origin"), r.Host)
		}
		var out response
		t.refuse(a, &refusal{problem: problemOf(f), detail: f.Reason}, &out)
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		t.writeResponse(w, r, &out)
	}
}

// Problem makes a problem of a fault in a request that an engine answers by itself:
// it is for engine.Server.Refuse.
func (t *Transport) Problem(r *engine.Request, f *handshake.Fault) (contentType string, body []byte) {
	if f.Rule == handshake.RuleOrigin && r != nil {
		t.observe.originRefused(strings.Clone(r.Get("Origin")), strings.Clone(r.Host()))
	}
	return problemType, problemOf(f).AppendTo(nil, f.Reason, nil)
}

// problemOf is the problem that a fault is, with the status of the fault.
func problemOf(f *handshake.Fault) *Problem {
	p := ProblemUpgrade
	switch {
	case f.Rule == handshake.RuleOrigin && f.Status == http.StatusForbidden:
		p = ProblemOrigin
	case f.Rule == handshake.RuleMethod:
		p = ProblemMethod
	case f.Rule == engine.RuleConnsMax, f.Rule == engine.RuleAddresses:
		p = ProblemTooManyConnections
	case f.Rule == engine.RuleOverload:
		p = ProblemOverload
	case f.Rule == engine.RuleShutdown:
		p = ProblemShutdown
	case f.Rule == engine.RuleBodyTimeout:
		p = ProblemBodyTimeout
	case f.Status == http.StatusUpgradeRequired:
		p = ProblemUpgradeVersion
	case f.Rule != "": // of the handshake
	case f.Status == http.StatusInternalServerError:
		p = ProblemInternal
	default:
		p = ProblemRequest
	}
	return p.WithStatus(f.Status)
}

// Refuse answers a request for a channel that cannot be served now, and why says. An
// event stream is opened and ended, as an EventSource comes back after that and
// gives up for good after any status but 200.
func (t *Transport) Refuse(w http.ResponseWriter, r *http.Request, why *handshake.Fault) {
	a := askedHTTP(r)
	d := t.unavailable(&a, why)
	t.writeResponse(w, r, d.response)
}

// unavailable is the answer to a request that cannot be served now.
func (t *Transport) unavailable(a *asked, why *handshake.Fault) decision {
	var d decision
	if _, ok := t.recognize(a, &d); !ok {
		return d
	}
	d.response = new(response)
	if a.method == http.MethodGet && !a.isUpgrade() && !d.isPresence && negotiate(a.values("Accept")) == mediaEvents {
		t.answer(&d.asker, dialect.EventsHead(), d.response, nil)
		d.response.body = dialect.AppendRetry(nil, t.pacing.whenFull())
		return d
	}
	t.refuse(&d.asker, &refusal{problem: problemOf(why), detail: why.Reason, close: true}, d.response)
	if _, ok := why.Header["Retry-After"]; ok { // clients that are refused together should not come back together
		d.response.set("Retry-After", seconds(t.pacing.whenFull()))
	}
	return d
}
