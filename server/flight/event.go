package flight

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Kind says what an Event is.
type Kind uint8

// The kinds of events. Their numbers are only in memory.
const (
	Opened       Kind = iota + 1 // a session
	Subscribed                   // a subscription began, at Position
	Gapped                       // a gap was taken by the edge
	Unsubscribed                 // a subscription ended, when the edge had taken all up to Position
	Refused                      // something was refused, see Action
	Suspended                    // the connection of a session was lost, and the session waits for another
	Resumed                      // the session has another connection
	Disconnected                 // the connection ended, see Code
	Closed                       // the session ended
)

// String is the kind in an answer.
func (k Kind) String() string {
	return [...]string{"", "opened", "subscribed", "gap", "unsubscribed", "refused", "suspended", "resumed", "disconnected", "closed"}[k]
}

// Event is one thing that happened to a session. Which fields are set depends on the
// Kind; texts are cut after 255 bytes.
type Event struct {
	Kind        Kind
	Time        time.Time
	Session     string // its ID, "" of a refusal before there was one
	User        string // of Opened, Closed and Refused; "" if it is not known
	Transport   string // of Opened and Resumed
	Channel     string
	Since       time.Time // names the subscription, see hub.Milestone
	Position    hub.Position
	Gap         hub.Gap // of Gapped
	ExcludesOwn bool
	IsClosed    bool          // of Unsubscribed: with its session
	Action      access.Action // of Refused
	Code        uint16        // of Closed, Disconnected and Suspended; 0 if there is none
	Reason      string        // of Closed, Disconnected, Refused and Suspended
}

// textBytesMax is the longest text of an event: its length is one byte.
const textBytesMax = 255

// eventBytesMax is more than any event takes: seven texts, three epochs and the numbers.
const eventBytesMax = 4 << 10

// cut is s as an event has it.
func cut(s string) string {
	if len(s) <= textBytesMax {
		return s
	}
	end := textBytesMax
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// appendEvent appends e as record reads it:
//
//	kind 1 │ time 8 │ session │ user │ channel │ transport │ reason │ since 8 │ flags 1 │ action 1 │ code 2 │ position │ gap, of Gapped
func appendEvent(dst []byte, e *Event) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(nanoseconds(e.Time)))
	for _, s := range [...]string{e.Session, e.User, e.Channel, e.Transport, e.Reason} {
		s = cut(s)
		dst = append(append(dst, byte(len(s))), s...)
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(nanoseconds(e.Since)))
	var flags byte
	if e.ExcludesOwn {
		flags |= flagExcludesOwn
	}
	if e.IsClosed {
		flags |= flagIsClosed
	}
	dst = append(dst, flags, byte(e.Action))
	dst = binary.LittleEndian.AppendUint16(dst, e.Code)
	dst = appendPosition(dst, e.Position)
	if e.Kind == Gapped {
		dst = appendPosition(dst, e.Gap.From)
		dst = appendPosition(dst, e.Gap.To)
		dst = append(dst, byte(e.Gap.Reason))
		dst = binary.AppendUvarint(dst, uint64(max(0, e.Gap.Count)))
	}
	return dst
}

const (
	flagExcludesOwn byte = 1 << iota
	flagIsClosed
)

func appendPosition(dst []byte, p hub.Position) []byte {
	epoch := cut(p.Epoch)
	dst = append(append(dst, byte(len(epoch))), epoch...)
	return binary.AppendUvarint(dst, p.Offset)
}

// nanoseconds is t as events have it, 0 for no time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// record is an event in memory: what answers are looked up by is read at once, and the
// rest when it is wanted.
type record struct {
	kind                             Kind
	time                             int64
	session, user, channel           []byte
	transport, reason, behindReasons []byte
}

// cutText cuts a text off b.
func cutText(b []byte) (text, rest []byte) {
	n := 1 + int(b[0])
	return b[1:n:n], b[n:]
}

// readRecord reads what appendEvent has written.
func readRecord(b []byte) (r record) {
	r.kind, r.time = Kind(b[0]), int64(binary.LittleEndian.Uint64(b[1:]))
	b = b[9:]
	r.session, b = cutText(b)
	r.user, b = cutText(b)
	r.channel, b = cutText(b)
	r.transport, b = cutText(b)
	r.reason, r.behindReasons = cutText(b)
	return r
}

// event is all of the record, in memory of its own.
func (r *record) event() Event {
	e := Event{
		Kind: r.kind, Time: timeOf(r.time), Session: string(r.session), User: string(r.user), Channel: string(r.channel),
		Transport: string(r.transport), Reason: string(r.reason),
	}
	b := r.behindReasons
	e.Since = timeOf(int64(binary.LittleEndian.Uint64(b)))
	e.ExcludesOwn, e.IsClosed = b[8]&flagExcludesOwn != 0, b[8]&flagIsClosed != 0
	e.Action, e.Code = access.Action(b[9]), binary.LittleEndian.Uint16(b[10:])
	e.Position, b = takePosition(b[12:])
	if e.Kind == Gapped {
		e.Gap.From, b = takePosition(b)
		e.Gap.To, b = takePosition(b)
		e.Gap.Reason = hub.GapReason(b[0])
		count, _ := binary.Uvarint(b[1:])
		e.Gap.Count = int(count)
	}
	return e
}

func takePosition(b []byte) (p hub.Position, rest []byte) {
	epoch, b := cutText(b)
	offset, n := binary.Uvarint(b)
	return hub.Position{Epoch: string(epoch), Offset: offset}, b[n:]
}
