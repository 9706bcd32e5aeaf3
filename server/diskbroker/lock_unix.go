//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package diskbroker

import (
	"os"
	"syscall"
)

// lockFile locks a file that is open, which the end of the process undoes. It reports whether another
// process has it.
func lockFile(f *os.File) (isTaken bool, err error) {
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err == syscall.EWOULDBLOCK, err
		}
	}
}
