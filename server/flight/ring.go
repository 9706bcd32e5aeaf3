package flight

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// ring keeps the newest events in a fixed amount of memory: segments of one size, of
// which the oldest is written over when all are full. Memory is taken when it is needed.
//
//	oldest ─► ▓▓▓▓▓▓▓▓ ▓▓▓▓▓▓▓▓ ▓▓▓▓▓▓▓▓ ▓▓▓░░░░░ ◄─ the next event
type ring struct {
	segmentBytes int
	segmentsMax  int

	mu       sync.Mutex // guards what follows
	segments []*segment // oldest first
	scratch  []byte
	next     uint64 // of segment.number
	latest   int64  // the time of the newest event
	floor    int64  // see scan
	events   int
	evicted  uint64
}

// segment has events one behind the other, each after its length in two bytes.
type segment struct {
	number uint64 // ascending
	b      []byte
	events int
	oldest int64 // the time of its first event
	newest int64 // the latest time that it names
}

// segmentBytesMin is so much that every event fits into a segment. segmentsWanted is in
// how many parts memory is forgotten, if they are long enough.
const (
	segmentBytesMin = eventBytesMax
	segmentBytesMax = 64 << 10
	segmentsWanted  = 64
)

// makeRing makes a ring of at most so many bytes, at least two segments.
func makeRing(bytes int) ring {
	size := min(max(bytes/segmentsWanted, segmentBytesMin), segmentBytesMax)
	return ring{segmentBytes: size, segmentsMax: max(2, bytes/size)}
}

// add keeps an event. Its time is made later than that of the event before, by as little
// as that takes: a clock that stands still or is set back does not change the order.
func (r *ring) add(e *Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = max(r.latest+1, e.Time.UnixNano())
	e.Time = time.Unix(0, r.latest)
	r.scratch = appendEvent(append(r.scratch[:0], 0, 0), e)
	binary.LittleEndian.PutUint16(r.scratch, uint16(len(r.scratch)-2))
	s := r.room(len(r.scratch))
	s.b = append(s.b, r.scratch...)
	if s.events++; s.events == 1 {
		s.oldest = r.latest
	}
	s.newest = max(s.newest, r.latest, nanoseconds(e.Since))
	r.events++
}

// room returns the segment that has room for so many bytes; r.mu is held.
func (r *ring) room(bytes int) *segment {
	if n := len(r.segments); n > 0 && len(r.segments[n-1].b)+bytes <= r.segmentBytes {
		return r.segments[n-1]
	}
	s := &segment{}
	if len(r.segments) == r.segmentsMax {
		s = r.segments[0]
		r.segments = slices.Delete(r.segments, 0, 1)
		r.floor = max(r.floor, s.newest)
		r.events -= s.events
		r.evicted += uint64(s.events)
		*s = segment{b: s.b[:0]}
	} else {
		s.b = make([]byte, 0, r.segmentBytes)
	}
	s.number = r.next
	r.next++
	r.segments = append(r.segments, s)
	return s
}

// scan calls f with every event that there is, oldest first, with no lock held. The
// record is valid until f returns. floor is a time, 0 if nothing was forgotten: of what
// began after it, all has been seen.
func (r *ring) scan(f func(*record)) (floor int64) {
	var copied []byte
	for number := uint64(0); ; number++ {
		if copied, number = r.segment(copied[:0], number); len(copied) == 0 {
			break
		}
		for b := copied; len(b) > 0; {
			n := 2 + int(binary.LittleEndian.Uint16(b))
			event := readRecord(b[2:n])
			f(&event)
			b = b[n:]
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.floor
}

// segment appends the content of the first segment from a number on, and returns its
// number. Nothing is appended if there is none.
func (r *ring) segment(dst []byte, from uint64) ([]byte, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.segments {
		if s.number >= from {
			return append(dst, s.b...), s.number
		}
	}
	return dst, from
}

// Stats says how much a Recorder remembers.
type Stats struct {
	Events  int       // kept now
	Bytes   int       // memory taken for them
	Evicted uint64    // events forgotten, because there was no room
	Oldest  time.Time // when the oldest that is kept happened, zero if there is none
}

func (r *ring) stats() (s Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Events, s.Bytes, s.Evicted = r.events, len(r.segments)*r.segmentBytes, r.evicted
	if len(r.segments) > 0 {
		s.Oldest = timeOf(r.segments[0].oldest)
	}
	return s
}
