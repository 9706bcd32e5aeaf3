package loadgen

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// place is a position in a channel: EPOCH:OFFSET.
type place struct {
	epoch  string
	offset uint64
}

// parsePlace is the zero place for a text that is none.
func parsePlace(text string) place {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return place{}
	}
	offset, err := strconv.ParseUint(text[i+1:], 10, 64)
	if err != nil {
		return place{}
	}
	return place{text[:i], offset}
}

// feed has the publications made while servers come and go: numbers, and the place of each
// that the server has said it has taken. It is safe for concurrent use.
//
// A number whose answer was lost may have been published or not. Nobody misses it.
type feed struct {
	mark string // the beginning of each text, which no other run has

	mu        sync.Mutex // guards what follows
	taken     []place    // by number, from 1 on; the zero place: it is not known
	epochs    []string   // in the order in which they came
	published int
}

func newFeed(run string) *feed { return &feed{mark: "godwit-storm " + run + " "} }

// text is the payload of a number.
func (f *feed) text(number int) string { return f.mark + strconv.Itoa(number) }

// number is that of a payload; ok is false for one of somebody else.
func (f *feed) number(text string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(text, f.mark)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0
}

// begin is the number that is to be published next.
func (f *feed) begin() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, place{})
	return len(f.taken)
}

// settle says where a number stands that the server has taken.
func (f *feed) settle(number int, at place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken[number-1] = at
	f.published++
	if n := len(f.epochs); n == 0 || f.epochs[n-1] != at.epoch {
		f.epochs = append(f.epochs, at.epoch)
	}
}

// counts are how many numbers the server has taken, and of how many it is not known.
func (f *feed) counts() (published, unanswered int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.published, len(f.taken) - f.published
}

// between counts the numbers after one and before another that the server has taken:
// those that a gap has announced, which ends at a place, and those that are missing
// without a word. The zero place is no gap. Everything of an epoch before that of a gap
// is before it, and an epoch in which the server has taken nothing is the newest.
func (f *feed) between(after, before int, gap place) (announced, lost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	epoch := slices.Index(f.epochs, gap.epoch)
	if epoch < 0 {
		epoch = len(f.epochs)
	}
	for n := after + 1; n < before && n <= len(f.taken); n++ {
		switch at := f.taken[n-1]; {
		case at == place{}:
		case gap != place{} && (slices.Index(f.epochs, at.epoch) < epoch || at.epoch == gap.epoch && at.offset <= gap.offset):
			announced++
		default:
			lost++
		}
	}
	return announced, lost
}

// end is the number behind the last one.
func (f *feed) end() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.taken) + 1
}

// ledger is what one client has of a feed.
type ledger struct {
	first, last int   // numbers; the client is owed what comes behind first
	gap         place // where the newest gap ends that was announced behind last

	deliveries, announced, lost, repeated int
}

// receive enters a number that was delivered.
func (l *ledger) receive(f *feed, number int) {
	l.deliveries++
	if number <= l.last {
		l.repeated++
		return
	}
	l.miss(f, number)
	l.last, l.gap = number, place{}
}

// announce enters a gap that ends at a place.
func (l *ledger) announce(to place) { l.gap = to }

// miss counts the numbers missing before a number.
func (l *ledger) miss(f *feed, number int) {
	announced, lost := f.between(max(l.first, l.last), number, l.gap)
	l.announced += announced
	l.lost += lost
}

// has reports whether nothing that was announced by the feed is still to come: for
// waiting, at the end.
func (l *ledger) has(f *feed) bool {
	_, lost := f.between(max(l.first, l.last), f.end(), l.gap)
	return lost == 0
}
