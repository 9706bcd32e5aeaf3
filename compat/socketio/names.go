package socketio

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/socketio/packet"
)

// channelOf returns the channel of a namespace, which begins with a slash. main is that
// of "/". The error says why there is none; it is a *hub.NameError.
func channelOf(namespace, main string) (string, error) {
	if namespace == packet.Main {
		return main, nil
	}
	channel := namespace[1:]
	if channel == main {
		return "", &hub.NameError{Name: channel, Problem: "it is that of the namespace /; connect to that"}
	}
	if err := hub.CheckChannel(channel); err != nil {
		return "", err
	}
	return strings.Clone(channel), nil
}

// namespaceOf is the inverse of channelOf.
func namespaceOf(channel, main string) string {
	if channel == main {
		return packet.Main
	}
	return "/" + channel
}

// roomChannel returns the channel of a room of the namespace that has a channel: the
// name of the room is one segment below that. What no segment can hold, and "%" itself,
// is percent-encoded, so no two rooms share a channel. The error is a *hub.NameError.
func roomChannel(channel, room string) (string, error) {
	name := channel + "/" + escapeRoom(room)
	if room == "" {
		return "", &hub.NameError{Name: name, Problem: "the name of the room is empty"}
	}
	if err := hub.CheckChannel(name); err != nil {
		return "", err
	}
	return name, nil
}

// parentOf is the channel of the namespace of which name could be a room, "" if there is
// none.
func parentOf(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

func escapeRoom(room string) string {
	isDots := room == "." || room == ".."
	if !isDots && utf8.ValidString(room) && !strings.ContainsFunc(room, isEscaped) {
		return room // as nearly always
	}
	var b strings.Builder
	for i := 0; i < len(room); {
		r, size := utf8.DecodeRuneInString(room[i:])
		if isDots || r == utf8.RuneError && size == 1 || isEscaped(r) {
			for _, c := range []byte(room[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(room[i : i+size])
		}
		i += size
	}
	return b.String()
}

func isEscaped(r rune) bool { return r == '/' || r == '*' || r == '%' || unicode.IsControl(r) }
