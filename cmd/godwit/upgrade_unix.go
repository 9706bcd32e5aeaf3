//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

func notifyUpgrade(signals chan<- os.Signal) { signal.Notify(signals, syscall.SIGUSR2) }

// signalUpgrade tells a process to upgrade.
func signalUpgrade(pid int) error { return syscall.Kill(pid, syscall.SIGUSR2) }
