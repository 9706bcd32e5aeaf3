//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && godwit_kqueue

package engine

const kqueueEnabled = true // see poll_kqueue_off.go
