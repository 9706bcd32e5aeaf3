package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/ws"
)

// greeting is what a person is told of a server with that configuration, less
// the values that differ each time.
func greeting(t *testing.T, c server.Config) string {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	greet(&text, s)
	said := strings.Replace(text.String(), server.ThisBuild().Version, "VERSION", 1)
	if _, port, err := net.SplitHostPort(s.Addr().String()); err == nil {
		said = strings.ReplaceAll(said, ":"+port, ":PORT")
	}
	return said
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	golden.Compare(t, "testdata/serve.txt", greeting(t, server.Config{Listen: []string{"127.0.0.1:0"}, Origins: []string{"https://a.example", "https://b.example"}}))
	text := greeting(t, server.Config{Listen: []string{"0.0.0.0:0"}, Anonymous: new(access.Grants)})
	if !strings.Contains(text, "what the configuration grants them") || strings.Contains(text, "Everyone") || strings.Contains(text, "OTHER MACHINES") {
		t.Errorf("for a server that is protected: %s", text)
	}
	text = greeting(t, server.Config{Listen: []string{"0.0.0.0:0"}, Insecure: true})
	if !strings.Contains(text, "OTHER MACHINES CAN REACH IT") || strings.Contains(text, "demo feed") || !strings.Contains(text, "http://localhost:") {
		t.Errorf("it says:\n%s", text)
	}
	path := filepath.Join(t.TempDir(), "s")
	text = greeting(t, server.Config{Listen: []string{"unix:" + path}})
	if !strings.Contains(text, "curl --unix-socket "+path+" http://localhost/channels/chat\n") || strings.Contains(text, "page ") || strings.Contains(text, "loopback") {
		t.Errorf("it says:\n%s", text)
	}
}

// Where no person looks, standard output stays empty, and the log says what there
// is to know.
func TestServeIsSilentInPipes(t *testing.T) {
	t.Parallel()
	p := launch(t, "serve", "--listen", "0.0.0.0:0", "--insecure")
	addressOf(t, p)
	p.errOut.contains(t, `level=WARN msg="everyone who can reach this address can read and publish on every channel"`)
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if out := p.out.text.String(); out != "" {
		t.Errorf("it printed %q", out)
	}
}

func TestServeInUse(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	addr := strings.TrimPrefix(url, "http://")
	for _, args := range [][]string{{"serve"}, {"echo"}} {
		r := do(t, "", append(args, "--listen", addr)...)
		if r.code != exitFailure || r.out != "" || !strings.HasPrefix(r.errOut, "godwit: cannot listen on "+addr+": address already in use; ") ||
			!strings.HasSuffix(r.errOut, "choose another with --listen\n") || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%s: %+v", args[0], r)
		}
	}
}

// Flags over environment over file.
func TestServeLayers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "godwit.json")
	text := `{"listen": "127.0.0.1:1", "log": {"level": "error", "format": "json"}, "demo": true}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launchEnv(t, []string{"GODWIT_LOG_LEVEL=info", "GODWIT_LISTEN=127.0.0.1:2"}, "serve", "--config", file, "--listen", "127.0.0.1:0")
	if text := p.errOut.contains(t, `"msg":"serving"`); !strings.Contains(text, `"demo":true`) || !strings.Contains(text, `"address":"127.0.0.1:`) ||
		strings.Contains(text, "127.0.0.1:2\"") {
		t.Errorf("it logged:\n%s", text)
	}
	p.signal(t, os.Interrupt)
	p.exit(t)
}

// A signal tells every client to come back: WebSockets with 1001, streams by
// their end. Then the process exits with 0.
func TestServeStops(t *testing.T) {
	t.Parallel()
	for _, signal := range interrupts {
		p, url := serve(t)
		conn, _, err := ws.Dial(t.Context(), url+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/event-stream")
		stream, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()

		begin := time.Now()
		p.signal(t, signal)
		if _, _, err := conn.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Errorf("%v: the WebSocket ended with %v", signal, err)
		}
		if _, err := io.ReadAll(stream.Body); err != nil {
			t.Errorf("%v: the stream ended with %v", signal, err)
		}
		if code := p.exit(t); code != exitOK {
			t.Errorf("%v: exit code %d", signal, code)
		}
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("%v: it took %v, with nothing to wait for", signal, took)
		}
		if text := p.errOut.contains(t, "stopped"); strings.Count(text, "\n") != 3 {
			t.Errorf("more than a line for the start, the signal and the end:\n%s", text)
		}
	}
}

// deaf is a WebSocket client that never answers.
func deaf(t *testing.T, url string) {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	io.WriteString(nc, "GET /channels/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(r, err)
	}
}

// A client that does not let go is cut at --drain-timeout; the exit code is 0 all the same.
func TestServeDrainTimeout(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "--drain-timeout", "50ms")
	deaf(t, url)
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	p.errOut.contains(t, `cut at the limit" connections=1 cut.websocket=1`)
}

// During --drain-delay new connections are served, and told by /readyz. A second
// signal ends it, and the drain goes on in good order.
func TestServeDrainDelay(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "--drain-delay", "10m")
	conn, _, err := ws.Dial(t.Context(), url+"/channels/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	p.errOut.contains(t, "not ready any more")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK, "/channels/chat": http.StatusOK} {
		response, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	if err := conn.Write(t.Context(), ws.MessageText, []byte("still here")); err != nil {
		t.Error(err)
	}
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "still here" {
		t.Errorf("%q, %v", message, err)
	}
	p.signal(t, syscall.SIGTERM)
	if _, _, err := conn.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v", err)
	}
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// A second signal ends a server that is waiting.
func TestServeSecondSignal(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "--drain-timeout", "10m")
	deaf(t, url)
	p.signal(t, os.Interrupt)
	p.errOut.contains(t, "stopping")
	// The default action is restored right after the context ends, which may be
	// after the log line: one of the signals comes after it.
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for ended := false; !ended; {
		select {
		case <-p.ended:
			ended = true
		case <-ticker.C:
			_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
		}
	}
	if code := p.exit(t); code == exitOK {
		t.Error("it ended in good order")
	}
}
