package transport

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// Whatever a client asks for, in whatever order, it neither reads nor writes a channel
// that its grants exclude: every channel has a secret in its history, and what a client
// is sent has only those of channels that it may read. What it publishes is found in no
// channel that it may not publish in.
func TestNoSequenceReachesAnExcludedChannel(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	channels := []string{"a", "b", "a/x", "a/y", "a/x/z", "inbox/ann", "inbox/bob", "@ann", "@bob", "private-a", "a/presence-x"}
	patterns := []string{"a", "b", "*", "**", "a/*", "a/**", "*/x", "inbox/{user}", "@{user}", "@ann", "private-a"}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	h := newHub(t, nil, nil)
	v := serveOnOneLoop(t, h, Options{Logger: quiet(), Guard: &testGuard{}})
	defer v.close()
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, channel := range channels {
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte("secret of " + channel + ".")}); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		var words []string
		for range r.IntN(5) {
			words = append(words, access.Actions()[r.IntN(len(access.Actions()))].String(), patterns[r.IntN(len(patterns))])
		}
		user := []string{"", "ann", "bob"}[r.IntN(3)]
		header := http.Header{"Grants": {strings.Join(words, " ")}, "User": {user}}
		if user == "" {
			header.Del("User")
		}
		id := identityOf(t, words, user)
		mark := fmt.Sprintf("mark-%d.", round)
		seen := excursion(t, r, v, channels, header, mark)
		for _, channel := range channels {
			mayRead := access.May(id, nil, access.Subscribe, channel) || access.May(id, nil, access.History, channel)
			if strings.Contains(seen, "secret of "+channel+".") && !mayRead {
				t.Fatalf("seed %d: %q as %q read %s: %s", seed, words, user, channel, seen)
			}
			page, err := h.History(t.Context(), channel, hub.Query{})
			if err != nil {
				t.Fatal(err)
			}
			wrote := slices.ContainsFunc(page.Publications, func(p *hub.Publication) bool { return strings.Contains(string(p.Data), mark) })
			if wrote && !access.May(id, nil, access.Publish, channel) {
				t.Fatalf("seed %d: %q as %q wrote to %s", seed, words, user, channel)
			}
		}
	}
}

func identityOf(t *testing.T, words []string, user string) *access.Identity {
	t.Helper()
	given := make(map[string][]string)
	for i := 0; i < len(words); i += 2 {
		given[words[i]] = append(given[words[i]], words[i+1])
	}
	grants, err := access.ParseGrants(given)
	if err != nil {
		t.Fatal(err)
	}
	kind := access.Anonymous
	if user != "" {
		kind = access.Token
	}
	return &access.Identity{Kind: kind, User: user, Grants: grants}
}

// excursion does a few random things as one client, and returns all that it was sent.
func excursion(t *testing.T, r *rand.Rand, v *venue, channels []string, header http.Header, mark string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen strings.Builder
	request := func(method, path, accept string, body io.Reader) {
		q, err := http.NewRequestWithContext(ctx, method, v.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		q.Header = header.Clone()
		q.Header.Set("Accept", accept)
		if r.IntN(2) == 0 {
			q.Header.Set("Last-Event-ID", "lost:1")
		}
		response, err := v.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		begin := seen.Len()
		for part := make([]byte, 4096); ; { // a stream has everything once the secret is there, which comes first
			n, err := response.Body.Read(part)
			seen.Write(part[:n])
			if err != nil || strings.Contains(seen.String()[begin:], "secret of") {
				return
			}
		}
	}
	for range 6 {
		channel := channels[r.IntN(len(channels))]
		switch r.IntN(6) {
		case 0:
			request("GET", ChannelsPath+channel+"?since=lost:1", "text/event-stream", nil)
		case 1:
			request("GET", ChannelsPath+channel+"?since=lost:1", "application/x-ndjson", nil)
		case 2:
			request("GET", ChannelsPath+channel, "application/json", nil)
		case 3:
			request("POST", ChannelsPath+channel+"?event=e", "", strings.NewReader(mark))
		case 4:
			request("GET", PresencePath+channel, "", nil)
		default:
			conn, _, err := dialAs(t, v, ChannelsPath+channel+"?envelope=1&since=lost:1", header.Clone())
			if err != nil {
				continue
			}
			if conn.Write(ctx, ws.MessageText, []byte(mark)) == nil {
				for range 3 { // the gap, the secret, and the own message or an error
					_, data, err := conn.Read(ctx)
					if err != nil {
						break
					}
					seen.Write(data)
				}
			}
			_ = conn.CloseNow()
		}
	}
	return seen.String()
}
