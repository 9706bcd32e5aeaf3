package packet

import (
	"cmp"
	"time"

	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of Limits.
const (
	DefaultPacketBytesMax    = 4 << 20
	DefaultNamespaceBytesMax = 255
	DefaultNamespacesMax     = 100
	DefaultConnectTimeout    = 45 * time.Second
)

// legacyQueryBytesMax is how long a query may be that clients of legacy sessions put
// behind the name of a namespace.
const legacyQueryBytesMax = 4096

// NoLimit, as one of the Limits, means that there is none.
const NoLimit = driver.NoLimit

// OptionError says that a limit cannot be as it is.
type OptionError = driver.OptionError

// Limits bound the memory that a client may make us hold. Zero is the default, and a
// negative value is refused with an *OptionError.
type Limits struct {
	// PacketBytesMax is the longest packet, in bytes, together with its attachments.
	// Default 4 MiB.
	PacketBytesMax int

	// NamespaceBytesMax is the longest name of a namespace. Default 255.
	NamespaceBytesMax int

	// NamespacesMax is how many namespaces one client may be in. Default 100.
	NamespacesMax int

	// ConnectTimeout is how long a client may be in no namespace at the beginning.
	// Default 45 seconds.
	ConnectTimeout time.Duration

	// Legacy is for a session of Engine.IO 3, which clients 1 and 2 use: "/" is joined
	// unasked, what a client says of itself is the query behind the name of the namespace,
	// and refusals are less elaborate.
	Legacy bool
}

// WithDefaults returns the limits with defaults filled in. The error is an *OptionError.
func (l Limits) WithDefaults() (Limits, error) {
	err := cmp.Or(
		driver.Resolve("PacketBytesMax", &l.PacketBytesMax, DefaultPacketBytesMax),
		driver.Resolve("NamespaceBytesMax", &l.NamespaceBytesMax, DefaultNamespaceBytesMax),
		driver.Resolve("NamespacesMax", &l.NamespacesMax, DefaultNamespacesMax),
		driver.Resolve("ConnectTimeout", &l.ConnectTimeout, DefaultConnectTimeout),
	)
	if err != nil {
		return Limits{}, err
	}
	return l, nil
}
