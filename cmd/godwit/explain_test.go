package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/server/flight"
)

// explanation is an explanation that has everything.
func explanation() *flight.Report {
	at := time.Date(2026, 11, 30, 10, 31, 2, 417e6, time.UTC)
	return &flight.Report{
		Channel: "chat", Position: "f3Zb:17", Outcome: flight.Lost, Text: "Session k3xq7m2a… of ann\x1b[31m did not get it.", Newest: "f3Zb:30",
		Publication: &flight.ReportedMessage{Time: at, Bytes: 5},
		Sessions: []flight.ReportedStory{
			{Session: "k3xq7m2a", User: "ann", Transport: "websocket", IsOpen: true, Outcome: flight.Lost, EventsLeft: 3, Events: []flight.ReportedEvent{
				{Time: at, Event: "opened", Transport: "websocket"},
				{Time: at, Event: "subscribed", At: "f3Zb:12"},
				{Time: at, Event: "gap", At: "f3Zb:20", From: "f3Zb:15", To: "f3Zb:20", Why: "lost", Count: 5},
			}},
			{Session: "m2a", Outcome: flight.Denied, Events: []flight.ReportedEvent{
				{Time: at, Event: "refused", Action: "subscribe", Reason: "no grant"},
				{Time: at, Event: "closed", Code: 4403, Reason: "session ended by the server"},
			}},
		},
		Left: 2, Refusals: []flight.ReportedEvent{{Time: at, Event: "refused", Action: "subscribe", Reason: "no grant"}}, KnownSince: at, At: at,
	}
}

func TestExplanationIsPrinted(t *testing.T) {
	var b strings.Builder
	if err := printExplanation(&b, explanation()); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/explain.txt", b.String())
}

var sessionID = regexp.MustCompile(`"session":"([a-z2-7]+)"`)

func TestExplain(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	position := strings.TrimSpace(do(t, "", "pub", "chat", "x", "--server", url).out)
	r := do(t, "", "explain", "--user", "ann", "--channel", "chat", "--position", position, "--server", url)
	if r.code != exitOK || r.errOut != "" || !strings.HasPrefix(r.out, "offline: Nothing was seen of ann") || !strings.Contains(r.out, "\n"+position+" of chat, published ") {
		t.Errorf("%+v", r)
	}
	if r = do(t, "", "sub", "chat", "--last", "1", "-n", "1", "--server", url); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	r = do(t, "", "explain", "--session", "nonsuch", "--channel", "chat", "--position", position, "--server", url, "--json")
	var answer flight.Report
	if err := json.Unmarshal([]byte(r.out), &answer); err != nil || r.code != exitOK || answer.Outcome != flight.Offline || answer.Position != position {
		t.Errorf("%+v: %v", r, err)
	}
	if sessionID.MatchString(r.out) {
		t.Errorf("another session is told of: %s", r.out)
	}
}

func TestExplainIsAskedWell(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer other.Close()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--channel chat --position e:1", exitUsage, "give --session or --user"},
		{"--user ann --session s --channel chat --position e:1", exitUsage, "and not both"},
		{"--user ann --position e:1", exitUsage, "--channel is missing"},
		{"--user ann --channel chat", exitUsage, "--position is missing"},
		{"--user ann --channel / --position e:1", exitUsage, "--channel: "},
		{"--user ann --channel chat --position 1", exitUsage, "--position: position \"1\": it has no colon"},
		{"--user ann --channel chat --position e:1 --server ftp://a", exitUsage, "is not the URL of a server"},
		{"--user ann --channel chat --position e:1 --server http://127.0.0.1:1", exitFailure, "cannot reach http://127.0.0.1:1"},
		{"--user ann --channel chat --position e:1 --server " + other.URL, exitFailure, "is it a Godwit server?"},
		{"chat", exitUsage, "one argument too many"},
	} {
		if r := do(t, "", append([]string{"explain"}, strings.Fields(c.args)...)...); r.code != c.code || !strings.Contains(r.errOut, c.says) {
			t.Errorf("explain %s: %+v", c.args, r)
		}
	}
}
