// Package legible makes messages of strangers readable on a terminal, which is
// given nothing to act on.
package legible
