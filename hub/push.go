package hub

// Push is one thing a client is owed. Exactly one of Delivery, Gap, Behind, Outcome
// and Changes is set.
type Push struct {
	Channel  string
	Delivery *Delivery // a publication
	Gap      *Gap      // publications that cannot be delivered
	Behind   error     // the subscription is behind, and this is why; see Session.Take
	Outcome  *Outcome  // of a command of this session
	Changes  *Changes  // members that came and went, see SubscribeOptions.Presence
}

// Changes are the members of a channel that came and went within a moment, shared
// by everybody who watches. One who came and went in between is in neither list.
// Nobody may modify it.
type Changes struct {
	Channel string
	Joined  []Member // the longest first
	Left    []Member

	// Count is how many members there are after the changes. With IsPartial so many
	// changed that the lists are empty: ask for the members to know them.
	Count     int
	IsPartial bool
}

// Command names what a session was asked to do.
type Command uint8

const (
	CommandPublish Command = iota + 1
	CommandSubscribe
	CommandUnsubscribe
	CommandHistory
	CommandPresence
)

// Outcome is what became of a command. Which fields are set depends on the
// command; with Err none of them is.
type Outcome struct {
	Tag     uint64 // as it was handed in with the command
	Command Command
	Channel string
	Err     error

	// Position is where a publication stands, or where a subscription begins:
	// asking for what came after it misses nothing.
	Position  Position
	Vector    *Vector  // where a subscription to a pattern begins; nobody may modify it
	Duplicate bool     // of a publication, see Published
	Page      Page     // of a history
	Members   []Member // of presence
}
