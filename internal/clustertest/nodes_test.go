//go:build linux

package clustertest

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/redistest"
)

// answerOf is the status and the body of a request.
func answerOf(t *testing.T, method, url string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// until asks again until the answer is as is wants it.
func until(t *testing.T, what, url string, is func(status int, body string) bool) {
	t.Helper()
	patience := time.NewTimer(60 * time.Second)
	defer patience.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		status, body := answerOf(t, http.MethodGet, url)
		if is(status, body) {
			return
		}
		select {
		case <-again.C:
		case <-patience.C:
			t.Fatalf("%s: %d %s", what, status, body)
		}
	}
}

// reader is a client that reads lines of JSON of a channel.
func reader(t *testing.T, n *Node, channel string) *bufio.Scanner {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/channels/"+channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "application/x-ndjson")
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q) // returns with the header: it is subscribed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return bufio.NewScanner(answer.Body)
}

// Two servers with one Redis know each other, end each other's sessions, are not ready while Redis is
// away for too long, keep their subscribers, and notice when one of them is killed.
func TestNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program and starts servers")
	}
	redis := redistest.Start(t)
	c := Start(t, Options{Nodes: 2, Settings: "broker: {url: [" + redis.URL() + "], away: 1s}\n"})
	one, two := c.Nodes[0], c.Nodes[1]
	lists := func(n int) func(int, string) bool {
		return func(_ int, body string) bool {
			var r struct {
				Nodes []struct {
					Name, State string
				}
				Broker struct{ Kind, State string }
			}
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatal(err, body)
			}
			serving := 0
			for _, node := range r.Nodes {
				if node.State == "serving" {
					serving++
				}
			}
			return serving == n && len(r.Nodes) == n && r.Broker.Kind == "redis" && r.Broker.State == "up"
		}
	}
	for _, n := range c.Nodes {
		until(t, "the nodes that "+n.Name()+" lists", n.URL()+"/api/v1/cluster", lists(2))
	}

	ended := reader(t, two, "first")
	var sessions struct {
		Sessions   []struct{ ID string }
		Unanswered []string
	}
	if _, body := answerOf(t, http.MethodGet, one.URL()+"/api/v1/sessions?channel=first"); json.Unmarshal([]byte(body), &sessions) != nil || len(sessions.Sessions) != 1 || sessions.Unanswered != nil {
		t.Fatalf("the sessions: %s", body)
	}
	if status, body := answerOf(t, http.MethodDelete, one.URL()+"/api/v1/sessions/"+sessions.Sessions[0].ID); status != http.StatusNoContent {
		t.Fatalf("to end it: %d %s", status, body)
	}
	for ended.Scan() { // until the server ends it
	}

	stays := reader(t, two, "chat")
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		until(t, "whether "+n.Name()+" is ready without a broker", n.URL()+"/readyz", func(status int, body string) bool {
			return status == http.StatusServiceUnavailable && strings.Contains(body, "has been away for")
		})
		if status, body := answerOf(t, http.MethodGet, n.URL()+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz: %d %s", status, body)
		}
	}
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		until(t, "whether "+n.Name()+" is ready again", n.URL()+"/readyz", func(status int, _ string) bool { return status == http.StatusOK })
		until(t, "the nodes that "+n.Name()+" lists again", n.URL()+"/api/v1/cluster", lists(2))
	}
	say(t, one, "after")
	found := false
	for !found && stays.Scan() {
		found = strings.Contains(stays.Text(), "after")
	}
	if !found {
		t.Errorf("a subscriber that was there before is given nothing: %v", stays.Err())
	}

	if err := two.Kill(); err != nil {
		t.Fatal(err)
	}
	isLeft := lists(1)
	until(t, "the nodes that are left, and whether the death is logged", one.URL()+"/api/v1/cluster", func(status int, body string) bool {
		return isLeft(status, body) && strings.Contains(one.Log(), "is not heard any more") // which may be a moment later
	})
}
