package dialect

import (
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// tell tells of what the server has done to the session (docs/protocol.md §5.4):
//
//	{"subscribed":{"channel":"chat","position":"…"}}
//	{"unsubscribed":{"channel":"chat","error":{…}}}
//	{"unregistered":{"method":"math/*","error":{…}}}
func (s *Session) tell(o *hub.Outcome, out *Effects) {
	switch {
	case o.Command == hub.CommandSubscribe && o.Err == nil:
		s.sendObject(out, func(dst []byte) []byte {
			dst = append(dst, `{"subscribed":{"channel":`...)
			dst = jsontext.AppendString(dst, o.Channel)
			dst = append(dst, ',')
			return append(appendOutcome(dst, o), "}}"...)
		})
	case o.Command == hub.CommandUnsubscribe:
		s.tellEnd(`{"unsubscribed":{"channel":`, o, out)
	case o.Command == hub.CommandUnregister:
		s.tellEnd(`{"unregistered":{"method":`, o, out)
	}
}

func (s *Session) tellEnd(beginning string, o *hub.Outcome, out *Effects) {
	s.sendObject(out, func(dst []byte) []byte {
		dst = append(dst, beginning...)
		dst = jsontext.AppendString(dst, o.Channel)
		if o.Err != nil {
			f := s.options.Describe(o.Err)
			dst = appendError(append(dst, ','), &f)
		}
		return append(dst, "}}"...)
	})
}
