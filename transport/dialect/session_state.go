package dialect

import (
	"math"
	"time"
)

// early is the state that a session has only until it has begun, or is connected.
type early struct {
	waiting      [][]byte // frames that came behind connect, until it is answered
	content      []byte   // of the request, until Begin
	acknowledged uint64   // the newest page of a poll that the client has, as its request says
	backlog      [][]byte // what an earlier carrier has not brought to the client, until Begin
}

// needEarly returns s.early.
func (s *Session) needEarly() *early {
	if s.early == nil {
		s.early = new(early)
	}
	return s.early
}

// instant is a wall time in nanoseconds of Unix time, a third of a time.Time; 0 for none.
type instant int64

// instantOf returns the last instant for a time that is too far away, in the year 2262.
func instantOf(t time.Time) instant {
	switch {
	case t.IsZero():
		return 0
	case t.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time { return time.Unix(0, int64(i)) }

// notice is a part of SessionOptions.Expiring, in as many as noticeAll.
type notice uint16

const noticeAll = math.MaxUint16

// expiresAt takes until when the identity is good, zero for ever. The client is told
// when a fifth of that is left, or Expiring before if that is later: had it been told at
// once of a token that lives shortly, it would get the next one at once, and so on.
func (s *Session) expiresAt(now, at time.Time) {
	s.expires, s.notice = instantOf(at), noticeAll
	if fifth := max(0, at.Sub(now)/5); fifth < s.options.Expiring {
		s.notice = notice(noticeAll * float64(fifth) / float64(s.options.Expiring))
	}
}

// tellsExpiring is when the client is told that its identity expires, if it does.
func (s *Session) tellsExpiring() time.Time {
	before := float64(s.options.Expiring) * float64(s.notice) / noticeAll
	return s.expires.time().Add(-time.Duration(before))
}
