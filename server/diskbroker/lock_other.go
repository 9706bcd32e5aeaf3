//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd && !windows

package diskbroker

import (
	"errors"
	"os"
)

func lockFile(*os.File) (isTaken bool, err error) {
	return false, errors.New("there are no locks on this system, without which two processes could write to the directory")
}
