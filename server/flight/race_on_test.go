//go:build race

package flight

// raceEnabled: the race detector makes everything take ten times as long.
const raceEnabled = true
