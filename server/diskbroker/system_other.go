//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package diskbroker

import "os"

// Elsewhere a directory cannot be opened to be synced.
const canSyncDir = false

func syncData(f *os.File) error { return f.Sync() }

// bootID is not known: after a process that did not end by itself another epoch begins.
func bootID() string { return "" }

// identityOf is not known: a copy of a directory is taken for the original.
func identityOf(*os.File) string { return "" }
