package roster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

const (
	// pageBytes is about how long a page is, and a change, at most: with one member more than
	// fits, and what the cluster adds, it is a message of the bus still.
	pageBytes = 192 << 10

	// listFor is how long a list of several pages can be read.
	listFor = 20 * time.Second

	// listsMax is how many such lists there are at a time. The oldest goes.
	listsMax = 16
)

// lists are the lists that other nodes read, page by page.
type lists struct {
	mu     sync.Mutex // guards what follows
	last   uint64
	recent []*list // the oldest first
}

// list is the members that this node has in a channel, in pages.
type list struct {
	number  uint64 // its own
	channel string
	of      uint64 // what hub.OwnMembers.Number was
	made    time.Time
	pages   [][]byte
}

var errNoList = errors.New("roster: this list is not there any more")

func (l *lists) sizes() { l.recent = make([]*list, 0, listsMax) }

// find returns a list that can be read: of this number, or of the channel as it is with
// its last change.
func (l *lists) find(number uint64, channel string, of uint64) *list {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.recent) - 1; i >= 0; i-- {
		one := l.recent[i]
		if time.Since(one.made) < listFor && one.channel == channel && (one.number == number || number == 0 && one.of == of) {
			return one
		}
	}
	return nil
}

// add keeps a list, and gives it its number.
func (l *lists) add(one *list) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == listsMax {
		l.recent = append(l.recent[:0], l.recent[1:]...)
	}
	l.recent = append(l.recent, one)
}

func (l *lists) number() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return l.last
}

// expire forgets the lists that can be read no more.
func (l *lists) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.recent) > 0 && time.Since(l.recent[0].made) >= listFor {
		l.recent = append(l.recent[:0], l.recent[1:]...)
	}
}

// givePage answers another node that asks for members.
func (r *Roster) givePage(_ context.Context, _ string, data []byte) ([]byte, error) {
	r.asked.Store(time.Now().UnixNano())
	q, err := parsePageQuery(data)
	if err != nil {
		return nil, err
	}
	_, of := r.mirror.OwnCount(q.channel)
	one := r.lists.find(q.list, q.channel, of)
	switch {
	case one == nil && q.list != 0:
		return nil, errNoList
	case one == nil:
		one = r.makeList(q.channel)
	}
	if q.page >= uint64(len(one.pages)) {
		return nil, errNoList
	}
	return one.pages[q.page], nil
}

// makeList lists the members that this node has.
func (r *Roster) makeList(channel string) *list {
	own := r.mirror.Own(channel)
	one := &list{channel: channel, of: own.Number, made: time.Now(), number: r.lists.number()}
	one.pages = pagesOf(&own, one.number)
	if len(one.pages) > 1 {
		r.lists.add(one)
		r.plan.after(listFor, r.lists.expire)
	}
	return one
}

// pagesOf are the pages of a list of this number, at least one.
func pagesOf(own *hub.OwnMembers, number uint64) [][]byte {
	var parts [][]hub.Member
	begin, bytes := 0, 0
	for i := range own.Members {
		size := memberBytes(&own.Members[i])
		if i > begin && bytes+size > pageBytes {
			parts = append(parts, own.Members[begin:i])
			begin, bytes = i, 0
		}
		bytes += size
	}
	parts = append(parts, own.Members[begin:])
	pages := make([][]byte, len(parts))
	for i, members := range parts {
		pages[i] = appendPage(nil, &page{number: own.Number, asOf: own.AsOf, list: number, pages: uint64(len(parts)), members: members})
	}
	return pages
}
