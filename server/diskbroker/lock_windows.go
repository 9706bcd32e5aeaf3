package diskbroker

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks a byte far behind the end of a file that is open, so that others can read which process has it. The end of
// the process undoes it. It reports whether another process has it.
func lockFile(f *os.File) (isTaken bool, err error) {
	behind := &windows.Overlapped{OffsetHigh: 1}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, behind)
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION), err
}
