package protocol

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Traits are the traits of a channel by the prefix of its name.
type Traits uint8

// The traits of a channel.
const (
	Private   Traits = 1 << iota // a subscription needs a signature
	Presence                     // and names the client; members are told of each other
	Encrypted                    // publications are not for us to read
	Cached                       // a subscriber is given the newest event first
	OfUser                       // messages to a user that has signed in
)

// Has reports whether all traits of a are among t.
func (t Traits) Has(a Traits) bool { return t&a == a }

// userPrefix is how the channel of a user is called by clients.
const userPrefix = "#server-to-user-"

// ChannelNameMax is the length of the longest name of a channel. Pusher's own servers
// take 164 characters, and their libraries 200.
const ChannelNameMax = 200

var prefixes = [...]struct {
	text   string
	traits Traits
}{
	{"private-encrypted-cache-", Private | Encrypted | Cached},
	{"private-encrypted-", Private | Encrypted},
	{"private-cache-", Private | Cached},
	{"private-", Private},
	{"presence-cache-", Private | Presence | Cached},
	{"presence-", Private | Presence},
	{"cache-", Cached},
	{userPrefix, OfUser},
}

// TraitsOf returns the traits of a channel by its name.
func TraitsOf(name string) Traits {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p.text) {
			return p.traits
		}
	}
	return 0
}

// Space is the place of the channels and users of an app among the hub's. The zero
// value is the Space of an app whose channels have the same names everywhere.
type Space struct{ prefix string }

// NewSpace returns the space of an app with a prefix, which is "" or ends with "/": else
// a channel called private-x would not be closed to others.
func NewSpace(prefix string) (Space, error) {
	if prefix == "" {
		return Space{}, nil
	}
	if !strings.HasSuffix(prefix, "/") {
		return Space{}, fmt.Errorf("pusher: the prefix %.64q does not end with a slash; write %.64q", prefix, prefix+"/")
	}
	if err := hub.CheckChannel(prefix + "x"); err != nil {
		return Space{}, fmt.Errorf("pusher: no channel begins with the prefix %.64q: %w", prefix, err)
	}
	if p, err := access.ParsePattern(prefix + "*"); err != nil || p.HasUser() || prefix[0] == '@' {
		return Space{}, fmt.Errorf("pusher: the prefix %.64q has characters that mean something else in patterns; leave out @ and braces", prefix)
	}
	return Space{prefix}, nil
}

// Prefix is the beginning of the names of the app's channels and users in the hub.
func (s Space) Prefix() string { return s.prefix }

// Channel returns the channel of the hub that name is, or what is wrong with the name.
func (s Space) Channel(name string) (channel, problem string) {
	if user, ok := strings.CutPrefix(name, userPrefix); ok {
		channel, err := access.UserChannel(s.prefix + user)
		if user == "" || err != nil {
			return "", fmt.Sprintf("no user has the channel %s", quoted(name))
		}
		return channel, ""
	}
	if problem := nameProblem(name); problem != "" {
		return "", fmt.Sprintf("Invalid channel name %s: %s", quoted(name), problem)
	}
	if s.prefix == "" && name[0] == '@' {
		return "", fmt.Sprintf("Invalid channel name %s: those that begin with @ belong to users; sign in, and bind to what is sent to the user", quoted(name))
	}
	return s.prefix + name, ""
}

func nameProblem(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > ChannelNameMax:
		return fmt.Sprintf("it is %d characters long; at most %d are allowed", len(name), ChannelNameMax)
	case name == "." || name == "..":
		return "it would be rewritten on its way in a URL"
	}
	for i := range len(name) {
		if !isOfName(name[i]) {
			return "it consists of letters, digits and _ - = @ , . ; alone"
		}
	}
	return ""
}

func isOfName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_-=@,.;", c) >= 0
}

// Name returns the name of a channel of the hub for the app's clients. ok is false
// for a channel without such a name.
func (s Space) Name(channel string) (name string, ok bool) {
	if strings.HasPrefix(channel, "@") {
		user, err := url.PathUnescape(channel[1:])
		if err != nil {
			return "", false
		}
		if user, ok = s.ID(user); !ok || user == "" || strings.Contains(channel, "/") {
			return "", false
		}
		return userPrefix + user, true
	}
	name, ok = strings.CutPrefix(channel, s.prefix)
	return name, ok && nameProblem(name) == ""
}

// User is the user of the hub that has an ID in the app.
func (s Space) User(id string) string { return s.prefix + id }

// ID is the inverse of User. ok is false for a user of nobody in the app.
func (s Space) ID(user string) (id string, ok bool) {
	id, ok = strings.CutPrefix(user, s.prefix)
	return id, ok && id != ""
}

// statusChannel is the channel in which clients that have signed in as a user are seen
// by the watchers of the user. Nothing is published there, and its name is no channel's
// of any app.
func (s Space) statusChannel(id string) (string, error) {
	channel, err := access.UserChannel(s.prefix + id)
	if err == nil && len(channel)+len(statusSuffix) > access.PatternBytesMax {
		err = fmt.Errorf("pusher: the ID of user %s is too long", quoted(id))
	}
	return channel + statusSuffix, err
}

const statusSuffix = "/online"

// quoted is text of the peer made fit for a message.
func quoted(s string) string {
	const bytesMax = 200
	if len(s) <= bytesMax {
		return fmt.Sprintf("%q", s)
	}
	cut := bytesMax
	for cut > bytesMax-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

// reservedMark begins, in the hub, the name of an event that the hub has for itself, such
// as "error".
const reservedMark = "event:"

// EventOfHub is what an event of a client or a back end is called in the hub. "message"
// is what clients hear where there is no name, so it is none.
func EventOfHub(event string) string {
	switch {
	case event == EventUnnamed:
		return ""
	case isReserved(event):
		return reservedMark + event
	}
	return event
}

// IsOfServer reports whether an event has a name that clients take for what the server itself
// says, such as pusher_internal:member_removed.
func IsOfServer(event string) bool {
	return strings.HasPrefix(event, "pusher:") || strings.HasPrefix(event, "pusher_internal:")
}

// eventOfClient is the inverse of EventOfHub. Other protocols have clients publish under any
// name: a name that would be taken for the server's is none.
func eventOfClient(event string) string {
	if IsOfServer(event) {
		return ""
	}
	if name, ok := strings.CutPrefix(event, reservedMark); ok && isReserved(name) {
		return name
	}
	return event
}

var reservedEvents = hub.ReservedEvents()

func isReserved(event string) bool {
	for _, reserved := range reservedEvents {
		if event == reserved {
			return true
		}
	}
	return false
}
