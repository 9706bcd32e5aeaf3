package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
)

var roundTrip = regexp.MustCompile(`pong after \S+`)

func TestDialScript(t *testing.T) {
	t.Parallel()
	echo := launch(t, "echo", "--listen", "127.0.0.1:0")
	text := echo.out.contains(t, "Ctrl-C")
	_, rest, _ := strings.Cut(text, "ws://")
	url := "ws://" + strings.Fields(rest)[0]
	script := "hello\n\n//slash\n/ping\n/binary 00 ff 10\n/binary xyz\n/moon\n/help\n/close 1006\n/close 4000 goodbye\nnot sent\n"
	r := do(t, script, "dial", url)
	if want := "< hello\n< \n< /slash\n< [3 bytes] 00ff10\n"; r.out != want || r.code != exitOK {
		t.Errorf("%d %q, want %q", r.code, r.out, want)
	}
	golden(t, "testdata/dial.txt", roundTrip.ReplaceAllString(r.errOut, "pong after TIME"))

	// The end of the input alone ends it too, after the answers came.
	for _, args := range [][]string{{"dial", url}, {"dial", "http" + strings.TrimPrefix(url, "ws"), "--wait", "2s"}} {
		t.Run(args[len(args)-1], func(t *testing.T) {
			t.Parallel()
			if r := do(t, "last line without an end", args...); r.code != exitOK || r.out != "< last line without an end\n" || !strings.Contains(r.errOut, "1000 normal closure") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestDialSignal(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := launch(t, "dial", url+"/channels/chat")
	io.WriteString(p.in, "hello\n")
	p.out.contains(t, "< hello\n")
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.errOut.text.String())
	}
	p.errOut.contains(t, "* closed: 1001")
}

// What the server does with it is shown, and decides about the exit code.
func TestDialEnds(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "who are you?")
			return
		case "/silent":
			<-r.Context().Done()
			return
		}
		h := http.Header{"X-Seen": {r.Header.Get("X-Test") + "," + r.Header.Get("Origin")}}
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"b"}, Header: h})
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/away":
			conn.Close(ws.StatusGoingAway, "deploy")
		case "/failed":
			conn.Close(ws.StatusInternalError, "\x1b[2J")
		case "/broken":
			conn.CloseNow()
		}
	}))
	defer s.Close()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"/away", 0, `* closed: 1001 going away "deploy" (the server is shutting down, or the page was left)`},
		{"/failed", 1, `* closed: 1011 internal error "\x1b[2J" (the server failed`},
		{"/broken", 1, "* closed: 1006 abnormal closure (the connection broke without a close frame)"},
		{"/refused", 1, "godwit: the server answered 401 Unauthorized: who are you?"},
		{"/silent --timeout 50ms", 1, "godwit: no answer to the handshake within 50ms"},
		{"/away --subprotocol a,b", 0, "* connected, subprotocol b\n"},
		{"/away -v --header X-Test:\tseen --origin " + s.URL, 0, "* X-Seen: seen," + s.URL + "\n"},
		{"/away --origin https://evil.com", 1, "* 403 Forbidden\ngodwit: the server answered 403 Forbidden: "},
	} {
		path, flags, _ := strings.Cut(c.args, " ")
		r := do(t, "", append([]string{"dial", s.URL + path, "--wait", "30s"}, splitFlags(flags)...)...)
		if r.code != c.code || !strings.Contains(r.errOut, c.want) || r.out != "" || strings.ContainsRune(r.errOut, '\x1b') {
			t.Errorf("%s: %+v\nwant %q", c.args, r, c.want)
		}
	}
}

func splitFlags(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
}

func TestEcho(t *testing.T) {
	t.Parallel()
	p := launch(t, "echo", "--listen", "127.0.0.1:0")
	text := p.out.contains(t, "Ctrl-C")
	_, rest, _ := strings.Cut(text, "ws://")
	url := "ws://" + strings.Fields(rest)[0]
	conn, _, err := ws.Dial(t.Context(), url+"any/path?at=all", &ws.DialOptions{Options: ws.Options{MessageBytesMax: 2 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{"", "hello", "π", strings.Repeat("x", echoBufferMax+1), strings.Repeat("y", 1<<20), "small again"} {
		for _, typ := range []ws.MessageType{ws.MessageText, ws.MessageBinary} {
			if err := conn.Write(t.Context(), typ, []byte(message)); err != nil {
				t.Fatal(err)
			}
			gotType, got, err := conn.Read(t.Context())
			if err != nil || gotType != typ || string(got) != message {
				t.Fatalf("%d bytes %v became %d bytes %v, %v", len(message), typ, len(got), gotType, err)
			}
		}
	}
	// The default limit of the library: 1 MiB passes above, one byte more does not.
	long, _, err := ws.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = long.Write(t.Context(), ws.MessageBinary, make([]byte, 1<<20+1)) // it may be refused before it has left
	if _, _, err := long.Read(t.Context()); ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Errorf("a message over the limit: %v", err)
	}
	if body := get(t, "http"+strings.TrimPrefix(url, "ws")); !strings.Contains(strings.ToLower(body), "websocket") {
		t.Errorf("a request that is no WebSocket: %q", body)
	}
	if _, r, err := ws.Dial(t.Context(), url, &ws.DialOptions{Header: http.Header{"Origin": {"https://evil.com"}}}); err == nil || r == nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin: %v", err)
	}

	p.signal(t, os.Interrupt)
	if _, _, err := conn.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("it ended with %v", err)
	}
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
