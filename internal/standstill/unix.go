//go:build unix

package standstill

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// patience bounds the wait for a process to stand still.
const patience = time.Minute

// Pause stops a process, and returns when it stands still. The signal alone does not say so: on a
// machine that is busy a process goes on answering until one of its threads has its turn and
// sees the signal. Where there is no /proc, as there is on Linux, Pause does not wait.
func Pause(pid int) error {
	if err := signal(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(patience); !stands(pid); <-again.C {
		if time.Now().After(limit) {
			return fmt.Errorf("standstill: process %d has not stopped within %v", pid, patience)
		}
	}
	return nil
}

// Resume lets a process go on.
func Resume(pid int) error { return signal(pid, syscall.SIGCONT) }

func signal(pid int, s syscall.Signal) error {
	if pid <= 0 { // which would be this process and all of its kind
		return syscall.ESRCH
	}
	return syscall.Kill(pid, s)
}

// stands reports whether no thread of a process runs.
func stands(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is a good one
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		// "pid (name) state …", and a name may have parentheses.
		if state := stat[bytes.LastIndexByte(stat, ')')+1:]; len(state) > 1 && !bytes.ContainsRune([]byte("TtZX"), rune(state[1])) {
			return false
		}
	}
	return true
}
