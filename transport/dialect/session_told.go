package dialect

import (
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// tell tells the client of the server's acts on the session (docs/protocol.md §5.4):
//
//	{"subscribed":{"channel":"chat","position":"…"}}
//	{"unsubscribed":{"channel":"chat","error":{…}}}
//	{"unregistered":{"method":"math/*","error":{…}}}
func (s *Session) tell(o *hub.Outcome, out *Effects) {
	switch {
	case o.Command == hub.CommandSubscribe && o.Err == nil:
		s.sendObject(out, func(w writer) writer {
			told := w.object(clientproto.KeySubscribed)
			w.text(clientproto.KeyChannel, o.Channel)
			w.outcome(o)
			w.end(told)
			return w
		})
	case o.Command == hub.CommandUnsubscribe:
		s.tellEnd(clientproto.KeyUnsubscribed, clientproto.KeyChannel, o, out)
	case o.Command == hub.CommandUnregister:
		s.tellEnd(clientproto.KeyUnregistered, clientproto.KeyMethod, o, out)
	}
}

func (s *Session) tellEnd(what, of clientproto.Key, o *hub.Outcome, out *Effects) {
	s.sendObject(out, func(w writer) writer {
		told := w.object(what)
		w.text(of, o.Channel)
		if o.Err != nil {
			f := s.options.Describe(o.Err)
			w.failure(&f)
		}
		w.end(told)
		return w
	})
}
