package dialect

import (
	"cmp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// tagMessages is the tag of the subscription to the user's own channel. No client has it.
const tagMessages = clientproto.IDMax + 1

// tagDigest marks the tag of a history that is asked for to reply with its digest.
const tagDigest = 1 << 62

// settle replies to the command that o is the outcome of.
func (s *Session) settle(o *hub.Outcome, out *Effects) {
	isDigest := o.Tag&tagDigest != 0
	o.Tag &^= tagDigest
	s.followDeltas(o)
	switch {
	case o.Tag == hub.ByServer:
		s.settlePattern(o)
		s.tell(o, out)
	case o.Tag == tagMessages:
		begin := o.Position.String()
		if s.begin.Store(&begin); o.Err != nil {
			s.messages = ""
			return
		}
		s.tell(o, out) // where they begin: the client comes back from there if none has come
	case o.Err != nil:
		s.fail(idOf(o.Tag), o.Err, out)
	case isDigest:
		s.reply(o.Tag, out, func(w writer) writer { w.digest(&o.Page); return w })
	default:
		s.settlePattern(o)
		s.keep(idOf(o.Tag), o, nil)
		s.replyOutcome(idOf(o.Tag), o, out)
	}
}

// replyOutcome replies that a command was done.
func (s *Session) replyOutcome(id uint64, o *hub.Outcome, out *Effects) {
	s.reply(id, out, func(w writer) writer { w.outcome(o); return w })
}

// encodeReply returns the reply as JSON, nil while there is none.
func (r *recentReply) encodeReply() []byte {
	if r.reply != nil {
		return *r.reply
	}
	o, f := r.outcome.Load(), r.failure.Load()
	switch {
	case o != nil:
		return encodeMembers(false, func(w writer) writer {
			return w.done(r.id, func(w writer) writer { w.outcome(o); return w })
		})
	case f != nil:
		return encodeMembers(false, func(w writer) writer { return w.failed(r.id, f) })
	}
	return nil
}

// outcome writes the members of ok.
func (w *writer) outcome(o *hub.Outcome) {
	switch o.Command {
	case hub.CommandSubscribe:
		if o.Vector != nil {
			w.text(clientproto.KeyVector, o.Vector.String())
			break
		}
		w.position(clientproto.KeyPosition, o.Position)
		w.intIfAny(clientproto.KeyCount, o.Count)
		if o.Deltas {
			w.text(clientproto.KeyDelta, clientproto.DeltaFossil)
		}
	case hub.CommandPublish:
		w.position(clientproto.KeyPosition, o.Position)
		if o.Duplicate {
			w.bool(clientproto.KeyDuplicate, true)
		}
	case hub.CommandHistory:
		w.position(clientproto.KeyPosition, o.Page.Position)
		w.list(clientproto.KeyPublications, len(o.Page.Publications))
		for _, p := range o.Page.Publications {
			w.item()
			w.envelope(p)
		}
		w.endList()
		if o.Page.Gap != nil {
			w.name(clientproto.KeyGap)
			w.gap(o.Page.Gap)
		}
	case hub.CommandCall:
		w.data(o.Answer.Kind, o.Answer.Data)
	case CommandCancel:
		w.bool(clientproto.KeyCanceled, !o.Duplicate)
	case hub.CommandPresence:
		w.roster(o.Roster)
	}
}

// reply sends {"id":…,"ok":{…}} with the members that encode writes, nil for none.
func (s *Session) reply(id uint64, out *Effects, encode func(w writer) writer) {
	if id == 0 {
		return
	}
	s.sendObject(out, func(w writer) writer { return w.done(id, encode) })
}

func (w writer) done(id uint64, encode func(w writer) writer) writer {
	w.uint(clientproto.KeyID, id)
	ok := w.object(clientproto.KeyOK)
	if encode != nil {
		w = encode(w)
	}
	w.end(ok)
	return w
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
	s.keep(id, nil, &f)
	s.replyFailure(id, &f, out)
}

// replyFailure sends {"id":…,"error":{…}}, without an ID if the command had none.
func (s *Session) replyFailure(id uint64, f *Failure, out *Effects) {
	s.sendObject(out, func(w writer) writer { return w.failed(id, f) })
}

func (w writer) failed(id uint64, f *Failure) writer {
	if id != 0 {
		w.uint(clientproto.KeyID, id)
	}
	w.failure(f)
	return w
}

// failure writes the member error.
func (w *writer) failure(f *Failure) {
	failed := w.object(clientproto.KeyError)
	w.text(clientproto.KeyType, cmp.Or(f.Type, f.Problem.Type()))
	w.text(clientproto.KeyTitle, cmp.Or(f.Title, f.Problem.Title))
	w.text(clientproto.KeyDetail, f.Detail)
	if f.RetryAfter > 0 {
		w.millis(clientproto.KeyRetryAfterMs, f.RetryAfter)
	}
	if f.Data != nil {
		w.json(clientproto.KeyData, f.Data)
	}
	w.end(failed)
}

// connected writes the members of the reply to connect.
func (s *Session) connected(w *writer, now time.Time, o *Connected) {
	w.text(clientproto.KeySession, o.Session)
	w.text(clientproto.KeySecret, o.Secret)
	w.textIfAny(clientproto.KeyUser, o.User)
	w.bool(clientproto.KeyResumed, o.IsResumed)
	var delay time.Duration
	delay, s.drawnAt = s.options.Reconnect(FirstDelay)
	s.looked = lookedAt(now)
	w.after(clientproto.KeyReconnect, delay)
	w.millis(clientproto.KeyPingMs, s.options.PingInterval)
	w.expiry(now, o.Expires)
}

// after writes a member that says after which time, such as {"after_ms":1015}.
func (w *writer) after(k clientproto.Key, d time.Duration) {
	outer := w.object(k)
	w.millis(clientproto.KeyAfterMs, d)
	w.end(outer)
}

// looked is a stretch of time, of 16 seconds as those of a busy Stream. It comes again after an
// hour, which is no harm: the next one is another.
type looked uint8

func lookedAt(now time.Time) looked { return looked(now.Unix() >> refreshShift) }

// redraw gives the client another delay for its return, if its present one does not
// fit any more.
func (s *Session) redraw(out *Effects) {
	delay, at := s.options.Reconnect(s.drawnAt)
	if s.drawnAt = at; delay > 0 {
		s.sendObject(out, func(w writer) writer { w.after(clientproto.KeyReconnect, delay); return w })
	}
}

// expiry writes when the token ends, as a time from now: the clocks of clients are
// wrong. It writes nothing for never.
func (w *writer) expiry(now, expires time.Time) {
	if !expires.IsZero() {
		w.millis(clientproto.KeyExpiresAfterMs, expires.Sub(now))
	}
}

func appendUint(dst []byte, n uint64) []byte { return strconv.AppendUint(dst, n, 10) }

// lose tells of a gap: {"gap":{"channel":…,"from":…,"to":…,"reason":"lost"}}.
func (s *Session) lose(p *hub.Push, out *Effects) {
	s.deltas.forget(p.Channel)
	s.sendObject(out, func(w writer) writer {
		gap := w.object(clientproto.KeyGap)
		w.text(clientproto.KeyChannel, p.Channel)
		w.position(clientproto.KeyFrom, p.Gap.From)
		w.position(clientproto.KeyTo, p.Gap.To)
		w.text(clientproto.KeyReason, p.Gap.Reason.String())
		w.intIfAny(clientproto.KeyCount, int(p.Gap.Count))
		w.end(gap)
		return w
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

// place is the place of a reply, nil while it is free.
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

// recentReply is what became of a command: one of outcome, failure and reply, or none
// while there is no reply. What they point to is not modified.
type recentReply struct {
	id      uint64
	kind    recentKind
	reply   *[]byte                     // as JSON, of a session that was restored
	turn    atomic.Uint64               // of the reply; the ones that a client has not received are the last
	outcome atomic.Pointer[hub.Outcome] // of a command that was done
	failure atomic.Pointer[Failure]     // of a command that was not
}

func (r *recentReply) isReplied() bool {
	return r.reply != nil || r.outcome.Load() != nil || r.failure.Load() != nil
}

// recentKind says what becomes of a command that has no reply.
type recentKind uint8

const (
	recentOther   recentKind = iota // the reply is going to come
	recentPublish                   // the same, of a publication
	recentUnknown                   // nobody knows, see RestoreSession
)

// recentMax is how many are kept. It bounds the commands that a client may have under
// way if it wants their replies repeated.
const recentMax = 64

// find returns the entry of a command, nil if there is none.
func (r *recent) find(id uint64) *recentReply {
	list := r.list()
	for i := range list {
		if one := list[i].Load(); one != nil && one.id == id {
			return one
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
		turn, earliest := one.turn.Load(), oldest.turn.Load()
		isOlder := turn < earliest || turn == 0 && one.id < oldest.id
		if one.isReplied() == oldest.isReplied() && isOlder || one.isReplied() && !oldest.isReplied() {
			at, oldest = i, one
		}
	}
	r.forgotten.Store(max(r.forgotten.Load(), oldest.id)) // before it is, see State
	list[at].Store(entry)
}

// keep keeps the reply to a command, if there is a place for it. It may be repeated in
// another encoding.
func (s *Session) keep(id uint64, o *hub.Outcome, f *Failure) {
	recent := s.recent.Load()
	if recent == nil || id == 0 {
		return
	}
	if r := recent.find(id); r != nil {
		recent.replied++
		r.turn.Store(recent.replied) // before the reply is there, see State
		if o != nil {
			r.outcome.Store(o)
		} else {
			r.failure.Store(f)
		}
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
	if known := recent.find(c.ID); known != nil {
		s.repeat(known, out)
		return true
	}
	if c.ID > recent.forgotten.Load() {
		return false
	}
	s.refuse(c.ID, clientproto.ProblemCommand,
		"ids ascend, and this one is not above the newest; what became of an earlier command with it is not known any more", out)
	return true
}

// repeat replies again to a command, unless its reply is going to come.
func (s *Session) repeat(known *recentReply, out *Effects) {
	o, f := known.outcome.Load(), known.failure.Load()
	switch {
	case o != nil:
		s.replyOutcome(known.id, o, out)
	case f != nil:
		s.replyFailure(known.id, f, out)
	case known.reply != nil && !s.framing.isCBOR:
		s.send(*known.reply, out)
	case known.kind == recentUnknown:
		s.replyFailure(known.id, &Failure{Problem: clientproto.ProblemCommand,
			Detail: "it was sent to a server that was replaced; what became of it is not known"}, out)
	}
}

// roster writes the members of the reply to presence.
func (w *writer) roster(r *hub.Roster) {
	w.int(clientproto.KeyCount, r.Count)
	w.intIfAny(clientproto.KeyUsers, r.Users)
	if r.Version != 0 {
		w.uint(clientproto.KeyVersion, r.Version)
	}
	if r.Members != nil {
		w.name(clientproto.KeyMembers)
		w.members(r.Members)
	}
	w.textIfAny(clientproto.KeyCursor, r.Next)
}

// encodeChanges returns the objects for all clients that watch the members of a
// channel: a join, a leave, or both with the same version; or the count alone if there
// are too many to name.
func encodeChanges(c *hub.Changes) (objects [][]byte) { return objectsOfChanges(c, false) }

func encodeChangesCBOR(c *hub.Changes) (objects [][]byte) { return objectsOfChanges(c, true) }

func objectsOfChanges(c *hub.Changes, isCBOR bool) (objects [][]byte) {
	if c.IsPartial {
		return [][]byte{objectOfChanges(clientproto.KeyPresence, c, nil, isCBOR)}
	}
	if len(c.Joined) > 0 {
		objects = append(objects, objectOfChanges(clientproto.KeyJoin, c, c.Joined, isCBOR))
	}
	if len(c.Left) > 0 {
		objects = append(objects, objectOfChanges(clientproto.KeyLeave, c, c.Left, isCBOR))
	}
	return objects
}

func objectOfChanges(k clientproto.Key, c *hub.Changes, members []hub.Member, isCBOR bool) []byte {
	w := writer{b: make([]byte, 0, 128*(len(members)+1)), isCBOR: isCBOR}
	outer := w.begin()
	changes := w.object(k)
	w.text(clientproto.KeyChannel, c.Channel)
	w.int(clientproto.KeyCount, c.Count)
	w.uint(clientproto.KeyVersion, c.Version)
	w.uint(clientproto.KeyPrevious, c.Previous)
	if members != nil {
		w.name(clientproto.KeyMembers)
		w.members(members)
	}
	w.end(changes)
	w.end(outer)
	return w.b
}
