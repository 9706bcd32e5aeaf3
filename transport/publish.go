package transport

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/tracecontext"
	"github.com/godwit-io/godwit/transport/dialect"
)

// servePublish publishes the body of a POST, see dialect.Post.
func (t *Transport) servePublish(w http.ResponseWriter, r *http.Request, d *decision) {
	data, refused := t.readBody(w, r, t.o.BodyBytesMax, "published")
	if refused != nil {
		out := new(response)
		t.refuse(&d.asker, refused, out)
		t.writeResponse(w, r, out)
		return
	}
	fill(&d.message, data)
	d.dialect = dialect.NewPost(d.message)
	t.serveResponse(w, r, d)
}

// publication holds the attributes of a message in the head of a POST. A refusal
// is the last answer on its connection: the body is not read.
func (t *Transport) publication(a *asked, channel string) (hub.Message, *refusal) {
	m := hub.Message{Channel: channel}
	if keys := a.values("Idempotency-Key"); len(keys) > 0 {
		if len(keys) != 1 || keys[0] == "" {
			return m, &refusal{problem: ProblemIdempotencyKey, detail: "give one Idempotency-Key that is not empty, or none", close: true}
		}
		m.IdempotencyKey = strings.Clone(keys[0])
	}
	for _, coding := range a.values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return m, &refusal{problem: ProblemContentEncoding, detail: "Content-Encoding " + quote(coding) + " is not decoded here; send the body as it is",
				field: [2]string{"Accept-Encoding", "identity"}, close: true} // RFC 9110 §15.5.16
		}
	}
	attributes, refused := attributesOf(a)
	if refused != nil {
		return m, refused
	}
	m.Attributes = attributes
	var err error
	var room [1]string
	if m.Kind, err = kindOf(a.appendValues(room[:0], "Content-Type")); err != nil {
		return m, &refusal{problem: ProblemContentType, detail: err.Error(), close: true}
	}
	return m, nil
}

// attributesOf are the event, the key and the trace of a publication, nil if it has
// none of them.
func attributesOf(a *asked) (*hub.Attributes, *refusal) {
	event, refused := attribute(a, "Godwit-Event", "event")
	if refused != nil {
		return nil, refused
	}
	key, refused := attribute(a, "Godwit-Key", "key")
	if refused != nil {
		return nil, refused
	}
	trace := traceOf(a)
	if event == "" && key == "" && trace == "" {
		return nil, nil
	}
	return &hub.Attributes{Event: event, Key: key, Trace: trace}, nil
}

// traceOf is the span that a request belongs to, "" for none that is recorded. A field
// that is not as W3C Trace Context says is ignored, as §2.2 wants: a broken tracer
// must not break what it traces.
func traceOf(a *asked) string {
	p, ok := tracecontext.Parse(a.get(tracecontext.Field))
	if !ok || !p.Sampled {
		return ""
	}
	return p.String()
}

// attribute returns an attribute from a field or the query, "" if it is in neither.
func attribute(a *asked, field, parameter string) (string, *refusal) {
	values, err := parameters(a.query, parameter)
	if err != nil {
		return "", &refusal{problem: ProblemParameter, detail: err.Error(), close: true}
	}
	values = append(values, a.values(field)...)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.Clone(values[0]), nil
	}
	return "", &refusal{problem: ProblemAttribute, close: true,
		detail: "the " + parameter + " is given more than once; give it once, as the field " + field + " or as ?" + parameter + "="}
}

// fill makes data the payload of m, which keeps it.
func fill(m *hub.Message, data []byte) {
	if m.Kind == hub.JSON {
		// RFC 8259 §8.1 allows ignoring a byte order mark.
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
	}
	m.Data = data
	if m.Kind == kindVerbatim {
		// What curl -d and HTML forms announce. It is published as it is, not
		// decoded: as text, which it nearly always is.
		m.Kind = hub.Text
		if !utf8.Valid(data) {
			m.Kind = hub.Binary
		}
	}
}

// kindVerbatim is a kind that the payload decides.
const kindVerbatim hub.Kind = 0xFF

// kindOf returns the kind of a body by its Content-Type: text/* is text, JSON is JSON,
// and anything else is bytes. Without one the payload decides: some clients send
// none with a string. The error is fit for a detail.
func kindOf(contentType []string) (hub.Kind, error) {
	if len(contentType) == 0 {
		return kindVerbatim, nil
	}
	if len(contentType) > 1 {
		return 0, errors.New("Content-Type is given more than once; give it once")
	}
	switch contentType[0] { // as nearly always
	case "text/plain", "text/plain;charset=UTF-8":
		return hub.Text, nil
	case "application/json":
		return hub.JSON, nil
	case "application/octet-stream":
		return hub.Binary, nil
	}
	name, params, err := mime.ParseMediaType(contentType[0])
	if err != nil {
		return 0, errors.New("Content-Type " + quote(contentType[0]) + " cannot be parsed; write type/subtype, or leave it out: UTF-8 is text then, and anything else bytes")
	}
	var kind hub.Kind
	switch {
	case strings.HasPrefix(name, "text/"):
		kind = hub.Text
	case name == "application/json", strings.HasSuffix(name, "+json"):
		kind = hub.JSON
	case name == "application/x-www-form-urlencoded":
		return kindVerbatim, nil
	case strings.HasPrefix(name, "multipart/"):
		return 0, errors.New("a body of several parts is not taken apart here; send the payload itself as the body, with its own Content-Type")
	default:
		return hub.Binary, nil
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
		return kind, nil
	default:
		return 0, errors.New("charset " + quote(charset) + " is not supported; send UTF-8, or Content-Type: application/octet-stream to publish the bytes as they are")
	}
}

// boundBody gives the body of a request, if there is one, BodyTimeout to arrive.
// It bounds net/http too, which reads what a handler has left before it goes on
// to the next request.
func (t *Transport) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(t.o.BodyTimeout))
	}
}

// refuseTooLarge is the answer to a body over the limit. The rest of it is not read.
func refuseTooLarge(bytesMax int, verb string) *refusal {
	return &refusal{problem: ProblemTooLarge, close: true,
		detail: "the body is longer than " + strconv.Itoa(bytesMax) + " bytes, which is the most that may be " + verb + " at once"}
}

// serveContent serves a request whose content goes to its dialect.
func (t *Transport) serveContent(w http.ResponseWriter, r *http.Request, d *decision) {
	data, refused := t.readBody(w, r, t.o.SessionBytesMax, "sent")
	if refused != nil {
		out := new(response)
		t.refuse(&d.asker, refused, out)
		t.writeResponse(w, r, out)
		return
	}
	d.content.SetContent(data)
	t.serveResponse(w, r, d)
}

// readBody reads the body, at most bytesMax. See boundBody for the time it may
// take.
func (t *Transport) readBody(w http.ResponseWriter, r *http.Request, bytesMax int, verb string) ([]byte, *refusal) {
	if r.ContentLength > int64(bytesMax) {
		return nil, refuseTooLarge(bytesMax, verb)
	}
	// The buffer grows with what arrives: an announced length costs nothing.
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(bytesMax)))
	var limit *http.MaxBytesError
	switch {
	case err == nil:
		if r.ContentLength != 0 {
			// It has arrived, and publishing it may take what it takes.
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		}
		if cap(data)-len(data) > len(data)/4 {
			data = bytes.Clone(data) // the history keeps it
		}
		return data, nil
	case errors.As(err, &limit):
		return nil, refuseTooLarge(bytesMax, verb)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{problem: ProblemBodyTimeout, close: true, detail: "the body did not arrive within " + t.o.BodyTimeout.String()}
	}
	return nil, &refusal{problem: ProblemBodyBroken, close: true, detail: "the body ended early or is not framed as its header says"}
}
