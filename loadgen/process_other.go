//go:build !linux

package loadgen

import (
	"runtime"
	"time"
)

func observeProcesses([]int) (*observer, error) {
	return nil, invalid("what a process uses is not available on %s; use the server's metrics instead", runtime.GOOS)
}

func machineCPU() (time.Duration, bool) { return 0, false }

func machineProcessors() (int, bool) { return 0, false }

func listenersOf(string) []int { return nil }

func processName(int) string { return "" }
