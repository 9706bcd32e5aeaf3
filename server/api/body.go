package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
)

const (
	jsonType  = "application/json"
	linesType = "application/x-ndjson"
)

// contentType is that of the body, one of known. A type that only JavaScript of our
// own origin can send is asked for: a form of another site cannot.
func (c *call) contentType(known ...string) (string, *fault) {
	for _, coding := range c.r.Header.Values("Content-Encoding") {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return "", &fault{problem: transport.ProblemContentEncoding, field: [2]string{"Accept-Encoding", "identity"},
				detail: "Content-Encoding " + quote(coding) + " is not decoded here; send the body as it is"}
		}
	}
	says := "send Content-Type: " + strings.Join(known, " or ")
	values := c.r.Header.Values("Content-Type")
	if len(values) != 1 {
		return "", &fault{problem: transport.ProblemContentType, detail: "the body has " + strconv.Itoa(len(values)) + " Content-Types; " + says}
	}
	name, params, err := mime.ParseMediaType(values[0])
	charset := strings.ToLower(params["charset"])
	if err != nil || !contains(known, name) || charset != "" && charset != "utf-8" && charset != "utf8" {
		return "", &fault{problem: transport.ProblemContentType, detail: "Content-Type " + quote(values[0]) + " is not understood here; " + says}
	}
	return name, nil
}

// body reads a body of JSON, of at most so many bytes, in BodyTimeout.
func (c *call) body(most int) ([]byte, *fault) {
	if c.r.ContentLength > int64(most) {
		return nil, tooLong("the body", most)
	}
	control := http.NewResponseController(c.w)
	if c.r.ContentLength != 0 {
		_ = control.SetReadDeadline(time.Now().Add(c.o.BodyTimeout))
	}
	// The buffer grows with what arrives: an announced length costs nothing.
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, int64(most)))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, tooLong("the body", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &fault{problem: transport.ProblemBodyTimeout, field: [2]string{"Connection", "close"}, detail: "the body did not arrive within " + c.o.BodyTimeout.String()}
	case err != nil:
		return nil, &fault{problem: transport.ProblemBodyBroken, field: [2]string{"Connection", "close"}, detail: "the body ended early or is not framed as its header says"}
	}
	if c.r.ContentLength != 0 {
		_ = control.SetReadDeadline(time.Time{})
	}
	return b, nil
}

func tooLong(what string, most int) *fault {
	return &fault{problem: transport.ProblemTooLarge, detail: what + " is longer than " + strconv.Itoa(most) + " bytes, which is the most that is read"}
}

// answer answers with a JSON object.
func (c *call) answer(status int, body []byte) *fault {
	h := c.w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that has gone does not want to know
	return nil
}

// done answers that there is nothing more to say.
func (c *call) done() *fault {
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// member appends a member of an object that has begun.
func member(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(jsontext.AppendString(dst, name), ':')
}

// textMember is member with a string, unless it is empty.
func textMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return jsontext.AppendString(member(dst, name), value)
}

func numberMember(dst []byte, name string, value int) []byte {
	return strconv.AppendInt(member(dst, name), int64(value), 10)
}
