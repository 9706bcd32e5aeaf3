package hooks

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/option"
)

// Options configures Hooks. The zero value of every field means its default. A
// negative number is refused with an *OptionError. New copies what it needs.
type Options struct {
	// Connect, Subscribe and Publish are the questions; a nil one is not
	// asked.
	Connect, Subscribe, Publish *Question

	// RPC is where calls of methods are answered; nil: nowhere.
	RPC *Question

	// SocketIO is the application behind clients of Socket.IO, see the function SocketIO;
	// nil: there is none.
	SocketIO *Question

	// Events is the endpoint that is told. Nil: none.
	Events *Events

	// Secrets sign every request. At least one is needed. A secret that begins with
	// whsec_ is base64 of the key behind that, as in Standard Webhooks; any other is
	// the key itself. A key has 24 bytes or more. With several every request has a
	// signature by each, in this order, so that a secret can be replaced without a
	// moment in which the application refuses what it is sent.
	Secrets [][]byte

	// AllowPrivate lets requests go to loopback, private, link-local and other
	// addresses that are not of the public internet. Without it they are refused
	// when they are dialled, whatever name led there.
	AllowPrivate bool

	// Concurrency bounds the requests that are under way for each question. Default
	// 64.
	Concurrency int

	// WaitingMax bounds, for each question, how many wait for one of those to end. What
	// comes on top is refused at once. Default 1024.
	WaitingMax int

	// AnswerBytesMax is the length of the longest answer. A longer one is a failure.
	// Default 1 MiB.
	AnswerBytesMax int

	// TLSConfig is for https. Default: what crypto/tls does, with the system's roots.
	TLSConfig *tls.Config

	// Wrap, if not nil, makes of what sends requests another one: one that traces them,
	// for example. Signed parts are not for it to change.
	Wrap func(http.RoundTripper) http.RoundTripper

	// Observer is told of what the hooks do. Nil costs nothing.
	Observer *Observer

	// Logger receives what fails, each hook's at most once a second (Warn). Neither
	// secrets nor what clients sent are in it. Default: slog.Default().
	Logger *slog.Logger

	dial func(ctx context.Context, network, address string) (net.Conn, error) // of tests; nil: a guarded net.Dialer
}

// Question is something that the application is asked.
type Question struct {
	// URL is where, by http or https. With a user and password in it they are sent
	// as Basic authentication.
	URL string

	// Timeout bounds everything from the call to the answer: the wait for a free
	// place, the connection, and the second attempt. Default 3 seconds.
	Timeout time.Duration

	// Channels are those about which it is asked; nil: all. {user} cannot stand in them. The
	// questions about connecting and of Socket.IO ignore them. For RPC they are methods.
	Channels []access.Pattern

	// Forward names header fields of the client's request that are fields of the question's
	// request, too, such as Cookie.
	Forward []string
}

// Events is the endpoint that is told what happens.
type Events struct {
	URL string // as in Question

	// Timeout bounds one attempt. Default 15 seconds.
	Timeout time.Duration

	// Channels are those whose events are sent; nil: all. Sessions have no channel, so it does
	// not concern their events. {user} cannot stand in them.
	Channels []access.Pattern

	// Types are the types of events that are sent, see EventTypes; nil: all.
	Types []string

	// Retry is how long an event is worth trying. An older one is given up. Default 10
	// minutes.
	Retry time.Duration

	// BatchCountMax and BatchBytesMax bound one request. One event may always be sent,
	// whatever its size. Defaults: 100 events, 256 KiB.
	BatchCountMax int
	BatchBytesMax int

	// QueueCountMax and QueueBytesMax bound the events that wait or are being sent. What
	// comes on top is given up. Defaults: 10,000 events, 16 MiB.
	QueueCountMax int
	QueueBytesMax int
}

// Defaults of Options, Question and Events.
const (
	DefaultConcurrency    = 64
	DefaultWaitingMax     = 1024
	DefaultAnswerBytesMax = 1 << 20
	DefaultTimeout        = 3 * time.Second // of a Question
	DefaultRetry          = 10 * time.Minute
	DefaultBatchCountMax  = 100
	DefaultBatchBytesMax  = 256 << 10
	DefaultQueueCountMax  = 10_000
	DefaultQueueBytesMax  = 16 << 20

	eventsTimeout = 15 * time.Second
)

// NoLimit, as the value of any number among Options, means that there is no limit.
const NoLimit = option.NoLimit

// OptionError says that an option cannot be as it is: a mistake of the program or
// of its configuration.
type OptionError struct {
	Option string // the name of the field, such as Events.URL
	Reason string // what is wrong, and what would be right
}

// Error names the option and says what is wrong with it.
func (e *OptionError) Error() string { return "hooks: option " + e.Option + ": " + e.Reason }

// Outcome is what became of a question or of a delivery.
type Outcome string

// The outcomes.
const (
	Allowed   Outcome = "allowed"
	Changed   Outcome = "changed"   // allowed with another payload
	Denied    Outcome = "denied"    // by the application
	Answered  Outcome = "answered"  // a call
	Errored   Outcome = "error"     // a call that was answered with an error
	Canceled  Outcome = "canceled"  // a call whose caller did not wait
	Failed    Outcome = "failed"    // no answer in time, or none that makes sense
	Refused   Outcome = "refused"   // not asked: too many wait, or the application has not answered for a while
	Delivered Outcome = "delivered" // of events
)

// Reason is why events were given up.
type Reason string

// The reasons.
const (
	QueueFull Reason = "queue_full"
	TooOld    Reason = "too_old" // older than Events.Retry
	Gone      Reason = "gone"    // the application has answered 410 to this or an earlier request
	Closed    Reason = "closed"  // Hooks was closed, and its time was over
)

// Observer is told of what Hooks does. Every field may be nil. The functions are
// called from many goroutines, also from the callers' of the methods of Hooks: they must be
// quick and must not block.
type Observer struct {
	// Answered is called once for each question: the hook is "connect", "subscribe",
	// "publish", "rpc" or "socketio", and took is the time from the call to the answer.
	Answered func(hook string, outcome Outcome, took time.Duration)

	// Told is called after each attempt to deliver events: Delivered or Failed.
	Told func(events int, outcome Outcome, took time.Duration)

	// GivenUp is called for events that the application will not hear of.
	GivenUp func(events int, why Reason)
}

// effective returns o with every default filled in, and copies of what it points to.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	if e.Observer == nil {
		e.Observer = new(Observer)
	}
	err := cmp.Or(
		resolve("Concurrency", &e.Concurrency, DefaultConcurrency),
		resolve("WaitingMax", &e.WaitingMax, DefaultWaitingMax),
		resolve("AnswerBytesMax", &e.AnswerBytesMax, DefaultAnswerBytesMax),
	)
	for _, q := range []struct {
		name     string
		question **Question
	}{{"Connect", &e.Connect}, {"Subscribe", &e.Subscribe}, {"Publish", &e.Publish}, {"RPC", &e.RPC}, {"SocketIO", &e.SocketIO}} {
		if *q.question != nil {
			copied := **q.question
			*q.question = &copied
			err = cmp.Or(err,
				resolve(q.name+".Timeout", &copied.Timeout, DefaultTimeout),
				checkPatterns(q.name+".Channels", copied.Channels),
			)
		}
	}
	if e.Events != nil {
		copied := *e.Events
		e.Events = &copied
		err = cmp.Or(err,
			resolve("Events.Timeout", &copied.Timeout, eventsTimeout),
			resolve("Events.Retry", &copied.Retry, DefaultRetry),
			resolve("Events.BatchCountMax", &copied.BatchCountMax, DefaultBatchCountMax),
			resolve("Events.BatchBytesMax", &copied.BatchBytesMax, DefaultBatchBytesMax),
			resolve("Events.QueueCountMax", &copied.QueueCountMax, DefaultQueueCountMax),
			resolve("Events.QueueBytesMax", &copied.QueueBytesMax, DefaultQueueBytesMax),
			checkPatterns("Events.Channels", copied.Channels),
		)
	}
	return e, err
}

func resolve[T int | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return &OptionError{name, wrong}
	}
	return nil
}

func checkPatterns(name string, patterns []access.Pattern) error {
	for _, p := range patterns {
		switch {
		case p.IsZero():
			return &OptionError{name, "it has a pattern that is zero and matches nothing; leave Channels nil for all channels"}
		case p.HasUser():
			return &OptionError{name, fmt.Sprintf("{user} stands in the pattern %s; which channels are asked about does not depend on who asks, so write * in its place", p)}
		}
	}
	return nil
}

// matches reports whether channel is one of patterns; nil is all.
func matches(patterns []access.Pattern, channel string) bool {
	if patterns == nil {
		return true
	}
	for _, p := range patterns {
		if p.Matches(channel, "") {
			return true
		}
	}
	return false
}
