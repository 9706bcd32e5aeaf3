package dialect

import (
	"bytes"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
)

// Dialect is the server's side of one conversation. Its methods are called one
// at a time, and each appends to out what is to happen. None is called again once
// Effects.Closing was set.
type Dialect interface {
	// Transport is the name under which the conversation appears in presence,
	// statistics and metrics.
	Transport() string

	// Begin is called first, once.
	Begin(now time.Time, out *Effects)

	// Receive takes a frame of the client. A carrier on which the client can say
	// nothing more than its request does not call it.
	Receive(now time.Time, f Frame, out *Effects)

	// Push takes the pushes that the session owes.
	Push(now time.Time, pushes []hub.Push, out *Effects)

	// End says that the session has ended, and why: hub.ErrShutdown,
	// hub.ErrClosed, hub.ErrTooManyCommands, hub.ErrSlow, a *hub.Ended or an
	// *access.Refusal.
	End(reason error, out *Effects)

	// Deadline is when Expire is to be called; the zero time is never. It may
	// change with every call of another method.
	Deadline() time.Time
	Expire(now time.Time, out *Effects)
}

// Follower is a Dialect that tells its client how far it has come in the channels of
// patterns.
type Follower interface {
	// FollowsPatterns reports whether it wants to know of that now.
	FollowsPatterns() bool

	// SetCaughtUp is called before Receive, Push and Expire. It says whether everything that was
	// published by then has been given, or is in what Push takes.
	SetCaughtUp(bool)
}

// RunTaker is a Dialect that can do with several deliveries in one push.
type RunTaker interface {
	// TakesRuns is asked before Push: whether there may be a Push.Run in what that takes.
	TakesRuns() bool
}

// Frame is a message of a client. Data is the carrier's, and only valid until
// Receive returns.
type Frame struct {
	Binary bool
	Data   []byte
}

// Command is something to ask the session for. Which fields count depends on
// Kind.
type Command struct {
	Kind   hub.Command   // 0 asks for nothing but the permission
	Action access.Action // the action that needs permission
	Also   access.Action // and this, too; 0 for nothing more
	// As is the identity that needs permission, nil for the client's own: a client that
	// shows a signature for one channel has another identity there. With CommandIdentify
	// it is the client's identity from then on.
	As        *access.Identity
	Tag       uint64
	Channel   string
	Message   hub.Message          // CommandPublish
	Chosen    bool                 // of that, Attributes.Exclude is the client's own choice
	Subscribe hub.SubscribeOptions // CommandSubscribe
	Query     hub.Query            // CommandHistory
	Presence  hub.PresenceQuery    // CommandPresence

	// CommandIdentify: the ID that the session is to have, "" for a new one, and the
	// identity that had it, nil for Everybody. A client with another identity gets a new
	// one all the same.
	Session string
	Owner   *access.Identity

	Token  string             // CommandConnect, CommandRefresh
	Client string             // CommandConnect
	Resume clientproto.Resume // CommandConnect
	Data   []byte             // CommandDeliver

	Call     hub.Call            // CommandCall; of CommandAnswer, what it is answered with
	Register hub.RegisterOptions // CommandRegister, whose method is Channel
	Target   uint64              // CommandAnswer: the call; CommandCancel: the tag of one
	Failure  *hub.CallError      // CommandAnswer: that it failed, nil if not
}

// Effects are the results of a call of a Dialect, in the order of the fields.
type Effects struct {
	Commands []Command
	Answer   *Answer            // to the client's request; set once, before any frame and Closing
	Frames   [][]byte           // shared: not to be modified
	Messages []*driver.Prepared // instead of Frames, of a Socket that is compressed
	Closing  *Closing           // the conversation is over

	Delivered Batch // of what is in Frames
}

// Reset empties e and keeps its memory.
func (e *Effects) Reset() {
	clear(e.Commands)
	clear(e.Frames)
	clear(e.Messages)
	*e = Effects{Commands: e.Commands[:0], Frames: e.Frames[:0], Messages: e.Messages[:0]}
}

// Content takes the content of a whole answer out of Frames.
func (e *Effects) Content() []byte {
	var content []byte
	if len(e.Frames) == 1 {
		content = e.Frames[0]
	} else {
		content = bytes.Join(e.Frames, nil)
	}
	clear(e.Frames)
	e.Frames = e.Frames[:0]
	return content
}

// Answer is the answer to the request with which a conversation begins.
type Answer struct {
	// Err, if not nil, refuses the request: it is an error of the hub, or an
	// *access.Refusal.
	Err error

	Status      int // of HTTP
	ContentType string
	Position    hub.Position // where the client may go on, zero for none
	Vector      string       // the same of a pattern, "" for none
	Wait        time.Duration
	HasWait     bool // the request's preference for Wait was applied
	Replayed    bool // the idempotency key of the request has been seen

	// IsWhole says that Frames has the whole body; otherwise it goes on until
	// Closing.
	IsWhole bool
}

// Begin is the text of where the client may go on, "" for none.
func (a *Answer) Begin() string {
	if a.Vector != "" {
		return a.Vector
	}
	return a.Position.String()
}

// Closing is the end of a conversation. Code and Reason are for carriers on which
// the client is told.
type Closing struct {
	End    End
	Code   uint16
	Reason string

	// IsLast says that a session that could go on with another carrier is over, too.
	IsLast bool
}

// End says why a conversation was over.
type End string

// The reasons of an End.
const (
	EndClient   End = "client"   // the client left, or has its answer
	EndShutdown End = "shutdown" // the hub is going away
	EndSlow     End = "slow"     // the client did not read in time
	EndLost     End = "lost"     // position lost on a bare WebSocket
	EndRefused  End = "refused"  // the client may not, or sent something that may not be published
	EndFailure  End = "failure"  // the broker failed
)

// Batch adds up what one write delivers.
type Batch struct {
	N, Bytes int
	Oldest   time.Time // of the publications newer than the conversation, zero if none
}

// Add counts p, which left as size bytes in a conversation that began at since, in
// nanoseconds of Unix time.
func (b *Batch) Add(p *hub.Publication, size int, since int64) {
	b.N++
	b.Bytes += size
	if p.Time.UnixNano() >= since && (b.Oldest.IsZero() || p.Time.Before(b.Oldest)) {
		b.Oldest = p.Time
	}
}

// AddRun counts the publications of r, which left as size bytes, see Add.
func (b *Batch) AddRun(r *hub.Run, size int, since int64) {
	b.N += len(r.Deliveries)
	b.Bytes += size
	for _, d := range r.Deliveries { // the times ascend, mostly
		if d.Time.UnixNano() >= since {
			if b.Oldest.IsZero() || d.Time.Before(b.Oldest) {
				b.Oldest = d.Time
			}
			break
		}
	}
}

// LostEpoch stands for a position of a client that cannot be read. It is the
// epoch of no history, so the hub announces a gap.
const LostEpoch = "?"

// The tag of the command with which a conversation begins.
const tagBegin = 1

// listener is a dialect whose client says nothing more than its request.
type listener struct{}

func (listener) Receive(time.Time, Frame, *Effects) {}
