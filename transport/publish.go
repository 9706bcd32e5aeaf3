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
)

// servePublish publishes the body of a POST and answers 201 with the position
// it got, {"position":"f3Zb:17"}. With an Idempotency-Key that was used in the
// channel before, nothing is published: the answer is the same, with
// Idempotency-Replayed: true.
func (t *Transport) servePublish(w http.ResponseWriter, r *http.Request, channel string) {
	m := hub.Message{Channel: channel}
	if keys, given := r.Header["Idempotency-Key"]; given {
		if len(keys) != 1 || keys[0] == "" {
			closeHTTP1(w, r)
			ProblemIdempotencyKey.Write(w, "give one Idempotency-Key that is not empty, or none")
			return
		}
		m.IdempotencyKey = keys[0]
	}
	for _, coding := range r.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			closeHTTP1(w, r)
			ProblemContentEncoding.Write(w, "Content-Encoding "+quote(coding)+" is not decoded here; send the body as it is")
			return
		}
	}
	kind, err := kindOf(r.Header.Values("Content-Type"))
	if err != nil {
		closeHTTP1(w, r)
		ProblemContentType.Write(w, err.Error())
		return
	}
	data, ok := t.readBody(w, r)
	if !ok {
		return
	}
	m.Data = data
	if kind == kindVerbatim {
		// What curl -d and HTML forms announce. It is published as it is, not
		// decoded: as text, which it nearly always is.
		kind = hub.Text
		if !utf8.Valid(data) {
			kind = hub.Binary
		}
	}
	m.Kind = kind

	start := time.Now()
	position, duplicate, err := t.hub.Publish(r.Context(), m)
	if err != nil {
		t.refuseHub(w, r, err)
		return
	}
	h := w.Header()
	if duplicate {
		h.Set("Idempotency-Replayed", "true")
	} else {
		t.observe.published(Post, len(data), start)
	}
	body := append(appendPosition([]byte(`{"position":`), position), "}\n"...)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body) // the publication stands whether the client hears of it or not
}

// kindVerbatim is a kind that the payload decides.
const kindVerbatim hub.Kind = 0xFF

// kindOf says what a body is by its Content-Type: text/* is text, JSON is JSON,
// and anything else, or nothing, is bytes. The error is fit for a detail.
func kindOf(contentType []string) (hub.Kind, error) {
	if len(contentType) == 0 {
		return hub.Binary, nil
	}
	if len(contentType) > 1 {
		return 0, errors.New("Content-Type is given more than once; give it once")
	}
	name, params, err := mime.ParseMediaType(contentType[0])
	if err != nil {
		return 0, errors.New("Content-Type " + quote(contentType[0]) + " cannot be parsed; write type/subtype, or leave it out for bytes")
	}
	var kind hub.Kind
	switch {
	case strings.HasPrefix(name, "text/"):
		kind = hub.Text
	case name == "application/json", strings.HasSuffix(name, "+json"):
		kind = hub.JSON
	case name == "application/x-www-form-urlencoded":
		return kindVerbatim, nil
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

// readBody reads the body, at most BodyBytesMax. When it returns false, the
// request has been answered. See boundBody for the time it may take.
func (t *Transport) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	tooLarge := func() ([]byte, bool) {
		closeHTTP1(w, r) // the rest of the body is not read
		ProblemTooLarge.Write(w, "the body is longer than "+strconv.Itoa(t.o.BodyBytesMax)+" bytes, which is the most that may be published at once")
		return nil, false
	}
	if r.ContentLength > int64(t.o.BodyBytesMax) {
		return tooLarge()
	}
	// The buffer grows with what arrives: an announced length costs nothing.
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(t.o.BodyBytesMax)))
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
		return data, true
	case errors.As(err, &limit):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		closeHTTP1(w, r)
		ProblemBodyTimeout.Write(w, "the body did not arrive within "+t.o.BodyTimeout.String())
	default:
		closeHTTP1(w, r)
		ProblemBodyBroken.Write(w, "the body ended early or is not framed as its header says")
	}
	return nil, false
}
