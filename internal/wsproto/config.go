package wsproto

import (
	"crypto/rand"
	"math"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Role is the side of the connection that this is.
type Role uint8

const (
	Server Role = iota
	Client
)

// The defaults of Config.
const (
	DefaultMessageBytesMax = 1 << 20
	DefaultFragmentsMax    = 4096
	DefaultPingInterval    = 25 * time.Second
	DefaultPingTimeout     = 20 * time.Second
	DefaultCloseTimeout    = 5 * time.Second
)

// Config is shared by any number of connections and must not change while one
// of them lives. A zero field means its default; a negative duration or limit
// means none.
type Config struct {
	Role Role

	// MessageBytesMax is the longest message accepted, whole, before it is
	// read: a longer one fails with 1009 when its length is announced.
	MessageBytesMax int64

	// FragmentsMax is the most frames one message may have. Empty ones count.
	FragmentsMax int

	// PingInterval is how long nothing may arrive before a keepalive ping is
	// sent, PingTimeout how long nothing may arrive after it before the
	// connection fails. Any byte counts as a sign of life.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// IdleTimeout is how long no part of a message may arrive before the connection
	// is closed with 1001, however alive the peer is. Default: none.
	IdleTimeout time.Duration

	// CloseTimeout is how long the peer has to answer a close frame.
	CloseTimeout time.Duration

	// Observe, if not nil, is told the header of every frame, when it has arrived
	// and passed, and when the frame is appended. It must not call the Conn. A Conn
	// whose frames are observed has a Config of its own, so that no other pays.
	Observe func(sent bool, h wire.Header)

	// Rand fills b with the bytes of a client's masks. Default: crypto/rand,
	// which never fails. RFC 6455 §5.3 wants keys that cannot be predicted, so
	// that a page cannot choose the bytes that an intermediary sees.
	Rand func(b []byte)
}

// WithDefaults returns c with its zero fields replaced, as New wants it.
func (c Config) WithDefaults() Config {
	setDefault(&c.MessageBytesMax, DefaultMessageBytesMax, math.MaxInt64)
	setDefault(&c.FragmentsMax, DefaultFragmentsMax, math.MaxInt)
	setDefault(&c.PingInterval, DefaultPingInterval, never)
	setDefault(&c.PingTimeout, DefaultPingTimeout, never)
	setDefault(&c.IdleTimeout, never, never)
	setDefault(&c.CloseTimeout, DefaultCloseTimeout, never)
	if c.Rand == nil {
		c.Rand = func(b []byte) { rand.Read(b) }
	}
	return c
}

// never is a duration that no connection lives to see, and that can be added
// to a Time without overflow.
const never = time.Duration(math.MaxInt64 / 4)

func setDefault[T ~int | ~int64](field *T, zero, none T) {
	switch {
	case *field == 0:
		*field = zero
	case *field < 0:
		*field = none
	}
}
