package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// haproxyInFront starts an HAProxy that passes connections on to address with a header
// of the PROXY protocol, and returns where it listens.
func haproxyInFront(t *testing.T, address, option string) string {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program = "/usr/sbin/haproxy"; !isThere(program) { // in Debian it is where an ordinary user does not look
			if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
				t.Fatal("haproxy is not installed, and GODWIT_REQUIRE_ALL is set")
			}
			t.Skip("haproxy is not installed")
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free: HAProxy cannot choose one
	if err != nil {
		t.Fatal(err)
	}
	front := ln.Addr().String()
	ln.Close()
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\nlisten front\n bind %s\n server godwit %s %s\n", front, address, option)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-db", "-f", config)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 4000 {
		if nc, err := net.Dial("tcp", front); err == nil {
			nc.Close()
			return front
		}
		<-tick.C
	}
	t.Fatal("haproxy does not listen")
	return ""
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Behind an HAProxy that says so, clients have their own addresses, whatever carries them.
func TestBehindHAProxy(t *testing.T) {
	for _, driver := range []string{driverEngine, driverGoroutine} {
		for _, option := range []string{"send-proxy", "send-proxy-v2"} {
			t.Run(driver+" "+option, func(t *testing.T) {
				if driver == driverEngine && defaultDriver() != driverEngine {
					t.Skip("there are no event loops on this system")
				}
				s := start(t, Config{Driver: driver, ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
				front := haproxyInFront(t, s.Addr().String(), option)
				dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
				client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
				defer client.CloseIdleConnections()
				response, err := client.Get("http://" + front + "/healthz")
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if log := s.log.String(); response.StatusCode != 200 || !strings.Contains(log, "remote=127.0.0.2:") {
					t.Errorf("%s; the log has no request of 127.0.0.2: %s", response.Status, log)
				}

				conn, _, err := ws.Dial(t.Context(), "ws://"+front+"/channels/chat", &ws.DialOptions{
					NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
						return dialer.DialContext(ctx, network, address)
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.CloseNow()
				posted, err := client.Post("http://"+front+"/channels/chat", "text/plain", strings.NewReader("hello"))
				if err != nil {
					t.Fatal(err)
				}
				defer posted.Body.Close()
				if content, _ := io.ReadAll(posted.Body); posted.StatusCode != 201 {
					t.Errorf("%s: %s", posted.Status, content)
				}
				if _, data, err := conn.Read(t.Context()); err != nil || string(data) != "hello" {
					t.Errorf("the WebSocket got %q, %v", data, err)
				}
			})
		}
	}
}
