package engine

import (
	"cmp"
	"fmt"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of Options.
const (
	DefaultMessageBytesMax  = driver.DefaultMessageBytesMax
	DefaultFragmentsMax     = driver.DefaultFragmentsMax
	DefaultPingInterval     = driver.DefaultPingInterval
	DefaultPingTimeout      = driver.DefaultPingTimeout
	DefaultWriteTimeout     = driver.DefaultWriteTimeout
	DefaultCloseTimeout     = driver.DefaultCloseTimeout
	DefaultQueueBytesMax    = driver.DefaultQueueBytesMax
	DefaultQueueMessagesMax = 16 << 10
)

// NoLimit, as any number or duration among the options, means that there is no
// limit: nothing is too long, nothing times out, no ping is sent.
const NoLimit = driver.NoLimit

// OptionError says that an option cannot be as it is. Its field Option is the name,
// and Reason says what is wrong and what would be right.
type OptionError = driver.OptionError

// Options are the limits and the timing of a connection. The zero value of a
// field means its default, and NoLimit that there is no limit, which is dangerous
// for every one of them but PingInterval. A negative value is refused with an
// *OptionError. Times are kept to within 40 ms.
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
	driver.Options
	QueueMessagesMax int
	protocol         wsproto.Config
	compression      *deflate.Options // the server's, with the MessageBytesMax of these; nil: none
}

// newSettings returns an error that wraps an *OptionError if there is none.
func newSettings(o Options) (*settings, error) {
	common, err := o.common().WithDefaults()
	err = cmp.Or(err, driver.Resolve("QueueMessagesMax", &o.QueueMessagesMax, DefaultQueueMessagesMax))
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return &settings{
		Options:          common,
		QueueMessagesMax: o.QueueMessagesMax,
		protocol:         wsproto.NewConfig(wsproto.Server, common),
		compression:      common.Compression,
	}, nil
}

// common is what o has in common with the options of other drivers.
func (o *Options) common() driver.Options {
	return driver.Options{
		MessageBytesMax: o.MessageBytesMax,
		FragmentsMax:    o.FragmentsMax,
		Compression:     o.Compression,
		PingInterval:    o.PingInterval,
		PingTimeout:     o.PingTimeout,
		IdleTimeout:     o.IdleTimeout,
		WriteTimeout:    o.WriteTimeout,
		CloseTimeout:    o.CloseTimeout,
		QueueBytesMax:   o.QueueBytesMax,
	}
}

// pauseAtBytes and resumes are the lengths of a queue between which a connection is
// not read.
func (s *settings) pauseAtBytes() int  { return s.QueueBytesMax / 2 }
func (s *settings) resumeAtBytes() int { return s.QueueBytesMax / 8 }
