package hub

import "sync"

// Push is one thing a client is owed. Exactly one of Delivery, Run, Gap, Behind, Outcome,
// Changes and Call is set.
type Push struct {
	Channel  string
	Delivery *Delivery // a publication
	Run      *Run      // several, from TakeRuns
	Gap      *Gap      // publications that cannot be delivered
	Behind   *Behind   // publications do not come at present, or come again
	Outcome  *Outcome  // of a command of this session
	Changes  *Changes  // members that came and went, see SubscribeOptions.Presence
	Call     *CallPush // a call to answer, or the end of one, see Session.Register
}

// Changes are the members of a channel that came and went within a window, shared by all
// watchers. A member that came and went in between, or went and came back, is in neither
// list. It must not be modified.
//
// A Roster that has a Version, and every Changes of a greater one, applied in order,
// is the roster as it is. To apply Changes is to put those of Joined among the
// members, whether they are there or not, and to take out those of Left.
type Changes struct {
	Channel string
	Joined  []Member // the longest first
	Left    []Member // the longest first

	// Version ascends. Previous is that of the Changes before these, and one less
	// unless some were put together for a session that is slow: a client whose Version
	// is less has missed some, and asks for the members.
	Version  uint64
	Previous uint64

	// Count is how many members there are after the changes. With IsPartial so many
	// changed that the lists are empty: ask for the members to know them.
	Count     int
	IsPartial bool

	// ByUser says that the members are users, see SubscribeOptions.PresenceByUser.
	ByUser bool

	shared *encodedChanges // nil for the Changes of one session
}

// encodedChanges are Changes as they are sent.
type encodedChanges [2]struct {
	once    sync.Once
	objects [][]byte
}

// Encoded returns what encode makes of c, which is made with the first call and shared
// by all watchers. There is room for two encodings, 0 and 1, each of which has
// the same encode everywhere. It is safe for concurrent use.
func (c *Changes) Encoded(encoding int, encode func(*Changes) [][]byte) [][]byte {
	if c.shared == nil {
		return encode(c)
	}
	shared := &c.shared[encoding]
	shared.once.Do(func() { shared.objects = encode(c) })
	return shared.objects
}

// Command names what a session was asked to do.
type Command uint8

const (
	CommandPublish Command = iota + 1
	CommandSubscribe
	CommandUnsubscribe
	CommandHistory
	CommandPresence
	CommandCall
	CommandRegister
	CommandUnregister
	CommandAnswer
)

// Outcome is what became of a command. Which fields are set depends on the
// command; with Err none of them is.
type Outcome struct {
	Tag       uint64 // as it was handed in with the command
	Command   Command
	Duplicate bool // of a publication, see Published
	Deltas    bool // of a subscription, see SubscribeOptions
	Channel   string
	Err       error

	// Position is where a publication stands, or where a subscription begins:
	// asking for what came after it misses nothing.
	Position Position
	Vector   *Vector // where a subscription to a pattern begins; it must not be modified
	Page     Page    // of a history
	Roster   *Roster // of presence

	// Count is how many members the channel has when a subscription with Presence
	// begins, the session itself among them; with PresenceByUser, how many users.
	Count  int
	Answer *Answer // to a call
}
