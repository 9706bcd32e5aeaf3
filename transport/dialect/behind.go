package dialect

import (
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// The texts for clients when publications do not come. The broker's own text is for the
// log: everybody may listen.
const (
	detailAway   = "the broker behind this server cannot be used now; what is published meanwhile follows, or a gap says what does not"
	detailBehind = "the history of this channel cannot be read now; what is missing follows, or a gap says what does not"
)

// behind writes the message that the publications of a channel, or of all, do not come at
// present, and the message that they come again (docs/protocol.md §5.10). own is the
// channel that needs no name:
//
//	{"channel":"chat","is":true,"detail":"…"}
//	{"is":false}
func (w *writer) behind(p *hub.Push, own string) {
	outer := w.begin()
	if p.Channel != own {
		w.textIfAny(clientproto.KeyChannel, p.Channel)
	}
	w.bool(clientproto.KeyIs, p.Behind.Err != nil)
	switch {
	case p.Behind.Err == nil:
	case p.Channel == "":
		w.text(clientproto.KeyDetail, detailAway)
	default:
		w.text(clientproto.KeyDetail, detailBehind)
	}
	w.end(outer)
}

// tellBehind tells the client of a session: {"behind":{…}}.
func (s *Session) tellBehind(p *hub.Push, out *Effects) {
	s.sendObject(out, func(w writer) writer {
		w.name(clientproto.KeyBehind)
		w.behind(p, "")
		return w
	})
}

// appendBehindObject appends {"behind":{…}}, which stands among envelopes.
func appendBehindObject(dst []byte, p *hub.Push, own string) []byte {
	w := writer{b: append(dst, `{"behind":`...)}
	w.behind(p, own)
	return append(w.b, '}')
}

func appendLineBehind(dst []byte, p *hub.Push, own string) []byte {
	return append(appendBehindObject(dst, p, own), '\n')
}

// appendEventBehind has no id: the client is where it was.
func appendEventBehind(dst []byte, p *hub.Push, own string) []byte {
	w := writer{b: append(dst, "event: behind\ndata: "...)}
	w.behind(p, own)
	return append(w.b, "\n\n"...)
}
