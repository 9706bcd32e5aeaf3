package systemd

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Reloading returns the states to tell of when the service begins to reload. Ready
// follows when it has; Type=notify-reload waits for both.
func Reloading() []string {
	states := []string{"RELOADING=1"}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		states = append(states, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
	}
	return states
}
