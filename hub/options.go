package hub

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/godwit-io/godwit/internal/option"
)

// Options configures a Hub. The zero value of every field means its default;
// a nil *Options is all defaults. A negative number is refused with an
// *OptionError.
type Options struct {
	// Retention is how much history every channel keeps. Default: 1000
	// publications for 10 minutes, each where it is zero. With NoLimit what bounds
	// a history is the Broker alone. Set NoHistory to keep none. KeyAge is as the
	// Broker has it by default.
	Retention Retention
	NoHistory bool

	// PublicationBytesMax is the longest payload accepted. Default 64 KiB.
	PublicationBytesMax int

	// QueueCountMax and QueueBytesMax bound the publications that wait in one session for
	// its edge to take them. Defaults: 500 publications, which is half of what a history
	// holds by default, and 1 MiB of payload. A session
	// that reaches a bound gives its queue back and continues from history,
	// with a Gap where history no longer reaches. One publication of any size may always
	// wait.
	QueueCountMax int
	QueueBytesMax int

	// CommandsMax bounds the commands of one session that have no outcome yet, or an outcome
	// that was not taken. Default 256. See Session.IsBusy.
	CommandsMax int

	// CallsMax bounds the goroutines in which a Broker that may wait is asked to
	// listen, to mute and for histories; the rest waits in turn, by channel.
	// Default 64.
	CallsMax int

	// HistoryPagesPerSecond bounds the pages of history that subscriptions of all
	// sessions together read until they are live for the first time, so that a crowd that
	// resumes leaves time for live deliveries; a page has up to 256 publications. A tenth
	// of them may be read at once, the rest waits in turn. Default 2000.
	HistoryPagesPerSecond int

	// SubscriptionsMax bounds the channels and patterns of one session. Default 1000.
	SubscriptionsMax int

	// PatternChannelsMax bounds the channels of one session whose positions are kept
	// because patterns match them; others are found again when something is published
	// in them. VectorChannelsMax bounds those of a Vector. Default 1000 each.
	PatternChannelsMax int
	VectorChannelsMax  int

	// JoinWindow is for how long joins and leaves of a channel are collected before
	// the watchers are told, see SubscribeOptions.Presence. Default 1 s. It is
	// at least a millisecond.
	JoinWindow time.Duration

	// RPC bounds calls of methods.
	RPC RPC

	// Observer is told of what the hub does. Nil costs nothing.
	Observer *Observer

	// Logger receives panics of the Broker (Error), which all others see as failures of it.
	// Default: slog.Default().
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultRetentionCount      = 1000
	DefaultRetentionAge        = 10 * time.Minute
	DefaultPublicationBytesMax = 64 << 10
	DefaultQueueCountMax       = DefaultRetentionCount / 2
	DefaultQueueBytesMax       = 1 << 20
	DefaultSubscriptionsMax    = 1000
	DefaultPatternChannelsMax  = 1000
	DefaultVectorChannelsMax   = 1000
	DefaultCommandsMax         = 256
	DefaultCallsMax            = 64

	DefaultHistoryPagesPerSecond = 2000
	DefaultJoinWindow            = time.Second
)

// NoLimit, as the value of any number among Options, means that there is no limit.
const NoLimit = option.NoLimit

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError struct {
	Option string // the name of the field
	Reason string // what is wrong, and what would be right
}

// Error names the option and its mistake.
func (e *OptionError) Error() string { return "option " + e.Option + ": " + e.Reason }

// IdempotencyKeyBytesMax is the length of the longest idempotency key.
const IdempotencyKeyBytesMax = 255

// replayCountMax is how many publications are read from the Broker at a time
// while a subscription catches up.
const replayCountMax = 256

// callTimeout is how long the Broker may take over anything. A publication that
// has no answer by then has the outcome ErrUnanswered.
const callTimeout = 10 * time.Second

// Observer is told of what a Hub does. Every field may be nil. The functions are
// called on the path of messages, from many goroutines: they must be quick and
// must not block.
type Observer struct {
	// Published is called for every publication that the Broker accepted: from a
	// session of which transport, how long its payload is, and how long the Broker
	// took. Duplicates of an idempotent publication are not reported.
	Published func(transport string, bytes int, took time.Duration)

	// Publishing is called for every publication that is handed to the Broker, right
	// before that: from a session of which transport, "" if from none. If trace is not
	// empty it becomes the publication's Attributes.Trace. If done is not nil it is called
	// once with the outcome, unless the Broker never has one; a Broker that delivers in the
	// publisher's goroutine has delivered by then.
	Publishing func(transport string, m Message) (trace string, done func(Published))

	// Delivered is called for every publication with an Attributes.Trace, after it was
	// handed to the sessions here that subscribe to its channel: how many these are, if
	// any, and when that began. It is not called for publications read from history.
	Delivered func(p *Publication, sessions int, began time.Time)

	// Called is called for every call that was valid, once it has its outcome: its answerer,
	// Outcome.Err, and how long that took.
	Called func(by Answerer, err error, took time.Duration)

	// Registered is called when a session has registered for a pattern of methods.
	Registered func(s *Session, pattern string)

	// Opened and Closed are called when a session begins and when it was closed,
	// with why. Joined and Left are called when a session's subscription to a channel
	// begins and when it ends.
	Opened func(*Session)
	Closed func(s *Session, why error)
	Joined func(s *Session, channel string)
	Left   func(s *Session, channel string)

	// Identified is called when a session has another identity, see Session.SetIdentity.
	Identified func(*Session)

	// Subscribed, Gapped and Unsubscribed say how far a subscription has come, and are
	// called at these moments only: when it has begun, when its edge has taken a gap, and
	// when it has ended, by itself or with its session. Of one subscription, Gapped comes
	// in the order of its gaps and before Unsubscribed; Subscribed comes at about the time
	// of the first. None is called with a lock of the hub held.
	//
	// A subscription to a pattern has the pattern as its Channel and no Position. It may go
	// on from before it has begun, by a Vector. Of the channels that it matches nothing is
	// told; Gapped is of what stands for more than one of them.
	Subscribed   func(s *Session, m Milestone)
	Gapped       func(s *Session, m Milestone)
	Unsubscribed func(s *Session, m Milestone)
}

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	if err := cmp.Or(
		resolve("Retention.Count", &e.Retention.Count, DefaultRetentionCount),
		resolve("Retention.KeyAge", &e.Retention.KeyAge, 0),
		resolve("Retention.Age", &e.Retention.Age, DefaultRetentionAge),
		resolve("PublicationBytesMax", &e.PublicationBytesMax, DefaultPublicationBytesMax),
		resolve("QueueCountMax", &e.QueueCountMax, DefaultQueueCountMax),
		resolve("QueueBytesMax", &e.QueueBytesMax, DefaultQueueBytesMax),
		resolve("SubscriptionsMax", &e.SubscriptionsMax, DefaultSubscriptionsMax),
		resolve("PatternChannelsMax", &e.PatternChannelsMax, DefaultPatternChannelsMax),
		resolve("VectorChannelsMax", &e.VectorChannelsMax, DefaultVectorChannelsMax),
		resolve("CommandsMax", &e.CommandsMax, DefaultCommandsMax),
		resolve("CallsMax", &e.CallsMax, DefaultCallsMax),
		resolve("HistoryPagesPerSecond", &e.HistoryPagesPerSecond, DefaultHistoryPagesPerSecond),
		resolve("JoinWindow", &e.JoinWindow, DefaultJoinWindow),
		e.RPC.resolve(),
	); err != nil {
		return Options{}, err
	}
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	if e.NoHistory {
		e.Retention.Count, e.Retention.Age = 0, 0
	}
	return e, nil
}

// resolve turns an option into its effective value. The error wraps an *OptionError.
func resolve[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return fmt.Errorf("hub: %w", &OptionError{name, wrong})
	}
	return nil
}
