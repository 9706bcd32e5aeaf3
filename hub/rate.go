package hub

import (
	"container/heap"
	"slices"
	"time"
)

// pace is when publications may be handed out to a subscription with a rate: a few each
// interval, which begins with the first of them. So a second never sees more than the
// rate, and it is spread over the second.
type pace struct {
	interval time.Duration
	burst    int       // publications in an interval
	left     int       // of the interval that ends at next
	next     time.Time // when the next interval may begin
	delayed  int       // the place among the subscriptions that wait for next, from 1; 0 if it does not
}

// paceMin is the shortest interval: a timer is not much finer.
const paceMin = 10 * time.Millisecond

func (p *pace) set(rate int) {
	if rate <= 0 {
		return
	}
	intervals := float64(time.Second / paceMin)
	p.burst = int(max(1, (float64(rate)+intervals-1)/intervals))
	p.interval = time.Duration(float64(p.burst) / float64(rate) * float64(time.Second))
}

func (p *pace) isDelayed() bool { return p.delayed > 0 }

// isDue reports whether a publication may be handed out now.
func (p *pace) isDue() bool { return p.left > 0 || !time.Now().Before(p.next) }

// spend is isDue, and counts the publication.
func (p *pace) spend() bool {
	if now := time.Now(); !now.Before(p.next) {
		p.left, p.next = p.burst, now.Add(p.interval)
	}
	if p.left == 0 {
		return false
	}
	p.left--
	return true
}

// delay has sub released when its next interval begins; s.mu is held.
func (s *Session) delay(sub *subscription) {
	all := s.needBacklogs()
	heap.Push(&all.delayed, sub)
	if all.delayed[0] == sub {
		all.arm(s)
	}
}

// undelay forgets that sub waits for its next interval; s.mu is held.
func (s *Session) undelay(sub *subscription) {
	if i := sub.rare.Load().backlog.pace.delayed; i > 0 {
		heap.Remove(&s.commands.backlogs.delayed, i-1)
	}
}

// arm sets the timer to the first waiting subscription that is due.
func (all *backlogs) arm(s *Session) {
	d := time.Until(all.delayed[0].rare.Load().backlog.pace.next)
	if all.timer == nil {
		all.timer = time.AfterFunc(d, s.releaseDelayed)
	} else {
		all.timer.Reset(d)
	}
}

// releaseDelayed is called by the timer.
func (s *Session) releaseDelayed() {
	s.lock()
	all := s.needBacklogs()
	if s.ended == endNot {
		for len(all.delayed) > 0 && all.delayed[0].rare.Load().backlog.pace.isDue() {
			s.release(heap.Pop(&all.delayed).(*subscription))
		}
		if len(all.delayed) > 0 {
			all.arm(s)
		}
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// delayed is a heap of subscriptions, the first due on top.
type delayed []*subscription

func (d delayed) Len() int { return len(d) }

func (d delayed) Less(i, j int) bool {
	return d[i].rare.Load().backlog.pace.next.Before(d[j].rare.Load().backlog.pace.next)
}

func (d delayed) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].rare.Load().backlog.pace.delayed, d[j].rare.Load().backlog.pace.delayed = i+1, j+1
}

// Push implements heap.Interface.
func (d *delayed) Push(sub any) {
	*d = append(*d, sub.(*subscription))
	sub.(*subscription).rare.Load().backlog.pace.delayed = len(*d)
}

// Pop implements heap.Interface.
func (d *delayed) Pop() any {
	last := len(*d) - 1
	sub := (*d)[last]
	*d = slices.Delete(*d, last, last+1)
	sub.rare.Load().backlog.pace.delayed = 0
	return sub
}
