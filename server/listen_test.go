package server

import (
	"context"
	"net"
	"strings"
	"testing"
)

func TestIsLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8000": true, "127.9.9.9:8000": true, "[::1]:8000": true, "[::ffff:127.0.0.1]:8000": true, "localhost:8000": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:8000": false, "10.0.0.1:8000": false, "[2001:db8::1]:8000": false, "128.0.0.1:8000": false,
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := isLoopback(tcp); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if isLoopback(&net.UnixAddr{Name: "x"}) {
		t.Error("a socket that is not TCP counts as loopback")
	}
	if isLoopback(nil) {
		t.Error("no address counts as loopback")
	}
}

func TestListenRefusesReachable(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		s, err := New(Config{Listen: addr})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "refusing to listen") || !strings.Contains(err.Error(), "--insecure") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	s, err := New(Config{Listen: "0.0.0.0:0", Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Errorf("insecure: %v", err)
	}
	if s.Loopback() || s.Demo() {
		t.Error("every address of the machine counts as loopback")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A listener that somebody else made is judged by its own address.
func TestServeRefusesReachable(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := newPipes()
	w.addr = &net.TCPAddr{IP: net.IPv4zero, Port: 1}
	if err := s.Serve(t.Context(), w); err == nil || !strings.Contains(err.Error(), "refusing") {
		t.Error(err)
	}
	if _, err := w.Accept(); err == nil {
		t.Error("the listener is left open")
	}
}

func TestListenInUse(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s, err := New(Config{Listen: other.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	want := "cannot listen on " + other.Addr().String() + ": address already in use; stop the program that uses it, or choose another with --listen"
	if err := s.Run(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestListenElsewhere(t *testing.T) {
	for listen, want := range map[string]string{
		"192.0.2.1:0":             "no such address", // RFC 5737: nobody has it
		"nowhere.invalid:0":       "nowhere.invalid", // RFC 6761: does not resolve
		"[fe80::1%nonexistent]:0": "cannot listen on",
	} {
		s, err := New(Config{Listen: listen, Insecure: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestServesOnce(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0", Logger: new(logBuffer).logger()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err == nil {
		// Listening with a context that has ended may succeed or fail; what
		// matters is what follows.
		t.Log("served for an instant")
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "before") {
		t.Errorf("a second Run: %v", err)
	}
	if err := s.Listen(t.Context()); err == nil {
		t.Error("Listen after the end")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close after the end: %v", err)
	}
}
