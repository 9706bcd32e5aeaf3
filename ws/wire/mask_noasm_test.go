//go:build !amd64 || purego

package wire

// onEachPath calls do once with every implementation that this build has.
func onEachPath(do func(path string)) { do("portable") }
