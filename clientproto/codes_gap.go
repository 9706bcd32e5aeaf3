package clientproto

// The reasons of gaps, as clients are told them.
const (
	GapLost      = "lost"
	GapExpired   = "expired"
	GapConflated = "conflated"
	GapDropped   = "dropped"
	GapRate      = "rate"
)

// GapReason is a row of the table of the reasons for which publications were not
// delivered.
type GapReason struct {
	Name    string
	Meaning string // a sentence, for people
}

// GapReasons returns the table, in the order of hub.GapReason. It is shared: it must not
// be modified.
func GapReasons() []GapReason { return gapReasons }

var gapReasons = []GapReason{
	{GapLost, "The history does not hold them any more."},
	{GapExpired, "Their time to live was over when it was their turn."},
	{GapConflated, "Newer ones of the same key took their place while the client was slow."},
	{GapDropped, "The client was slow, and the channel's policy drops the oldest that wait."},
	{GapRate, "There were more than the rate that the channel or the subscription has; the newest is delivered."},
}
