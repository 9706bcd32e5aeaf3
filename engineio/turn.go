package engineio

import (
	"runtime/debug"
	"slices"
	"time"

	"github.com/godwit-io/godwit/engineio/internal/session"
)

// A session's packets come from several places: a POST, a WebSocket, a timer. A goroutine
// with something for the handler takes the turn, calls the handler without a lock, and
// hands on what others have brought meanwhile before giving the turn back. Messages
// written in a turn leave at its end.

// inbox holds the items brought while another goroutine had the turn, in order.
type inbox struct {
	items []item
	bytes int
}

// item is a message of a WebSocket, or a POST.
type item struct {
	typ  MessageType
	data []byte
	post *post
}

// inboxBytesMax is how much is brought before the WebSocket is not read any more.
const inboxBytesMax = 64 << 10

func (b *inbox) isLong() bool { return b != nil && b.bytes > inboxBytesMax }

// put keeps a copy of an item for the holder of the turn; mu is held.
func (s *Socket) put(it item) { s.insert(it, false) }

// putBack is put for the rest of the items being handed on.
func (s *Socket) putBack(it item) { s.insert(it, true) }

func (s *Socket) insert(it item, isFirst bool) {
	if s.inbox == nil {
		s.inbox = &inbox{}
	}
	it.data = append([]byte(nil), it.data...)
	if isFirst {
		s.inbox.items = slices.Insert(s.inbox.items, 0, it)
	} else {
		s.inbox.items = append(s.inbox.items, it)
	}
	s.inbox.bytes += len(it.data)
	if s.inbox.isLong() && s.conn != nil {
		s.conn.PauseReading()
	}
}

// unlock gives mu back, and hands on what there is. The caller is a callback of a carrier.
func (s *Socket) unlock() {
	if s.inTurn || s.calls == 0 && s.inbox == nil {
		s.arm()
		s.mu.Unlock()
		return
	}
	s.inTurn = true
	s.mu.Unlock()
	s.leave()
}

// unlockForOthers gives mu back, and has another goroutine hand on the items there are.
// The caller is the application, which must not be called from its own calls.
func (s *Socket) unlockForOthers() {
	if !s.inTurn {
		s.flush()
	}
	hasEnded := s.session.HasEnded()
	needed := !s.inTurn && s.calls != 0 && (!s.woken || hasEnded)
	onConn := needed && s.conn != nil && !hasEnded
	if needed {
		s.woken = true
	}
	if onConn {
		s.conn.Wake()
	}
	s.arm()
	s.mu.Unlock()
	if needed && !onConn {
		s.server.table.spawn(s.attend)
	}
}

// flush has written messages leave; mu is held.
func (s *Socket) flush() {
	var fx session.Effects
	s.session.Flush(&fx)
	s.apply(&fx)
}

// leave hands on what others have brought, and gives the turn back. The caller has the
// turn, and not mu. OnWake is called once: an application that wakes itself lets others
// have their turns.
func (s *Socket) leave() {
	wakes := callWake
	for {
		s.mu.Lock()
		if s.conn != nil && s.calls == 0 && s.inbox == nil { // nearly always
			s.inTurn = false
			s.arm()
			s.mu.Unlock()
			return
		}
		it, call := s.next(wakes)
		if it == nil && call == 0 {
			s.flush()
			if it, call = s.next(wakes); it == nil && call == 0 {
				s.inTurn = false
				s.unlockForOthers()
				return
			}
		}
		s.mu.Unlock()
		var ok bool
		switch {
		case it == nil:
			wakes &^= call
			ok = s.call(call)
		case it.post != nil:
			ok = s.takePost(it.post, it.data)
		default:
			ok = s.deliver(it.typ, it.data)
		}
		if !ok {
			return
		}
	}
}

// next returns the next call of the handler, with OnWake among it only if wakes says
// so; mu is held. OnClose comes last.
func (s *Socket) next(wakes calls) (*item, calls) {
	for b := s.inbox; b != nil; b = s.inbox {
		it := b.items[0]
		b.items[0] = item{}
		b.items = b.items[1:]
		wasLong := b.isLong()
		b.bytes -= len(it.data)
		if wasLong && !b.isLong() && !s.paused && s.conn != nil {
			s.conn.ResumeReading()
		}
		if len(b.items) == 0 {
			s.inbox = nil
		}
		if it.post != nil || s.session.HandsOn() {
			return &it, 0
		}
	}
	if s.session.HasEnded() {
		s.calls &= callClose
	}
	for _, call := range [...]calls{wakes, callDrain, callClose} {
		if s.calls&call != 0 {
			s.calls &^= call
			return nil, call
		}
	}
	return nil, 0
}

// deliver calls the handler with a message. The caller has the turn, and has lost it if
// the call did not return.
func (s *Socket) deliver(typ MessageType, data []byte) (ok bool) {
	defer s.caught(&ok)
	s.server.handler.OnMessage(s, typ, data)
	return true
}

// call makes another call; the rest is as in deliver.
func (s *Socket) call(call calls) (ok bool) {
	defer s.caught(&ok)
	switch h := s.server.handler; call {
	case callWake:
		h.OnWake(s)
	case callDrain:
		h.OnDrain(s)
	case callClose:
		reason := Reason(s.session.Reason()) // it does not change any more
		defer s.server.table.remove(s, s.transport(), reason)
		h.OnClose(s, reason)
	}
	return true
}

// open calls OnOpen; the rest is as in deliver.
func (s *Socket) open() (ok bool) {
	defer s.caught(&ok)
	s.server.handler.OnOpen(s)
	return true
}

// caught is deferred around a call of the handler. If that has panicked, or ended its
// goroutine, the session ends, and the turn is given back.
func (s *Socket) caught(ok *bool) {
	if *ok {
		return
	}
	cause := recover() // it is nil after runtime.Goexit
	s.server.options.Log.Error("engineio: a call of the handler did not return", "panic", cause, "stack", string(debug.Stack()))
	s.mu.Lock()
	s.inTurn = false
	s.end(session.Panicked)
	s.unlockForOthers()
}

// end ends the session at once; mu is held.
func (s *Socket) end(reason session.Reason) {
	var fx session.Effects
	s.session.End(reason, &fx)
	s.apply(&fx)
}

// attend acts on passed deadlines and hands on the messages that there are. It runs on a
// goroutine of its own, or on the WebSocket's.
func (s *Socket) attend() {
	s.mu.Lock()
	s.woken = false
	now := s.server.now()
	var fx session.Effects
	s.session.Expire(now, &fx)
	s.apply(&fx)
	if now >= s.wakeAt {
		s.wakeAt = session.Never
		s.calls |= callWake
	}
	s.unlock()
}

// alarmed is attend when the alarm has gone off.
func (s *Socket) alarmed() {
	s.mu.Lock()
	s.alarm = 0
	s.mu.Unlock()
	s.attend()
}

// arm has the session woken when something is due; mu is held. An alarm that is set for
// earlier goes off and is set anew.
func (s *Socket) arm() {
	due := min(s.session.Deadline(), s.wakeAt)
	if due == session.Never || s.session.HasEnded() || s.alarm != 0 && s.alarm <= due {
		return
	}
	s.alarm = due
	switch {
	case s.conn != nil:
		s.conn.WakeAt(s.server.timeOf(due))
	case s.polling.timer == nil:
		s.polling.timer = time.AfterFunc(s.server.until(due), s.server.table.task(s.alarmed))
	default:
		s.polling.timer.Reset(s.server.until(due))
	}
}
