package feed

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Outcome is what became of a message of the upstream.
type Outcome uint8

// The outcomes.
const (
	Taken     Outcome = iota // it is being published; it becomes one of the next three
	Published                // the broker has it
	Duplicate                // another one with its ID was published before
	Lost                     // the hub or the broker did not take it, which its channel is told
	Answered                 // it answers what was sent
	Failure                  // it says that the upstream has refused something
	Early                    // it waits for the answer that says whose it is, and becomes another one
	Ignored                  // no subscription takes it
	Binary                   // it is no text
	NotJSON
	TooLong  // longer than a message may be
	Unusable // no channel or no data can be made of it
	Crowded  // it names one channel too many
	outcomes // how many there are
)

// Outcomes are all that messages are counted by.
func Outcomes() (all []Outcome) {
	for o := range outcomes {
		if o.IsFinal() {
			all = append(all, o)
		}
	}
	return all
}

// IsFinal reports whether a message of this outcome does not become one of another.
func (o Outcome) IsFinal() bool { return o != Taken && o != Early }

// String is a word.
func (o Outcome) String() string {
	return [...]string{"taken", "published", "duplicate", "lost", "answer", "failure", "early", "ignored", "binary", "not_json", "too_long", "unusable", "crowded"}[o]
}

// Problem is what is wrong with a message of this outcome and what would be right, or nothing.
func (o Outcome) Problem() string {
	switch o {
	case Binary:
		return "a binary message, and only text is read"
	case NotJSON:
		return "a message that is not JSON"
	case TooLong:
		return "a message that is longer than message_bytes, which can be raised"
	case Unusable:
		return "a message of which no publication can be made; match or ignore leaves such messages out"
	case Crowded:
		return "a message for one channel more than channels_max"
	}
	return ""
}

// Quoted is text of the upstream made fit for a log, and cut.
func Quoted(text string) string {
	const bytesMax = 200
	if len(text) <= bytesMax {
		return fmt.Sprintf("%q", text)
	}
	cut := bytesMax
	for cut > bytesMax-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", strings.Clone(text[:cut]))
}
