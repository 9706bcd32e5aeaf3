//go:build !linux

package systemd

// Reloading returns the states to tell of when the service begins to reload.
func Reloading() []string { return []string{"RELOADING=1"} }
