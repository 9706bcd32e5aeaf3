package socketio

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of Options and Recovery.
const (
	DefaultPath                = "/socket.io/"
	DefaultConnectTimeout      = packet.DefaultConnectTimeout
	DefaultClientNamespacesMax = packet.DefaultNamespacesMax
	DefaultNamespacesMax       = 10_000
	DefaultRoomsMax            = 1000
	DefaultAcksMax             = 1000
	DefaultPendingBytesMax     = 1 << 20
	DefaultRecoveryTime        = 2 * time.Minute
	DefaultRecoveryClientsMax  = 10_000
	DefaultRecoveryBytesMax    = 64 << 20
)

// Options are the options of a Server. The zero value of a field means its default,
// and NoLimit that there is no limit, which is dangerous. A negative value is refused with
// an *OptionError.
type Options struct {
	// Path is where the server is, see engineio.Options. Default "/socket.io/".
	Path string

	// Engine is about sessions and their transports: heartbeat, sizes, origins, the
	// clients that may connect at all. Its Path is not used. With AllowEIO3, clients 1
	// and 2 may connect; the ID of a Socket of theirs is made of the identifier of
	// their session, which is a secret, so do not show it to others then.
	Engine engineio.Options

	// ConnectTimeout is how long a client may take to join its first namespace. Default 45
	// seconds.
	ConnectTimeout time.Duration

	// PacketBytesMax is the longest packet together with its attachments, in bytes. Default:
	// four times Engine.MaxPayload.
	PacketBytesMax int

	// ClientNamespacesMax is how many namespaces a client may be in; one more is refused.
	// Default 100.
	ClientNamespacesMax int

	// NamespacesMax is how many namespaces Dynamic may make at a time. A client that asks
	// for one more is refused. Default 10,000.
	NamespacesMax int

	// RoomsMax is how many rooms a Socket may be in. Default 1000.
	RoomsMax int

	// AcksMax is how many acknowledgements of a Socket may be awaited. Default 1000.
	AcksMax int

	// PendingBytesMax is what may wait for the handlers of one client, in bytes, of which
	// an event has 256 besides its arguments. When more waits, the client is read no
	// further until half of it is done. While handlers of a Socket await acknowledgements
	// it is four times as much. Default 1 MiB.
	PendingBytesMax int

	// NeverBlocks says that no handler ever waits for anything, EmitWithAck included: they
	// are called where an event arrives, which spares the switch to a goroutine. On event
	// loops a handler that waits all the same holds up every connection of its loop.
	// Default: handlers may wait, and are called on goroutines.
	NeverBlocks bool

	// Recovery, if not nil, lets clients go on where they were when their connection broke.
	// Default: off.
	Recovery *Recovery

	// Log gets what an operator should know: panics of handlers, and errors of OnConnect
	// that are no Refusal. Default: slog.Default.
	Log *slog.Logger
}

// Recovery is how clients recover after their connection broke for a short time: with the same
// ID, in the same rooms, with the same Data, and with every event that they have missed.
// See the documentation of the package.
type Recovery struct {
	// Time is how long after the end of its connection a client may recover. Default 2
	// minutes.
	Time time.Duration

	// ClientsMax is how many clients that are gone are remembered. For one more, the
	// client that has been gone for the longest is forgotten. Default 10,000.
	ClientsMax int

	// BytesMax is how many bytes of events are remembered, for all clients together. A
	// client that has missed a forgotten event does not recover. Default 64 MiB.
	BytesMax int
}

// withDefaults returns o with its defaults filled in. The error is an *OptionError.
func (o Options) withDefaults() (Options, error) {
	o.Path = cmp.Or(o.Path, DefaultPath)
	o.Engine.Path = o.Path
	payload := o.Engine.MaxPayload
	if payload <= 0 {
		payload = engineio.DefaultMaxPayload
	}
	packetBytes := NoLimit
	if payload < NoLimit/4 {
		packetBytes = 4 * payload
	}
	err := cmp.Or(
		driver.Resolve("ConnectTimeout", &o.ConnectTimeout, DefaultConnectTimeout),
		driver.Resolve("PacketBytesMax", &o.PacketBytesMax, packetBytes),
		driver.Resolve("ClientNamespacesMax", &o.ClientNamespacesMax, DefaultClientNamespacesMax),
		driver.Resolve("NamespacesMax", &o.NamespacesMax, DefaultNamespacesMax),
		driver.Resolve("RoomsMax", &o.RoomsMax, DefaultRoomsMax),
		driver.Resolve("AcksMax", &o.AcksMax, DefaultAcksMax),
		driver.Resolve("PendingBytesMax", &o.PendingBytesMax, DefaultPendingBytesMax),
	)
	if err == nil && o.Recovery != nil {
		r := *o.Recovery
		o.Recovery = &r
		err = cmp.Or(
			driver.Resolve("Recovery.Time", &r.Time, DefaultRecoveryTime),
			driver.Resolve("Recovery.ClientsMax", &r.ClientsMax, DefaultRecoveryClientsMax),
			driver.Resolve("Recovery.BytesMax", &r.BytesMax, DefaultRecoveryBytesMax),
		)
	}
	if err != nil {
		return Options{}, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Engine.Log == nil {
		o.Engine.Log = o.Log
	}
	return o, nil
}

// limits returns the limits of the protocol on one session.
func (o *Options) limits(version int) packet.Limits {
	return packet.Limits{
		PacketBytesMax: o.PacketBytesMax,
		NamespacesMax:  o.ClientNamespacesMax,
		ConnectTimeout: o.ConnectTimeout,
		Legacy:         version == 3,
	}
}
