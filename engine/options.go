package engine

import (
	"math"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
)

// The defaults of Options.
const (
	DefaultMessageBytesMax  = wsproto.DefaultMessageBytesMax
	DefaultFragmentsMax     = wsproto.DefaultFragmentsMax
	DefaultPingInterval     = wsproto.DefaultPingInterval
	DefaultPingTimeout      = wsproto.DefaultPingTimeout
	DefaultCloseTimeout     = wsproto.DefaultCloseTimeout
	DefaultWriteTimeout     = 10 * time.Second
	DefaultQueueBytesMax    = 1 << 20
	DefaultQueueMessagesMax = 16 << 10
)

// Options are the limits and the timing of a connection. The zero value of a
// field means its default. A negative value means none, which is dangerous for
// every one of them but PingInterval. Times are kept to within 40 ms.
type Options struct {
	// MessageBytesMax is the longest message that is read. A longer one closes
	// the connection with 1009 before it has arrived. Default 1 MiB.
	MessageBytesMax int64

	// FragmentsMax is the most frames that one message may consist of, empty
	// ones included; one more closes with 1009. Default 4096.
	FragmentsMax int

	// Compression, if not nil, accepts permessage-deflate (RFC 7692); the zero
	// value of deflate.Options is a good one. Its MessageBytesMax is replaced by
	// that above. Default: none.
	Compression *deflate.Options

	// PingInterval is how long the peer may be silent before it is sent a ping,
	// and PingTimeout how long it may be silent after that before the connection
	// is closed with 1011. Defaults 25 and 20 seconds.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// IdleTimeout closes a connection with 1001 when no message arrived for that
	// long, however alive the peer is. Default: none.
	IdleTimeout time.Duration

	// WriteTimeout is how long a queue may make no progress because the peer
	// does not read, before the connection is ended. Default 10 seconds.
	WriteTimeout time.Duration

	// CloseTimeout is how long the peer may take to answer a close frame, and to
	// take what it was sent before the end. Default 5 seconds.
	CloseTimeout time.Duration

	// QueueBytesMax is how many bytes may wait to be sent; a write that finds no
	// room returns ErrQueueFull. One message may always wait, whatever its size.
	// Default 1 MiB.
	//
	// A connection whose queue is half full is not read until an eighth is left:
	// a peer that does not take answers is not asked for more questions.
	QueueBytesMax int

	// QueueMessagesMax is how many messages may wait to be sent, control frames
	// not counted. One may always wait. Default 16,384.
	QueueMessagesMax int
}

// settings are Options as a connection needs them. They are shared by all
// connections with equal ones, and never change.
type settings struct {
	Options
	protocol    wsproto.Config
	compression *deflate.Options // nil: none
}

func newSettings(o Options) *settings {
	o.WriteTimeout = orDefault(o.WriteTimeout, DefaultWriteTimeout, forever)
	o.QueueBytesMax = orDefault(o.QueueBytesMax, DefaultQueueBytesMax, math.MaxInt)
	o.QueueMessagesMax = orDefault(o.QueueMessagesMax, DefaultQueueMessagesMax, math.MaxInt)
	s := &settings{Options: o, protocol: wsproto.Config{
		Role:            wsproto.Server,
		MessageBytesMax: o.MessageBytesMax,
		FragmentsMax:    o.FragmentsMax,
		PingInterval:    o.PingInterval,
		PingTimeout:     o.PingTimeout,
		IdleTimeout:     o.IdleTimeout,
		CloseTimeout:    o.CloseTimeout,
	}.WithDefaults()}
	if o.Compression != nil {
		s.compression = s.protocol.CompressionOptions(*o.Compression)
	}
	return s
}

// pauses and resumes are the lengths of a queue between which a connection is
// not read.
func (s *settings) pauses() int  { return s.QueueBytesMax / 2 }
func (s *settings) resumes() int { return s.QueueBytesMax / 8 }

// orDefault returns d with 0 replaced by fallback, and what is negative by none.
func orDefault[T ~int | ~int64](d, fallback, none T) T {
	switch {
	case d == 0:
		return fallback
	case d < 0:
		return none
	}
	return d
}

// forever is longer than any connection lives, and can be added to a Time.
const forever = 100 * 365 * 24 * time.Hour
