package socketio

import (
	"encoding/json"
	"errors"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Backend is the application behind the server: it decides which clients join a
// namespace, and answers events. Its methods are called from event loops, so none of
// them may block; answer is called once, from any goroutine, at once or later. What
// they are given is theirs to keep, and not to be modified.
type Backend interface {
	// Connect is asked about a client that wants to join a namespace, and that the Guard
	// has let in. A refusal is an *access.Refusal; with any other error it cannot be
	// decided now, and the client comes back by itself.
	Connect(r *ConnectRequest, answer func(*ConnectAnswer, error))

	// Event is given an event that Options.BackendEvents name, which is not published. An
	// error is told to a client that waits for an acknowledgement: a *hub.CallError as it
	// is, any other as an error that it cannot do anything about.
	Event(r *EventRequest, answer func(*EventAnswer, error))

	// Disconnect is told of the end of what Connect was asked about, if the client had
	// joined.
	Disconnect(r *DisconnectRequest)
}

// Peer is a client in a namespace, as a Backend is told of it.
type Peer struct {
	Session   string // socket.id
	Namespace string // begins with a slash
	Channel   string // of the namespace
	Address   string // of the client, "" if it is not known
	User      string // the client's by Connect, "" if that has not said
}

// ConnectRequest is a client's wish to join, for a Backend to decide about.
type ConnectRequest struct {
	Peer
	Auth   json.RawMessage // what the client says with the option auth: an object, or nil
	Query  string          // of the handshake, as it was sent; it may hold secrets
	Fields [][2]string     // of the handshake: the fields that Options.Forward names
}

// ConnectAnswer lets a client in. The zero value leaves its identity as it is.
type ConnectAnswer struct {
	// User, if not "", is the client's user, and Info one JSON value that others may know.
	User string
	Info json.RawMessage

	// Grants are what it may do, nil for everything that is done with messages in the
	// channel of the namespace and in its rooms; but for nothing where that is the channel of
	// a user. They count only with a User, and the client's own grants do not count then.
	Grants *access.Grants

	// Join names rooms of the namespace that the client is in from the beginning.
	Join []string
}

// EventRequest is an event of a client.
type EventRequest struct {
	Peer
	Event    string
	Args     json.RawMessage // an array, in which each {"$base64":"…"} stands for bytes
	WantsAck bool            // the client waits for the answer
}

// EventAnswer is the effect of an event. Its parts are done in the order of its
// fields, and acknowledged when that was done.
type EventAnswer struct {
	Join, Leave []string      // rooms of the namespace
	Publish     []hub.Message // in any channel; the hub keeps them
	Ack         json.RawMessage
	Disconnect  bool // the client leaves the namespace, and does not come back by itself
}

// DisconnectRequest says that a client has left.
type DisconnectRequest struct {
	Peer
	Reason string // in the words of Socket.IO, "transport close" for example
}

// ErrUnanswered is the error of a Backend whose application does not answer.
var ErrUnanswered = errors.New("socketio: the application does not answer")

// vouched is the identity of a client by what a Backend has answered, nil for none.
func (a *ConnectAnswer) vouched(channel string) *access.Identity {
	if a == nil || a.User == "" {
		return nil
	}
	id := &access.Identity{Kind: access.Application, User: a.User, Info: a.Info}
	if a.Grants != nil {
		id.Grants = *a.Grants
		return id
	}
	if channel[0] == '@' { // it belongs to a user, and the user may read it anyway
		return id
	}
	own := []string{channel, channel + "/**"}
	granted, err := access.ParseGrants(map[string][]string{"subscribe": own, "publish": own, "history": own, "presence": own})
	if err == nil { // else the name of the channel means something else as a pattern, and nothing is granted
		id.Grants = granted
	}
	return id
}
