//go:build !js

package ws

import (
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
)

// settings are Options as a connection needs them. They are shared by all
// connections that were made with equal ones, and never change.
type settings struct {
	Options
	protocol    wsproto.Config
	compression *deflate.Options // nil: none
	key         settingsKey
	observation *observation // nil: nobody observes
}

// settingsKey is what can be compared of Options.
type settingsKey struct {
	messageBytesMax                                                    int64
	fragmentsMax, queueBytesMax, highWaterBytes, lowWaterBytes         int
	pingInterval, pingTimeout, idleTimeout, writeTimeout, closeTimeout time.Duration
	compresses                                                         bool
	compression                                                        deflate.Options
}

// newest are the settings made last for each role. A program mostly has one set
// of options for each, so remembering one is enough to share them.
var newest [2]atomic.Pointer[settings]

func newSettings(o Options, role wsproto.Role) *settings {
	// Functions cannot be compared, so options with some are not shared.
	comparable := o.Rate == nil && o.OnHighWater == nil && o.OnLowWater == nil && o.Observer == nil
	key := settingsKey{
		messageBytesMax: o.MessageBytesMax, fragmentsMax: o.FragmentsMax,
		queueBytesMax: o.QueueBytesMax, highWaterBytes: o.HighWaterBytes, lowWaterBytes: o.LowWaterBytes,
		pingInterval: o.PingInterval, pingTimeout: o.PingTimeout, idleTimeout: o.IdleTimeout,
		writeTimeout: o.WriteTimeout, closeTimeout: o.CloseTimeout, compresses: o.Compression != nil,
	}
	if o.Compression != nil {
		key.compression = *o.Compression
	}
	if comparable {
		if s := newest[role].Load(); s != nil && s.key == key {
			return s
		}
	}
	s := &settings{Options: o.withDefaults(), protocol: o.protocol(role), key: key}
	if o.Compression != nil {
		s.compression = s.protocol.CompressionOptions(*o.Compression)
	}
	if comparable {
		newest[role].Store(s)
	}
	return s
}
