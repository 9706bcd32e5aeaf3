package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// curlCommand is a curl that complains, and gives up after a while.
func curlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, program(t, "curl"), append([]string{"-sS"}, args...)...)
}

func curl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := curlCommand(t, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, said.String())
	}
	return string(out)
}

// byHand is a WebSocket handshake with the key of RFC 6455 §1.3.
var byHand = []string{
	"--http1.1", "-i", "-N", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
	"-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// TestCurlHandshake does by hand what people do to see whether an endpoint
// is alive: the answer, and the frames behind it as bytes.
func TestCurlHandshake(t *testing.T) {
	program(t, "curl")
	url, accepted := serveOne(t, setting{protocol: []string{"chat"}, header: http.Header{"X-Godwit": {"here"}}}, nil)
	out := make(chan string, 1)
	cmd := curlCommand(t, append(byHand, "-H", "Sec-WebSocket-Protocol: chat", "http"+strings.TrimPrefix(url, "ws"))...)
	go func() {
		b, _ := cmd.Output() // it does not know whether what it got was all
		out <- string(b)
	}()
	n := <-accepted
	if n == nil {
		t.Fatal("the handshake was refused")
	}
	n.send(t, false, "hello, curl")
	n.send(t, true, everyByte)
	// curl does not answer a close frame: it reads up to the end.
	if _, err := n.NetConn().Write(wire.AppendFrame(nil, true, wire.Close, wire.AppendClose(nil, ws.StatusNormal, "bye"))); err != nil {
		t.Fatal(err)
	}
	n.CloseNow()

	head, frames, _ := strings.Cut(<-out, "\r\n\r\n")
	for _, line := range []string{
		"HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol: chat",
		"Connection: Upgrade", "Upgrade: websocket", "X-Godwit: here",
	} {
		if !strings.Contains(strings.ToLower(head+"\r\n"), strings.ToLower(line+"\r\n")) {
			t.Errorf("the answer has no %q:\n%s", line, head)
		}
	}
	want := wire.AppendFrame(nil, true, wire.Text, []byte("hello, curl"))
	want = wire.AppendFrame(want, true, wire.Binary, []byte(everyByte))
	want = wire.AppendFrame(want, true, wire.Close, wire.AppendClose(nil, ws.StatusNormal, "bye"))
	if frames != string(want) {
		t.Errorf("behind it came %q, want %q", frames, want)
	}
}

// TestCurlRefused is what someone sees whose handshake is wrong.
func TestCurlRefused(t *testing.T) {
	program(t, "curl") // before Godwit is built for nothing
	host := serveGodwit(t, time.Hour)
	without := func(name string) (args []string) {
		for i := 0; i < len(byHand); i++ {
			if byHand[i] == "-H" && strings.HasPrefix(byHand[i+1], name+":") {
				i++
				continue
			}
			args = append(args, byHand[i])
		}
		return args
	}
	for _, c := range []struct {
		name   string
		args   []string
		status string
		says   string
	}{
		{"no key", without("Sec-WebSocket-Key"), "400", "Sec-WebSocket-Key"},
		{"no version", without("Sec-WebSocket-Version"), "426", "Sec-WebSocket-Version: 13"},
		{"another version", append(without("Sec-WebSocket-Version"), "-H", "Sec-WebSocket-Version: 8"), "426", "Sec-WebSocket-Version: 13"},
		{"a page of another origin", append(byHand[:len(byHand):len(byHand)], "-H", "Origin: https://elsewhere.example.com"), "403", "elsewhere.example.com"},
		{"POST", append(byHand[:len(byHand):len(byHand)], "-X", "POST"), "405", "Allow: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := curl(t, append(c.args, "http://"+host+"/channels/curl")...) // and it ends
			head, _, _ := strings.Cut(answer, "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 "+c.status+" ") || !strings.Contains(strings.ToLower(answer), strings.ToLower(c.says)) {
				t.Errorf("answered\n%s\nwant %s that says %q", answer, c.status, c.says)
			}
			if !strings.Contains(head, "Connection: close") {
				t.Errorf("the connection stays open after\n%s", head)
			}
		})
	}
}

// TestCurlChannels asks for a channel in every way curl has.
func TestCurlChannels(t *testing.T) {
	program(t, "curl")
	url := "http://" + serveGodwit(t, time.Hour) + "/channels/curl"
	var first struct{ Position string }
	if err := json.Unmarshal([]byte(curl(t, "-d", "one", url)), &first); err != nil || first.Position == "" {
		t.Fatalf("no position: %v", err)
	}
	curl(t, "-H", "Content-Type: application/json", "-d", `{"two":2}`, url)
	curl(t, "-H", "Content-Type: application/octet-stream", "--data-binary", "\xff\xfe", url)

	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"a page", []string{url + "?last=3"}, []string{`"data":"one"`, `"data":{"two":2}`, `"data_base64":"//4="`}},
		{"what came after a position", []string{url + "?since=" + first.Position}, []string{`"data":{"two":2}`, `"data_base64":"//4="`}},
		{"a long poll", []string{"-H", "Prefer: wait=5", url + "?since=" + first.Position}, []string{`"data":{"two":2}`}},
		{"presence", []string{strings.Replace(url, "/channels/", "/presence/", 1)}, []string{`"count":0`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := curl(t, c.args...)
			for _, want := range c.want {
				if !strings.Contains(answer, want) {
					t.Errorf("%s has no %s", answer, want)
				}
			}
		})
	}
	for accept, want := range map[string]string{"text/event-stream": "data: {\"two\":2}\n", "application/x-ndjson": `"data":{"two":2}`} {
		t.Run(accept, func(t *testing.T) {
			cmd := curlCommand(t, "-N", "-H", "Accept: "+accept, url+"?since="+first.Position)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
			s := newStream(out)
			s.until(t, strings.TrimSuffix(want, "\n"))
			curl(t, "-d", "live", url)
			s.until(t, "live")
		})
	}
}

// TestCurlWebSocket is curl's own support, where it was built with it.
func TestCurlWebSocket(t *testing.T) {
	version := curl(t, "--version")
	supported := false
	for line := range strings.Lines(version) {
		supported = supported || strings.HasPrefix(line, "Protocols: ") && slices.Contains(strings.Fields(line), "ws")
	}
	if !supported {
		t.Skip("this curl was built without ws")
	}
	url, accepted := serveOne(t, setting{}, nil)
	cmd := curlCommand(t, "-N", url)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	n := <-accepted
	if n == nil {
		t.Fatal("the handshake was refused")
	}
	n.send(t, false, "hello, curl\n")
	n.send(t, false, strings.Repeat("g", 100_000)+"\n")
	s := newStream(out)
	s.until(t, "hello, curl")
	s.until(t, strings.Repeat("g", 100_000))
}
