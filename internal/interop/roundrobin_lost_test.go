//go:build unix

package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestRoundRobinNodesLost: nodes are killed and come back while messages are published and read,
// each request at another node. A client that was at one of them goes on at another from
// its position: nothing is lost, repeated or in another order.
func TestRoundRobinNodesLost(t *testing.T) {
	t.Parallel()
	r := startRobin(t, "")
	r.losesNodes = true
	const channel = "robin/lost"
	since := r.positionOf(t, channel)
	t.Run("all", func(t *testing.T) {
		t.Run("feed", func(t *testing.T) {
			t.Parallel()
			sent := 0
			for i, n := range r.Nodes {
				next := (i + 1) * robinCount / (len(r.Nodes) + 1)
				r.feed(t, channel, sent, next)
				sent = next
				if err := n.Kill(); err != nil {
					t.Fatal(err)
				}
				r.feed(t, channel, sent, sent+20)
				sent += 20
				if err := n.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r.feed(t, channel, sent, robinCount)
		})
		all := append(readers[:len(readers):len(readers)], struct {
			name string
			read func(t *testing.T, r *robin, url string, c *record)
		}{"session by long poll", readSession})
		for _, reader := range all {
			t.Run(reader.name, func(t *testing.T) {
				t.Parallel()
				reader.read(t, r, r.balancer.URL()+"/channels/"+channel, &record{t: t, who: reader.name, position: since})
			})
		}
	})
}

// readSession polls a session of /connect, and connects again, from its position, when it is
// told that there is none, or is told nothing.
func readSession(t *testing.T, r *robin, url string, c *record) {
	at := r.balancer.URL() + "/connect"
	_, channel, _ := strings.Cut(url, "/channels/")
	session, id, page := "", 0, 0
	for c.next < robinCount {
		var a *http.Response
		if session == "" {
			a = request(t, r.client, http.MethodPost, at,
				fmt.Sprintf("{\"id\":%d,\"connect\":{}}\n{\"id\":%d,\"subscribe\":{\"channel\":%q,\"since\":%q}}", id+1, id+2, channel, c.position),
				"Content-Type", "application/x-ndjson", "Prefer", "wait=5")
			id += 2
		} else {
			a = get(t, r.client, fmt.Sprintf("%s?session=%s&ack=%d", at, session, page), "Prefer", "wait=5")
		}
		var answer struct {
			Poll     int
			Messages []json.RawMessage
		}
		err := json.NewDecoder(a.Body).Decode(&answer)
		a.Body.Close()
		if a.StatusCode != http.StatusOK || err != nil {
			if a.StatusCode < 500 && a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", c.who, a.Status)
			}
			session = ""
			continue
		}
		page = answer.Poll
		for _, m := range answer.Messages {
			if shown := sessionShown(string(m)); shown != "" {
				session = shown
				continue
			}
			var told struct{ OK, End json.RawMessage }
			if _ = json.Unmarshal(m, &told); told.End != nil {
				session = ""
			} else if told.OK == nil {
				c.envelope(string(m))
			}
		}
	}
}
