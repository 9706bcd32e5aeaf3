package server

import (
	"context"
	"net"
	"net/http"
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
	if !isLocal(&net.UnixAddr{Name: "x"}) || isLocal(&net.TCPAddr{}) || isLocal(nil) {
		t.Error("a socket file is local, every address of the machine is not")
	}
	if addressesAre(isLocal, nil) {
		t.Error("a server that is not bound counts as local")
	}
}

// families says which of the two loopback addresses answer at the port of addr.
func families(t *testing.T, addr net.Addr) (v4, v6 bool) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	answers := func(host string) bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	return answers("127.0.0.1"), answers("::1")
}

// Which families of addresses a host stands for.
func TestListenFamilies(t *testing.T) {
	other, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	other.Close()
	for host, want := range map[string]struct{ v4, v6 bool }{
		"127.0.0.1": {true, false}, "[::1]": {false, true}, "localhost": {true, true}, "LocalHost.": {true, true},
		"0.0.0.0": {true, false}, "[::]": {false, true}, "": {true, true}, "[::ffff:127.0.0.1]": {true, false},
	} {
		log := new(logBuffer)
		s, err := New(Config{Listen: []string{host + ":0"}, Insecure: true, Logger: log.logger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context()); err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		if v4, v6 := families(t, s.Addr()); v4 != want.v4 || v6 != want.v6 {
			t.Errorf("%q: IPv4 %v, IPv6 %v, want %v", host, v4, v6, want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%q: %v", host, err)
		}
		if v4, v6 := families(t, s.Addr()); v4 || v6 {
			t.Errorf("%q: it is left open", host)
		}
	}
}

// What the machine does not have is left out, if there is something else.
func TestListenLeavesOutAbsent(t *testing.T) {
	absent := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} // RFC 5737: nobody has it
	present := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	listeners, err := listenTCP(t.Context(), []*net.TCPAddr{absent, present})
	if err != nil || len(listeners) != 1 || !isLoopback(listeners[0].Addr()) {
		t.Fatal(listeners, err)
	}
	if err := closeAll(listeners); err != nil {
		t.Error(err)
	}
	if listeners, err := listenTCP(t.Context(), []*net.TCPAddr{absent}); err == nil {
		t.Error(listeners)
	}
}

// A port that another program has at one of the addresses is not shared with it.
func TestListenInUseAtOneAddress(t *testing.T) {
	other, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	defer other.Close()
	_, port, _ := net.SplitHostPort(other.Addr().String())
	s, err := New(Config{Listen: []string{"localhost:" + port}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "localhost:"+port+": address already in use") {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		conn.Close()
		t.Error("the other address is left open")
	}
}

// A server is all there at each of its addresses, and ends at each.
func TestServesEveryAddress(t *testing.T) {
	s, err := New(Config{Listen: []string{"localhost:0"}, Logger: new(logBuffer).logger(), Demo: new(false)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if !s.Local() {
		t.Error("localhost is reached by others")
	}
	for _, ln := range s.bound() {
		r := &running{Server: s, url: "http://" + ln.Addr().String()}
		if a := r.do(t, http.MethodGet, "/healthz", "", "Connection", "close"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", ln.Addr(), a.Status)
		}
		if a := r.do(t, http.MethodGet, "/healthz", "", "Connection", "close", "Host", "rebound.example"); a.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s for a name of somebody else", ln.Addr(), a.Status)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if v4, v6 := families(t, s.Addr()); v4 || v6 {
		t.Errorf("it goes on to listen: IPv4 %v, IPv6 %v", v4, v6)
	}
}

func TestListenRefusesReachable(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		s, err := New(Config{Listen: []string{addr}})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "refusing to listen") || !strings.Contains(err.Error(), "--insecure") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	s, err := New(Config{Listen: []string{"0.0.0.0:0"}, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Errorf("insecure: %v", err)
	}
	if s.Local() || s.Demo() {
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
	s, err := New(Config{Listen: []string{other.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	want := "cannot listen on " + other.Addr().String() + ": address already in use; stop the program that uses it, or choose another with --listen"
	if err := s.Run(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// No flag says where the addresses for operators are.
func TestAdminListenInUse(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Admin: Admin{Listen: []string{other.Addr().String()}}})
	if err != nil {
		t.Fatal(err)
	}
	want := "admin.listen: cannot listen on " + other.Addr().String() + ": address already in use; stop the program that uses it, or choose another"
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
		s, err := New(Config{Listen: []string{listen}, Insecure: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestServesOnce(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Logger: new(logBuffer).logger()})
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
