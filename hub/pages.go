package hub

import (
	"slices"
	"sync"
	"time"
)

// pages paces the pages of history that resuming subscriptions read: after a server was
// lost, thousands of clients come back within seconds, and each page is as much work as
// many deliveries. A reader that may not read yet stands in line and is woken; a
// subscription that needs more than one page stands in line for each.
//
//	Take ─► enter ─┬─► read
//	               └─► line ─► turn, by a timer ─► wake ─► Take ─► read
//
// A subscription that was live and has fallen behind is not paced: how much a slow
// client reads is bounded by the client.
type pages struct {
	interval time.Duration // between two pages at the rate; 0: there is no limit
	burst    time.Duration // the interval of as many as may be read at once
	began    time.Time

	mu       sync.Mutex    // guards what follows
	full     time.Duration // since began: when as many may be read at once as ever
	line     []pageTurn
	first    int // of line: those before it are empty
	timer    *time.Timer
	isArmed  bool // the timer runs, or turn does
	isClosed bool
}

// pageTurn is a page that waits to be read.
type pageTurn struct {
	session *Session
	read    *reading
}

// A part of the pages of a second may be read at once.
const pagesBurstPart = 10

func newPages(perSecond int) *pages {
	p := &pages{began: time.Now()}
	if perSecond < NoLimit {
		p.interval = max(time.Second/time.Duration(perSecond), 1)
		p.burst = p.interval * time.Duration(max(perSecond/pagesBurstPart, 1))
	}
	return p
}

// enter reports whether a page may be read now. Otherwise the session is woken when it
// may.
func (p *pages) enter(s *Session, r *reading) bool {
	if p.interval == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.began)
	if p.isClosed || p.first == len(p.line) && p.take(now) {
		return true
	}
	p.line = append(p.line, pageTurn{s, r})
	p.arm(now)
	return false
}

// take takes one page, if there is one at the moment now; mu is held.
func (p *pages) take(now time.Duration) bool {
	next := max(p.full, now) + p.interval
	if next > now+p.burst {
		return false
	}
	p.full = next
	return true
}

// arm has turn called when the next page may be read; mu is held.
func (p *pages) arm(now time.Duration) {
	if p.isArmed || p.isClosed || p.first == len(p.line) {
		return
	}
	p.isArmed = true
	wait := p.full + p.interval - p.burst - now
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.turn)
	} else {
		p.timer.Reset(wait)
	}
}

// turnsAtOnce bounds how many are woken before the rest of the program goes on.
const turnsAtOnce = 64

// turn lets the sessions read whose turn has come.
func (p *pages) turn() {
	for _, t := range p.due() {
		if !t.session.hasTurn(t.read) {
			p.giveBack()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isArmed = false
	p.arm(time.Since(p.began))
}

// due takes the readers that may read now out of the line.
func (p *pages) due() (turns []pageTurn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.began)
	for p.first < len(p.line) && len(turns) < turnsAtOnce && !p.isClosed && p.take(now) {
		turns = append(turns, p.line[p.first])
		p.line[p.first] = pageTurn{}
		p.first++
	}
	if p.first > len(p.line)/2 {
		p.line = slices.Delete(p.line, 0, p.first)
		p.first = 0
		if len(p.line) == 0 {
			p.line = nil
		}
	}
	return turns
}

// giveBack gives back a page that its reader does not want any more.
func (p *pages) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full -= p.interval
}

// waiting is how many pages wait to be read.
func (p *pages) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.line) - p.first
}

// close ends the timer. No session waits for a page any more: all have ended.
func (p *pages) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isClosed, p.line, p.first = true, nil, 0
	if p.timer != nil {
		p.timer.Stop()
	}
}

// hasTurn says that a page may be read now. It returns false if it is not wanted any
// more.
func (s *Session) hasTurn(r *reading) bool {
	s.lock()
	isWanted := s.read == r && s.ended == endNot
	wake := false
	if isWanted {
		// The publications that are held were delivered before the page is asked for.
		*r = reading{sub: r.sub, since: r.sub.last, seen: r.sub.seen, hasTurn: true}
		wake = s.claimWake()
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return isWanted
}
