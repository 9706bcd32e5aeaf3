//go:build linux

package clustertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Main(m)) }

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

func ask(t *testing.T, n *Node) string {
	t.Helper()
	body, err := get(t.Context(), client, n.URL()+"/channels/chat?last=10")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func say(t *testing.T, n *Node, text string) {
	t.Helper()
	answer, err := client.Post(n.URL()+"/channels/chat", "text/plain", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatal(answer.Status)
	}
}

// Each act does to a node what its name says, and the node is at the same address afterwards.
func TestNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and starts servers")
	}
	c := Start(t, Options{Nodes: 2, Settings: "drain_timeout: 2s\n"})
	n, other := c.Nodes[0], c.Nodes[1]
	if n.URL() == other.URL() || n.PID() == other.PID() || n.Name() != "node-1" {
		t.Fatal(n.URL(), other.URL(), n.PID(), other.PID(), n.Name())
	}
	say(t, n, "one")
	if got := ask(t, n); !strings.Contains(got, "one") {
		t.Error(got)
	}

	first := n.PID()
	if err := n.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, n); !strings.Contains(got, "one") || n.PID() == first {
		t.Errorf("after an upgrade of process %d, process %d has %s", first, n.PID(), got)
	}
	if err := n.Kill(); err != nil { // the second process, and the first if it is still there
		t.Fatal(err)
	}
	if n.IsRunning() {
		t.Error("it was killed, and runs")
	}
	if _, err := get(t.Context(), client, n.URL()+"/healthz"); err == nil {
		t.Error("it was killed, and answers")
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, n); strings.Contains(got, "one") {
		t.Error("it was killed, and has what was in memory: " + got)
	}

	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	hasty := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 300 * time.Millisecond}
	if _, err := get(t.Context(), hasty, n.URL()+"/healthz"); err == nil {
		t.Error("it stands still, and answers")
	}
	if err := n.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := n.AwaitReady(t.Context()); err != nil {
		t.Error(err)
	}

	rolled := 0
	if err := c.Roll(t.Context(), func(*Node) error { rolled++; return nil }); err != nil || rolled != 2 {
		t.Errorf("%d nodes were replaced, %v", rolled, err)
	}
	for _, n := range c.Nodes {
		if !strings.Contains(n.Log(), "msg=stopped") || !n.IsRunning() {
			t.Errorf("%s logged:\n%s", n.Name(), n.LogTail(20))
		}
	}
	if err := n.Pause(); err != nil { // and it is killed all the same
		t.Fatal(err)
	}
}

// The end of what a node has logged says why it ended.
func TestLastLines(t *testing.T) {
	died := "one\ntwo\npanic: of the hub\n[signal]\ngoroutine 1\nmain.main()\nexit\n"
	for _, test := range []struct{ text, want string }{
		{"one\ntwo\nthree\n", "two\nthree"},
		{"one", "one"},
		{died, "panic: of the hub\n[signal]\n"},
		{"one\nfatal error: all goroutines are asleep\nmore\nand more\n", "fatal error: all goroutines are asleep\nmore\n"},
		{died + "msg=serving address=x\nthree\nfour\n", "three\nfour"},
	} {
		if got := lastLines(test.text, 2); got != test.want {
			t.Errorf("of %q: %q, want %q", test.text, got, test.want)
		}
	}
}

// A node that cannot start says what it logged.
func TestNodeFails(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and starts a server")
	}
	c := New(t, Options{Settings: "heartbeet: 1s\n"})
	if err := c.Nodes[0].Start(t.Context()); err == nil || !strings.Contains(err.Error(), "heartbeat") {
		t.Errorf("%v", err)
	}
	if c.Nodes[0].IsRunning() {
		t.Error("it runs")
	}
}
