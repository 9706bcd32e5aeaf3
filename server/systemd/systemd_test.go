//go:build linux

package systemd

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// bequeath puts listeners at descriptors from first on, as a manager does.
func bequeath(t *testing.T, n int) (first int, addresses []string) {
	t.Helper()
	first = 200
	for i := range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(f.Fd()), first+i, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, ln.Addr().String())
		f.Close()
		ln.Close()
	}
	return first, addresses
}

func taken(t *testing.T, s *Sockets, name string) (addresses []string) {
	t.Helper()
	listeners, err := s.Listeners(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, ln := range listeners {
		addresses = append(addresses, ln.Addr().String())
		ln.Close()
	}
	return addresses
}

func TestListeners(t *testing.T) {
	first, all := bequeath(t, 3)
	s, err := inherited(env("LISTEN_PID=7", "LISTEN_FDS=3", "LISTEN_FDNAMES=web:admin:web"), 7, first)
	if err != nil {
		t.Fatal(err)
	}
	if got := taken(t, s, "admin"); !slices.Equal(got, all[1:2]) {
		t.Error(got, all)
	}
	if _, err := s.Listeners("admin"); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "called web, web") {
		t.Error(err)
	}
	if got := taken(t, s, "web"); !slices.Equal(got, []string{all[0], all[2]}) {
		t.Error(got, all)
	}
	if _, err := s.Listeners(""); err != ErrNone {
		t.Error(err)
	}

	first, all = bequeath(t, 2)
	if s, err = inherited(env("LISTEN_PID=7", "LISTEN_FDS=2"), 7, first); err != nil {
		t.Fatal(err)
	}
	if got := taken(t, s, ""); !slices.Equal(got, all) {
		t.Error(got, all)
	}
}

func TestInherited(t *testing.T) {
	for _, pairs := range [][]string{nil, {"LISTEN_FDS=1"}, {"LISTEN_PID=8", "LISTEN_FDS=1"}, {"LISTEN_PID=7", "LISTEN_FDS=0"}} {
		s, err := Inherited(env(pairs...), 7)
		if err != nil {
			t.Fatal(pairs, err)
		}
		if _, err := s.Listeners(""); err != ErrNone {
			t.Error(pairs, err)
		}
	}
	for _, pairs := range [][]string{{"LISTEN_PID=7"}, {"LISTEN_PID=7", "LISTEN_FDS=-1"}, {"LISTEN_PID=7", "LISTEN_FDS=x"}, {"LISTEN_PID=7", "LISTEN_FDS=2", "LISTEN_FDNAMES=a"}} {
		if s, err := Inherited(env(pairs...), 7); err == nil {
			t.Error(pairs, s)
		}
	}
	s, err := inherited(env("LISTEN_PID=7", "LISTEN_FDS=1"), 7, 4000)
	if err != nil {
		t.Fatal(err)
	}
	if ln, err := s.Listeners(""); err == nil || errors.Is(err, ErrNone) {
		t.Error(ln, err)
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	for _, name := range []string{path, "@godwit-notify-test"} {
		at := name
		if at[0] == '@' {
			at = "\x00" + at[1:]
		}
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		if err := Notify(name, append(Reloading(), Ready)...); err != nil {
			t.Error(err)
		}
		b := make([]byte, 200)
		n, err := manager.Read(b)
		lines := strings.Split(string(b[:n]), "\n")
		if err != nil || len(lines) != 3 || lines[0] != "RELOADING=1" || !strings.HasPrefix(lines[1], "MONOTONIC_USEC=") || lines[2] != "READY=1" {
			t.Errorf("%q %v", b[:n], err)
		}
		manager.Close()
		if err := Notify(name, Ready); err == nil {
			t.Error("nobody was told")
		}
	}
	if err := Notify("", Ready); err != nil {
		t.Error(err)
	}
}
