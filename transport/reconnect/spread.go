package reconnect

import (
	"cmp"
	"time"
)

// The defaults of a Spread.
const (
	DefaultSessionsPerSecond = 1000
	DefaultDelayMin          = time.Second
	DefaultWindowMin         = 2 * time.Second
	DefaultWindowMax         = time.Minute
)

// refreshFactor is by how much the window has to grow or shrink before delays that
// were given are worth giving anew. A new delay goes with a message that is sent
// anyway, such as a heartbeat, so it costs little; and while clients have delays of a
// window that is too short, too many of them come back early.
const refreshFactor = 1.25

// Spread is how the delays of clients are drawn. It is a small value; copy it. The zero
// value of every field, and a negative one, means its default.
type Spread struct {
	// SessionsPerSecond is how many clients come back in a second when all of them
	// have lost their server at once. Default 1000.
	SessionsPerSecond int

	// DelayMin is the shortest delay of all. It gives a server that has stopped the
	// time to start, and the clients of a small one do not wait much longer. Default 1 s.
	DelayMin time.Duration

	// WindowMin and WindowMax bound the window over which delays are spread. With few
	// sessions it is WindowMin: default 2 s. With so many that WindowMax binds, more
	// than SessionsPerSecond come back in a second: default 1 min.
	WindowMin time.Duration
	WindowMax time.Duration
}

// resolved returns s with its defaults filled in.
func (s Spread) resolved() Spread {
	return Spread{
		SessionsPerSecond: cmp.Or(max(s.SessionsPerSecond, 0), DefaultSessionsPerSecond),
		DelayMin:          cmp.Or(max(s.DelayMin, 0), DefaultDelayMin),
		WindowMin:         cmp.Or(max(s.WindowMin, 0), DefaultWindowMin),
		WindowMax:         cmp.Or(max(s.WindowMax, 0), DefaultWindowMax),
	}
}

// Window is the time over which so many sessions come back. If WindowMin is longer than
// WindowMax, it is WindowMax.
func (s Spread) Window(sessions int) time.Duration {
	s = s.resolved()
	// In floating point, as a million sessions in nanoseconds at one a second overflow nothing.
	needed := float64(max(sessions, 0)) / float64(s.SessionsPerSecond) * float64(time.Second)
	return time.Duration(min(max(needed, float64(s.WindowMin)), float64(s.WindowMax)))
}

// Delay is how long one client waits before it comes back, if the server has so many
// sessions. chance is a number of [0, 1) drawn for this client, by rand.Float64 for
// example: DelayMin and that part of the window. It is safe for concurrent use.
func (s Spread) Delay(sessions int, chance float64) time.Duration {
	return s.DelayOver(s.Window(sessions), chance)
}

// DelayOver is Delay over a window that is known already.
func (s Spread) DelayOver(window time.Duration, chance float64) time.Duration {
	return s.resolved().DelayMin + time.Duration(chance*float64(max(window, 0)))
}

// WindowAfter is the window of clients that a server ends one after another, over that
// time: they are spread by that already, and only the rest of the window is left. It is at
// least WindowMin.
func (s Spread) WindowAfter(sessions int, ended time.Duration) time.Duration {
	return max(s.Window(sessions)-max(ended, 0), s.Window(0))
}

// Longest is the longest delay of any client.
func (s Spread) Longest() time.Duration {
	s = s.resolved()
	return s.DelayMin + s.WindowMax
}

// NeedsRefresh reports whether a client whose delay was drawn when the server had
// issuedAt sessions had better be given another, now that it has so many: the window
// has become longer than 5/4 of what it was, or shorter than 4/5. A server that grows
// gives each of its clients at most some four more, and fewer if they are looked at from
// time to time.
func (s Spread) NeedsRefresh(issuedAt, sessions int) bool {
	before, now := s.Window(issuedAt).Seconds(), s.Window(sessions).Seconds()
	return now > refreshFactor*before || refreshFactor*now < before
}
