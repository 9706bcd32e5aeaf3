//go:build !linux

package loadgen

import "time"

// napMax is 0: timers are as exact here as anything.
const napMax = 0

func nap(time.Duration) {}
