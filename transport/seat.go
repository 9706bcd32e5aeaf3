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
	holder  bell
	secret  secret

	held   bool // like all that follows but news, guarded by mu
	isOver bool

	isRestored bool // it comes from another process, see ImportSessions
	isPolled   bool // its holder, or its last holder, is a poll
	isResuming bool // a connect has it, and its ID is not noted yet

	news atomic.Bool // somebody claims the seat, or frames were delivered to it

	mu       sync.Mutex
	timers   uint32      // how many there have been
	client   string      // what the client says of itself, "" if it does not
	claimant *claim      // of the conversation that waits for it
	left     *leftBehind // nil while somebody has it
	timer    *time.Timer // ends a session that nobody comes back to; nil while somebody has it, or claims it
	inbox    *inbox      // frames that came by other requests, nil for none
	connect  uint64      // the ID of the newest connect that had it
	page     uint64      // the client has at least this page of polls, or goes on with no other connection

	dialect *dialect.Session // of the conversation that has the seat, or has left it
}

// claim is the wish of a conversation for a seat.
type claim struct {
	by           *conversation
	isConnect    bool   // it resumes; else it goes on from a page
	connect      uint64 // the ID of connect, 0 for none
	acknowledged uint64 // the newest page that the client has, 0 if it does not say
}

// secret is the secret of a session: 26 characters of base 32, of 130 random bits.
type secret [26]byte

func newSecret() (s secret) {
	copy(s[:], strings.ToLower(rand.Text()))
	return s
}

// inbox has frames for the conversation that has the seat.
type inbox struct {
	frames [][]byte
	bytes  int // of them
}

// leftBehind is the state of a conversation, for the next one.
type leftBehind struct {
	dialect    *dialect.Session
	visitor    *visitor    // nil if nobody has had the seat in this process
	settled    *settled    // outcomes that were not taken
	refreshing *connecting // a refresh that is under way
	outdated   int32       // see link
	resumes    bool        // the next one has to say where it is: what was sent last may be lost

	// Of a session that comes from another process, see ImportSessions:
	patience time.Duration                  // how much longer than SessionTimeout it waits
	methods  map[string]hub.RegisterOptions // that it is to register for when its client is back
}

// leave says that there is no next one.
func (l *leftBehind) leave() {
	if l.visitor != nil {
		l.visitor.drop(l.refreshing)
		l.visitor.leave()
	}
}

// bell is what the hub rings for a session: it wakes the carrier that the session is on.
type bell struct{ ring atomic.Pointer[func()] }

func (b *bell) wake() {
	if ring := b.ring.Load(); ring != nil {
		(*ring)()
	}
}

// seats are the seats of a Transport, by the ID of their session.
type seats struct {
	waiting atomic.Int64 // how many nobody has

	mu sync.Mutex // guards what follows
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
	d := c.dialect.(*dialect.Session)
	s := &seat{t: t, secret: newSecret(), held: true, isPolled: d.IsPolled(), dialect: d}
	s.holder.ring.Store(&c.wake)
	session, err := t.hub.ConnectAs(c.visitor.identity(), c.dialect.Transport(), s.holder.wake)
	if err != nil {
		return nil, err
	}
	s.session = session
	t.seats.add(s)
	return s, nil
}

// findSeat returns the seat of a session, if secret is its own. Which node is named behind
// it does not matter: a session may have come from another process.
func (t *Transport) findSeat(id, secret string) *seat {
	s := t.seats.find(id)
	if s == nil {
		return nil
	}
	if n := len(s.secret); len(secret) > n && secret[n] == nodeSeparator {
		secret = secret[:n]
	}
	if subtle.ConstantTimeCompare([]byte(secret), s.secret[:]) != 1 {
		return nil
	}
	return s
}

// claim has a conversation wait for the seat. It reports whether the seat is free now: then
// take gives it to that. Else it is woken when the seat is, or is over. A claim ends an
// earlier one, unless its request was sent before what its client has done since: then isLate
// is reported, and nothing is claimed.
func (s *seat) claim(wanted claim) (isFree, isLate bool) {
	s.mu.Lock()
	switch {
	case s.isOver:
		s.mu.Unlock()
		return true, false
	case s.isLate(&wanted):
		s.mu.Unlock()
		return false, true
	}
	earlier := s.claimant
	s.claimant = &wanted
	isFree = !s.held
	s.mu.Unlock()
	if earlier != nil && earlier.by != wanted.by {
		earlier.by.wake()
	}
	if !isFree {
		s.news.Store(true)
		s.holder.wake()
	}
	return isFree, false
}

// isLate reports whether a request that wants the seat was overtaken by a newer one of its
// client; mu is held. IDs of connects and numbers of pages ascend over all connections of a
// session (docs/protocol.md §2.1, §3.3). A request that goes on from a page is also late where the
// session is on no polls: it could not say where its client is, and would take the session
// away from it for nothing.
func (s *seat) isLate(wanted *claim) bool {
	var other claim
	if s.claimant != nil {
		other = *s.claimant
	}
	switch {
	case wanted.isConnect:
		return wanted.connect != 0 && wanted.connect < max(s.connect, other.connect)
	case !s.isPolled, s.isResuming, other.isConnect:
		return true
	}
	return wanted.acknowledged != 0 && wanted.acknowledged < max(s.page, other.acknowledged)
}

// noteConnect notes the ID of a connect that has the seat now, and the number of the first page
// that a client of that connection can have.
func (s *seat) noteConnect(id, page uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connect, s.page, s.isResuming = id, page, false
}

// takeOver gives the seat to c, if it is free and c still claims it. done is false
// while c has to wait; it is refused if the session is over or another conversation
// claims the seat.
func (s *seat) takeOver(c *conversation) (left leftBehind, done, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isOver, s.claimant == nil, s.claimant.by != c:
		return left, true, true
	case s.held:
		return left, false, false
	}
	if s.left != nil {
		left, s.left = *s.left, nil
	}
	if s.isResuming = s.claimant.isConnect; !s.isResuming {
		s.page = max(s.page, min(s.claimant.acknowledged, left.dialect.Pages()))
	}
	s.held, s.claimant = true, nil
	s.isPolled = c.dialect.(*dialect.Session).IsPolled()
	s.t.seats.waiting.Add(-1)
	s.stopTimer()
	s.holder.ring.Store(&c.wake)
	s.news.Store(s.inbox != nil)
	return left, true, false
}

// settle says that the conversation of d has the seat, and all that d adopts.
func (s *seat) settle(d *dialect.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect = d
}

// refusal is why a claim was not granted.
func (s *seat) refusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver {
		return s.t.sessionUnknown()
	}
	return errTakenOver
}

// withdraw ends the claim of c, which goes away.
func (s *seat) withdraw(c *conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimant == nil || s.claimant.by != c {
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
	patience := s.t.o.SessionTimeout
	if s.left != nil {
		patience += s.left.patience
	}
	s.timer = time.AfterFunc(patience, func() { s.giveUp(n) })
}

// stopTimer is for a client that has come back; s.mu is held. A timer that has passed
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
	s.left, s.held = &left, false
	s.isPolled, s.isResuming = !left.resumes, false
	s.t.seats.waiting.Add(1)
	claimant := s.claimant
	if claimant == nil {
		s.startTimer()
	}
	quiet := func() { s.lookUnheld() }
	s.holder.ring.Store(&quiet)
	s.mu.Unlock()
	switch {
	case claimant != nil:
		claimant.by.wake()
	case left.resumes:
		s.t.observe.suspended(s.session.ID())
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
func (s *seat) giveUp(timer uint32) {
	s.mu.Lock()
	if s.held || s.isOver || timer != 0 && timer != s.timers {
		s.mu.Unlock()
		return
	}
	left := s.left
	claimant := s.endLocked()
	s.mu.Unlock()
	if timer != 0 {
		s.session.End(&hub.Ended{Reason: "its client did not come back within " + s.t.o.SessionTimeout.String()})
	}
	s.ended(claimant)
	if left != nil {
		left.leave()
	}
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

// endLocked closes the seat to further conversations, and returns the claim that
// waits for it; s.mu is held.
func (s *seat) endLocked() (claimant *claim) {
	claimant = s.claimant
	s.isOver = true
	if !s.held {
		s.t.seats.waiting.Add(-1)
	}
	s.claimant, s.left, s.inbox = nil, nil, nil
	s.stopTimer()
	return claimant
}

// ended tells everybody else of the end.
func (s *seat) ended(claimant *claim) {
	s.t.seats.remove(s)
	s.session.Close()
	if claimant != nil {
		claimant.by.wake()
	}
}

// inboxBytesMax bounds the commands that wait to be read by the conversation that has the seat.
const inboxBytesMax = 1 << 20

// errInboxFull is the answer to commands that come faster than they are dealt with.
var errInboxFull = &access.Refusal{Cause: access.TooMany, Reason: "commands of this session wait to be dealt with; send fewer at a time", RetryAfter: time.Second}

// deliver hands commands that came with another request to the holder of the seat.
func (s *seat) deliver(frame []byte) error {
	s.mu.Lock()
	switch {
	case s.isOver:
		s.mu.Unlock()
		return s.t.sessionUnknown()
	case s.inbox != nil && s.inbox.bytes+len(frame) > inboxBytesMax:
		s.mu.Unlock()
		s.t.observe.inboxRefused()
		return errInboxFull
	}
	if s.inbox == nil {
		s.inbox = new(inbox)
	}
	s.inbox.frames = append(s.inbox.frames, frame)
	s.inbox.bytes += len(frame)
	s.mu.Unlock()
	s.news.Store(true)
	s.holder.wake()
	return nil
}

// attend returns the waiting commands for the conversation that has the seat.
func (s *seat) attend() (frames [][]byte, isClaimed bool) {
	s.news.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox != nil {
		frames, s.inbox = s.inbox.frames, nil
	}
	return frames, s.claimant != nil
}

// putBack returns frames that were not read to the front of the inbox.
func (s *seat) putBack(frames [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox == nil {
		s.inbox = new(inbox)
	}
	for _, f := range frames {
		s.inbox.bytes += len(f)
	}
	s.inbox.frames = append(frames, s.inbox.frames...)
	s.news.Store(true)
}
