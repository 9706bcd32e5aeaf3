package dialect

import (
	"bytes"
	"cmp"
	"slices"
)

// SessionState is the part of a Session that must outlive its process: with it, another
// process does not do twice what its client asks for again.
type SessionState struct {
	Newest    uint64 // the newest ID of a command
	Forgotten uint64 // the highest ID of a command that must not be done twice, and is not among Replies
	Messages  string // the position where the user's own messages began, "" if they have not
	Replies   []StateReply
}

// StateReply is what became of a command that must not be done twice.
type StateReply struct {
	ID uint64

	// Reply is the reply, as JSON; nil if that is not known. It may be shared, and must
	// not be modified.
	Reply []byte
}

// State is the state at this moment, for RestoreSession. It may be called concurrently
// with everything. A publication without an outcome is left out: it is done again if the
// client asks for it, so the publisher has to see that it is not published twice.
func (s *Session) State() SessionState {
	state := SessionState{Newest: s.newest.Load()}
	if begin := s.begin.Load(); begin != nil {
		state.Messages = *begin
	}
	r := s.recent.Load()
	if r == nil {
		return state
	}
	type turn struct {
		turn  uint64
		reply StateReply
	}
	var turns []turn
	list := r.list()
	for i := range list {
		one := list[i].Load()
		if one == nil {
			continue
		}
		if reply := one.encodeReply(); reply != nil || one.kind != recentPublish {
			turns = append(turns, turn{one.turn.Load(), StateReply{ID: one.id, Reply: reply}})
		}
	}
	state.Forgotten = r.forgotten.Load() // after: what has left its place meanwhile counts
	// In the order of the replies: the ones that a client has not received are the last.
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Compare(a.turn, b.turn) })
	state.Replies = make([]StateReply, len(turns))
	for i := range turns {
		state.Replies[i] = turns[i].reply
	}
	return state
}

// RestoreSession returns a session in a state, without a carrier: another one goes on
// with it by Adopt. More than the newest replies are not kept. They are repeated as JSON:
// a client that speaks CBOR by then is told that they are not known.
func RestoreSession(o *SessionOptions, state *SessionState) *Session {
	s := &Session{framing: &noFraming, options: o}
	s.newest.Store(state.Newest)
	if state.Messages != "" {
		s.begin.Store(&state.Messages)
	}
	if len(state.Replies) == 0 && state.Forgotten == 0 {
		return s
	}
	r := &recent{}
	r.forgotten.Store(state.Forgotten)
	replies := state.Replies
	for len(replies) > recentMax {
		r.forgotten.Store(max(r.forgotten.Load(), replies[0].ID))
		replies = replies[1:]
	}
	for _, one := range replies {
		entry := &recentReply{id: one.ID, kind: recentUnknown}
		if one.Reply != nil {
			reply := bytes.Clone(one.Reply)
			entry.reply = &reply
			r.replied++
			entry.turn.Store(r.replied)
		}
		r.add(entry)
	}
	s.recent.Store(r)
	return s
}
