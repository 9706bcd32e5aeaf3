package ratelimit

import "time"

// origin is so long before this process that every moment is above zero, also those of
// the clocks of tests: the number of a full bucket is zero.
var origin = time.Now().Add(-100 * 365 * 24 * time.Hour)

// moment is a time in nanoseconds since origin. It is on the monotonic clock, as far as
// now has a reading of that.
func moment(now time.Time) int64 { return int64(now.Sub(origin)) }
