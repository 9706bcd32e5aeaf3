//go:build linux

package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childVariable has this program be a server that systemd-socket-activate has started.
const childVariable = "GODWIT_TEST_INHERITED"

// TestInheritedChild is the server of TestInheritedSockets.
func TestInheritedChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		t.Skip("it is run by TestInheritedSockets")
	}
	s, err := New(Config{Listen: []string{"systemd:web"}, Admin: Admin{Listen: []string{"systemd:admin"}}, Demo: new(false)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent ends it
		cancel()
	}()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

// Sockets of a service manager are served under their names, and it is told when the
// server is ready and when it stops.
func TestInheritedSockets(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatal("systemd-socket-activate is not installed, and GODWIT_REQUIRE_ALL is set")
		}
		t.Skip("systemd-socket-activate is not installed")
	}
	notify := filepath.Join(filepath.Dir(socketPath(t)), "n")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	_ = manager.SetReadDeadline(time.Now().Add(30 * time.Second))
	web, admin := net.JoinHostPort("127.0.0.1", freePortText(t)), socketPath(t)
	cmd := exec.CommandContext(t.Context(), activate, "-l", web, "-l", admin, "--fdname=web:admin",
		"-E", childVariable+"=1", "-E", "NOTIFY_SOCKET="+notify, os.Args[0], "-test.run=^TestInheritedChild$")
	var log logBuffer
	cmd.Stderr, cmd.Stdout = &log, &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ask := func(network, address, path, want string) {
		t.Helper()
		var nc net.Conn
		new(running).await(t, func() bool { // until systemd-socket-activate listens
			nc, err = net.Dial(network, address)
			return err == nil
		})
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if line, err := bufio.NewReader(nc).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+want) {
			t.Errorf("%s%s: %q, %v\n%s", address, path, line, err, &log)
		}
	}
	told := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		if n, err := manager.Read(b); err != nil || string(b[:n]) != want {
			t.Errorf("the manager was told %q, %v, want %s\n%s", b[:n], err, want, &log)
		}
	}
	ask("tcp", web, "/healthz", "200") // the first connection has the server started
	told("READY=1")
	ask("tcp", web, "/metrics", "404")
	ask("unix", admin, "/metrics", "200")
	stdin.Close()
	told("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	if _, err := os.Lstat(admin); err != nil {
		t.Errorf("the file of the socket is the manager's, and it is gone: %v", err)
	}
}

func freePortText(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
