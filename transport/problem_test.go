package transport

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

const problemsPage = "../docs/problems.md"

// docs/problems.md is the table, in words.
func TestProblemsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Problems\n\n" +
		"Every error of the HTTP surface is an RFC 9457 problem document, `application/problem+json`:\n\n" +
		"```json\n" + `{"type":"` + ProblemPosition.Type() + `","title":"` + ProblemPosition.Title + `","status":400,"detail":"…"}` + "\n```\n\n" +
		"`type` is what programs look at: it is stable, and one that is gone is not given to anything else. `title` and\n" +
		"`detail` are for people and may improve; `detail` says what was wrong with this request and what would be right.\n" +
		"A WebSocket handshake that fails keeps the status RFC 6455 asks for, which may differ from the one listed here,\n" +
		"and is the last response on its connection.\n\n" +
		"This page is made from the table in `transport/problem.go`: `go test ./transport -run TestProblemsPage -update`.\n\n" +
		"| type, after `" + problemBase + "` | status | title | what to do |\n|---|---|---|---|\n")
	for _, p := range Problems() {
		fmt.Fprintf(&page, "| <a id=\"%s\"></a>`%s` | %d %s | %s | %s |\n", p.Name, p.Name, p.Status, http.StatusText(p.Status), p.Title, p.Remedy)
	}
	if *update {
		if err := os.WriteFile(problemsPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(problemsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page.String() {
		t.Errorf("%s is not what the table says; run this test with -update", problemsPage)
	}
}

func TestProblemTable(t *testing.T) {
	names := map[string]bool{}
	status := 0
	for _, p := range Problems() {
		if names[p.Name] {
			t.Errorf("%s is in the table twice", p.Name)
		}
		names[p.Name] = true
		if p.Status < status || p.Status < 400 || http.StatusText(p.Status) == "" {
			t.Errorf("%s: status %d is no error or out of order", p.Name, p.Status)
		}
		status = p.Status
		if p.Title == "" || p.Remedy == "" || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%+v is not complete", p)
		}
	}
}

func TestProblemWrite(t *testing.T) {
	w := httptest.NewRecorder()
	ProblemChannelName.Write(w, "quoted \"name\"\n\x00\u2028")
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got["type"] != "https://godwit.io/problems/bad-channel-name" || got["title"] != "Bad channel name" ||
		got["status"] != 400.0 || got["detail"] != "quoted \"name\"\n\x00\u2028" {
		t.Errorf("document: %s", w.Body)
	}
}
