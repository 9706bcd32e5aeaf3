package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var positionLine = regexp.MustCompile(`^[A-Za-z0-9_-]+:\d+\n$`)

func TestPubSub(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	pub := func(input string, args ...string) result {
		t.Helper()
		r := do(t, input, append(append([]string{"pub", "a room"}, args...), "--server", url)...)
		if r.code != exitOK || r.errOut != "" || !positionLine.MatchString(r.out) {
			t.Errorf("pub %q: %+v", args, r)
		}
		return r
	}
	pub("", "hello")
	pub("", "")
	pub("", `{"a": [1, 2]}`, "--json")
	pub("", `"a string"`, "--json")
	pub("", "<p>", "--content-type", "text/html")
	pub("from stdin\r\n")
	pub("two\nlines\n\n")
	pub("raw\n", "--binary")
	pub("\xff\xfe", "--content-type", "image/png")

	r := do(t, "", "sub", "a room", "--last", "100", "-n", "9", "--server", url)
	want := "hello\n" + "\n" + `{"a":[1,2]}` + "\n" + "a string\n" + "<p>\n" + "from stdin\n" + "two\nlines\n\n" + "raw\n" + "\xff\xfe"
	if r.code != exitOK || r.out != want || r.errOut != "" {
		t.Errorf("sub printed %q, %q, want %q", r.out, r.errOut, want)
	}
	r = do(t, "", "sub", "a room", "--last", "3", "-n", "2", "--json", "--server", url+"/")
	for _, line := range strings.SplitAfter(strings.TrimSuffix(r.out, "\n"), "\n") {
		var e struct{ Channel, Position, Data string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Channel != "a room" || e.Position == "" {
			t.Errorf("%q: %v", line, err)
		}
	}
	if strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, `"data":"two\nlines\n"`) || !strings.Contains(r.out, `"data_base64":"cmF3Cg=="`) {
		t.Errorf("--json printed %q", r.out)
	}
}

func TestPubIdempotent(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	first := do(t, "", "pub", "chat", "x", "--idempotency-key", "k", "--server", url)
	again := do(t, "", "pub", "chat", "x", "--idempotency-key", "k", "--server", url)
	if first.code != exitOK || first.errOut != "" || again.code != exitOK || again.out != first.out || !strings.Contains(again.errOut, "nothing was published again") {
		t.Errorf("%+v, then %+v", first, again)
	}
}

func TestPubLines(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := launch(t, "pub", "logs", "--lines", "--server", url)
	io.WriteString(p.in, "one\n")
	p.out.wait(t, "the first position", func(text string) bool { return positionLine.MatchString(text) }) // before the input ends
	io.WriteString(p.in, "two\r\n\nlast without an end")
	p.in.Close()
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.errOut.text.String())
	}
	if r := do(t, "", "sub", "logs", "--last", "9", "-n", "4", "--server", url); r.out != "one\ntwo\n\nlast without an end\n" {
		t.Errorf("%q", r.out)
	}
	p = launch(t, "pub", "logs", "--lines", "--server", url)
	io.WriteString(p.in, "x\n")
	p.out.contains(t, "\n")
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("interrupted between lines: exit code %d", code)
	}
}

// TestPubManyLines: a pipe of many lines is published in order, each once, also over a restart of the server
// in between.
func TestPubManyLines(t *testing.T) {
	t.Parallel()
	const count = 2000
	dir := t.TempDir()
	first, url := serve(t, "--data", dir)
	p := launch(t, "pub", "logs", "--lines", "--server", url)
	var want strings.Builder
	line := func(i int) {
		text := "line " + strconv.Itoa(i) + "\n"
		want.WriteString(text)
		io.WriteString(p.in, text)
	}
	for i := range count / 2 {
		line(i)
	}
	p.out.contains(t, "\n") // it is connected
	first.signal(t, os.Interrupt)
	if code := first.exit(t); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for i := range 10 {
		line(count/2 + i)
	}
	serve(t, "--data", dir, "--listen", strings.TrimPrefix(url, "http://"))
	for i := count/2 + 10; i < count; i++ {
		line(i)
	}
	p.in.Close()
	if code := p.exit(t); code != exitOK || strings.Count(p.out.text.String(), "\n") != count {
		t.Fatalf("exit code %d, %d positions: %s", code, strings.Count(p.out.text.String(), "\n"), p.errOut.text.String())
	}
	r := do(t, "", "sub", "logs", "--last", "1000", "-n", "1000", "--server", url)
	if _, rest, ok := strings.Cut(want.String(), "line 1000\n"); !ok || r.out != "line 1000\n"+rest {
		t.Errorf("the lines are not in order, or not once: %.500s", r.out)
	}
}

// TestPubLinesRefused: a line that is refused ends it, and what became of those behind it is said.
func TestPubLinesRefused(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	r := do(t, "one\n"+strings.Repeat("x", 64<<10+1)+"\nthree\n", "pub", "logs", "--lines", "--server", url)
	if r.code != exitFailure || strings.Count(r.out, "\n") != 1 || !strings.HasPrefix(r.errOut, "godwit: ") || !strings.Contains(r.errOut, "Body too large") {
		t.Errorf("%+v", r)
	}
	published := strings.Contains(get(t, url+"/channels/logs"), `"three"`)
	if said := strings.Contains(r.errOut, "of 1 lines behind it that were on their way, 1 were published"); said != published {
		t.Errorf("line 3 was published: %v, and it says %s", published, r.errOut)
	}
	r = do(t, "one\n\xff\nthree\n", "pub", "texts", "--lines", "--server", url)
	if r.code != exitFailure || strings.Count(r.out, "\n") != 1 || !strings.Contains(r.errOut, "not UTF-8") || strings.Contains(get(t, url+"/channels/texts"), "three") {
		t.Errorf("%+v", r)
	}
}

// Refusals are one line with the title and the detail of the problem.
func TestPubRefused(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	for _, c := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", []string{"pub", "a//b", "x"}, "godwit: Bad channel name: "},
		{"", []string{"pub", "chat", "{", "--json"}, "godwit: the message is not one JSON value"},
		{strings.Repeat("x", 64<<10+1), []string{"pub", "chat"}, "godwit: Body too large: publication too large: 65537 bytes, at most 65536 are allowed (413)"},
		{strings.Repeat("x", 1<<20), []string{"pub", "chat"}, "godwit: the connection was closed with 1009: "},
		{"\xff", []string{"pub", "chat"}, "godwit: the message is not UTF-8 text; publish it with --binary"},
		{"", []string{"sub", "a//b"}, `godwit: channel name "a//b": `},
	} {
		r := do(t, c.input, append(c.args, "--server", url)...)
		if r.code != exitFailure || r.out != "" || !strings.HasPrefix(r.errOut, c.want) || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%q: %+v", c.args, r)
		}
	}
}

// A server that is no Godwit, and none at all.
func TestPubElsewhere(t *testing.T) {
	t.Parallel()
	answers := map[string]func(w http.ResponseWriter){
		"/moved/connect": func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(302) },
		"/page/connect":  func(w http.ResponseWriter) { w.WriteHeader(404); io.WriteString(w, "<html>\nnothing here") },
		"/ok/connect":    func(w http.ResponseWriter) { io.WriteString(w, "ok\n") },
		"/base/connect": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(403)
			io.WriteString(w, `{"title":"Go away","detail":"a\u001b[2Jb"}`)
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if answer := answers[r.URL.EscapedPath()]; answer != nil {
			answer(w)
			return
		}
		w.WriteHeader(418) // where nobody was sent
	}))
	defer s.Close()
	for path, want := range map[string]string{
		"/moved": "godwit: the server answered 302 Found\n",
		"/page":  "godwit: the server answered 404 Not Found\n",
		"/ok":    "godwit: the answer to a poll cannot be read: invalid character 'o' looking for beginning of value\n",
	} {
		if r := do(t, "", "pub", "chat", "x", "--server", s.URL+path); r.code != exitFailure || r.out != "" || r.errOut != want {
			t.Errorf("%s: %+v", path, r)
		}
	}
	// The base path of the server is kept, and the environment names the server.
	cmd := command(t.Context(), "pub", "chat", "x")
	cmd.Env = append(cmd.Env, "GODWIT_SERVER="+s.URL+"/base/")
	if r := finish(t, cmd, ""); r.code != exitFailure || r.errOut != "godwit: Go away: a\\x1b[2Jb\n" {
		t.Errorf("%+v", r)
	}
	cmd = command(t.Context(), "pub", "x", "x")
	cmd.Env = append(cmd.Env, "GODWIT_SERVER=nonsense")
	if r := finish(t, cmd, ""); r.code != exitUsage || !strings.Contains(r.errOut, `GODWIT_SERVER: "nonsense" is not the URL of a server`) {
		t.Errorf("%+v", r)
	}
	s.Close()
	if r := do(t, "", "pub", "chat", "x", "--server", s.URL); r.code != exitFailure || !strings.HasPrefix(r.errOut, "godwit: cannot reach 127.0.0.1:") {
		t.Errorf("%+v", r)
	}
	for _, wrong := range [][]string{{"--content-type", "text/plain;charset=latin1"}, {"--content-type", "/"}} {
		if r := do(t, "", append([]string{"pub", "chat", "x", "--server", s.URL}, wrong...)...); r.code != exitUsage || !strings.Contains(r.errOut, "--content-type: ") {
			t.Errorf("%q: %+v", wrong, r)
		}
	}
}

func TestSubSeveral(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := launch(t, "sub", "a", "b/c", "--server", url)
	for _, channel := range []string{"a", "b/c"} { // published before it is known to be subscribed it would be missed
		for !strings.Contains(get(t, url+"/presence/"+channel), `"count":1`) {
		}
		do(t, "", "pub", channel, "to "+channel, "--server", url)
		p.out.contains(t, channel+": to "+channel+"\n")
	}
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if text := p.errOut.text.String(); text != "" {
		t.Errorf("it complained: %s", text)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Close = true
	p, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSubSince(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	var positions []string
	for _, text := range []string{"one", "two", "three"} {
		positions = append(positions, strings.TrimSpace(do(t, "", "pub", "chat", text, "--server", url).out))
	}
	if r := do(t, "", "sub", "chat", "--since", positions[0], "-n", "2", "--server", url); r.out != "two\nthree\n" || r.errOut != "" {
		t.Errorf("%+v", r)
	}
	r := do(t, "", "sub", "chat", "--since", "elsewhere:7", "-n", "3", "--server", url)
	if r.out != "one\ntwo\nthree\n" || !strings.HasPrefix(r.errOut, "godwit: chat: gap: what came after elsewhere:7, up to ") || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("from a position that is lost: %+v", r)
	}
}

// A sub lives through a restart of the server on the same port, prints what was
// published before it was back, and prints nothing twice.
func TestSubAcrossRestart(t *testing.T) {
	t.Parallel()
	first, url := serve(t)
	addr := strings.TrimPrefix(url, "http://")
	p := launch(t, "sub", "chat", "--server", url)
	for !strings.Contains(get(t, url+"/presence/chat"), `"count":1`) {
	}
	do(t, "", "pub", "chat", "one", "--server", url)
	p.out.contains(t, "one\n")

	first.signal(t, os.Interrupt)
	if code := first.exit(t); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	p.errOut.contains(t, "godwit: the server has ended the session")
	second, _ := serve(t, "--listen", addr)
	if r := do(t, "", "pub", "chat", "two", "--server", url); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	p.out.contains(t, "two\n")
	errOut := p.errOut.contains(t, "gap: ") // the first server's history is gone, and it says so
	if strings.Count(errOut, "connecting again until it works") != 1 || strings.Count(errOut, "connected again") != 1 {
		t.Errorf("it should say once that it is gone and once that it is back:\n%s", errOut)
	}
	do(t, "", "pub", "chat", "three", "--server", url)
	if out := p.out.contains(t, "three\n"); out != "one\ntwo\nthree\n" {
		t.Errorf("it printed %q", out)
	}
	// A connection that breaks in the middle of a life: nothing twice, no gap.
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	second.signal(t, os.Interrupt)
	second.exit(t)
}

// A pattern, who is there, and a form of one's own.
func TestSubPattern(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := launch(t, "sub", "rooms/*", "--server", url, "-f", "{{.Channel}} {{.User}}{{.Data}}", "-n", "2")
	q := launch(t, "sub", "rooms/a", "--server", url, "--presence", "-n", "1")
	q.errOut.contains(t, "godwit: rooms/a: there are 1: ")
	r := launch(t, "sub", "rooms/a", "--server", url, "-n", "1")
	q.errOut.contains(t, "godwit: rooms/a: + ")
	do(t, "", "pub", "rooms/a", "there", "--server", url)
	q.out.contains(t, "there\n")
	r.out.contains(t, "there\n")
	for isOver := false; !isOver; { // nothing tells when the pattern is subscribed to
		do(t, "", "pub", "rooms/b", "hello", "--server", url)
		select {
		case <-p.ended:
			isOver = true
		default:
		}
	}
	for _, process := range []*process{p, q, r} {
		if code := process.exit(t); code != exitOK {
			t.Errorf("exit code %d", code)
		}
	}
	p.out.contains(t, "rooms/b hello\n")
	if r := do(t, "", "sub", "rooms/*", "--last", "1", "-n", "2", "--server", url); r.code != exitOK || !strings.Contains(r.out, "rooms/a: there\n") || !strings.Contains(r.out, "rooms/b: hello\n") {
		t.Errorf("%+v", r)
	}
	if r := do(t, "", "sub", "x", "-f", "{{", "--server", url); r.code != exitUsage || !strings.Contains(r.errOut, "--format: ") {
		t.Errorf("%+v", r)
	}
}

// With a token, pub and sub do what it grants, and say which grant is missing.
func TestPubSubWithToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "godwit.yaml")
	secret := filepath.Join(dir, "secret")
	for path, text := range map[string]string{config: "tokens: [{secret: file:secret}]\n", secret: strings.Repeat("k", 32)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, url := serve(t, "--config", config)
	made := do(t, "", "token", "make", "--config", config, "--user", "ann", "--subscribe", "chat", "--publish", "chat")
	if made.code != exitOK {
		t.Fatal(made.errOut)
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(made.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := do(t, "", "pub", "chat", "hello", "--server", url, "--token", "file:"+token); r.code != exitOK {
		t.Errorf("pub: %s", r.errOut)
	}
	if r := do(t, "", "sub", "chat", "--last", "1", "-n", "1", "--server", url, "--token", strings.TrimSpace(made.out)); r.out != "hello\n" {
		t.Errorf("sub: %q %s", r.out, r.errOut)
	}
	for args, want := range map[string]string{
		"pub news x":                       `needs the grant publish on channel "news", and there is no token (401)`,
		"sub news":                         `needs the grant subscribe on channel "news", and there is no token`,
		"pub news x --token file:" + token: `needs the grant publish on channel "news" (403)`,
		"sub news --token file:" + token:   `needs the grant subscribe on channel "news"`,
		"pub chat x --token file:nowhere":  "--token: open nowhere",
		"pub chat x --token env:NOT_THERE": "--token: the variable NOT_THERE is not set",
	} {
		r := do(t, "", append(strings.Fields(args), "--server", url)...)
		if r.code == exitOK || !strings.Contains(r.errOut, want) {
			t.Errorf("%s: exit code %d, %q, want %q", args, r.code, r.errOut, want)
		}
		if strings.Contains(r.errOut, strings.TrimSpace(made.out)) {
			t.Errorf("%s: the token is in %q", args, r.errOut)
		}
	}
}
