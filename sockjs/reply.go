package sockjs

import (
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

// The content types.
const (
	typeText   = "text/plain; charset=UTF-8"
	typeScript = "application/javascript; charset=UTF-8"
	typeJSON   = "application/json; charset=UTF-8"
	typeHTML   = "text/html; charset=UTF-8"
	typeEvents = "text/event-stream"
)

const yearSeconds = "31536000"

// fields are header fields of a response.
type fields []byte

// add appends a field. A value that cannot be one is left out: it is the client's.
func (f *fields) add(name, value string) {
	if with, err := engine.AppendField(*f, name, value); err == nil {
		*f = with
	}
}

var (
	notCached = field("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
	varies    = field("Vary", "Origin")
)

func field(name, value string) (f fields) {
	f.add(name, value)
	return f
}

// addCached lets everybody keep the response for a year.
func (f *fields) addCached(now time.Time) {
	f.add("Cache-Control", "public, max-age="+yearSeconds)
	f.add("Expires", now.AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
}

// addCORS lets the page behind r, which is admitted, read the response.
func (f *fields) addCORS(r *httpcarrier.Request) {
	if origin := r.Get("Origin"); origin != "" {
		f.add("Access-Control-Allow-Origin", origin)
		f.add("Access-Control-Allow-Credentials", "true")
	} else {
		f.add("Access-Control-Allow-Origin", "*")
	}
	if asked := strings.Join(r.Values("Access-Control-Request-Headers"), ", "); asked != "" {
		f.add("Access-Control-Allow-Headers", asked)
	}
	*f = append(*f, varies...)
}

const cookieName = "JSESSIONID"

// cookieBytesMax is how long a cookie may be that is given back.
const cookieBytesMax = 128

// addCookie sets the cookie by which balancers keep a client with a server.
func (f *fields) addCookie(r *httpcarrier.Request) {
	value := r.Cookie(cookieName)
	if value == "" || len(value) > cookieBytesMax || strings.ContainsFunc(value, isNoCookie) {
		value = "dummy"
	}
	f.add("Set-Cookie", cookieName+"="+value+"; path=/")
}

// isNoCookie reports whether c must not be in the value of a cookie (RFC 6265 §4.1.1).
func isNoCookie(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("\",;\\", c) }

// answer is a Responder that is done with a request at once.
type answer struct {
	engineless
	status int
	fields fields
	body   []byte
}

// OnBody implements httpcarrier.Responder.
func (a *answer) OnBody(x httpcarrier.Exchange, _ []byte) {
	_ = x.Respond(a.status, a.fields, a.body) // an error says that the client has gone
}

// engineless are the calls that most Responders have no use for.
type engineless struct{}

// OnTooLarge implements httpcarrier.Responder.
func (engineless) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	_ = x.Respond(http.StatusRequestEntityTooLarge, field("Content-Type", typeText), []byte("The content is longer than is taken here.\n"))
}

// OnWake implements httpcarrier.Responder.
func (engineless) OnWake(httpcarrier.Exchange) {}

// OnDrain implements httpcarrier.Responder.
func (engineless) OnDrain(httpcarrier.Exchange) {}

// OnEnd implements httpcarrier.Responder.
func (engineless) OnEnd(httpcarrier.Exchange, error) {}

// ignoredBytesMax is how much content a request may have that should have none.
const ignoredBytesMax = 16 << 10

func (a *answer) route() httpcarrier.Route {
	return httpcarrier.Route{Responder: a, BodyBytesMax: ignoredBytesMax}
}

// text is an answer of plain text.
func text(status int, body string) httpcarrier.Route {
	a := &answer{status: status, body: []byte(body)}
	a.fields.add("Content-Type", typeText)
	return a.route()
}

// notAllowed is the answer to a method that a path does not have.
func notAllowed(allowed string) httpcarrier.Route {
	a := &answer{status: http.StatusMethodNotAllowed}
	a.fields.add("Allow", allowed)
	return a.route()
}

// notice is a Responder that tells a client one frame and ends.
type notice struct {
	engineless
	format  frames.Format
	fields  fields
	frame   []byte
	isLater bool // the client asks too often
}

// noticeDelay is how long a client waits that asks too often, and noticesAtOnce is how
// often is not: old clients ask again and again, and are told each time that the session
// is closed.
const (
	noticeDelay   = time.Second
	noticesAtOnce = 8
)

// OnBody implements httpcarrier.Responder.
func (n *notice) OnBody(x httpcarrier.Exchange, _ []byte) {
	if n.isLater {
		x.WakeAt(time.Now().Add(noticeDelay))
		return
	}
	n.OnWake(x)
}

// OnWake implements httpcarrier.Responder. Errors say that the client has gone.
func (n *notice) OnWake(x httpcarrier.Exchange) {
	content := n.format.Append(nil, n.frame)
	if n.format.IsSingle() {
		_ = x.Respond(http.StatusOK, n.fields, content)
		return
	}
	_ = x.Begin(http.StatusOK, n.fields)
	if prelude := n.format.AppendPrelude(nil); len(prelude) > 0 {
		_ = x.Write(prelude)
	}
	_ = x.Write(content)
	_ = x.End()
}

func (n *notice) route() httpcarrier.Route {
	return httpcarrier.Route{Responder: n, BodyBytesMax: ignoredBytesMax, EndsWithInput: true, Limits: responseLimits}
}

// responseLimits are the limits of responses: the waiting bytes are limited by the
// session, which writes nothing more while a client does not take what there is.
var responseLimits = &engine.Options{QueueBytesMax: NoLimit}
