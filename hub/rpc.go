package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Call is a question to the answerer of a method: a handler of the program, see
// Hub.Handle, or a session that has registered for it, see Session.Register.
//
// A method has a name like a channel's, such as math/add. A method that the program
// handles is never given to a session. Among several patterns the most specific one
// decides: segment by segment from the left, a word comes before *, and * before
// **. Calls are answered in this process: a session that registers answers those of
// this hub's sessions alone.
//
// Every call has exactly one outcome. A call is given to one answerer, once: it may
// have had effects, so it is not given to another one when the first leaves.
type Call struct {
	Method string
	Kind   Kind
	Data   []byte

	// Timeout is how long the answer may take. Default RPC.Timeout; more than
	// RPC.TimeoutMax is that.
	Timeout time.Duration

	// Trace is as in Attributes: the answerer is told.
	Trace string

	// Session is the ID of the session that asks, if that is not here: the answerer is told.
	Session string

	// OnlyHere has only handlers and sessions of this Hub answer, see Elsewhere.
	OnlyHere bool
}

// IncomingCall is a call as its answerer sees it. It is shared and must not be modified.
type IncomingCall struct {
	ID       uint64 // names the call in Session.AnswerCall; less than 2⁵³
	Method   string
	Kind     Kind
	Data     []byte
	User     string    // the caller, "" if that is not known
	Info     string    // what others may know of the user, as JSON, or ""
	Session  string    // ID of the session that asks, "" if none does
	Deadline time.Time // an answer after that comes too late
	Trace    string    // see Call, "" for none
	OnlyHere bool      // see Call
}

// CallPush is news of a call for a session that has registered for its method:
// either the call, or that it is over.
type CallPush struct {
	ID       uint64        // of the call
	Incoming *IncomingCall // to be answered; nil: the call is over

	// Over is why the call needs no answer any more: ErrCanceled, ErrCallTimeout,
	// ErrCallerGone or ErrClosed. Only calls that were taken are told of.
	Over error
}

// Answer is what a call is answered with.
type Answer struct {
	Kind Kind
	Data []byte
}

// CallError is the answer of an answerer that could not do the call.
// Its caller gets it as it is.
type CallError struct {
	Type   string // names the error for programs: 1 to 255 printable bytes of UTF-8
	Title  string // says it in a few words, at most 255 bytes
	Detail string // the mistake of this call, at most 4096 bytes

	// Data is one JSON value, or nil. It is as long as a publication may be at most.
	Data []byte
}

// Error is the title, or the type if there is none, and the detail.
func (e *CallError) Error() string {
	text := e.Title
	if text == "" {
		text = e.Type
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return "hub: the call was answered with an error: " + quoted(text)
}

// CallErrorDetailBytesMax is the length of the longest CallError.Detail.
const CallErrorDetailBytesMax = 4096

// Errors of calls. What else is wrong with the payload of a call or of an answer is
// told as with publications: ErrTooLarge, ErrTextNotUTF8, ErrNotJSON, ErrKind, and
// ErrAttribute for Call.Trace.
var (
	// ErrNoMethod means that the method has no answerer.
	ErrNoMethod = errors.New("hub: nobody answers this method")

	// ErrCallTimeout means that the answer did not come in time. It is not known what
	// the call has led to.
	ErrCallTimeout = errors.New("hub: the call was not answered in time")

	// ErrCanceled means that the caller has canceled the call.
	ErrCanceled = errors.New("hub: the call was canceled")

	// ErrTooManyCalls means that a bound of RPC, or of each session that answers, was
	// reached. The call was not given to any answerer: it can be tried again in a moment.
	ErrTooManyCalls = errors.New("hub: too many calls are open")

	// ErrAnswererGone means that the session that had the call has left. It is not known
	// what the call has led to.
	ErrAnswererGone = errors.New("hub: the session that was to answer has left")

	// ErrAnswererFailed means that a handler panicked, or has failed with an error that
	// is not for the caller. It was logged.
	ErrAnswererFailed = errors.New("hub: the call could not be answered")

	// ErrCallerGone ends a call whose session has left.
	ErrCallerGone = errors.New("hub: the caller has left")

	// ErrNegativeTimeout means that Call.Timeout is less than zero.
	ErrNegativeTimeout = errors.New("hub: the timeout of a call is negative")
)

// Errors of registering and of answering.
var (
	ErrRegistered           = errors.New("hub: this is registered already")
	ErrNotRegistered        = errors.New("hub: session has not registered for this")
	ErrTooManyRegistrations = errors.New("hub: session has registered too often")

	// ErrNoCall means that a call is not open, or not for this session to answer.
	ErrNoCall = errors.New("hub: this call is over, or was never given to this session")

	// ErrCallError means that the fields of a CallError are not as they have to be.
	ErrCallError = errors.New("hub: error of a call cannot be used")
)

// MethodError says why a string is not the name of a method, or not a pattern of
// methods.
type MethodError struct {
	Name    string
	Problem string // what is wrong, and what would be right
}

// Error quotes the name, or its beginning when it is long.
func (e *MethodError) Error() string {
	return "hub: method " + quoted(e.Name) + ": " + e.Problem
}

// CheckMethod returns nil if name is the name of a method, else a *MethodError. The
// rules are those of CheckChannel.
func CheckMethod(name string) error {
	if isOrdinary(name) {
		return nil
	}
	if problem := nameProblem(name); problem != "" {
		return &MethodError{name, problem}
	}
	return nil
}

// checkCall returns the mistake in a call, and fills in its timeout.
func (h *Hub) checkCall(c *Call) error {
	if err := CheckMethod(c.Method); err != nil {
		return err
	}
	if err := h.checkPayload(c.Kind, c.Data, h.options.PublicationBytesMax); err != nil {
		return err
	}
	if problem := attributeProblem(c.Trace); problem != "" {
		return fmt.Errorf("%w: trace %s %s", ErrAttribute, quoted(c.Trace), problem)
	}
	switch {
	case c.Timeout < 0:
		return ErrNegativeTimeout
	case c.Timeout == 0:
		c.Timeout = h.options.RPC.Timeout
	}
	c.Timeout = min(c.Timeout, h.options.RPC.TimeoutMax)
	return h.checkOpen()
}

// Check returns an error that wraps ErrCallError if the fields are not as they have to
// be. How long Data is does not matter to it.
func (e *CallError) Check() error { return e.check(NoLimit) }

func (e *CallError) check(bytesMax int) error {
	problem := ""
	switch {
	case e.Type == "":
		problem = "it has no type"
	case attributeProblem(e.Type) != "":
		problem = "type " + quoted(e.Type) + " " + attributeProblem(e.Type)
	case attributeProblem(e.Title) != "":
		problem = "title " + quoted(e.Title) + " " + attributeProblem(e.Title)
	case len(e.Detail) > CallErrorDetailBytesMax:
		problem = fmt.Sprintf("detail is %d bytes long; at most %d are allowed", len(e.Detail), CallErrorDetailBytesMax)
	case !utf8.ValidString(e.Detail):
		problem = "detail is not valid UTF-8"
	case len(e.Data) > bytesMax:
		problem = fmt.Sprintf("data is %d bytes long; at most %d are allowed", len(e.Data), bytesMax)
	case e.Data != nil && (!json.Valid(e.Data) || !utf8.Valid(e.Data)):
		problem = "data is not one valid JSON value in UTF-8"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrCallError, problem)
}
