//go:build race

package httpcarrier_test

const raceEnabled = true
