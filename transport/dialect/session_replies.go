package dialect

import (
	"cmp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// tagMessages is that of the subscription to the user's own channel. No client has it.
const tagMessages = clientproto.IDMax + 1

// settle replies to the command that o is the outcome of.
func (s *Session) settle(o *hub.Outcome, out *Effects) {
	switch {
	case o.Tag == tagMessages:
		begin := o.Position.String()
		if s.begin.Store(&begin); o.Err != nil {
			s.messages = ""
		}
	case o.Err != nil:
		s.isDigest(o)
		s.fail(o.Tag, o.Err, out)
	case o.Command == hub.CommandHistory && s.isDigest(o):
		s.reply(o.Tag, out, func(dst []byte) []byte { return appendDigest(dst, &o.Page) })
	default:
		s.reply(o.Tag, out, func(dst []byte) []byte { return appendOutcome(dst, o) })
	}
}

// appendOutcome appends the members of ok.
func appendOutcome(dst []byte, o *hub.Outcome) []byte {
	switch o.Command {
	case hub.CommandSubscribe:
		position := o.Position
		if position.Epoch == LostEpoch {
			position = hub.Position{}
		}
		dst = append(dst, `"position":`...)
		dst = AppendPosition(dst, position)
		if o.Count > 0 {
			dst = append(dst, `,"count":`...)
			dst = strconv.AppendInt(dst, int64(o.Count), 10)
		}
	case hub.CommandPublish:
		dst = append(dst, `"position":`...)
		dst = AppendPosition(dst, o.Position)
		if o.Duplicate {
			dst = append(dst, `,"duplicate":true`...)
		}
	case hub.CommandHistory:
		dst = append(dst, `"position":`...)
		dst = AppendPosition(dst, o.Page.Position)
		dst = append(dst, `,"publications":[`...)
		for i, p := range o.Page.Publications {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendEnvelope(dst, p)
		}
		dst = append(dst, ']')
		if o.Page.Gap != nil {
			dst = append(dst, `,"gap":`...)
			dst = appendGap(dst, o.Page.Gap)
		}
	case hub.CommandCall:
		dst = appendData(dst, o.Answer.Kind, o.Answer.Data)
	case CommandCancel:
		dst = append(dst, `"canceled":`...)
		dst = strconv.AppendBool(dst, !o.Duplicate)
	case hub.CommandPresence:
		dst = appendPresence(dst, o.Roster)
	}
	return dst
}

// reply sends {"id":…,"ok":{…}} with the members that encode appends, nil for none.
func (s *Session) reply(id uint64, out *Effects, encode func(dst []byte) []byte) {
	if id == 0 {
		return
	}
	object := append(make([]byte, 0, 128), `{"id":`...)
	object = appendUint(object, id)
	object = append(object, `,"ok":{`...)
	if encode != nil {
		object = encode(object)
	}
	object = append(object, "}}"...)
	s.keep(id, object)
	s.send(object, out)
}

// fail replies that a command was not done, because of an error of the hub.
func (s *Session) fail(id uint64, err error, out *Effects) {
	s.sendFailure(id, s.options.Describe(err), out)
}

// refuse replies that a command cannot be done as it is.
func (s *Session) refuse(id uint64, problem *clientproto.Problem, detail string, out *Effects) {
	s.sendFailure(id, Failure{Problem: problem, Detail: detail}, out)
}

func (s *Session) sendFailure(id uint64, f Failure, out *Effects) {
	object := append(make([]byte, 0, 256), '{')
	if id != 0 {
		object = append(object, `"id":`...)
		object = appendUint(object, id)
		object = append(object, ',')
	}
	object = append(object, `"error":{"type":`...)
	object = jsontext.AppendString(object, cmp.Or(f.Type, f.Problem.Type()))
	object = append(object, `,"title":`...)
	object = jsontext.AppendString(object, cmp.Or(f.Title, f.Problem.Title))
	object = append(object, `,"detail":`...)
	object = jsontext.AppendString(object, f.Detail)
	if f.RetryAfter > 0 {
		object = append(object, ',')
		object = appendMillis(object, "retry_after_ms", f.RetryAfter)
	}
	if f.Data != nil {
		object = append(object, `,"data":`...)
		object = jsontext.AppendCompact(object, f.Data)
	}
	object = append(object, "}}"...)
	s.keep(id, object)
	s.send(object, out)
}

// appendConnected appends the members of the reply to connect.
func (s *Session) appendConnected(dst []byte, now time.Time, o *Connected) []byte {
	dst = append(dst, `"session":`...)
	dst = jsontext.AppendString(dst, o.Session)
	dst = append(dst, `,"secret":`...)
	dst = jsontext.AppendString(dst, o.Secret)
	if o.User != "" {
		dst = append(dst, `,"user":`...)
		dst = jsontext.AppendString(dst, o.User)
	}
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, o.IsResumed)
	dst = append(dst, `,"reconnect":{`...)
	var delay time.Duration
	delay, s.drawnAt = s.options.Reconnect(FirstDelay)
	dst = appendMillis(dst, "after_ms", delay)
	dst = append(dst, `},`...)
	dst = appendMillis(dst, "ping_ms", s.options.PingInterval)
	if !o.Expires.IsZero() {
		dst = append(dst, ',')
		dst = appendExpiry(dst, now, o.Expires)
	}
	return dst
}

// redraw tells the client another time to come back after, if the one that it has does
// not fit any more.
func (s *Session) redraw(out *Effects) {
	delay, at := s.options.Reconnect(s.drawnAt)
	if s.drawnAt = at; delay > 0 {
		s.sendObject(out, func(dst []byte) []byte {
			dst = append(dst, `{"reconnect":{`...)
			dst = appendMillis(dst, "after_ms", delay)
			return append(dst, "}}"...)
		})
	}
}

// appendExpiry appends when the token ends, as a time from now: the clocks of clients
// are wrong.
func appendExpiry(dst []byte, now, expires time.Time) []byte {
	if expires.IsZero() {
		return dst
	}
	return appendMillis(dst, "expires_after_ms", expires.Sub(now))
}

func appendMillis(dst []byte, name string, d time.Duration) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return strconv.AppendInt(dst, max(0, d.Milliseconds()), 10)
}

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// lose tells of a gap: {"gap":{"channel":…,"from":…,"to":…,"reason":"lost"}}.
func (s *Session) lose(p *hub.Push, out *Effects) {
	s.sendObject(out, func(dst []byte) []byte {
		from := p.Gap.From
		if from.Epoch == LostEpoch {
			from = hub.Position{}
		}
		dst = append(dst, `{"gap":{"channel":`...)
		dst = jsontext.AppendString(dst, p.Channel)
		dst = append(dst, `,"from":`...)
		dst = AppendPosition(dst, from)
		dst = append(dst, `,"to":`...)
		dst = AppendPosition(dst, p.Gap.To)
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, p.Gap.Reason.String()...)
		dst = append(dst, '"')
		if p.Gap.Count > 0 {
			dst = append(dst, `,"count":`...)
			dst = strconv.AppendInt(dst, int64(p.Gap.Count), 10)
		}
		return append(dst, "}}"...)
	})
}

// recent are the replies to the newest commands that must not be done twice. A client
// that has lost its connection sends the ones without a reply again.
//
// The carrier alone changes them; State reads them at any time.
type recent struct {
	places    atomic.Pointer[[]place]
	replied   uint64        // how many replies there have been
	forgotten atomic.Uint64 // the highest ID of a command that is not among them any more
}

// place is that of a reply, nil while it is free. What it points to is not modified.
type place = atomic.Pointer[recentReply]

func (r *recent) list() []place {
	if list := r.places.Load(); list != nil {
		return *list
	}
	return nil
}

// add adds an entry if there is room for it.
func (r *recent) add(one *recentReply) bool {
	list := r.list()
	for i := range list {
		if list[i].Load() == nil {
			list[i].Store(one)
			return true
		}
	}
	if len(list) >= recentMax {
		return false
	}
	more := make([]place, min(max(2, 2*len(list)), recentMax))
	for i := range list {
		more[i].Store(list[i].Load())
	}
	more[len(list)].Store(one)
	r.places.Store(&more)
	return true
}

type recentReply struct {
	id    uint64
	reply []byte // nil while there is none
	kind  recentKind
	turn  uint64 // of the reply; those that a client has not received are the last ones
}

// recentKind says what became of a command if its reply is not known.
type recentKind uint8

const (
	recentOther   recentKind = iota // the reply is going to come
	recentPublish                   // the same, of a publication
	recentUnknown                   // nobody knows, see RestoreSession
)

// recentMax is how many are kept. It bounds how many commands a client may have under
// way whose replies it wants to be repeated.
const recentMax = 64

// find returns the place of a command, nil if there is none.
func (r *recent) find(id uint64) *place {
	list := r.list()
	for i := range list {
		if one := list[i].Load(); one != nil && one.id == id {
			return &list[i]
		}
	}
	return nil
}

// note keeps a place for the reply to a command that must not be done twice. The one
// that was replied to first loses its own: a command without a reply may be asked about
// however many have come since.
func (s *Session) note(id uint64, isPublish bool) {
	if id == 0 {
		return
	}
	r := s.recent.Load()
	if r == nil {
		r = &recent{}
		s.recent.Store(r)
	}
	kind := recentOther
	if isPublish {
		kind = recentPublish
	}
	entry := &recentReply{id: id, kind: kind}
	if r.add(entry) {
		return
	}
	list := r.list()
	at, oldest := 0, list[0].Load()
	for i := range list {
		one := list[i].Load()
		isOlder := one.turn < oldest.turn || one.turn == 0 && one.id < oldest.id
		if (one.reply != nil) == (oldest.reply != nil) && isOlder || one.reply != nil && oldest.reply == nil {
			at, oldest = i, one
		}
	}
	r.forgotten.Store(max(r.forgotten.Load(), oldest.id)) // before it is, see State
	list[at].Store(entry)
}

// keep keeps a reply if there is a place for it.
func (s *Session) keep(id uint64, object []byte) {
	recent := s.recent.Load()
	if recent == nil || id == 0 {
		return
	}
	if at := recent.find(id); at != nil {
		recent.replied++
		at.Store(&recentReply{id: id, reply: object, kind: at.Load().kind, turn: recent.replied})
	}
}

// isOld deals with a command whose ID is not a new one. It reports false if the
// command can be done: also because it has never come, as it was lost with the
// connection before or is sent to a session that is new.
func (s *Session) isOld(c *clientproto.Command, out *Effects) bool {
	switch c.Verb {
	case clientproto.Publish, clientproto.RPC, clientproto.Answer:
	case clientproto.Subscribe, clientproto.Unsubscribe, clientproto.History, clientproto.Presence, clientproto.Digest, clientproto.End:
		if c.ID >= s.resumed {
			return false
		}
		// It was sent to the connection before, by a request that took longer. Its
		// client has said since what it wants, and does not expect it any more.
		s.refuse(c.ID, clientproto.ProblemCommand, "it was sent before the session was resumed, and is not done any more; send it with a new id", out)
		return true
	default:
		return false
	}
	recent := s.recent.Load()
	if recent == nil {
		return false
	}
	var known recentReply
	if at := recent.find(c.ID); at != nil {
		known = *at.Load()
	}
	switch {
	case known.reply != nil:
		s.send(known.reply, out)
		return true
	case known.kind == recentUnknown:
		s.refuse(c.ID, clientproto.ProblemCommand, "it was sent to a server that was replaced; what became of it is not known", out)
		return true
	case known.id != 0:
		return true // the reply is going to come
	case c.ID > recent.forgotten.Load():
		return false
	}
	s.refuse(c.ID, clientproto.ProblemCommand,
		"ids ascend, and this one is not above the newest; what became of an earlier command with it is not known any more", out)
	return true
}

// appendPresence appends the members of the reply to presence.
func appendPresence(dst []byte, r *hub.Roster) []byte {
	dst = append(dst, `"count":`...)
	dst = strconv.AppendInt(dst, int64(r.Count), 10)
	if r.Users > 0 {
		dst = append(dst, `,"users":`...)
		dst = strconv.AppendInt(dst, int64(r.Users), 10)
	}
	if r.Version != 0 {
		dst = append(dst, `,"version":`...)
		dst = appendUint(dst, r.Version)
	}
	if r.Members != nil {
		dst = append(dst, `,"members":`...)
		dst = appendMembers(dst, r.Members)
	}
	if r.Next != "" {
		dst = append(dst, `,"cursor":`...)
		dst = jsontext.AppendString(dst, r.Next)
	}
	return dst
}

// encodeChanges is what everybody who watches the members of a channel is sent: a join,
// a leave, or both with the same version; or the count alone if there are too many to
// name.
func encodeChanges(c *hub.Changes) (objects [][]byte) {
	if c.IsPartial {
		return [][]byte{appendChanges("presence", c, nil)}
	}
	if len(c.Joined) > 0 {
		objects = append(objects, appendChanges("join", c, c.Joined))
	}
	if len(c.Left) > 0 {
		objects = append(objects, appendChanges("leave", c, c.Left))
	}
	return objects
}

func appendChanges(name string, c *hub.Changes, members []hub.Member) []byte {
	dst := append(make([]byte, 0, 128*(len(members)+1)), `{"`...)
	dst = append(dst, name...)
	dst = append(dst, `":{"channel":`...)
	dst = jsontext.AppendString(dst, c.Channel)
	dst = append(dst, `,"count":`...)
	dst = strconv.AppendInt(dst, int64(c.Count), 10)
	dst = append(dst, `,"version":`...)
	dst = appendUint(dst, c.Version)
	dst = append(dst, `,"previous":`...)
	dst = appendUint(dst, c.Previous)
	if members != nil {
		dst = append(dst, `,"members":`...)
		dst = appendMembers(dst, members)
	}
	return append(dst, "}}"...)
}
