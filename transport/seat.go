package transport

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// seat is the place of a session that outlives its carrier: one conversation has it at
// a time, or none does for a while.
//
//	connect ─► held by a conversation ──── its carrier ends ────► left ── timeout ─► gone
//	              │        ▲                                       │
//	              └─ let go when another claims it ──► claim ◄─────┘
//
// A conversation is used by its carrier alone, so nobody takes the seat away from it: it
// is woken, and lets go.
type seat struct {
	t       *Transport
	session *hub.Session
	secret  string
	holder  bell

	isRestored bool // it comes from another process, see ImportSessions

	news atomic.Bool // somebody claims the seat, or frames were delivered to it

	mu       sync.Mutex // guards what follows
	held     bool
	claimant *conversation // that waits for it
	left     leftBehind    // while nobody has it
	timer    *time.Timer   // ends a session that nobody comes back to; nil while somebody has it, or claims it
	timers   int           // how many there have been
	inbox    [][]byte      // frames that came by other requests
	bytes    int           // of them
	isOver   bool
	dialect  *dialect.Session               // of the conversation that has the seat, or has left it
	methods  map[string]hub.RegisterOptions // that it is to register for when its client is back, see ImportSessions
	patience time.Duration                  // beyond SessionTimeout, of a client that has not come back to this process yet
}

// leftBehind is the state of a conversation, for the next one.
type leftBehind struct {
	dialect    *dialect.Session
	visitor    *visitor
	settled    *settled    // outcomes that were not taken
	refreshing *connecting // a refresh that is under way
	outdated   int         // see link
	resumes    bool        // the next one has to say where it is: what was sent last may be lost
}

// leave says that there is no next one.
func (l *leftBehind) leave() {
	if l.visitor != nil {
		l.visitor.drop(l.refreshing)
		l.visitor.leave()
	}
}

// bell is whom the hub wakes for a session: the carrier that it is on.
type bell struct{ ring atomic.Pointer[func()] }

func (b *bell) wake() {
	if ring := b.ring.Load(); ring != nil {
		(*ring)()
	}
}

// seats are those of a Transport, by the ID of their session.
type seats struct {
	mu sync.Mutex // guards all
	m  map[string]*seat
}

func (s *seats) find(id string) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[id]
}

func (s *seats) add(x *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[string]*seat)
	}
	s.m[x.session.ID()] = x
}

func (s *seats) remove(x *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, x.session.ID())
}

// newSeat opens a session for c, which has the seat.
func (t *Transport) newSeat(c *conversation) (*seat, error) {
	s := &seat{t: t, secret: strings.ToLower(rand.Text()), held: true}
	s.holder.ring.Store(&c.wake)
	session, err := t.hub.ConnectAs(c.visitor.identity(), c.dialect.Transport(), s.holder.wake)
	if err != nil {
		return nil, err
	}
	s.session = session
	s.dialect = c.dialect.(*dialect.Session)
	t.seats.add(s)
	return s, nil
}

// findSeat returns the seat of a session, if secret is its own.
func (t *Transport) findSeat(id, secret string) *seat {
	s := t.seats.find(id)
	if s == nil || subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) != 1 {
		return nil
	}
	return s
}

// claim has c wait for the seat. It reports whether the seat is free now: then take
// gives it to c. Else c is woken when it is, or is over. A claim ends an earlier one.
func (s *seat) claim(c *conversation) (isFree bool) {
	s.mu.Lock()
	if s.isOver {
		s.mu.Unlock()
		return true
	}
	earlier := s.claimant
	s.claimant = c
	isFree = !s.held
	s.mu.Unlock()
	if earlier != nil && earlier != c {
		earlier.wake()
	}
	if !isFree {
		s.news.Store(true)
		s.holder.wake()
	}
	return isFree
}

// takeOver gives the seat to c, if it is free and c is still the one that claims it.
// done is false while c has to wait; it is refused if the session is over or somebody
// else claims the seat.
func (s *seat) takeOver(c *conversation) (left leftBehind, done, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isOver, s.claimant != c:
		return left, true, true
	case s.held:
		return left, false, false
	}
	left, s.left = s.left, leftBehind{}
	s.held, s.claimant = true, nil
	s.stopTimer()
	s.holder.ring.Store(&c.wake)
	s.news.Store(len(s.inbox) > 0)
	return left, true, false
}

// settle says that the conversation of d has the seat, and all that d adopts.
func (s *seat) settle(d *dialect.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect, s.patience, s.methods = d, 0, nil
}

// withdraw ends the claim of c, which goes away.
func (s *seat) withdraw(c *conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimant != c {
		return
	}
	s.claimant = nil
	if !s.held && !s.isOver && s.timer == nil { // it was left to c alone
		s.startTimer()
	}
}

// startTimer has the session end if nobody comes back to it in time; s.mu is held.
func (s *seat) startTimer() {
	s.timers++
	n := s.timers
	s.timer = time.AfterFunc(s.t.o.SessionTimeout+s.patience, func() { s.giveUp(n) })
}

// stopTimer is for one that has come back; s.mu is held. A timer that has passed
// already finds that it is not the newest, or the seat held.
func (s *seat) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// leave is called by the conversation that has the seat: its carrier is no more. The
// session waits for the next one.
func (s *seat) leave(left leftBehind) {
	if left.resumes {
		s.session.Suspend()
	}
	s.mu.Lock()
	s.left, s.held = left, false
	claimant := s.claimant
	if claimant == nil {
		s.startTimer()
	}
	quiet := func() { s.lookUnheld() }
	s.holder.ring.Store(&quiet)
	s.mu.Unlock()
	if claimant != nil {
		claimant.wake()
	}
	s.lookUnheld() // it may have ended before the bell was changed
}

// lookUnheld ends a session that was ended while nobody has its seat.
func (s *seat) lookUnheld() {
	if s.session.HasEnded() {
		s.giveUp(0)
	}
}

// giveUp ends the session if nobody has its seat. timer is the number of the timer that
// says so, 0 for none.
func (s *seat) giveUp(timer int) {
	s.mu.Lock()
	if s.held || s.isOver || timer != 0 && timer != s.timers {
		s.mu.Unlock()
		return
	}
	left := s.left
	claimant := s.endLocked()
	s.mu.Unlock()
	s.ended(claimant)
	left.leave()
}

// end is the end of the session, called by the conversation that has the seat.
func (s *seat) end() {
	s.mu.Lock()
	if s.isOver {
		s.mu.Unlock()
		return
	}
	claimant := s.endLocked()
	s.mu.Unlock()
	s.ended(claimant)
}

// endLocked has nobody get the seat any more, and returns the one that waits for it;
// s.mu is held.
func (s *seat) endLocked() (claimant *conversation) {
	claimant = s.claimant
	s.isOver = true
	s.claimant, s.left, s.inbox = nil, leftBehind{}, nil
	s.stopTimer()
	return claimant
}

// ended tells everybody else of the end.
func (s *seat) ended(claimant *conversation) {
	s.t.seats.remove(s)
	s.session.Close()
	if claimant != nil {
		claimant.wake()
	}
}

// inboxBytesMax bounds what waits to be read by the conversation that has the seat.
const inboxBytesMax = 1 << 20

// errInboxFull is the answer to commands that come faster than they are dealt with.
var errInboxFull = &access.Refusal{Cause: access.TooMany, Reason: "commands of this session wait to be dealt with; send fewer at a time", RetryAfter: time.Second}

// deliver hands commands that came with another request to whoever has the seat.
func (s *seat) deliver(frame []byte) error {
	s.mu.Lock()
	switch {
	case s.isOver:
		s.mu.Unlock()
		return errSessionUnknown
	case s.bytes > 0 && s.bytes+len(frame) > inboxBytesMax:
		s.mu.Unlock()
		return errInboxFull
	}
	s.inbox = append(s.inbox, frame)
	s.bytes += len(frame)
	s.mu.Unlock()
	s.news.Store(true)
	s.holder.wake()
	return nil
}

// attend returns what there is for the conversation that has the seat.
func (s *seat) attend() (frames [][]byte, isClaimed bool) {
	s.news.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	frames, s.inbox, s.bytes = s.inbox, nil, 0
	return frames, s.claimant != nil
}

// putBack returns frames that were not read to the front of the inbox.
func (s *seat) putBack(frames [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		s.bytes += len(f)
	}
	s.inbox = append(frames, s.inbox...)
	s.news.Store(true)
}
