package transport

import (
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Protocol is spoken by WebSockets at paths of its own, such as that of Pusher at
// /app/KEY. Its methods are safe for concurrent use and do not block.
type Protocol interface {
	// Serves reports whether a path, as it was sent, is one of the Protocol's.
	Serves(path string) bool

	// Open returns the dialect of an opening handshake, or why it is refused. r is valid
	// until Open returns. Pages are not shown why; a dialect that accepts the handshake,
	// says what is wrong and closes can tell them, and a *dialect.Socket is had to.
	//
	// The dialect answers with the Status 101, in Begin or, to have a client wait that comes
	// back too fast, in Expire. It may ignore compression: its Frames are sent as they are.
	Open(r *Request) (dialect.OverSocket, *Refusal)
}

// Refusal is an answer to a request that is refused: Problem says of which kind it is,
// and Detail what is wrong and what would be right.
type Refusal struct {
	Problem *Problem
	Detail  string
}

// decideProtocol decides about an opening handshake for a path of p.
func (t *Transport) decideProtocol(a *asked, d decision, p Protocol) decision {
	a.isSocket = true
	spoken, refused := p.Open(t.requestOf(a))
	if refused != nil {
		return t.refused(d, &refusal{problem: refused.Problem, detail: refused.Detail, close: true})
	}
	if d.response = t.admitSession(&d.asker, spoken.Transport()); d.response != nil {
		d.response.isLast = true
		return d
	}
	if socket, ok := spoken.(*dialect.Socket); ok { // a channel at another path
		if t.tellsPage(a) {
			socket.OpenToRefuse()
		}
		d.socket = socket
		return d
	}
	d.socket = &timed{OverSocket: spoken}
	return d
}

// RequestOfLoop is the head of a request that an event loop has read, as a Guard sees it.
func (t *Transport) RequestOfLoop(r *engine.Request, isUpgrade bool) *Request {
	a := askedLoop(r)
	a.isSocket = isUpgrade
	return t.requestOf(&a)
}

// AdmitSession reports whether one more session of another protocol may begin now by
// Options.SessionsPerSecond, and if not, after how long its client may try again.
// transport is the name under which it is counted.
func (t *Transport) AdmitSession(transport string) (ok bool, after time.Duration) {
	if ok, after = t.pacing.admit(time.Now()); !ok {
		t.observe.sessionRefused(transport)
	}
	return ok, after
}

// Describe returns the problem that tells a client of an error of the hub or of a Guard.
func (t *Transport) Describe(err error) dialect.Failure { return t.describe(err) }
