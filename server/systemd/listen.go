package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// firstFD is the first descriptor that is inherited.
const firstFD = 3

// Sockets are those that a process has inherited.
type Sockets struct {
	first int
	names []string // by descriptor; empty for one that was taken
}

// unnamed is the name of a socket without FileDescriptorName=.
const unnamed = "unknown"

// Inherited returns the sockets that the process pid has inherited, as the environment
// says, or none. An error says that the environment contradicts itself.
func Inherited(getenv func(string) string, pid int) (*Sockets, error) {
	return inherited(getenv, pid, firstFD)
}

func inherited(getenv func(string) string, pid, first int) (*Sockets, error) {
	s := &Sockets{first: first}
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return s, nil // they are for another process, if there are any
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1<<16 {
		return nil, fmt.Errorf("LISTEN_FDS is %q, and should be how many sockets there are", getenv("LISTEN_FDS"))
	}
	s.names = make([]string, n)
	for i := range s.names {
		s.names[i] = unnamed
	}
	if given := getenv("LISTEN_FDNAMES"); given != "" {
		if names := strings.Split(given, ":"); len(names) == n {
			for i, name := range names {
				if name != "" {
					s.names[i] = name
				}
			}
		} else {
			return nil, fmt.Errorf("LISTEN_FDNAMES has %d names for %d sockets", len(names), n)
		}
	}
	return s, nil
}

// ErrNone is the error for sockets that were not inherited.
var ErrNone = errors.New("no such socket was inherited: start the service by a .socket unit, or by systemd-socket-activate")

// Listeners takes the sockets of that name, all that are left for "". Each can be
// taken once. The error is ErrNone, or says what is wrong with one of them.
func (s *Sockets) Listeners(name string) (listeners []net.Listener, err error) {
	for i, own := range s.names {
		if own == "" || name != "" && own != name {
			continue
		}
		s.names[i] = ""
		ln, err := listener(s.first + i)
		if err != nil {
			for _, ln := range listeners {
				_ = ln.Close()
			}
			return nil, fmt.Errorf("the inherited socket %q cannot be listened on: %w", own, err)
		}
		listeners = append(listeners, ln)
	}
	if len(listeners) == 0 {
		left := slices.DeleteFunc(slices.Clone(s.names), func(n string) bool { return n == "" })
		if name != "" && len(left) > 0 {
			return nil, fmt.Errorf("%w; those that are left are called %s", ErrNone, strings.Join(left, ", "))
		}
		return nil, ErrNone
	}
	return listeners, nil
}

// listener makes a listener of a descriptor, which it closes. The file of a Unix socket
// is the manager's, and stays.
func listener(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "inherited socket")
	if f == nil {
		return nil, os.ErrInvalid
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if unix, ok := ln.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	return ln, err
}
