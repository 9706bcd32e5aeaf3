//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && !godwit_kqueue

package engine

// kqueueEnabled has loops wait with kqueue and use descriptors directly. It is
// off unless the program is built with -tags godwit_kqueue, because that code is
// compiled and checked for these systems but has not been run on them: without
// it, goroutines do the I/O, as for connections that are no sockets.
const kqueueEnabled = false
