package access

import "strings"

// The beginnings of segments that close a channel.
const (
	PrivatePrefix  = "private-"
	PresencePrefix = "presence-"
)

// closedNote explains IsClosed to a client that is refused.
const closedNote = `a segment that begins with "private-" or "presence-" closes a channel, and no wildcard stands for it, so write the segment itself`

// IsClosed reports whether channel, the name of one or a pattern, is closed: one of its
// segments begins with PrivatePrefix or PresencePrefix. Nobody may do anything in a
// closed channel without a grant or a rule that names such segments, not even on a
// server that protects nothing. No wildcard of a Pattern stands for one, except in the
// grants of a Key: back ends reach closed channels like others. It does not
// allocate.
func IsClosed(channel string) bool {
	for {
		if Closes(channel) {
			return true
		}
		_, rest, more := strings.Cut(channel, "/")
		if !more {
			return false
		}
		channel = rest
	}
}

// Closes reports whether a segment, or the first one of a name, closes its channel.
func Closes(segment string) bool {
	return len(segment) >= len(PrivatePrefix) && segment[0] == 'p' &&
		(strings.HasPrefix(segment, PrivatePrefix) || strings.HasPrefix(segment, PresencePrefix))
}

func anyCloses(segments []string) bool {
	for _, segment := range segments {
		if Closes(segment) {
			return true
		}
	}
	return false
}

// isClosedTo is IsClosed for an action. Methods have names like those of channels, and
// none of them is closed.
func isClosedTo(a Action, channel string) bool { return !a.IsOfMethods() && IsClosed(channel) }
