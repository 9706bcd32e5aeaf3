//go:build race

package wsproto

// raceEnabled: the race detector makes sync.Pool forget some of what it is given.
const raceEnabled = true
