package loadgen

import (
	"syscall"
	"time"
)

// napMax is the longest nap: as late as a timer may be, and some more.
const napMax = 1500 * time.Microsecond

// nap waits for d in the kernel, which is exact to some ten microseconds.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
