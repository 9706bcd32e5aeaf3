package api

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
)

// fieldsOfCall are those of a call; its method stands in the path.
var fieldsOfCall = []string{"data", "data_base64", "type", "timeout"}

// callTimeoutMax is the longest time in seconds that makes sense to write. The hub
// bounds it further.
const callTimeoutMax = 3600

// callMethod is POST call/{method}: whatever answers the method is asked, as it is when a
// client calls. An error that the answerer says is an answer, too.
func (c *call) callMethod() *fault {
	if f := c.authorizeMethod(); f != nil {
		return f
	}
	if _, f := c.contentType(jsonType); f != nil {
		return f
	}
	b, f := c.body(c.o.BodyBytesMax)
	if f != nil {
		return f
	}
	asked, f := readCall(b)
	if f != nil {
		return f
	}
	asked.Method, asked.Trace = c.part, c.trace
	answer, err := c.o.Hub.Call(c.r.Context(), c.id, asked)
	var failed *hub.CallError
	switch {
	case errors.As(err, &failed):
		return c.answer(http.StatusOK, append(appendCallError([]byte{'{'}, failed), "}\n"...))
	case err != nil:
		return c.faultOfCall(err)
	}
	return c.answer(http.StatusOK, append(appendAnswer([]byte{'{'}, &answer), "}\n"...))
}

func (c *call) authorizeMethod() *fault {
	var wrong *hub.MethodError
	if err := hub.CheckMethod(c.part); errors.As(err, &wrong) {
		return &fault{problem: transport.ProblemParameter, detail: "the method " + quote(wrong.Name) + ": " + wrong.Problem}
	}
	if !c.may(access.Call, c.part) {
		return &fault{refusal: transport.Deny(c.id, &transport.Act{Action: access.Call, Channel: c.part})}
	}
	return nil
}

// readCall reads a call out of b, one JSON value. It refers to nothing of b.
func readCall(b []byte) (asked hub.Call, f *fault) {
	const body = "the body"
	if f := checkJSON(b, body); f != nil {
		return asked, f
	}
	o, f := readObject(string(b), 0, body, fieldsOfCall...)
	if f != nil {
		return asked, f
	}
	if raw := o.raw("timeout"); raw != "" {
		seconds, err := strconv.ParseFloat(raw, 64)
		if err != nil || !(seconds >= 0.001 && seconds <= callTimeoutMax) {
			return asked, o.wrong("timeout", "a number of seconds, from 0.001 to 3600; leave it out for 10")
		}
		asked.Timeout = time.Duration(seconds * float64(time.Second))
	}
	if o.raw("data") == "" && o.raw("data_base64") == "" && o.raw("type") == "" {
		return asked, nil // it asks without saying more
	}
	var m hub.Message
	f = o.payload(&m)
	asked.Kind, asked.Data = m.Kind, m.Data
	return asked, f
}

// appendAnswer appends the members of an answer. With the type nothing is lost: a string
// may be text or JSON.
func appendAnswer(dst []byte, a *hub.Answer) []byte {
	switch a.Kind {
	case hub.Binary:
		return textOrEmpty(dst, "data_base64", base64.StdEncoding.EncodeToString(a.Data))
	case hub.JSON:
		dst = textMember(dst, "type", "json")
		return jsontext.AppendCompact(member(dst, "data"), a.Data)
	}
	dst = textMember(dst, "type", "text")
	return textOrEmpty(dst, "data", string(a.Data))
}

func textOrEmpty(dst []byte, name, value string) []byte {
	return jsontext.AppendString(member(dst, name), value)
}

func appendCallError(dst []byte, e *hub.CallError) []byte {
	dst = append(member(dst, "error"), '{')
	dst = textMember(dst, "type", e.Type)
	dst = textMember(dst, "title", e.Title)
	dst = textMember(dst, "detail", e.Detail)
	if e.Data != nil {
		dst = jsontext.AppendCompact(member(dst, "data"), e.Data)
	}
	return append(dst, '}')
}

// callFaults are the problems of errors of calls.
var callFaults = []struct {
	err     error
	problem *clientproto.Problem
	detail  string
}{
	{hub.ErrNoMethod, clientproto.ProblemMethodUnknown, "neither the application nor a session that is connected now answers this method"},
	{hub.ErrTooManyCalls, clientproto.ProblemTooManyCalls, "as many calls are open as there may be, of this method, of all, or at those who answer it; this one was given to nobody"},
	{hub.ErrAnswererGone, clientproto.ProblemAnswererGone, "the session that was to answer has left; it is not known what the call has led to"},
	{hub.ErrAnswererFailed, clientproto.ProblemCallFailed, "the answerer failed; the log of this server says more"},
	{hub.ErrCallTimeout, clientproto.ProblemCallTimeout, "no answer came in time; it is not known what the call has led to"},
}

func (c *call) faultOfCall(err error) *fault {
	for _, row := range callFaults {
		if errors.Is(err, row.err) {
			return &fault{problem: &transport.Problem{Problem: row.problem}, detail: row.detail}
		}
	}
	return c.faultOf(err)
}
