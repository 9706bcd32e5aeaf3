package access

import (
	"fmt"
	"strconv"
	"strings"
)

// Action is something that can be done with a channel or, for Call and Answer, with
// a method, whose name is like that of a channel.
type Action uint8

// The actions. Manage includes the other actions on channels. It includes neither Call
// nor Answer: an identity that may do everything in the channels of a chat is not to see
// the calls of methods that happen to have the same names.
const (
	// Subscribe is to receive publications, beginning with those that the client missed: a
	// WebSocket, a stream, or a long poll.
	Subscribe Action = iota + 1
	Publish          // to publish
	Presence         // to see who is subscribed
	History          // to read the history without a subscription
	Call             // to call a method
	Answer           // to be given what others call the methods of a pattern with, and to answer
	Manage           // to see and to end sessions, and to clear the history
)

// actions are their names, as they stand in tokens and configurations.
var actions = [...]string{Subscribe: "subscribe", Publish: "publish", Presence: "presence", History: "history", Call: "call", Answer: "answer", Manage: "manage"}

// Actions returns all of them. The caller owns the slice.
func Actions() []Action {
	return []Action{Subscribe, Publish, Presence, History, Call, Answer, Manage}
}

// IsOfMethods reports whether a is about methods, not about channels.
func (a Action) IsOfMethods() bool { return a == Call || a == Answer }

// String is the name of the action in tokens and configurations.
func (a Action) String() string {
	if a > 0 && int(a) < len(actions) {
		return actions[a]
	}
	return "action " + strconv.Itoa(int(a))
}

// ParseAction is the inverse of String.
func ParseAction(name string) (Action, error) {
	for a, known := range actions {
		if known == name && name != "" {
			return Action(a), nil
		}
	}
	return 0, fmt.Errorf("access: %s is not an action; the actions are %s", quoted(name), strings.Join(actions[1:], ", "))
}
