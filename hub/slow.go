package hub

// SlowPolicy says what becomes of publications for a session whose client takes them
// more slowly than they come.
type SlowPolicy uint8

const (
	// ReadHistory is the default: the queue is given back, and what the client has not
	// seen is read from history at its pace. What history no longer has is a Gap.
	ReadHistory SlowPolicy = iota

	// Disconnect ends the session with ErrSlow; the client comes back and resumes.
	Disconnect

	// DropOldest drops the oldest that wait, with a Gap of the reason GapDropped.
	DropOldest

	// Conflate keeps the newest that waits of each key, with a Gap of the reason
	// GapConflated for those that it replaces. Publications without a key are about
	// one and the same thing.
	Conflate
)
