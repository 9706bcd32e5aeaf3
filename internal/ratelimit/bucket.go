package ratelimit

import (
	"sync/atomic"
	"time"
)

// Bucket is a token bucket in 16 bytes. The zero value is a full one. It is safe for
// concurrent use and must not be copied once it is used.
type Bucket struct {
	tat atomic.Int64 // when it is full again; a moment

	// When it was asked last, as a moment that may be late by Limit.slack. Time does not
	// go back for a bucket: a goroutine that read the clock and was not run for a while
	// finds what there is since others have asked.
	latest atomic.Int64
}

// Allow takes one from the bucket at the moment now. If it has none, nothing is
// taken, and retryAfter, which is more than 0, is when there is one. It does not
// allocate.
func (b *Bucket) Allow(now time.Time, l Limit) (ok bool, retryAfter time.Duration) {
	return b.AllowN(now, l, 1)
}

// AllowN is Allow for n at once, all of them or none; n is 1 or more. With more than
// the limit allows at once, retryAfter is Never.
func (b *Bucket) AllowN(now time.Time, l Limit, n int) (ok bool, retryAfter time.Duration) {
	read := moment(now)
	for {
		tat := b.tat.Load()
		at := b.advance(read, l) // behind tat: what has moved that on was not later than this
		next, wait := l.take(tat, at, n)
		if wait > 0 && (next >= tat-l.slack() || wait == Never) { // nothing changes but that it fills
			return false, wait
		}
		if next == tat || b.tat.CompareAndSwap(tat, next) {
			return wait == 0, wait
		}
	}
}

// advance notes that it is at, and returns what time it is.
func (b *Bucket) advance(at int64, l Limit) int64 {
	for l.interval > 0 {
		latest := b.latest.Load()
		if at < latest {
			return latest
		}
		// Noted now and then only: it costs as much as the rest.
		if at-latest <= l.slack() || b.latest.CompareAndSwap(latest, at) {
			break
		}
	}
	return at
}

// IsFull reports whether nothing is missing from the bucket at the moment now: it is
// as good as a new one.
func (b *Bucket) IsFull(now time.Time) bool { return b.tat.Load() <= moment(now) }
