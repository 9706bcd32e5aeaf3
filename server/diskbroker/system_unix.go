//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package diskbroker

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const canSyncDir = true

func syncData(f *os.File) error { return f.Sync() }

// bootID names what begins when the machine starts and ends when it stops, "" if that is not known.
func bootID() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid") // macOS has it
	return id
}

// identityOf tells a file from any copy of it in the same file system.
func identityOf(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(s.Ino)
}
