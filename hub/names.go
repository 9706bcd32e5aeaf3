package hub

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ChannelNameBytesMax is the length of the longest channel name.
const ChannelNameBytesMax = 255

// NameError says why a string is not the name of a channel.
type NameError struct {
	Name    string
	Problem string // what is wrong, and what would be right
}

// Error quotes the name, or its beginning when it is long.
func (e *NameError) Error() string {
	return "hub: channel name " + quoted(e.Name) + ": " + e.Problem
}

// CheckChannel returns nil if name is the name of a channel, else a *NameError.
//
// A name is one or more segments joined by single slashes, at most
// ChannelNameBytesMax bytes of UTF-8 in all, without control characters.
// "." and ".." are no segments, because proxies and browsers rewrite them, and
// no segment contains "*", which belongs to patterns.
func CheckChannel(name string) error {
	if isOrdinary(name) {
		return nil
	}
	if problem := nameProblem(name); problem != "" {
		return &NameError{Name: name, Problem: problem}
	}
	return nil
}

// isOrdinary reports whether name needs no closer look, as almost all names: of ASCII,
// with no segment that begins with a dot. A name is looked
// at with every publication.
func isOrdinary(name string) bool {
	previous := byte('/')
	for i := range len(name) {
		c := name[i]
		if c < ' ' || c > '~' || c == '*' || previous == '/' && (c == '/' || c == '.') {
			return false
		}
		previous = c
	}
	return previous != '/' && len(name) <= ChannelNameBytesMax
}

func nameProblem(name string) string {
	switch {
	case name == "":
		return "it is empty; a name is one or more segments joined by /"
	case len(name) > ChannelNameBytesMax:
		return fmt.Sprintf("it is %d bytes long; at most %d are allowed", len(name), ChannelNameBytesMax)
	case !utf8.ValidString(name):
		return "it is not valid UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) { // C0, DEL and C1
			return fmt.Sprintf("it contains the control character %U; only printable characters are allowed", r)
		}
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "":
			return "it has an empty segment; segments are joined by single slashes, with none at either end"
		case segment == "." || segment == "..":
			return fmt.Sprintf("the segment %q is not allowed, because it is rewritten on its way in a URL", segment)
		case strings.Contains(segment, "*"):
			return `it contains "*", which is for patterns; name one channel`
		}
	}
	return ""
}

// quoted is text of the peer made fit for an error message.
func quoted(s string) string {
	const bytesMax = 64
	if len(s) <= bytesMax {
		return fmt.Sprintf("%q", s)
	}
	cut := bytesMax
	for cut > bytesMax-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}
