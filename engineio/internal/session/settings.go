package session

import (
	"strconv"
	"time"
)

// Values that no client notices, and that are therefore no options.
const (
	// NoopDelay is how long a poll is held while an upgrade is under way. Without it client
	// and server would spin. It is also how long a session that its client has closed waits
	// for a poll that was on its way.
	NoopDelay = 100 * time.Millisecond

	// CloseTimeout is how long a polling client may take to fetch the end.
	CloseTimeout = 30 * time.Second

	// lateMax is how late a ping may be for its deadline to be counted from when it was due.
	lateMax = 50 * time.Millisecond
)

// Settings are the same for all sessions of a server. They are resolved: every number
// counts as it is.
type Settings struct {
	PingInterval   time.Duration
	PingTimeout    time.Duration
	UpgradeTimeout time.Duration
	MaxPayload     int
	QueueBytesMax  int
	QueueCountMax  int // messages
	CanUpgrade     bool
}

// Time is a moment: nanoseconds since a moment that the caller has chosen, later than zero.
type Time int64

func (t Time) after(d time.Duration) Time { return t + Time(d) }

// appendOpen appends the data of the open packet.
func (s *Settings) appendOpen(dst []byte, sid string, upgrades bool) []byte {
	dst = append(dst, `{"sid":"`...)
	dst = append(dst, sid...)
	dst = append(dst, `","upgrades":[`...)
	if upgrades {
		dst = append(dst, `"websocket"`...)
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, s.PingInterval.Milliseconds(), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, s.PingTimeout.Milliseconds(), 10)
	dst = append(dst, `,"maxPayload":`...)
	dst = strconv.AppendInt(dst, int64(s.MaxPayload), 10)
	return append(dst, '}')
}

// Reason is why a session has ended.
type Reason uint8

// The reasons, in the order of package engineio's.
const (
	TransportClose Reason = iota + 1
	TransportError
	PingTimeout
	ParseError
	TooLarge
	QueueFull
	ForcedClose
	ShuttingDown
	Panicked
)

// Kind says what an Effect is.
type Kind uint8

// The kinds.
const (
	AnswerPoll  Kind = iota + 1 // the poll that waits gets Data, a payload
	Send                        // Data goes to the WebSocket: whole frames
	SendProbe                   // Data goes to the probe: whole frames
	Close                       // the WebSocket is closed, behind what was sent
	CloseProbe                  // the probe is
	TakeProbe                   // the probe is the WebSocket from now on
	Drained                     // what waited has left
	Ended                       // the session has ended, see Session.Reason
	FreePolling                 // what belonged to polling is not needed any more
)

// Effect is something to do.
type Effect struct {
	Kind   Kind
	Octets bool // Data is binary: a payload of version 3
	Data   []byte
}

// Effects are the acts to be done, in order. Data in them is the receiver's.
type Effects struct{ list []Effect }

// All returns the effects.
func (fx *Effects) All() []Effect { return fx.list }

func (fx *Effects) add(kind Kind, data []byte) {
	fx.list = append(fx.list, Effect{Kind: kind, Data: data})
}

// Verdict is what becomes of a request.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota
	Unknown           // the session has ended
	Misplaced         // the session is not carried by polling any more
	Overlaps          // there is one of its kind already; the session has ended
)
