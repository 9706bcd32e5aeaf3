//go:build linux

package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both sides of a new one.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// On a terminal a person is told where everything is, unless the log is for a program.
func TestServeOnTerminal(t *testing.T) {
	t.Parallel()
	for format, wants := range map[string]bool{"text": true, "json": false} {
		person, program := terminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		cmd := command(ctx, "serve", "--listen", "127.0.0.1:0", "--log-format", format)
		cmd.Stdout, cmd.Stderr = program, program
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		program.Close() // reading ends once the other process has closed it, too
		seen := &transcript{more: make(chan struct{})}
		var reader sync.WaitGroup
		reader.Go(func() { seen.read(person) })
		// Lines for a person come first.
		text := seen.contains(t, "serving")
		if strings.Contains(text, "Press Ctrl-C") != wants {
			t.Errorf("with a log of %s it printed:\n%s", format, text)
		}
		cancel()
		_ = cmd.Wait()
		reader.Wait()
	}
}
