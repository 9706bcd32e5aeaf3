package hooks

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// program is one of the names in the PATH; without it the test is skipped.
func program(t *testing.T, names ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("other programs take seconds to start")
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, names[0]+" is not installed")
	return ""
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal(what + ", and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip(what)
}

// snippets are the blocks of docs/webhooks.md in a language.
func snippets(t *testing.T, language string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(page, -1) {
		blocks = append(blocks, string(m[1]))
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/webhooks.md has no block of %s", language)
	}
	return blocks
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signed is a request to be verified, as the programs read it.
type signed struct {
	name    string
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"` // base64
	valid   bool
}

// signedRequests are good ones and bad ones.
func signedRequests(t *testing.T) []signed {
	t.Helper()
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	now := time.Now()
	make := func(name string, valid bool, secret string, secrets []string, at time.Time, change func(r *signed)) signed {
		var keys [][]byte
		for _, s := range secrets {
			keys = append(keys, []byte(s))
		}
		s, err := newSigner(keys)
		if err != nil {
			t.Fatal(err)
		}
		body := appendMessage(nil, "subscribe", at, func(o *object) { o.text("channel", "Zoë \u2028 <b> \" 🐦") })
		header := http.Header{}
		s.sign(header, newID(), at, body)
		r := signed{name, secret, map[string]string{}, body, valid}
		for name := range header {
			r.Headers[strings.ToLower(name)] = header.Get(name)
		}
		if change != nil {
			change(&r)
		}
		return r
	}
	one, both := []string{testSecret}, []string{testSecret, other}
	return []signed{
		make("as it is sent", true, testSecret, one, now, nil),
		make("the first of two secrets", true, testSecret, both, now, nil),
		make("the second of two secrets", true, other, both, now, nil),
		make("four minutes ago", true, testSecret, one, now.Add(-4*time.Minute), nil),
		make("another secret", false, other, one, now, nil),
		make("six minutes ago", false, testSecret, one, now.Add(-6*time.Minute), nil),
		make("in six minutes", false, testSecret, one, now.Add(6*time.Minute), nil),
		make("another body", false, testSecret, one, now, func(r *signed) { r.Body = bytes.Replace(r.Body, []byte("subscribe"), []byte("publish"), 1) }),
		make("another id", false, testSecret, one, now, func(r *signed) { r.Headers["webhook-id"] += "x" }),
		make("another time", false, testSecret, one, now, func(r *signed) { r.Headers["webhook-timestamp"] = strconv.FormatInt(now.Unix()-1, 10) }),
		make("another version", false, testSecret, one, now, func(r *signed) { r.Headers["webhook-signature"] = "v2" + r.Headers["webhook-signature"][2:] }),
		make("an empty signature", false, testSecret, one, now, func(r *signed) { r.Headers["webhook-signature"] = "v1," }),
		make("no signature", false, testSecret, one, now, func(r *signed) { delete(r.Headers, "webhook-signature") }),
		make("no time", false, testSecret, one, now, func(r *signed) { delete(r.Headers, "webhook-timestamp") }),
		make("a time that is none", false, testSecret, one, now, func(r *signed) { r.Headers["webhook-timestamp"] = "now" }),
	}
}

// verifyWith has a program verify all of them. It reads a line of JSON for each and
// prints "ok", or something else.
func verifyWith(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	requests := signedRequests(t)
	var in, errOut bytes.Buffer
	for _, r := range requests {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	cmd.Stdin, cmd.Stderr = &in, &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errOut.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(requests) {
		t.Fatalf("%d answers to %d requests:\n%s", len(lines), len(requests), out)
	}
	for i, r := range requests {
		if (lines[i] == "ok") != r.valid {
			t.Errorf("%s: %s", r.name, lines[i])
		}
	}
}

func TestDocumentedVerifierGo(t *testing.T) {
	dir := t.TempDir()
	gotool := program(t, "go")
	write(t, dir, "go.mod", "module verify\n\ngo 1.21\n")
	write(t, dir, "webhook/webhook.go", snippets(t, "go")[0])
	write(t, dir, "main.go", `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"verify/webhook"
)

func main() {
	for d := json.NewDecoder(os.Stdin); d.More(); {
		var r struct {
			Secret  string
			Headers map[string]string
			Body    []byte
		}
		if err := d.Decode(&r); err != nil {
			panic(err)
		}
		header := http.Header{}
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		if err := webhook.Verify(r.Secret, header, r.Body, time.Now()); err != nil {
			fmt.Println("no:", err)
			continue
		}
		fmt.Println("ok")
	}
}
`)
	cmd := exec.CommandContext(t.Context(), gotool, "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	verifyWith(t, cmd)
}

func TestDocumentedVerifierNode(t *testing.T) {
	node, dir := program(t, "node", "nodejs"), t.TempDir()
	write(t, dir, "verify.mjs", snippets(t, "js")[0])
	main := write(t, dir, "main.mjs", `import { createInterface } from 'node:readline'
import { verify } from './verify.mjs'
for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line)
  try {
    verify(secret, headers, Buffer.from(body, 'base64'))
    console.log('ok')
  } catch (error) {
    console.log('no: ' + error.message)
  }
}
`)
	verifyWith(t, exec.CommandContext(t.Context(), node, main))
}

func TestDocumentedVerifierPython(t *testing.T) {
	python, dir := program(t, "/usr/bin/python3", "python3"), t.TempDir()
	write(t, dir, "verify.py", snippets(t, "python")[0])
	main := write(t, dir, "main.py", `import base64, json, sys
from verify import verify
for line in sys.stdin:
    r = json.loads(line)
    try:
        verify(r["secret"], r["headers"], base64.b64decode(r["body"]))
        print("ok")
    except ValueError as e:
        print("no:", e)
`)
	verifyWith(t, exec.CommandContext(t.Context(), python, main))
}

// The library that people use understands what is sent.
func TestStandardWebhooksLibrary(t *testing.T) {
	node, npm, dir := program(t, "node", "nodejs"), program(t, "npm"), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/verify")); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm cannot install the library (%v: %s)", err, bytes.TrimSpace(said)))
	}
	verifyWith(t, exec.CommandContext(t.Context(), node, filepath.Join(dir, "verify.mjs")))
}

// The application of the document runs, and does what the document says.
func TestDocumentedApplication(t *testing.T) {
	node, dir := program(t, "node", "nodejs"), t.TempDir()
	write(t, dir, "verify.mjs", snippets(t, "js")[0])
	main := write(t, dir, "app.mjs", snippets(t, "js")[1])
	cmd := exec.CommandContext(t.Context(), node, main)
	cmd.Env = append(os.Environ(), "PORT=0", "HOOK_SECRET="+testSecret)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 16)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	})
	defer func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	}()
	port, ok := strings.CutPrefix(<-lines, "listening ")
	if !ok {
		t.Fatal("it does not listen")
	}
	url := "http://127.0.0.1:" + port + "/"
	h, log := open(t, Options{
		Connect: &Question{URL: url, Forward: []string{"Cookie"}, Timeout: 20 * time.Second}, Subscribe: &Question{URL: url, Timeout: 20 * time.Second},
		Publish: &Question{URL: url, Timeout: 20 * time.Second}, RPC: &Question{URL: url, Timeout: 20 * time.Second}, Events: &Events{URL: url}, AllowPrivate: true,
	})
	ann, err := connect(h, ConnectRequest{Path: "/channels/a", Fields: [][2]string{{"cookie", "user=ann"}}})
	if err != nil || ann.User != "ann" || !access.May(ann, nil, access.Publish, "chat") {
		t.Fatalf("%v: %+v\n%s", err, ann, log)
	}
	guest, err := connect(h, ConnectRequest{Path: "/channels/a"})
	if err != nil || guest.User != "" || access.May(guest, nil, access.Publish, "lobby") || !access.May(guest, nil, access.Subscribe, "lobby") {
		t.Fatalf("%v: %+v", err, guest)
	}
	if err := subscribe(h, SubscribeRequest{Identity: ann, Channel: "private/a"}); err != nil {
		t.Error(err)
	}
	if got := refusal(t, subscribe(h, SubscribeRequest{Identity: guest, Channel: "private/a"})); got.Reason != "Please log in." {
		t.Errorf("%+v", got)
	}
	answer, err := publish(h, PublishRequest{Identity: ann, Channel: "chat", Data: []byte("HELLO")})
	if err != nil || !answer.Changed || answer.Kind != hub.Text || string(answer.Data) != "hello" {
		t.Errorf("%v: %+v", err, answer)
	}
	sum, err := callMethod(h, CallRequest{Method: "math/add", Kind: hub.JSON, Data: []byte("[1,2]")})
	if err != nil || sum.Kind != hub.JSON || string(sum.Data) != "3" {
		t.Errorf("%v: %+v", err, sum)
	}
	var failed *hub.CallError
	if _, err := callMethod(h, CallRequest{Method: "math/sub", Kind: hub.JSON, Data: []byte("[1,2]")}); !errors.As(err, &failed) || failed.Type != "bad_call" {
		t.Error(err)
	}
	h.ChannelOccupied("chat")
	h.SessionOpened(Member{Session: "s1"})
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	got := []string{<-lines, <-lines}
	if joined := strings.Join(got, "; "); joined != "channel.occupied chat; session.opened s1" && joined != "session.opened s1; channel.occupied chat" {
		t.Errorf("it was told %q", got)
	}
	other, _ := open(t, Options{Connect: &Question{URL: url, Timeout: 20 * time.Second}, AllowPrivate: true})
	other.connect.signer.keys = [][]byte{[]byte(strings.Repeat("x", 24))}
	_, err = connect(other, ConnectRequest{})
	refusal(t, err)
}
