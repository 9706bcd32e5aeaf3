package ratelimit

import (
	"math"
	"time"
)

// Limit is how often something may happen: so often at once, and then at a steady
// rate. It is a small value; copy it. The zero Limit allows nothing.
type Limit struct {
	interval int64 // nanoseconds until one more may happen
	window   int64 // nanoseconds until an empty bucket is full
}

// Unlimited is the Limit that allows everything.
var Unlimited = Limit{interval: 0, window: 1}

// Never is how long to wait for what a Limit never allows.
const Never = time.Duration(math.MaxInt64)

// windowMax bounds the time until a bucket is full, so that sums with moments
// cannot overflow: 73 years.
const windowMax = 1 << 61

// PerSecond is the Limit of rate a second, of which burst may come at once. A burst
// below 1 is 1, since else nothing could ever happen. A rate that is not above zero
// allows nothing, and an infinite one everything.
func PerSecond(rate float64, burst int) Limit {
	switch {
	case !(rate > 0):
		return Limit{}
	case math.IsInf(rate, 1):
		return Unlimited
	}
	return every(float64(time.Second)/rate, burst)
}

// Every is the Limit of one each interval, of which burst may come at once. A burst
// below 1 is 1. An interval that is not above zero allows everything.
func Every(interval time.Duration, burst int) Limit {
	if interval <= 0 {
		return Unlimited
	}
	return every(float64(interval), burst)
}

func every(interval float64, burst int) Limit {
	interval = min(max(interval, 1), windowMax) // more than one a nanosecond is not told apart
	window := min(math.Round(interval)*float64(max(burst, 1)), windowMax)
	return Limit{interval: int64(math.Round(interval)), window: int64(window)}
}

// take says what a bucket whose number is tat becomes at the moment now when n are
// taken from it. If they cannot be, it says after how long they can.
//
// This is the generic cell rate algorithm: tat, the theoretical arrival time, is
// when the bucket is full again. Each taking moves it on by an interval, and it may
// be at most a window ahead.
func (l Limit) take(tat, now int64, n int) (next int64, wait time.Duration) {
	if l.interval == 0 {
		if l.window == 0 {
			return tat, Never
		}
		return tat, 0
	}
	// A number further ahead than any taking makes it is from a larger limit: the bucket
	// counts as empty. Otherwise nothing would be allowed until the time is there.
	tat = min(max(tat, now), now+l.window)
	if int64(n) > l.window/l.interval {
		return tat, Never
	}
	next = tat + int64(n)*l.interval
	if late := next - l.window - now; late > 0 {
		return tat, time.Duration(late)
	}
	return next, 0
}

// slack is by how much the time of a Bucket may be late: one goroutine that is late may find
// so much less of the burst.
func (l Limit) slack() int64 { return l.window / 64 }
