package clientproto

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Verb is what a command asks for.
type Verb uint8

// The verbs, see docs/protocol.md §4.
const (
	Connect Verb = iota + 1
	Subscribe
	Unsubscribe
	Publish
	History
	Presence
	Digest
	RPC
	Cancel
	Register
	Unregister
	Answer
	Refresh
	Ping
	End
)

// verbs are the names of verbs as they stand in a command, and the fields of each.
var verbs = [...]struct {
	name   string
	fields []string
}{
	Connect:     {"connect", []string{"token", "client", "resume", "messages"}},
	Subscribe:   {"subscribe", []string{"channel", "since", "last", "presence", "delta", "rate", "self"}},
	Unsubscribe: {"unsubscribe", []string{"channel"}},
	Publish:     {"publish", []string{"channel", "data", "kind", "data_base64", "event", "key", "exclude", "idempotency_key"}},
	History:     {"history", []string{"channel", "since", "last", "limit"}},
	Presence:    {"presence", []string{"channel", "limit", "cursor", "by", "count"}},
	Digest:      {"digest", []string{"channel", "last"}},
	RPC:         {"rpc", []string{"method", "data", "data_base64", "timeout_ms"}},
	Cancel:      {"cancel", []string{"rpc"}},
	Register:    {"register", []string{"method", "concurrency"}},
	Unregister:  {"unregister", []string{"method"}},
	Answer:      {"answer", []string{"call", "data", "data_base64", "error"}},
	Refresh:     {"refresh", []string{"token"}},
	Ping:        {"ping", nil},
	End:         {"end", nil},
}

// String is the name of the verb as it stands in a command.
func (v Verb) String() string {
	if int(v) < len(verbs) && v > 0 {
		return verbs[v].name
	}
	return "unknown"
}

func verbOf(name string) Verb {
	for v := Connect; int(v) < len(verbs); v++ {
		if verbs[v].name == name {
			return v
		}
	}
	return 0
}

// Command is one thing that a client asks for. Which fields count depends on Verb; the
// others are zero.
type Command struct {
	ID   uint64 // it ascends with each command of a session; 0 wants no reply
	Verb Verb

	Token      string // Connect, Refresh
	Client     string // Connect: which program it is, for logs
	Resume     Resume // Connect
	NoMessages bool   // Connect: the messages to its user are not wanted
	Messages   string // Connect: the position after which those go on

	Channel     string        // all that concern a channel; a pattern where that is possible
	Since       hub.Position  // Subscribe, History
	Vector      string        // Subscribe: Since of a pattern
	Last        int           // Subscribe, History, Digest
	Limit       int           // History, Presence
	ExcludeSelf bool          // Subscribe
	WithMembers bool          // Subscribe: joins and leaves, too
	Delta       string        // Subscribe: the format of deltas, "" for none
	Rate        int           // Subscribe: publications a second at most
	Cursor      string        // Presence
	ByUser      bool          // Presence
	CountOnly   bool          // Presence
	Kind        hub.Kind      // Publish, RPC, Answer: what Data is
	Data        []byte        // Publish, RPC, Answer; memory of its own
	Event       string        // Publish
	Key         string        // Publish
	Exclude     string        // Publish: the session that is not given it
	Idempotency string        // Publish
	Method      string        // RPC, Register, Unregister
	Timeout     time.Duration // RPC
	Concurrency int           // Register
	Target      uint64        // Answer: the call; Cancel: the ID of an RPC
	Failure     *Failure      // Answer: that it failed
}

// Resume names a session that is to go on.
type Resume struct{ Session, Secret string }

// Failure is why something failed, as one end tells the other.
type Failure struct {
	Type, Title, Detail string
	Data                []byte // JSON, nil for none
}

// SyntaxError names the mistake in a command, and how to mend it.
type SyntaxError struct {
	ID     uint64 // of the command, 0 if it has none that can be read
	Detail string
}

// Error is the detail.
func (e *SyntaxError) Error() string { return "clientproto: " + e.Detail }

// The bounds of what a command says.
const (
	IDMax       = 1<<53 - 1 // what JavaScript can count to
	ClientBytes = 255
	MethodBytes = hub.ChannelNameBytesMax
	TokenBytes  = 8 << 10
	CursorBytes = 1024
	VectorBytes = 64 << 10
	DeltaFossil = "fossil"
	numberMax   = 1_000_000_000
)
