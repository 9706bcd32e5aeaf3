//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

func notifyReload(signals chan<- os.Signal) { signal.Notify(signals, syscall.SIGHUP) }
