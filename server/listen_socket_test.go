package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
)

// socketPath is short, as the paths of sockets have to be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "godwit-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func listenAt(t *testing.T, path string) (*Server, error) {
	t.Helper()
	s, err := New(Config{Listen: []string{"unix:" + path}, Logger: new(logBuffer).logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, s.Listen(t.Context())
}

// Everything works over a socket file, whatever name the request has.
func TestServesSocketFile(t *testing.T) {
	for _, driver := range []string{driverEngine, driverGoroutine} {
		path := socketPath(t)
		s, err := New(Config{Listen: []string{"unix:" + path}, Driver: driver, Logger: new(logBuffer).logger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.Local() || s.Demo() {
			t.Errorf("local: %v, demo: %v", s.Local(), s.Demo())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()

		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
		conn, _, err := ws.Dial(t.Context(), "ws://any.example/channels/chat", &ws.DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Post("http://any.example/channels/chat", "text/plain", strings.NewReader("hello"))
		if err != nil || response.StatusCode != http.StatusCreated {
			t.Fatal(response, err)
		}
		response.Body.Close()
		if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "hello" {
			t.Errorf("%q, %v", message, err)
		}
		client.CloseIdleConnections()
		cancel()
		if _, _, err := conn.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("the file is left behind")
		}
	}
}

// The file of a server that was killed is replaced. That of one that lives is not,
// and neither is what is no socket.
func TestListenReplacesStaleSocket(t *testing.T) {
	path := socketPath(t)
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	if _, err := listenAt(t, path); err != nil {
		t.Errorf("a stale file: %v", err)
	}
	want := "cannot listen on unix:" + path + ": a server is there already; stop it, or choose another path with --listen"
	if _, err := listenAt(t, path); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Errorf("the server that was there is not any more: %v", err)
	} else {
		conn.Close()
	}

	if err := os.WriteFile(path+"2", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt(t, path+"2"); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Error(err)
	}
	if b, err := os.ReadFile(path + "2"); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	for at, want := range map[string]string{
		"/nowhere-at-all/s":             "there is no such directory",
		path + strings.Repeat("x", 200): "100 bytes are the most",
	} {
		if _, err := listenAt(t, at); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", at, err)
		}
	}
}
