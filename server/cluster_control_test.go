package server

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/identity"
)

// lines is a client that reads a channel, as lines of JSON.
type lines struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Scanner
}

// read begins to read a channel at a server, and returns when it is subscribed.
func (s *several) read(one *running, channel string, header ...string) *lines {
	s.t.Helper()
	q, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, one.url+"/channels/"+channel, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	q.Header.Set("Accept", "application/x-ndjson")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	p, err := http.DefaultTransport.RoundTrip(q) // returns with the header: it is subscribed
	if err != nil {
		s.t.Fatal(err)
	}
	if p.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(p.Body)
		s.t.Fatalf("%s: %s", p.Status, b)
	}
	s.t.Cleanup(func() { _ = p.Body.Close() })
	return &lines{s.t, p.Body, bufio.NewScanner(p.Body)}
}

// ends waits until the server has ended it, and returns the last line.
func (l *lines) ends() (last string) {
	l.t.Helper()
	for l.in.Scan() {
		last = l.in.Text()
	}
	return last
}

// next returns a publication's data.
func (l *lines) next() string {
	l.t.Helper()
	for l.in.Scan() {
		var line struct {
			Data json.RawMessage `json:"data"`
			Text string          `json:"text"`
		}
		if err := json.Unmarshal(l.in.Bytes(), &line); err != nil {
			l.t.Fatalf("%q: %v", l.in.Text(), err)
		}
		if len(line.Data) > 0 {
			return string(line.Data)
		}
	}
	l.t.Fatalf("it has ended: %v", l.in.Err())
	return ""
}

type listedSessions struct {
	Sessions []struct {
		ID       string   `json:"id"`
		Channels []string `json:"channels"`
	} `json:"sessions"`
	Cursor     string   `json:"cursor"`
	Unanswered []string `json:"unanswered"`
}

// call is a request for the server API that succeeds, whose answer is read into to.
func (r *running) call(t *testing.T, method, path, body string, to any, header ...string) {
	t.Helper()
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	a := r.do(t, method, "/api/v1/"+path, body, header...)
	if a.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", method, path, a.Status, a.body)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal([]byte(a.body), to); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, a.body, err)
	}
}

// TestClusterSessions: sessions are listed, shown, explained and ended whatever node they are on and
// whatever node is asked.
func TestClusterSessions(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	s := startSeveral(t, 3, nil)
	clients := []*lines{s.read(s.all[0], "a/0"), s.read(s.all[1], "a/0"), s.read(s.all[2], "a/2")}
	for i, one := range s.all {
		var all listedSessions
		one.call(t, "GET", "sessions", "", &all)
		if len(all.Sessions) != 3 || all.Cursor != "" || all.Unanswered != nil || !slices.IsSortedFunc(all.Sessions, func(a, b struct {
			ID       string   `json:"id"`
			Channels []string `json:"channels"`
		}) int {
			return strings.Compare(a.ID, b.ID)
		}) {
			t.Fatalf("node %d lists %+v", i, all)
		}
		var paged []string
		for cursor := ""; ; {
			var page listedSessions
			one.call(t, "GET", "sessions?limit=1"+cursor, "", &page)
			for _, session := range page.Sessions {
				paged = append(paged, session.ID)
			}
			if page.Cursor == "" {
				break
			}
			cursor = "&cursor=" + page.Cursor
		}
		if len(paged) != 3 || paged[0] != all.Sessions[0].ID || paged[2] != all.Sessions[2].ID {
			t.Errorf("node %d lists %q page by page, and %+v at once", i, paged, all)
		}

		var channels struct {
			Channels []struct {
				Channel     string `json:"channel"`
				Subscribers int    `json:"subscribers"`
			} `json:"channels"`
		}
		one.call(t, "GET", "channels?match=a/*", "", &channels)
		if got := fmt.Sprint(channels.Channels); got != "[{a/0 2} {a/2 1}]" {
			t.Errorf("node %d lists the channels %s", i, got)
		}
	}
	var found listedSessions
	s.all[0].call(t, "GET", "sessions?channel=a/2", "", &found)
	if len(found.Sessions) != 1 {
		t.Fatalf("of a/2 node 0 lists %+v", found)
	}
	id := found.Sessions[0].ID
	var shown struct {
		ID string `json:"id"`
	}
	if s.all[1].call(t, "GET", "sessions/"+id, "", &shown); shown.ID != id {
		t.Errorf("node 1 shows %+v", shown)
	}

	// What became of a publication is known where its reader was.
	var published struct {
		Position string `json:"position"`
	}
	s.all[0].call(t, "POST", "publish", `{"channel":"a/2","data":1}`, &published)
	if got := clients[2].next(); got != "1" {
		t.Errorf("the client was given %s", got)
	}
	var report flight.Report
	s.all[1].call(t, "GET", "explain?channel=a/2&session="+id+"&position="+published.Position, "", &report)
	if report.Outcome != flight.Given || len(report.Sessions) != 1 || report.Sessions[0].Session != id || report.Publication == nil {
		t.Errorf("node 1 explains %+v", report)
	}

	s.all[0].call(t, "DELETE", "sessions/"+id, "", nil)
	clients[2].ends()
	if a := s.all[1].do(t, "DELETE", "/api/v1/sessions/"+strings.Repeat("a", 26), ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("a session that there is not: %s %s", a.Status, a.body)
	}
	if a := s.all[1].do(t, "GET", "/api/v1/sessions?limit=0", ""); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a parameter that is wrong: %s %s", a.Status, a.body)
	}
}

// TestClusterUnanswered: a node that does not answer is named, and not taken for one without sessions.
func TestClusterUnanswered(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	s := startSeveralPrepared(t, 2, nil, func(one *Server) { one.askTimeout = 200 * time.Millisecond })
	s.read(s.all[0], "a")
	s.all[1].node.Close()
	var all listedSessions
	s.all[0].call(t, "GET", "sessions", "", &all)
	if len(all.Sessions) != 1 || !slices.Equal(all.Unanswered, []string{"node1"}) {
		t.Errorf("%+v", all)
	}
}

// TestClusterManyRevocations: a node that joins is told of all, in as many answers as it takes.
func TestClusterManyRevocations(t *testing.T) {
	if testing.Short() {
		t.Skip("it is more than one answer may have")
	}
	configure := func(_ int, c *Config) {
		name := c.Cluster.Name
		*c = configured(t, fmt.Sprintf(protected, identity.HashKey(identity.NewKey())))
		c.Cluster.Name = name
	}
	s := startSeveral(t, 1, configure)
	const n = 3000
	long := strings.Repeat("t", 6000)
	for i := range n {
		if err := s.all[0].guard.Settings().Identities.Revoke(identity.Revocation{TokenID: fmt.Sprint(long, i)}); err != nil {
			t.Fatal(err)
		}
	}
	var all bytes.Buffer
	if err := s.all[0].guard.Settings().Identities.WriteRevocations(&all); err != nil || all.Len() <= cluster.AnswerBytesMax {
		t.Fatalf("%d bytes of revocations, %v", all.Len(), err)
	}
	late := s.add(configure)
	s.await(late, func() bool { return len(late.node.Peers()) == 1 })
	late.await(t, func() bool {
		for _, i := range []int{0, 1, n / 2, n - 1} {
			if !late.guard.Settings().Identities.IsRevoked(&access.Identity{Kind: access.Token, ID: fmt.Sprint(long, i)}) {
				return false
			}
		}
		return true
	})
}

// TestClusterRevocation: a revocation ends the sessions of all nodes, is counted once for each, and
// is known by a node that joins later.
func TestClusterRevocation(t *testing.T) {
	key := identity.NewKey()
	configure := func(_ int, c *Config) {
		name := c.Cluster.Name
		*c = configured(t, fmt.Sprintf(protected, identity.HashKey(key)))
		c.Cluster.Name = name
	}
	s := startSeveral(t, 3, configure)
	ann := newToken(t, "ann", time.Hour, `{"subscribe":["**"]}`)
	bob := newToken(t, "bob", time.Hour, `{"subscribe":["**"]}`)
	var clients []*lines
	for _, one := range s.all {
		clients = append(clients, s.read(one, "a", "Authorization", "Bearer "+ann))
	}
	stays := s.read(s.all[1], "a", "Authorization", "Bearer "+bob)
	var ended struct {
		Ended      int      `json:"ended"`
		Unanswered []string `json:"unanswered"`
	}
	s.all[0].call(t, "POST", "revocations", `{"user":"ann"}`, &ended, "Authorization", "Bearer "+key)
	if ended.Ended != 3 || ended.Unanswered != nil {
		t.Errorf("%+v", ended)
	}
	for _, c := range clients {
		c.ends()
	}
	late := s.add(configure)
	s.settle(4)
	refused := func(one *running) bool {
		a := one.do(t, "GET", "/channels/a", "", "Accept", "application/x-ndjson", "Authorization", "Bearer "+ann)
		return strings.Contains(a.body, "revoked") || a.StatusCode == http.StatusUnauthorized
	}
	for _, one := range s.all[:3] {
		if !refused(one) {
			t.Error("a token that was revoked counts")
		}
	}
	eventually(t, func() string { // it asks when it has joined
		if !late.guard.Settings().Identities.IsRevoked(&access.Identity{Kind: access.Token, User: "ann"}) {
			return "a node that came later does not know of the revocation"
		}
		return ""
	})
	if !refused(late) {
		t.Error("a token that was revoked counts at a node that came later")
	}
	s.all[2].call(t, "POST", "publish", `{"channel":"a","data":2}`, nil, "Authorization", "Bearer "+key)
	if got := stays.next(); got != "2" {
		t.Errorf("another user was given %s", got)
	}
	s.all[2].call(t, "DELETE", "users/bob/sessions", "", &ended, "Authorization", "Bearer "+key)
	if ended.Ended != 1 {
		t.Errorf("%+v", ended)
	}
	stays.ends()
}

// TestClusterConnectionsPerUser: the connections of a user to all nodes count.
func TestClusterConnectionsPerUser(t *testing.T) {
	key := identity.NewKey()
	s := startSeveral(t, 2, func(_ int, c *Config) {
		name := c.Cluster.Name
		*c = configured(t, fmt.Sprintf(protected, identity.HashKey(key))+"limits: {connections_per_user: 3}\n")
		c.Cluster.Name = name
	})
	ann := []string{"Authorization", "Bearer " + newToken(t, "ann", time.Hour, `{"subscribe":["**"]}`)}
	knows := func(one *running, n int) {
		t.Helper()
		eventually(t, func() string {
			if knows := one.users.ofOthers("ann"); knows != n {
				return fmt.Sprintf("a node knows of %d connections of ann elsewhere, want %d", knows, n)
			}
			return ""
		})
	}
	refused := func(one *running) bool {
		a := one.do(t, "GET", "/channels/a?last=0", "", append(ann, "Accept", "application/json")...)
		return a.StatusCode == http.StatusTooManyRequests
	}
	first := s.read(s.all[0], "a", ann...)
	second := s.read(s.all[0], "a", ann...)
	knows(s.all[1], 2)
	s.read(s.all[1], "a", ann...)
	if !refused(s.all[1]) {
		t.Error("a fourth connection was not refused where the user has one")
	}
	knows(s.all[0], 1)
	if !refused(s.all[0]) {
		t.Error("a fourth connection was not refused where the user has two")
	}
	_ = first.body.Close()
	knows(s.all[1], 1)
	if refused(s.all[1]) {
		t.Error("after one has gone a third connection is refused")
	}
	go second.ends() // its client takes note
	if err := s.all[0].stop(); err != nil {
		t.Error(err)
	}
	knows(s.all[1], 0)
}

// pusherAsks is a request of a back end for the HTTP API of Pusher, signed.
func pusherAsks(t *testing.T, one *running, method, path string) answer {
	t.Helper()
	body := ""
	query := "auth_key=" + DevelopmentAppKey + "&auth_timestamp=" + fmt.Sprint(time.Now().Unix()) + "&auth_version=1.0"
	if method == "POST" {
		body = "{}"
		query = fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0&body_md5=%x", DevelopmentAppKey, time.Now().Unix(), md5.Sum([]byte(body)))
	}
	signature := protocol.Sign(DevelopmentAppSecret, method+"\n"+path+"\n"+query)
	return one.do(t, method, path+"?"+query+"&auth_signature="+signature, body, "Content-Type", "application/json")
}

// TestClusterPusher: the HTTP API of Pusher is about the clients of all nodes.
func TestClusterPusher(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	s := startSeveral(t, 2, nil)
	c := pie(t, s.all[1], "/app/"+DevelopmentAppKey+"?protocol=7&client=js")
	id := socketIDs.FindString(hears(t, c))
	expectText(t, "subscribed", says(t, c, `{"event":"pusher:subscribe","data":{"channel":"news"}}`), "subscription_succeeded")
	data := `{"id":"ann"}`
	expectText(t, "signed in", says(t, c, fmt.Sprintf(`{"event":"pusher:signin","data":{"auth":%q,"user_data":%q}}`, protocol.AuthUser(DevelopmentAppKey, DevelopmentAppSecret, id, data), data)), "pusher:signin_success")

	if a := pusherAsks(t, s.all[0], "GET", "/apps/"+DevelopmentAppID+"/channels"); a.StatusCode != 200 || !strings.Contains(a.body, `"news":{`) {
		t.Errorf("the channels: %s %s", a.Status, a.body)
	}
	if a := pusherAsks(t, s.all[0], "POST", "/apps/"+DevelopmentAppID+"/users/bob/terminate_connections"); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if a := pusherAsks(t, s.all[0], "POST", "/apps/"+DevelopmentAppID+"/users/ann/terminate_connections"); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for heard := hears(t, c); !strings.Contains(heard, "closed 4009"); heard = hears(t, c) {
		if strings.Contains(heard, "closed") {
			t.Fatalf("the end is %s", heard)
		}
	}
}
