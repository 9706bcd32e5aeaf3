//go:build linux

package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/redistest"
)

// readers begin to read the channel chat, and stay until their node is gone.
func readers(t *testing.T, n *Node, count int) {
	t.Helper()
	for range count {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "application/x-ndjson")
		transport := &http.Transport{DisableKeepAlives: true}
		answer, err := transport.RoundTrip(request) // it returns with the head: the subscription has begun
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, answer.Body) // until it breaks
		}()
		t.Cleanup(func() { _ = answer.Body.Close(); <-done })
	}
}

// agree waits until nodes say that the same members are in chat, so many of them.
func agree(t *testing.T, want int, nodes ...*Node) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		var said []string
		isSame := true
		for _, n := range nodes {
			body, err := get(ctx, client, n.URL()+"/presence/chat?limit=1000")
			if err != nil {
				t.Fatalf("%s does not say who is there, after %v: %v; said before: %q", n.Name(), time.Since(began), err, said)
			}
			var roster struct {
				Count       int `json:"count"`
				Connections []struct {
					ID    string    `json:"id"`
					Since time.Time `json:"since"`
				} `json:"connections"`
			}
			if err := json.Unmarshal([]byte(body), &roster); err != nil {
				t.Fatal(err)
			}
			said = append(said, fmt.Sprint(roster.Count, roster.Connections))
			isSame = isSame && roster.Count == want && len(roster.Connections) == want
		}
		if isSame && len(slices.Compact(slices.Clone(said))) == 1 {
			t.Logf("%d members on %d nodes after %v", want, len(nodes), time.Since(began).Round(100*time.Millisecond))
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("they do not agree on %d members: %q", want, said)
		}
	}
}

// The members of a process that was killed are gone on every node, a node that joins has everybody, and one
// that was stalled for so long that it was taken for dead is back with all its members.
func TestPresence(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program, and waits for heartbeats that are missed")
	}
	redis := redistest.Start(t)
	c := Start(t, Options{Nodes: 3, Settings: "drain_timeout: 2s\nbroker:\n  url: " + redis.URL() + "\n"})
	a, b, d := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	for _, n := range c.Nodes {
		readers(t, n, 20)
	}
	agree(t, 60, a, b, d)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	agree(t, 40, a, d)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	readers(t, b, 5)
	agree(t, 45, a, b, d)

	if err := d.Pause(); err != nil {
		t.Fatal(err)
	}
	agree(t, 25, a, b)
	if err := d.Resume(); err != nil {
		t.Fatal(err)
	}
	agree(t, 45, a, b, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	agree(t, 25, a, b)
}
