//go:build !linux

package poller

// New makes the poller of this system, which is a Parked: it knows no descriptors.
func New() (Poller, error) { return NewParked(), nil }
