package hub

// Gap tells a subscriber what could not be delivered: everything after From,
// up to and including To. When the epochs differ, the history that From belongs
// to no longer exists, and how much was lost cannot be known.
type Gap struct {
	From   Position // the last position the subscriber had
	To     Position // the last position it will not be given
	Reason GapReason
	Count  int // how many publications; 0 if that is not known
}

// GapReason says why publications were not delivered. Only GapLost is a loss: of
// the others it was known what they were when they were left out.
type GapReason uint8

const (
	GapLost      GapReason = iota // the history does not hold them any more
	GapExpired                    // they were too old when it was their turn, see Attributes.Expires
	GapConflated                  // newer ones with the same key took their place, see Conflate
	GapDropped                    // the client was too slow, see DropOldest
	GapRate                       // there were more than the subscription's Rate

	gapReasons // how many there are
)

// String is the reason as clients are told it.
func (r GapReason) String() string {
	return [...]string{"lost", "expired", "conflated", "dropped", "rate"}[r]
}
