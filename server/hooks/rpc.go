package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

// CallRequest is a call of a method that the application is to answer.
type CallRequest struct {
	Session string // "" if no session has made it
	User    string
	Info    string // what others may know of the user, as JSON, or ""
	Method  string
	Kind    hub.Kind
	Data    []byte
	Timeout time.Duration // how long the caller waits
	Trace   string        // hub.Call.Trace: the question is a part of it
}

// Methods are the patterns of the methods that the application answers, nil if it
// answers none. The slice is not to be modified.
func (h *Hooks) Methods() []string {
	if h == nil {
		return nil
	}
	return h.methods
}

// Call has the application answer a call. It copies r.Data, returns at once, and
// calls done once: from another goroutine, or before it returns if the application is not
// asked. done must not block. cancel gives the call up: the request for it ends.
//
// The error is a *hub.CallError, which is the application's own; an *access.Refusal of the
// cause Unavailable when it was not asked; hub.ErrCallTimeout, hub.ErrCanceled after cancel,
// and hub.ErrAnswererFailed for an answer that makes no sense.
func (h *Hooks) Call(r CallRequest, done func(hub.Answer, error)) (cancel func()) {
	if h == nil || h.rpc == nil {
		done(hub.Answer{}, hub.ErrNoMethod)
		return func() {}
	}
	a := h.rpc
	session, user, info, method := strings.Clone(r.Session), strings.Clone(r.User), strings.Clone(r.Info), strings.Clone(r.Method)
	data := slices.Clone(r.Data)
	ctx, stop := context.WithCancel(a.ctx)
	var answer hub.Answer
	c := &call{
		ctx:   ctx,
		trace: strings.Clone(r.Trace),
		data: func(o *object) {
			o.text("session", session)
			o.text("user", user)
			o.value("info", json.RawMessage(info))
			o.text("method", method)
			o.number("timeout_ms", r.Timeout.Milliseconds())
			o.payload(r.Kind, data)
		},
		read: func(body []byte) (_ Outcome, err error) {
			answer, err = readCall(body, r.Kind)
			return Answered, err
		},
		failed: func(cause error) error {
			if errors.Is(cause, errTimeout) {
				return hub.ErrCallTimeout
			}
			return hub.ErrAnswererFailed
		},
		done: func(err error) {
			stop()
			if err != nil {
				answer = hub.Answer{}
			}
			done(answer, err)
		},
	}
	a.ask(c)
	return func() { a.cancel(c, stop) }
}

// cancel gives up a question with a context of its own.
func (a *asker) cancel(c *call, stop func()) {
	a.mu.Lock()
	i := slices.Index(a.waiting, c)
	if i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	a.mu.Unlock()
	stop()
	if i >= 0 { // no worker has seen it
		a.observe(c, Canceled)
		c.done(hub.ErrCanceled)
	}
}

// readCall reads the answer to a call of some kind: what it is answered with, or the
// *hub.CallError that "error" is. Any other error says why the answer makes no sense.
func readCall(body []byte, kind hub.Kind) (hub.Answer, error) {
	if !utf8.Valid(body) {
		return hub.Answer{}, errors.New("it is not UTF-8")
	}
	members, err := readObject(body, "the answer", "data", "data_base64", "error")
	if err != nil {
		return hub.Answer{}, err
	}
	data, hasData := members["data"]
	encoded, isBinary := members["data_base64"]
	failed, hasFailed := members["error"]
	switch {
	case hasData && isBinary, hasFailed && (hasData || isBinary):
		return hub.Answer{}, errors.New(`it has more than one of "data", "data_base64" and "error"`)
	case hasFailed:
		return hub.Answer{}, readCallError(failed)
	case isBinary:
		b, err := readBase64(encoded, "data_base64")
		return hub.Answer{Kind: hub.Binary, Data: b}, err
	case hasData && kind != hub.JSON && data[0] == '"':
		text, err := readString(data, "data")
		return hub.Answer{Kind: hub.Text, Data: []byte(text)}, err
	case hasData:
		return hub.Answer{Kind: hub.JSON, Data: data}, nil
	case kind == hub.JSON:
		return hub.Answer{Kind: hub.JSON, Data: []byte("null")}, nil
	}
	return hub.Answer{}, nil
}

// readCallError returns a *hub.CallError, or why raw makes no sense.
func readCallError(raw json.RawMessage) error {
	members, err := readObject(raw, `"error"`, "type", "title", "detail", "data")
	if err != nil {
		return err
	}
	e := &hub.CallError{}
	for name, field := range map[string]*string{"type": &e.Type, "title": &e.Title, "detail": &e.Detail} {
		if text, ok := members[name]; ok {
			if *field, err = readString(text, "error."+name); err != nil {
				return err
			}
		}
	}
	e.Data = members["data"]
	if err := e.Check(); err != nil {
		return fmt.Errorf(`"error": %w`, err)
	}
	return e
}
