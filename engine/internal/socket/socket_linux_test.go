package socket

import (
	"syscall"
	"testing"
)

// A call that a signal interrupted, or that would have to wait, may be tried
// again; every other error is the end.
func TestResultOfCalls(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		0: nil, syscall.EAGAIN: ErrAgain, syscall.EINTR: ErrAgain, syscall.ECONNRESET: syscall.ECONNRESET, syscall.EPIPE: syscall.EPIPE,
	} {
		if n, err := result(7, 0, errno); err != want || (n == 7) != (want == nil) {
			t.Errorf("%v: %d, %v", errno, n, err)
		}
	}
}
