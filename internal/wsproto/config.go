package wsproto

import (
	"crypto/rand"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Role is the side of the connection that this is.
type Role uint8

const (
	Server Role = iota
	Client
)

// Config is shared by any number of connections and must not change while one
// of them lives.
type Config struct {
	Role Role

	// Options are as WithDefaults leaves them. WriteTimeout and QueueBytesMax are
	// the driver's business.
	driver.Options

	// Observe, if not nil, is told the header of every frame, when it has arrived
	// and passed, and when the frame is appended. It must not call the Conn. A Conn
	// whose frames are observed has a Config of its own, so that no other pays.
	Observe func(sent bool, h wire.Header)

	// Rand fills b with the bytes of a client's masks. NewConfig: crypto/rand,
	// which never fails. RFC 6455 §5.3 wants keys that cannot be predicted, so
	// that a page cannot choose the bytes that an intermediary sees.
	Rand func(b []byte)
}

// NewConfig returns the Config of a side with the options o, which come from
// driver.Options.WithDefaults.
func NewConfig(role Role, o driver.Options) Config {
	return Config{Role: role, Options: o, Rand: func(b []byte) { rand.Read(b) }}
}
