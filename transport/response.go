package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// headerPosition says where a stream begins: asking for what came after it
// misses nothing, even if the stream broke before its first publication.
const headerPosition = "Godwit-Position"

// response is an answer, or the head of a streamed one, on any carrier.
type response struct {
	status   int
	fields   []responseField
	body     []byte
	isStream bool // its length is not known yet
	isLast   bool // on its connection
}

type responseField struct{ name, value string }

// set gives the response a field, in place of one of that name.
func (r *response) set(name, value string) {
	for i := range r.fields {
		if r.fields[i].name == name {
			r.fields[i].value = value
			return
		}
	}
	r.fields = append(r.fields, responseField{name, value})
}

// reset empties r and keeps its memory.
func (r *response) reset() {
	clear(r.fields)
	*r = response{fields: r.fields[:0]}
}

// writeHead writes the status and the fields to a response of net/http.
func (r *response) writeHead(w http.ResponseWriter, request *http.Request) {
	h := w.Header()
	for _, f := range r.fields {
		h.Set(f.name, f.value)
	}
	if r.isLast {
		closeHTTP1(w, request)
	}
	if !r.isStream && r.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	w.WriteHeader(r.status)
}

// appendFields appends the fields as an exchange of the engine takes them.
func (r *response) appendFields(dst []byte) []byte {
	for _, f := range r.fields {
		// A value that would break out of its line is refused by the engine.
		dst = append(dst, f.name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.value...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// prepare returns r, without its content, as the head of many responses.
func (r *response) prepare() (*engine.PreparedHead, error) {
	return engine.PrepareHead(r.status, r.appendFields(nil))
}

// respond answers an exchange of the engine. dst is memory for the fields, which
// is returned.
func (r *response) respond(x engine.Exchange, dst []byte) ([]byte, error) {
	dst = r.appendFields(dst)
	if r.isLast {
		x.CloseAfter()
	}
	if r.isStream {
		err := x.Begin(r.status, dst)
		if err == nil && len(r.body) > 0 {
			err = x.Write(r.body)
		}
		return dst, err
	}
	return dst, x.Respond(r.status, dst, r.body)
}

// asker holds the facts about a request that its responses need.
type asker struct {
	path       string // for the log
	origin     string // of the page that may read them, "" if there is none
	isPresence bool
	isHead     bool // it gets no content
}

// begin makes out a response to a, with what all of them have.
func (t *Transport) begin(a *asker, out *response, status int) {
	out.reset()
	out.status = status
	out.fields = append(out.fields, t.fixed...)
	out.set("Cache-Control", "no-store")
	out.set("X-Content-Type-Options", "nosniff")
	vary := "Accept, Origin"
	if a.isPresence {
		vary = "Origin"
	}
	out.set("Vary", vary)
	if a.origin != "" {
		out.set("Access-Control-Allow-Origin", a.origin)
		out.set("Access-Control-Expose-Headers", corsExposed)
		if t.o.Credentials && t.o.Origins.Lists(a.origin) {
			out.set("Access-Control-Allow-Credentials", "true")
		}
	}
}

// answer makes out the answer of a dialect, the head of it if it is a stream. The
// content of a whole one is taken out of e, which may be nil without.
func (t *Transport) answer(a *asker, d *dialect.Answer, out *response, e *dialect.Effects) {
	if d.Err != nil {
		t.refuse(a, t.refuseHub(a.path, d.Err), out)
		return
	}
	t.begin(a, out, d.Status)
	out.set("Content-Type", d.ContentType)
	if begin := d.Begin(); begin != "" {
		out.set(headerPosition, begin)
	}
	if d.HasWait {
		out.set("Preference-Applied", "wait="+strconv.FormatInt(int64(d.Wait/time.Second), 10))
	}
	if d.Replayed {
		out.set("Idempotency-Replayed", "true")
	}
	if d.IsWhole {
		out.body = e.Content()
		return
	}
	// Proxies, and middleware that compresses, collect a response before they pass
	// it on. They are told not to.
	out.set("X-Accel-Buffering", "no")
	out.set("Cache-Control", "no-store, no-transform")
	out.isStream, out.isLast = true, true // a stream ends with its connection
}

// posted is the answer to a publication by a plain request.
var posted = dialect.Answer{Status: http.StatusCreated, ContentType: "application/json", IsWhole: true}

// prepare prepares the head of that answer, if the fields of Options are in order.
func (t *Transport) prepare() {
	var out response
	t.answer(&asker{}, &posted, &out, new(dialect.Effects))
	t.posted, _ = out.prepare() // an error comes again with every response
}

// prepared returns the head of the answer to a if it is prepared, or nil.
func (t *Transport) prepared(a *asker, d *dialect.Answer) *engine.PreparedHead {
	if a.origin == "" && !a.isPresence && d.Err == nil && *d == posted {
		return t.posted
	}
	return nil
}

// refusal is a request that is answered with a problem.
type refusal struct {
	problem           *Problem
	detail            string
	extension         []byte    // members of the document, see Problem.write
	field             [2]string // one more field and its value, or two empty strings
	retryAfter        bool      // the client is told when to try again: see pacing.whenRefused
	retryAfterSeconds string    // the same, when this is known; "" if it is not
	close             bool      // the answer is the last one on its connection
}

// refuse makes out the answer to a request that is refused.
func (t *Transport) refuse(a *asker, f *refusal, out *response) {
	t.begin(a, out, f.problem.Status)
	out.set("Content-Type", problemType)
	if f.retryAfter {
		out.set("Retry-After", seconds(t.pacing.whenRefused()))
	}
	if f.retryAfterSeconds != "" {
		out.set("Retry-After", f.retryAfterSeconds)
	}
	if f.field[0] != "" {
		out.set(f.field[0], f.field[1])
	}
	out.isLast = f.close
	out.body = f.problem.AppendTo(nil, f.detail, f.extension)
}

// decision is what becomes of a request of which only the head is known. One of
// the fields but asker is set.
type decision struct {
	asker
	response *response // the answer: a refusal, or what needs no conversation
	isPost   bool      // message is to be published, with the content as payload
	message  hub.Message
	dialect  dialect.Dialect    // what is read
	socket   dialect.OverSocket // a WebSocket, if its handshake is in order
	link     *link              // of a session that outlives its carrier
	content  contentTaker       // what takes the content of the request, nil for none but message
	visitor  *visitor           // the client, if a conversation is to begin; nil where nothing is guarded
}
