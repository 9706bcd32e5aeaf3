package driver

import (
	"cmp"
	"time"

	"github.com/godwit-io/godwit/internal/option"
	"github.com/godwit-io/godwit/ws/deflate"
)

// The defaults of Options.
const (
	DefaultMessageBytesMax = 1 << 20
	DefaultFragmentsMax    = 4096
	DefaultPingInterval    = 25 * time.Second
	DefaultPingTimeout     = 20 * time.Second
	DefaultWriteTimeout    = 10 * time.Second
	DefaultCloseTimeout    = 5 * time.Second
	DefaultQueueBytesMax   = 1 << 20
)

// NoLimit, as any limit or time among the options of a driver, means that there is
// none: no length is too long, nothing times out, no ping is sent.
const NoLimit = deflate.NoLimit

// Options are the limits and the timing of a connection that do not depend on its
// driver: ws.Options and engine.Options have the same fields, and some of their
// own.
//
// Everywhere in the drivers zero means the default, and a negative value is
// refused with an *OptionError. Durations from Forever on mean NoLimit.
type Options struct {
	// MessageBytesMax is the longest message that is read, in bytes, as it is once
	// inflated. A longer one closes the connection with 1009 before it has arrived.
	// Default 1 MiB.
	MessageBytesMax int64

	// FragmentsMax is the most frames that one message may consist of, empty
	// ones included; one more closes with 1009. Default 4096.
	FragmentsMax int

	// Compression, if not nil, offers or accepts permessage-deflate (RFC 7692). It
	// is copied, and its MessageBytesMax replaced by that above. Default: none.
	Compression *deflate.Options

	// PingInterval is how long the peer may be silent before it is sent a ping,
	// and PingTimeout how long it may be silent after that before the connection
	// is closed with 1011. Defaults 25 and 20 seconds.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// IdleTimeout closes a connection with 1001 when nothing of a message arrived
	// for that long, however alive the peer is. Default: NoLimit.
	IdleTimeout time.Duration

	// WriteTimeout is how long a write, or a queue, may make no progress because
	// the peer does not read, before the connection is ended. Default 10 seconds.
	WriteTimeout time.Duration

	// CloseTimeout is how long the peer may take to answer a close frame.
	// Default 5 seconds.
	CloseTimeout time.Duration

	// QueueBytesMax is how many bytes may wait to be sent. One message may always
	// wait, whatever its size. Default 1 MiB.
	QueueBytesMax int
}

// WithDefaults returns o with its defaults filled in, NoLimit as Resolve leaves it,
// and a Compression of its own. The error is an *OptionError.
func (o Options) WithDefaults() (Options, error) {
	err := cmp.Or(
		Resolve("MessageBytesMax", &o.MessageBytesMax, DefaultMessageBytesMax),
		Resolve("FragmentsMax", &o.FragmentsMax, DefaultFragmentsMax),
		Resolve("PingInterval", &o.PingInterval, DefaultPingInterval),
		Resolve("PingTimeout", &o.PingTimeout, DefaultPingTimeout),
		Resolve("IdleTimeout", &o.IdleTimeout, Forever),
		Resolve("WriteTimeout", &o.WriteTimeout, DefaultWriteTimeout),
		Resolve("CloseTimeout", &o.CloseTimeout, DefaultCloseTimeout),
		Resolve("QueueBytesMax", &o.QueueBytesMax, DefaultQueueBytesMax),
	)
	if err == nil && o.Compression != nil {
		own := *o.Compression
		if invalid := own.Validate(); invalid != nil {
			err = &OptionError{Option: "Compression", Reason: invalid.Error()}
		}
		own.MessageBytesMax = o.MessageBytesMax
		own = own.WithDefaults()
		o.Compression = &own
	}
	if err != nil {
		return Options{}, err
	}
	return o, nil
}

// Forever is what NoLimit is for a duration once it is resolved: longer than any
// connection lives, and short enough to be added to any moment, or doubled.
const Forever = option.Forever

// Resolve makes of an option what it means: of zero its default, and of NoLimit the
// largest number there is, or Forever. It returns an *OptionError, and changes
// nothing, if the value is negative.
func Resolve[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return &OptionError{name, wrong}
	}
	return nil
}

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError struct {
	Option string // the name of the field
	Reason string // what is wrong, and what would be right
}

// Error names the option and says what is wrong with it.
func (e *OptionError) Error() string { return "option " + e.Option + ": " + e.Reason }
