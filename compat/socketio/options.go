package socketio

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of Options.
const (
	DefaultMain       = "main"
	DefaultRecordsMax = 10_000
)

// defaultPath is the path of Engine.IO for Socket.IO.
const defaultPath = "/socket.io/"

// OptionError says that an option cannot be as it is.
type OptionError = driver.OptionError

// Options configures a Server. The zero value of every field means its default, and a
// negative one is refused; a nil *Options is all defaults.
type Options struct {
	// Engine are the options of the transport below: its times, limits and origins. Its Path is
	// "/socket.io/" unless it says otherwise, and its Allow is the Server's.
	Engine engineio.Options

	// Limits bound the memory that a client may make us hold; Legacy is the Server's.
	Limits packet.Limits

	// Main is the channel of the namespace "/". Default "main".
	Main string

	// Rules say which events join and leave rooms. Default: none do.
	Rules []Rule

	// Echo has clients in the namespace "/" understood that are Laravel Echo, with its
	// broadcaster for Socket.IO.
	Echo bool

	// Backend, not nil, is the application. It is given the events that BackendEvents
	// names, each by its name or by the beginning of one before a "*"; AsksConnect has it
	// asked about each client that joins a namespace.
	Backend       Backend
	BackendEvents []string
	AsksConnect   bool

	// Forward names the fields of the handshake that Backend is given. Cookies are
	// forwarded only if they count, see transport.Request.AdmitsCookies.
	Forward []string

	// Recovery is how long after the end of its connection a client can go on with its
	// rooms and the events that it has missed. Each event has its offset as one more
	// argument then. Default: it cannot. The reference server has 2 minutes where it is
	// on.
	Recovery time.Duration

	// RecordsMax is how many clients may wait to be recovered; the client that has waited
	// the longest is forgotten. Default 10,000.
	RecordsMax int

	// ClientDir is a directory with the client, socket.io.js and its like, which many pages
	// load from the server. Default: a 404 that says so.
	ClientDir string

	// Address returns the address of the client behind a request, for Backend. Default:
	// the address of the connection.
	Address func(*transport.Request) netip.Addr

	// Log gets what an operator should know. Default: slog.Default.
	Log *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Engine.Path == "" {
		o.Engine.Path = defaultPath
	}
	if o.Main == "" {
		o.Main = DefaultMain
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Engine.Log == nil {
		o.Engine.Log = o.Log
	}
	if o.Address == nil {
		o.Address = func(r *transport.Request) netip.Addr { return r.RemoteAddr().Addr() }
	}
	if err := hub.CheckChannel(o.Main); err != nil {
		return Options{}, &OptionError{Option: "Main", Reason: err.Error()}
	}
	if o.Backend == nil && (o.AsksConnect || len(o.BackendEvents) > 0) {
		return Options{}, &OptionError{Option: "Backend", Reason: "there is none, and AsksConnect or BackendEvents want to ask it"}
	}
	return o, cmp.Or(
		driver.Resolve("Recovery", &o.Recovery, 0),
		driver.Resolve("RecordsMax", &o.RecordsMax, DefaultRecordsMax),
	)
}

// within is an error about an option of a field, which is then named as well.
func within(field string, err error) error {
	if e, ok := err.(*OptionError); ok {
		return &OptionError{Option: field + "." + e.Option, Reason: e.Reason}
	}
	return err
}
