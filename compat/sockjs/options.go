package sockjs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/driver"
)

// DefaultPath is the prefix of the base URLs of channels.
const DefaultPath = "/sockjs/"

// OptionError says that an option cannot be as it is.
type OptionError = driver.OptionError

// Options configures a Server and its Protocol. The zero value works; a nil *Options is all
// defaults.
type Options struct {
	// Path is the prefix of the base URLs: what follows is the name of a channel. It
	// begins and ends with a slash. Default "/sockjs/".
	Path string

	// SockJS are the options of the sessions. Origins must be those of the Transport.
	// MessageBytesMax has the default 64 KiB, which is that of a publication, and
	// BodyBytesMax 16 times as much. Base, Match and Decide are the Server's, and so are
	// QueueMessagesMax and QueueBytesMax: what waits for a client is bounded by the
	// session of the hub.
	SockJS sockjs.Options
}

// bodyMessages is how many messages of the largest size a client may send at once.
const bodyMessages = 16

// withDefaults returns a copy of o with its defaults filled in. The error wraps an
// *OptionError.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Path == "" {
		out.Path = DefaultPath
	}
	if out.Path == "/" || !strings.HasPrefix(out.Path, "/") || !strings.HasSuffix(out.Path, "/") || strings.ContainsAny(out.Path, "?#%") {
		return Options{}, fmt.Errorf("compat/sockjs: %w", &OptionError{Option: "Path",
			Reason: fmt.Sprintf("%.100q is no prefix of base URLs; it begins and ends with a slash, with something in between", out.Path)})
	}
	s := &out.SockJS
	messageBytesMax, queueBytesMax, queueMessagesMax := s.MessageBytesMax, s.QueueBytesMax, s.QueueMessagesMax
	if err := cmp.Or(
		driver.Resolve("MessageBytesMax", &messageBytesMax, transport.DefaultBodyBytesMax),
		driver.Resolve("QueueBytesMax", &queueBytesMax, driver.NoLimit),
		driver.Resolve("QueueMessagesMax", &queueMessagesMax, driver.NoLimit),
	); err != nil {
		return Options{}, ofSockJS(err)
	}
	s.MessageBytesMax = messageBytesMax
	for name, isSet := range map[string]bool{"Base": s.Base != "", "Match": s.Match != nil, "Decide": s.Decide != nil, "QueueMessagesMax": s.QueueMessagesMax != 0, "QueueBytesMax": s.QueueBytesMax != 0} {
		if isSet {
			return Options{}, fmt.Errorf("compat/sockjs: %w", &OptionError{Option: "SockJS." + name, Reason: "it is the Server's own; leave it out"})
		}
	}
	if s.BodyBytesMax == 0 && messageBytesMax < driver.NoLimit/bodyMessages {
		s.BodyBytesMax = bodyMessages * messageBytesMax
	}
	if s.Transports == nil {
		s.Transports = sockjs.DefaultTransports()
	}
	return out, nil
}

// ofSockJS is an error of an option of SockJS, by the name that it has here.
func ofSockJS(err error) error {
	if wrong, ok := errors.AsType[*OptionError](err); ok {
		err = &OptionError{Option: "SockJS." + wrong.Option, Reason: wrong.Reason}
	}
	return fmt.Errorf("compat/sockjs: %w", err)
}

// split divides a path below Path into the name of a channel, percent-encoded, the base
// URL that it is in, and what SockJS makes of the rest. ok is false for other paths.
//
//	/sockjs/chat/room/7/000/abcdefgh/xhr   chat/room/7
//	/sockjs/chat/room/info                 chat/room
//	/sockjs/chat/room/websocket            chat/room, as there is no channel in front of a session
//	/sockjs/chat/room/7/websocket          chat, with the session 7: the longest end wins
func (o *Options) split(path string) (name, base, rest string, ok bool) {
	if !strings.HasPrefix(path, o.Path) {
		return "", "", "", false
	}
	below := path[len(o.Path)-1:]
	base, rest = sockjs.SplitPath(below)
	if base == "" && strings.HasSuffix(below, rawSuffix) {
		base, rest = below[:len(below)-len(rawSuffix)], rawSuffix
	}
	if base == "" {
		return "", "", "", false
	}
	return base[1:], path[:len(path)-len(rest)], rest, true
}

const rawSuffix = "/websocket"

// isRaw reports whether a path is that of a WebSocket without the framing of SockJS.
func (o *Options) isRaw(path string) bool {
	_, _, rest, ok := o.split(path)
	return ok && rest == rawSuffix && slices.Contains(o.SockJS.Transports, sockjs.RawWebSocket)
}
