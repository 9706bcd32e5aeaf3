package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// contentTaker is a dialect that takes the content of its request, which it keeps,
// before Begin.
type contentTaker interface {
	dialect.Dialect
	SetContent([]byte)
}

// headerSession names the session that a request belongs to, with its secret.
const headerSession = "Godwit-Session"

// visitOf returns the client of a request that d has decided about. A request for a
// session that exists shows its secret instead.
func (t *Transport) visitOf(d *decision, a *asked, isSocket bool) *visitor {
	if d.link == nil {
		return t.visit(a, isSocket)
	}
	if d.link.wants != nil {
		return (*visitor)(nil).linked(d.link)
	}
	return t.visit(a, isSocket).linked(d.link)
}

// decideConnect applies the rules to a request for ConnectPath that is no opening
// handshake (docs/protocol.md §3).
//
//	POST /connect              commands, connect first; the answer is what Accept says
//	GET  /connect?commands=…   the same, for an EventSource
//	GET  /connect?session=…    goes on with a session: the next poll
//	POST /connect?session=…    more commands for it
//	DELETE /connect?session=…  its end
func (t *Transport) decideConnect(a *asked, d decision) decision {
	switch a.method {
	case http.MethodOptions:
		d.response = t.options(a, &d.asker, connectMethods)
		return d
	case http.MethodGet, http.MethodPost, http.MethodDelete:
	default:
		return t.refused(d, &refusal{problem: ProblemMethod, field: [2]string{"Allow", connectMethods}, close: true,
			detail: quote(a.method) + " is not a method of this resource; use one of " + connectMethods})
	}
	if a.method != http.MethodPost && a.hasContent() {
		return t.refused(d, &refusal{problem: ProblemGetBody, close: true, detail: "a " + a.method + " was sent with a body; to send commands use POST"})
	}
	q, err := parseConnect(a)
	if err != nil {
		return t.refused(d, &refusal{problem: ProblemParameter, detail: err.Error(), close: true})
	}
	// A session of its own has proven by its secret that it may.
	if q.session == "" && !t.allowUnsafe(a) || d.origin == "" && a.get("Origin") != "" && a.get("Sec-Fetch-Site") != "same-origin" {
		refused := t.refuseOrigin(a)
		refused.close = true
		return t.refused(d, refused)
	}
	if q.session != "" {
		return t.decideGoOn(a, d, &q)
	}
	switch {
	case a.method == http.MethodDelete:
		return t.refused(d, &refusal{problem: ProblemParameter, detail: "say which session is to end, as the field " + headerSession + " or as ?session=", close: true})
	case a.method == http.MethodGet && q.commands == "":
		return t.refused(d, &refusal{problem: ProblemParameter, close: true, detail: "a session begins with commands: open a WebSocket, send them by POST, " +
			`or give them as ?commands={"id":1,"connect":{}}, percent-encoded, one on each line`})
	}
	session, refused := t.sessionDialect(a)
	if refused != nil {
		return t.refused(d, refused)
	}
	carrier := Session
	if negotiate(a.values("Accept")) == mediaEvents {
		carrier = SSE
	}
	if d.response = t.admitSession(&d.asker, carrier); d.response != nil {
		return d
	}
	d.dialect, d.link = session, &link{}
	if a.method == http.MethodPost {
		d.content = session
	} else {
		session.SetContent([]byte(q.commands))
	}
	return d
}

// decideGoOn decides about a request for a session that exists.
func (t *Transport) decideGoOn(a *asked, d decision, q *connectQuery) decision {
	id, secret, _ := strings.Cut(q.session, ".")
	seat := t.findSeat(id, secret)
	if seat == nil {
		if a.method == http.MethodGet && negotiate(a.values("Accept")) == mediaEvents {
			// An EventSource does not let its page see a status.
			session := dialect.NewSessionEvents(&t.sessions)
			d.dialect, d.link = session, &link{wants: t.unknownSeat()}
			return d
		}
		return t.refused(d, t.refuseHub(a.path, t.sessionUnknown()))
	}
	switch a.method {
	case http.MethodDelete:
		seat.session.End(&hub.Ended{Code: clientproto.CloseNormal, Reason: "ended by the client"})
		d.response = new(response)
		t.begin(&d.asker, d.response, http.StatusNoContent)
		return d
	case http.MethodPost:
		deliver := dialect.NewDeliver()
		d.dialect, d.content, d.link = deliver, deliver, &link{wants: seat, delivers: true}
		return d
	}
	session, refused := t.sessionDialect(a)
	if refused != nil {
		return t.refused(d, refused)
	}
	session.Acknowledge(q.acknowledged)
	d.dialect, d.link = session, &link{wants: seat}
	return d
}

// unknownSeat returns the seat of a session that is not here.
func (t *Transport) unknownSeat() *seat { return &seat{t: t, isOver: true} }

// sessionDialect is how the answer to a request for a session is written.
func (t *Transport) sessionDialect(a *asked) (*dialect.Session, *refusal) {
	switch chosen := negotiate(a.values("Accept")); chosen {
	case mediaEvents:
		return dialect.NewSessionEvents(&t.sessions), nil
	case mediaLines:
		return dialect.NewSessionLines(&t.sessions), nil
	case mediaNone:
		return nil, refuseMedia()
	}
	wait, waits := preferredWait(a.values("Prefer"), t.o.WaitMax)
	if !waits {
		wait = 0
	}
	return dialect.NewSessionPoll(&t.sessions, min(wait, t.o.SessionTimeout/2)), nil
}

// connectQuery holds the parameters of a request for a session.
type connectQuery struct {
	session      string // ID and secret, "" for a new one
	commands     string
	acknowledged uint64
}

func parseConnect(a *asked) (q connectQuery, err error) {
	one := func(name string) (string, error) {
		values, err := parameters(a.query, name)
		switch {
		case err != nil:
			return "", err
		case len(values) > 1:
			return "", fmt.Errorf("%s is given %d times; give it once", name, len(values))
		case len(values) == 0:
			return "", nil
		}
		return values[0], nil
	}
	if q.session, err = one("session"); err != nil {
		return q, err
	}
	if field := a.get(headerSession); q.session == "" {
		q.session = strings.Clone(field)
	}
	if q.commands, err = one("commands"); err != nil {
		return q, err
	}
	acknowledged, err := one("ack")
	if err != nil || acknowledged == "" {
		return q, err
	}
	if q.acknowledged, err = strconv.ParseUint(acknowledged, 10, 64); err != nil {
		return q, fmt.Errorf("ack=%s is not the number of a page; give back what stood in poll", quote(acknowledged))
	}
	return q, nil
}

// commandErrors are errors that only a command can have.
var commandErrors = []struct {
	err     error
	problem *clientproto.Problem
	detail  string
}{
	{hub.ErrSubscribed, clientproto.ProblemSubscribed, "this session is subscribed to the channel already"},
	{hub.ErrUnsubscribed, clientproto.ProblemUnsubscribed, "it was unsubscribed before the subscription began"},
	{hub.ErrRemoved, clientproto.ProblemUnsubscribed, "the server has unsubscribed this session"},
	{hub.ErrTooManySubscriptions, clientproto.ProblemTooManySubscriptions, "this session has as many subscriptions as it may have"},
	{hub.ErrNoMethod, clientproto.ProblemMethodUnknown, "nobody answers this method now"},
	{hub.ErrCallTimeout, clientproto.ProblemCallTimeout, "it was not answered in time; whether it was done is not known"},
	{hub.ErrCanceled, clientproto.ProblemCallCanceled, "it was canceled; whether it was done is not known"},
	{hub.ErrTooManyCalls, clientproto.ProblemTooManyCalls, "as many calls wait to be answered as may"},
	{hub.ErrAnswererGone, clientproto.ProblemAnswererGone, "the session that was to answer has left; whether it was done is not known"},
	{hub.ErrAnswererFailed, clientproto.ProblemCallFailed, "what answers this method has failed"},
	{hub.ErrNoCall, clientproto.ProblemCallUnknown, "this call is over, or was never given to this session"},
	{errExclude, clientproto.ProblemForbidden, "exclude is this session's own ID, or another one for a session that has registered for a method"},
	{hub.ErrRegistered, clientproto.ProblemRegistered, "this session has registered for this already"},
	{hub.ErrNotRegistered, clientproto.ProblemNotRegistered, "this session has not registered for this"},
	{hub.ErrTooManyRegistrations, clientproto.ProblemTooManyRegistrations, "this session has registered as often as it may"},
	{hub.ErrCallError, clientproto.ProblemCommand, "an error that answers a call has a type of 1 to 255 printable bytes, a title of at most 255, a detail of at most 4096, and data that is JSON"},
	{hub.ErrCursor, clientproto.ProblemParameter, "the cursor is not one of the server's; give it back as it was"},
	{hub.ErrTextNotUTF8, clientproto.ProblemNotText, "text is UTF-8; send other bytes as data_base64"},
	{hub.ErrNotJSON, clientproto.ProblemNotJSON, "data is one JSON value in UTF-8"},
}

// errExclude is why a session may not keep a publication from another one.
var errExclude = errors.New("transport: a session that answers nothing can leave out itself alone")

// describe returns the failure that tells the client of a session of an error of the hub.
func (t *Transport) describe(err error) dialect.Failure {
	var answered *hub.CallError
	var method *hub.MethodError
	switch {
	case errors.As(err, &answered):
		return dialect.Failure{Problem: clientproto.ProblemCallFailed, Type: answered.Type, Title: answered.Title, Detail: answered.Detail, Data: answered.Data}
	case errors.As(err, &method):
		return dialect.Failure{Problem: clientproto.ProblemMethodName, Detail: "method " + quote(method.Name) + ": " + method.Problem}
	}
	for _, known := range commandErrors {
		if errors.Is(err, known.err) {
			return dialect.Failure{Problem: known.problem, Detail: known.detail}
		}
	}
	f := t.refuseHub(ConnectPath, err)
	failure := dialect.Failure{Problem: f.problem.Problem, Detail: f.detail}
	if f.retryAfter {
		failure.RetryAfter = 2 * time.Second
	}
	if refusal, ok := err.(*access.Refusal); ok && refusal.RetryAfter > 0 {
		failure.RetryAfter = refusal.RetryAfter
	}
	return failure
}
