package ratelimit

import (
	"sync/atomic"
	"time"
)

// Bucket is a token bucket in 8 bytes. The zero value is a full one. It is safe for
// concurrent use and must not be copied once it is used.
//
// It reads the wall clock that it is given. When that is set forward, the bucket
// fills; when it is set back, the bucket counts as empty from there.
type Bucket struct {
	tat atomic.Int64 // when it is full again, in nanoseconds since 1970
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
	at := now.UnixNano()
	for {
		tat := b.tat.Load()
		next, wait := l.take(tat, at, n)
		if wait > 0 && (next >= tat || wait == Never) { // nothing changes but that it fills
			return false, wait
		}
		if next == tat || b.tat.CompareAndSwap(tat, next) {
			return wait == 0, wait
		}
	}
}

// IsFull reports whether nothing is missing from the bucket at the moment now: it is
// as good as a new one.
func (b *Bucket) IsFull(now time.Time) bool { return b.tat.Load() <= now.UnixNano() }
