//go:build unix

package loadgen

import (
	"syscall"
	"time"
)

// ownCPU returns the CPU time that this process has used.
func ownCPU() (time.Duration, bool) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}

// descriptorsMax returns how many files this process may have open. The Go
// runtime has raised it to the hard limit already.
func descriptorsMax() (int, bool) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, false
	}
	return int(min(uint64(l.Cur), 1<<30)), true
}
