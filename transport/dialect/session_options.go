package dialect

import (
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// SessionOptions are the same for all sessions of a server.
//
// They are resolved: a Transport has filled its defaults in.
type SessionOptions struct {
	Heartbeat      time.Duration // the silence after which a stream is sent something
	ConnectTimeout time.Duration // for the first command to come
	PingInterval   time.Duration // what a client is told: how long to be silent before it pings
	Expiring       time.Duration // how long before its token ends a client is told, or a fifth of its time if that is less
	// Reconnect draws the time that a client waits before it comes back, see StreamOptions.
	Reconnect func(drawnAt int32) (delay time.Duration, at int32)

	Describe func(err error) Failure // the failure that tells a client of an error of the hub
}

// Failure is a reply that something was not done.
type Failure struct {
	Problem    *clientproto.Problem
	Detail     string
	RetryAfter time.Duration // zero if it is not known
	Data       []byte        // JSON, nil for none

	// Type and Title are the ones in the answer to a call, instead of the Problem's.
	Type, Title string
}

// The kinds of a Command that concern the conversation itself, and no channel.
const (
	CommandConnect hub.Command = 128 + iota
	CommandRefresh
	CommandCancel  // of Target, a call of the session
	CommandDeliver // frames for a session that is on another carrier

	// CommandIdentify begins the session of the hub, if there is none yet, and makes As its
	// identity, if that is not nil. Its outcome is a push with the tag; before it, a
	// dialect that is an Opener is told the session.
	CommandIdentify
)

// Opener is a Dialect that wants to know its session before it subscribes to anything, see
// CommandIdentify.
type Opener interface {
	// Opened tells the ID of the session of the hub.
	Opened(session string)
}

// Leaver is a Dialect that wants to know when its conversation is over, such as one that
// counts conversations.
type Leaver interface {
	// Left is called last, once, however the conversation has ended, and also if its
	// handshake has failed.
	Left()
}

// Connected is the outcome of CommandConnect and CommandRefresh.
type Connected struct {
	Tag       uint64
	Err       error
	Session   string
	Secret    string
	User      string
	Expires   time.Time // zero for never
	IsResumed bool
}
