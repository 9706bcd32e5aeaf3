//go:build !unix

package loadgen

import "time"

func ownCPU() (time.Duration, bool) { return 0, false }

func descriptorsMax() (int, bool) { return 0, false }
