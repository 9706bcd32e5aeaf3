//go:build race

package hub_test

// raceEnabled: the race detector makes sync.Pool forget some of what it is given.
const raceEnabled = true
