package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

var roundTrip = regexp.MustCompile(`pong after \S+|(least|mean|most) [0-9.]+[mµn]?s|for [0-9]+s`)

// mirror is the URL of a server that sends back what it gets.
func mirror(t *testing.T) string {
	t.Helper()
	o := &ws.AcceptOptions{Options: ws.Options{MessageBytesMax: 8 << 20, Compression: &deflate.Options{}}}
	return wsServer(t, o, func(conn *ws.Conn, r *http.Request) {
		for {
			typ, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), typ, message) != nil {
				return
			}
		}
	})
}

// wsServer is the URL of a server of WebSockets in this process.
func wsServer(t *testing.T, o *ws.AcceptOptions, handle func(conn *ws.Conn, r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		handle(conn, r)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// A script of commands.
func TestDialCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte{1, 2, 0xff}, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "hello\n\n//slash\n/ping\n/hex 00 ff 10\n/hex xyz\n/moon\n/file " + file + "\n/textfile " + file + "\n/ping 2\n/ping 0\n" +
		"/time\n/time\n/pretty\n/hexdump\n/hexdump\n/status\n/help\n/close 1006\n/close 4000 goodbye\nnot sent\n"
	url := mirror(t)
	r := do(t, script, "dial", url, "--commands", "--ping", "1h")
	if want := "hello\n\n/slash\n00ff10\n0102ff\n"; r.out != want || r.code != exitFailure {
		t.Errorf("%d %q, want %q", r.code, r.out, want)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(roundTrip.ReplaceAllString(r.errOut, "TIME"), url, "URL"), file, "FILE")
	golden.Compare(t, "testdata/dial.txt", regexp.MustCompile(`[0-9]+ sent, [0-9]+ received, last ping \S+`).ReplaceAllString(text, "COUNTS"))
}

// What a program gets on standard output, and what it can send.
func TestDialPipes(t *testing.T) {
	t.Parallel()
	url := mirror(t)
	long := strings.Repeat("0123456789", 300_000)
	for _, c := range []struct{ name, in, flags, out string }{
		{"lines", "one\n\n/ping\r\n\x1b[31mπ", "-n 4", "one\n\n/ping\n\x1b[31mπ\n"},
		{"nothing", "", "--wait 0s", ""},
		{"null", "a\nb\x00\x00c", "-0 -n 3", "a\nb\x00\x00c\x00"},
		{"whole", "a\nb\n", "--whole -n 1", "a\nb\n\n"},
		{"whole, empty", "", "--whole -n 1", "\n"},
		{"binary", "\xff\x00\n\x01", "-b -n 2", "ff00\n01\n"},
		{"binary, raw", "\xff\x00\n\x01", "-b --whole --raw -n 1", "\xff\x00\n\x01"},
		{"hex", "hi\n", "--hex -n 1", "6869\n"},
		{"long", long + "\n" + long, "-n 2", long + "\n" + long + "\n"},
		{"compressed", long, "-n 1 --compress", long + "\n"},
		{"execute", "not read", "-x one -x //two -n 2", "one\n/two\n"},
		{"execute and read", "read", "-x one -i -n 2", "one\nread\n"},
		{"for", "one", "--for 3s", "one\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && c.name == "for" {
				t.Skip("it takes as long as it says")
			}
			if r := do(t, c.in, append([]string{"dial", url}, splitFlags(c.flags)...)...); r.code != exitOK || r.out != c.out {
				t.Errorf("%d, %d bytes %.200q, want %d bytes %.200q; %s", r.code, len(r.out), r.out, len(c.out), c.out, r.errOut)
			}
		})
	}
	r := do(t, "hi\n", "dial", url, "--json", "--commands", "-x", "/hex ff", "-x", "/ping", "-i", "-n", "2")
	var got []string
	for line := range strings.Lines(r.out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, o["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(o, "time")
		if rtt, is := o["rtt_ms"].(float64); is && rtt > 0 {
			o["rtt_ms"] = "some"
		}
		b, _ := json.Marshal(o)
		got = append(got, string(b))
	}
	slices.Sort(got) // a pong may come before the message that was sent before the ping
	want := []string{`{"code":1000,"reason":"","type":"close"}`, `{"data":"hi","type":"text"}`, `{"data_base64":"/w==","type":"binary"}`, `{"rtt_ms":"some","type":"pong"}`}
	if !slices.Equal(got, want) || r.code != exitOK {
		t.Errorf("%d\n got %q\nwant %q", r.code, got, want)
	}
}

// What could not be done is no success.
func TestDialFailures(t *testing.T) {
	t.Parallel()
	url := mirror(t)
	mute := wsServer(t, nil, func(conn *ws.Conn, r *http.Request) {
		for range conn.Messages(r.Context()) {
		}
	})
	for _, c := range []struct{ in, url, flags, want string }{
		{"one", url, "-n 2 --wait 100ms", "godwit: 1 of 2 messages came\n"},
		{"one", mute, "-n 2 --wait 100ms", "godwit: 0 of 2 messages came\n"},
		{"not utf8 \xff\n", url, "--wait 0s", "godwit: one line could not be done\n"},
		{"/moon\n/earth\n", url, "--commands --wait 0s", "godwit: 2 lines could not be done\n"},
	} {
		r := do(t, c.in, append([]string{"dial", c.url}, splitFlags(c.flags)...)...)
		if r.code != exitFailure || !strings.HasSuffix(r.errOut, c.want) {
			t.Errorf("%.20q %s: %d %s", c.in, c.flags, r.code, r.errOut)
		}
	}
}

// Nobody who reads: the connection ends, and the error says so.
func TestDialClosedOutput(t *testing.T) {
	t.Parallel()
	out, far, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	out.Close()
	var errOut output
	if code := run([]string{"dial", mirror(t), "-x", "hello", "--for", "1m"}, strings.NewReader(""), far, &errOut); code != exitFailure || !strings.Contains(errOut.String(), "cannot write") {
		t.Errorf("%d: %s", code, errOut.String())
	}
}

// Commands in words, for a session of Godwit.
func TestDialConnect(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	r := do(t, "", "dial", url+"/connect", "-x", "subscribe chat", "-x", "moon", "-x", "publish chat {\"a\":1}", "-x", "publish chat two", "-n", "2")
	var kinds []string
	for line := range strings.Lines(r.out) {
		var o map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, string(o["id"])+string(o["data"]))
	}
	slices.Sort(kinds) // a reply may come behind what it has led to
	if want := []string{`"two"`, "1", "2", "3", "4", `{"a":1}`}; !slices.Equal(kinds, want) && !slices.Equal(kinds, slices.Delete(want, 4, 5)) {
		t.Errorf("%q, want %q", kinds, want)
	}
	if r.code != exitFailure || !strings.Contains(r.errOut, `there is no command "moon"; /help shows`) {
		t.Errorf("%d %s", r.code, r.errOut)
	}
	// What comes in a pipe is not looked at.
	if r := do(t, "{\"id\":1,\"connect\":{}}\nsubscribe chat\n", "dial", url+"/connect", "-n", "2"); !strings.Contains(r.out, "bad-command") {
		t.Errorf("%+v", r)
	}
}

func TestDialSignal(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := launch(t, "dial", url+"/channels/chat")
	io.WriteString(p.in, "hello\n")
	p.out.contains(t, "hello\n")
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
