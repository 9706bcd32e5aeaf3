//go:build linux

package clustertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/redistest"
	"github.com/godwit-io/godwit/ws"
)

// TestBridge: of two servers with one Redis one has the connection to an upstream. When it is killed the other one gets it, and the
// channel says what may be missing.
func TestBridge(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and starts servers")
	}
	redis := redistest.Start(t)
	came := make(chan struct{}, 10)
	left := make(chan struct{}, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		if conn.Write(r.Context(), ws.MessageText, []byte(`{"price":1}`)) != nil {
			return
		}
		came <- struct{}{}
		_, _, _ = conn.Read(r.Context())
		left <- struct{}{}
	}))
	defer upstream.Close()
	await := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(time.Minute):
			t.Fatalf("%s after a minute", what)
		}
	}
	c := Start(t, Options{Nodes: 2, Settings: fmt.Sprintf(
		"broker: {url: [%s]}\nbridges: [{name: prices, url: \"ws%s\", subscriptions: [{channel: prices}]}]\n",
		redis.URL(), strings.TrimPrefix(upstream.URL, "http"))})
	await("nobody has come", came)

	// The other node names the owner, too.
	var owner, other *Node
	for _, n := range c.Nodes {
		until(t, "the bridge that "+n.Name()+" lists", n.URL()+"/api/v1/cluster", func(_ int, body string) bool {
			var r struct {
				Nodes   []struct{ ID, Name string }
				Bridges []struct{ Node, State string }
			}
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatal(err, body)
			}
			if len(r.Nodes) != 2 || len(r.Bridges) != 1 || r.Bridges[0].State != "live" {
				return false
			}
			for _, of := range r.Nodes {
				for i, n := range c.Nodes {
					if of.ID == r.Bridges[0].Node && of.Name == n.Name() {
						owner, other = n, c.Nodes[1-i]
					}
				}
			}
			return owner != nil
		})
	}
	if err := owner.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	await("nobody has left", left)
	await("nobody has come instead", came)
	t.Logf("the other one has it %v after the kill", time.Since(killed).Round(100*time.Millisecond))
	if len(came) > 0 {
		t.Error("two have come")
	}
	lines := history(t, other, "prices", 4)
	for i, want := range []string{`"reason":"start"`, `"data":{"price":1}`, `"from":"`, `"data":{"price":1}`} {
		if !strings.Contains(lines[i], want) || i%2 == 0 && !strings.Contains(lines[i], `"event":"bridge.gap"`) {
			t.Errorf("line %d is %s, and should have %s", i, lines[i], want)
		}
	}
}

// history reads the first publications of a channel, as many as are asked for.
func history(t *testing.T, n *Node, channel string, count int) (lines []string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/channels/"+channel+"?last=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "application/x-ndjson")
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	for s := bufio.NewScanner(answer.Body); len(lines) < count; {
		if !s.Scan() {
			t.Fatalf("the stream has ended after %q: %v", lines, s.Err())
		}
		if line := s.Text(); line != "{}" {
			lines = append(lines, line)
		}
	}
	return lines
}
