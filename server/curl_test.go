package server

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The README's lines, as a newcomer types them.

// curl returns the program. Without one the tests are skipped, unless
// GODWIT_REQUIRE_ALL is set, as in CI.
func curl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatal("curl is not installed, and GODWIT_REQUIRE_ALL is set")
		}
		t.Skip("curl is not installed")
	}
	return path
}

// runCurl runs curl to its end and returns what it printed.
func runCurl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), curl(t), append([]string{"-sS", "--max-time", "20"}, args...)...)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, errOut.String())
	}
	return string(out)
}

// streamCurl starts a curl that does not end by itself. The lines it prints can
// be read as they come; finish waits for it and reports whether it ended well.
func streamCurl(t *testing.T, args ...string) (lines *bufio.Reader, finish func() error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), curl(t), append([]string{"-sSN", "--max-time", "20"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(out), func() error {
		io.Copy(io.Discard, out)
		return cmd.Wait()
	}
}

// until reads lines up to one that begins with prefix, and returns it.
func until(t *testing.T, lines *bufio.Reader, prefix string) string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no line begins with %q: %v\n%s", prefix, err, seen.String())
		}
		seen.WriteString(line)
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSuffix(line, "\n")
		}
	}
}

type curlPage struct {
	Position     string
	Publications []struct {
		Channel, Position, Time string
		Data                    any
	}
	Gap bool
}

func parsePage(t *testing.T, text string) (p curlPage) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return p
}

func publishedAt(t *testing.T, text string) string {
	t.Helper()
	var a struct{ Position string }
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Position == "" {
		t.Fatalf("no position in %q: %v", text, err)
	}
	return a.Position
}

func TestCurlPublishAndRead(t *testing.T) {
	s := start(t, Config{})
	chat := s.url + "/channels/chat"
	first := publishedAt(t, runCurl(t, "-d", "hello from curl", chat))
	runCurl(t, "-d", "two", chat)
	runCurl(t, "-H", "Content-Type: application/json", "-d", `{"n":3}`, chat)

	page := parsePage(t, runCurl(t, chat+"?last=10"))
	if len(page.Publications) != 3 || page.Publications[0].Data != "hello from curl" || page.Publications[0].Position != first ||
		page.Publications[2].Data.(map[string]any)["n"] != 3.0 || page.Gap || page.Position != page.Publications[2].Position {
		t.Errorf("%+v", page)
	}
	if page := parsePage(t, runCurl(t, chat+"?since="+first)); len(page.Publications) != 2 || page.Publications[0].Data != "two" {
		t.Errorf("since the first: %+v", page)
	}
	if out := runCurl(t, "-i", "-d", "x", s.url+"/channels/a//b"); !strings.HasPrefix(out, "HTTP/1.1 400 ") || !strings.Contains(out, "application/problem+json") {
		t.Errorf("a bad name: %s", out)
	}
	if out := runCurl(t, s.url+"/presence/chat"); !strings.Contains(out, `"count":0`) {
		t.Errorf("presence: %s", out)
	}
}

func TestCurlEvents(t *testing.T) {
	s := start(t, Config{})
	chat := s.url + "/channels/chat"
	lines, finish := streamCurl(t, "-H", "Accept: text/event-stream", chat)
	until(t, lines, "id: ") // it is subscribed
	position := publishedAt(t, runCurl(t, "-d", "hello from curl", chat))
	if got := until(t, lines, "id: "); got != "id: "+position {
		t.Errorf("%s, published at %s", got, position)
	}
	if got := until(t, lines, "data: "); got != "data: hello from curl" {
		t.Error(got)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if err := finish(); err != nil {
		t.Errorf("the stream did not end in good order: %v", err)
	}
}

// Step 4 of the README, pasted as it is: what was missed comes, and nothing is
// said to be lost.
func TestReadmeMissed(t *testing.T) {
	curl(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "**4. ")
	_, rest, _ = strings.Cut(rest, "```sh\n")
	script, _, ok := strings.Cut(rest, "```\n")
	if !ok || !strings.Contains(script, "127.0.0.1:8000") {
		t.Fatalf("step 4 has no commands: %q", script)
	}
	s := start(t, Config{})
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(script, "http://127.0.0.1:8000", s.url))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil || strings.Contains(line, "gap") {
			t.Fatalf("%q, %v", line, err)
		}
		if strings.Contains(line, `"data":"two"`) {
			break
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
}

func TestCurlLines(t *testing.T) {
	s := start(t, Config{})
	news := s.url + "/channels/news"
	one := publishedAt(t, runCurl(t, "-d", "one", news))
	runCurl(t, "-d", "two", news)
	lines, finish := streamCurl(t, "-H", "Accept: application/x-ndjson", news+"?since="+one)
	for _, want := range []string{"two", "three"} {
		if want == "three" {
			runCurl(t, "-d", "three", news)
		}
		var e struct{ Channel, Position, Data string }
		if err := json.Unmarshal([]byte(until(t, lines, `{"channel"`)), &e); err != nil || e.Data != want || e.Channel != "news" {
			t.Errorf("%+v %v, want %s", e, err, want)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if err := finish(); err != nil {
		t.Errorf("the stream did not end in good order: %v", err)
	}
}

func TestCurlLongPoll(t *testing.T) {
	s := start(t, Config{})
	chat := s.url + "/channels/chat"
	position := publishedAt(t, runCurl(t, "-d", "before", chat))
	lines, finish := streamCurl(t, "-i", "-H", "Prefer: wait=15", chat+"?since="+position)
	for !strings.Contains(s.do(t, "GET", "/presence/chat", "").body, `"transport":"longpoll"`) { // it waits
	}
	runCurl(t, "-d", "after", chat)
	if got := until(t, lines, "Preference-Applied: "); strings.TrimSpace(got) != "Preference-Applied: wait=15" {
		t.Error(got)
	}
	if page := parsePage(t, until(t, lines, "{")); len(page.Publications) != 1 || page.Publications[0].Data != "after" {
		t.Errorf("%+v", page)
	}
	if err := finish(); err != nil {
		t.Error(err)
	}
}
