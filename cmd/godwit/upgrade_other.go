//go:build !unix

package main

import (
	"errors"
	"os"
)

// notifyUpgrade does nothing: there is no signal for it.
func notifyUpgrade(chan<- os.Signal) {}

// signalUpgrade says that there is no signal for it.
func signalUpgrade(int) error {
	return errors.New("this system has no signals, and only Linux can hand a server over to another process; stop it and start the new one")
}
