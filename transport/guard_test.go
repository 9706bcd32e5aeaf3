package transport

import (
	"bufio"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/ws"
)

// way is a path into a channel. What it does needs a grant, and nothing else.
type way struct {
	name    string
	dialect string // the function that makes the dialect
	action  access.Action
	// try does it in channel as a client whose request has the fields, and returns
	// what came of it: "ok", or the status or close code of the refusal.
	try func(t *testing.T, v *venue, channel string, header http.Header) string
}

// ways are all there are. A test fails when a dialect is added without one.
var ways = append(sessionWays(), []way{
	{"WebSocket", "NewSocket", access.Subscribe, trySocket},
	{"message of a WebSocket", "NewSocket", access.Publish, tryMessage},
	{"message of a WebSocket with envelopes", "NewSocket", access.Publish, tryEnvelope},
	{"events", "NewEvents", access.Subscribe, tryRead("text/event-stream", "")},
	{"lines", "NewLines", access.Subscribe, tryRead("application/x-ndjson", "")},
	{"page", "NewPage", access.History, tryRead("application/json", "")},
	{"page that resumes", "NewPage", access.History, tryRead("application/json", "?since=e:1")},
	{"long poll", "NewPage", access.Subscribe, tryPoll},
	{"POST", "NewPost", access.Publish, tryPost},
	{"presence", "NewPresence", access.Presence, tryPresence},
	{"HEAD of events", "NewEvents", access.Subscribe, tryHead("text/event-stream")},
	{"HEAD of lines", "NewLines", access.Subscribe, tryHead("application/x-ndjson")},
	{"WebSocket on a pattern", "NewSocket", access.Subscribe, trySocket},
	{"events of a pattern", "NewEvents", access.Subscribe, tryRead("text/event-stream", "")},
	{"lines of a pattern", "NewLines", access.Subscribe, tryRead("application/x-ndjson", "")},
	{"HEAD of a pattern", "NewEvents", access.Subscribe, tryHead("text/event-stream")},
	{"HEAD of a page", "NewPage", access.History, tryHead("application/json")},
}...)

func tryRequest(t *testing.T, v *venue, method, path, body string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	response, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		content, _ := io.ReadAll(response.Body)
		if response.StatusCode == 401 && !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("a 401 without WWW-Authenticate: %s", content)
		}
		if method != "HEAD" && !strings.Contains(string(content), "this needs the grant") {
			t.Errorf("%s does not name the grant", content)
		}
		return fmt.Sprint(response.StatusCode)
	}
	return "ok"
}

func tryRead(accept, query string) func(*testing.T, *venue, string, http.Header) string {
	return func(t *testing.T, v *venue, channel string, header http.Header) string {
		header.Set("Accept", accept)
		return tryRequest(t, v, "GET", ChannelsPath+channel+query, "", header)
	}
}

func tryHead(accept string) func(*testing.T, *venue, string, http.Header) string {
	return func(t *testing.T, v *venue, channel string, header http.Header) string {
		header.Set("Accept", accept)
		return tryRequest(t, v, "HEAD", ChannelsPath+channel, "", header)
	}
}

func tryPoll(t *testing.T, v *venue, channel string, header http.Header) string {
	header.Set("Prefer", "wait=1")
	return tryRequest(t, v, "GET", ChannelsPath+channel+"?since=lost:1", "", header)
}

func tryPost(t *testing.T, v *venue, channel string, header http.Header) string {
	return tryRequest(t, v, "POST", ChannelsPath+channel, "posted", header)
}

func tryPresence(t *testing.T, v *venue, channel string, header http.Header) string {
	return tryRequest(t, v, "GET", PresencePath+channel, "", header)
}

func dialAs(t *testing.T, v *venue, path string, header http.Header) (*ws.Conn, *http.Response, error) {
	t.Helper()
	o := &ws.DialOptions{Header: header}
	if v.dial != nil {
		o.NetDial = v.dial
	}
	return ws.Dial(t.Context(), "ws"+strings.TrimPrefix(v.url, "http")+path, o)
}

func trySocket(t *testing.T, v *venue, channel string, header http.Header) string {
	conn, response, err := dialAs(t, v, ChannelsPath+channel, header)
	if err != nil {
		if response == nil {
			t.Fatal(err)
		}
		return fmt.Sprint(response.StatusCode)
	}
	defer conn.CloseNow()
	return "ok"
}

// tryMessage publishes over a socket that may subscribe, so that it is the message
// that is refused.
func tryMessage(t *testing.T, v *venue, channel string, header http.Header) string {
	conn, _, err := dialAs(t, v, ChannelsPath+channel, header)
	if err != nil {
		return "no socket"
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), ws.MessageText, []byte("said")); err != nil {
		t.Fatal(err)
	}
	_, data, err := conn.Read(t.Context())
	if err != nil {
		var closed *ws.CloseError
		if !asClose(err, &closed) {
			t.Fatal(err)
		}
		return fmt.Sprint(int(closed.Code) - 4000)
	}
	if string(data) != "said" {
		t.Errorf("got %q", data)
	}
	return "ok"
}

func tryEnvelope(t *testing.T, v *venue, channel string, header http.Header) string {
	conn, _, err := dialAs(t, v, ChannelsPath+channel+"?envelope=1", header)
	if err != nil {
		return "no socket"
	}
	defer conn.CloseNow()
	for range 2 { // it goes on after a refusal
		if err := conn.Write(t.Context(), ws.MessageText, []byte("said")); err != nil {
			t.Fatal(err)
		}
	}
	var answers []string
	for range 2 {
		_, data, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(string(data), `{"error":{"code":4403,"reason":"this needs the grant publish on channel`):
			answers = append(answers, "403")
		case strings.HasPrefix(string(data), `{"error":{"code":4401,`):
			answers = append(answers, "401")
		case strings.HasSuffix(string(data), `"data":"said"}`):
			answers = append(answers, "ok")
		default:
			t.Errorf("got %q", data)
		}
	}
	if len(answers) != 2 || answers[0] != answers[1] {
		t.Errorf("two messages were answered %q", answers)
		return "?"
	}
	return answers[0]
}

func asClose(err error, to **ws.CloseError) bool {
	for err != nil {
		if c, ok := err.(*ws.CloseError); ok {
			*to = c
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// Every way needs its grant: it works with that, and with no other, on every
// carrier and whenever the Guard decides.
func TestEveryWayNeedsItsGrant(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes every way with every grant")
	}
	t.Parallel() // an answer is waited for each time
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprint("late=", late), func(t *testing.T) { walkWays(t, c, late) })
			}
		})
	}
}

func walkWays(t *testing.T, c carrier, late bool) {
	if c.isVirtual {
		synctest.Test(t, func(t *testing.T) { tryWays(t, c, late) })
		return
	}
	tryWays(t, c, late)
}

func tryWays(t *testing.T, c carrier, late bool) {
	guard := &testGuard{late: late}
	h := newHub(t, nil, nil)
	v := c.serve(t, h, Options{Logger: quiet(), Guard: guard})
	defer v.close()
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, w := range ways {
		usesSocket := strings.Contains(w.name, "WebSocket")
		if usesSocket && c.name == "HTTP2" {
			continue
		}
		for _, granted := range append(access.Actions(), 0) {
			for _, where := range []string{"mine", "other"} {
				for _, user := range []string{"ann", ""} {
					grants := "nothing " + where
					if granted != 0 {
						grants = granted.String() + " " + where
					}
					channel := "mine"
					if strings.Contains(w.name, "pattern") { // a wider one is granted
						channel, grants = "mine/*", grants+"/**"
					}
					if strings.Contains(w.name, "message of") { // it needs the socket, too
						grants += " subscribe mine"
					}
					header := http.Header{"Grants": {grants}, "User": {user}}
					want := "ok"
					if granted != w.action && (granted != access.Manage || w.action.IsOfMethods()) || where != "mine" {
						want = "403"
						if user == "" {
							want = "401"
						}
					}
					if got := w.try(t, v, channel, header); got != want {
						t.Errorf("%s as %q with %s: %s, want %s", w.name, user, grants, got, want)
					}
				}
			}
		}
	}
	v.client.CloseIdleConnections()
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	guard.expectNobody(t)
}

// Every dialect stands in the table of ways, so that none is added without its check,
// and each asks for what the table says.
func TestEveryDialectIsAWay(t *testing.T) {
	files, err := filepath.Glob("dialect/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range source.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "New") && !slices.ContainsFunc(ways, func(w way) bool { return w.dialect == f.Name.Name }) {
				t.Errorf("no way is about dialect.%s: add one that needs its grant", f.Name.Name)
			}
		}
	}
	var asked sync.Map
	guard := &testGuard{heard: func(act *Act) { asked.Store(act.Action, true) }}
	h := newHub(t, nil, nil)
	v := serveOnOneLoop(t, h, Options{Logger: quiet(), Guard: guard})
	defer v.close()
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, w := range ways {
		asked.Clear()
		w.try(t, v, "mine", http.Header{"Grants": {"manage mine"}})
		if _, ok := asked.Load(w.action); !ok {
			t.Errorf("%s did not ask for %s", w.name, w.action)
		}
	}
}

// testGuard reads a client's identity from the fields Grants ("publish mine subscribe
// other") and User.
type testGuard struct {
	late  bool // it decides later, in another goroutine
	heard func(*Act)

	mu   sync.Mutex
	here []*Client
	left chan struct{}
}

func (g *testGuard) Identify(r *Request, done func(*Client, error)) {
	var grants access.Grants
	words := strings.Fields(r.Get("Grants"))
	patterns := make(map[string][]string)
	for i := 0; i+1 < len(words); i += 2 {
		if _, err := access.ParseAction(words[i]); err == nil {
			patterns[words[i]] = append(patterns[words[i]], words[i+1])
		}
	}
	grants, err := access.ParseGrants(patterns)
	c := &Client{Identity: &access.Identity{Kind: access.Anonymous, Grants: grants}}
	if user := r.Get("User"); user != "" {
		c.Identity = &access.Identity{Kind: access.Token, User: strings.Clone(user), Grants: grants}
	}
	if expires := r.Get("Expires"); expires != "" {
		d, _ := time.ParseDuration(expires)
		c.Identity.Expires = time.Now().Add(d)
	}
	c.State = fmt.Sprint(r.Method(), " ", r.Path(), " socket=", r.IsUpgrade(), " ", r.Values("Accept"), r.Values("Prefer"), r.Values("Content-Length"), " ", len(r.Query()))
	if err == nil {
		g.mu.Lock()
		g.here = append(g.here, c)
		g.mu.Unlock()
	}
	if g.late {
		go done(c, err)
		return
	}
	done(c, err)
}

func (g *testGuard) Authorize(c *Client, act *Act, later func(error)) (bool, error) {
	if g.heard != nil {
		g.heard(act)
	}
	var err error
	if !access.May(c.Identity, nil, act.Action, act.Channel) {
		err = Deny(c.Identity, act)
	}
	if g.late {
		go later(err)
		return false, nil
	}
	return true, err
}

func (g *testGuard) Leave(c *Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.here, c)
	if i < 0 {
		panic("a client left twice")
	}
	g.here = slices.Delete(g.here, i, i+1)
	if g.left != nil {
		select {
		case g.left <- struct{}{}:
		default:
		}
	}
}

// expectNobody waits until every client has left.
func (g *testGuard) expectNobody(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	g.left = make(chan struct{}, 1)
	g.mu.Unlock()
	expired := time.After(patience)
	for {
		g.mu.Lock()
		n := len(g.here)
		g.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-g.left:
		case <-expired:
			g.mu.Lock()
			defer g.mu.Unlock()
			t.Errorf("%d clients have not left; the first is that of %v", n, g.here[0].State)
			return
		}
	}
}

// A page in a browser is told why it is refused in a way that it is shown.
func TestPagesAreToldWhy(t *testing.T) {
	for _, c := range carriers {
		if c.name == "HTTP2" {
			continue
		}
		run := func(t *testing.T) {
			h := newHub(t, nil, nil)
			v := c.serve(t, h, Options{Logger: quiet(), Guard: &testGuard{}})
			defer v.close()
			defer func() { _ = h.Shutdown(t.Context()) }()
			origin := http.Header{"Origin": {v.url}}
			conn, _, err := dialAs(t, v, ChannelsPath+"mine", origin.Clone())
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = conn.Read(t.Context())
			var closed *ws.CloseError
			if !asClose(err, &closed) || closed.Code != 4401 || !strings.HasPrefix(closed.Reason, "this needs the grant subscribe") {
				t.Errorf("the socket of a page ended with %v", err)
			}
			origin.Set("User", "ann")
			origin.Set("Accept", "text/event-stream")
			if got, want := readAll(t, v, origin), "retry: 60000\nevent: end\ndata: {\"code\":4403,\"reason\":\"this needs the grant subscribe on channel \\\"mine\\\"\",\"reconnect\":false}\n\n"; got != want {
				t.Errorf("the event stream of a page is %q, want %q", got, want)
			}
			origin.Set("Accept", "application/x-ndjson")
			if got := readAll(t, v, origin); !strings.HasPrefix(got, "403 ") {
				t.Errorf("what fetch can see is %q", got)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			if c.isVirtual {
				synctest.Test(t, run)
				return
			}
			run(t)
		})
	}
}

// readAll is the content of a response of channel mine, with its status unless that
// is 200.
func readAll(t *testing.T, v *venue, header http.Header) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", v.url+ChannelsPath+"mine", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 {
		return fmt.Sprint(response.StatusCode, " ", string(content))
	}
	return string(content)
}

// What lasts ends with the identity of its client, and says so.
func TestIdentityEndsWhatLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		v := serveInMemory(t, h, Options{Logger: quiet(), Guard: &testGuard{}, Heartbeat: time.Hour})
		defer v.close()
		defer func() { _ = h.Shutdown(t.Context()) }()
		began := time.Now()
		header := func(accept string) http.Header {
			return http.Header{"Grants": {"subscribe mine"}, "User": {"ann"}, "Expires": {"10m"}, "Accept": {accept}}
		}
		conn, _, err := dialAs(t, v, ChannelsPath+"mine", header(""))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan string)
		go func() {
			_, _, err := conn.Read(t.Context())
			var closed *ws.CloseError
			if !asClose(err, &closed) {
				t.Error(err)
			}
			ended <- fmt.Sprintf("%d %s", closed.Code, closed.Reason)
		}()
		go func() { ended <- lastLine(readAll(t, v, header("text/event-stream"))) }()
		go func() { ended <- lastLine(readAll(t, v, header("application/x-ndjson"))) }()
		var got []string
		for range 3 {
			got = append(got, <-ended)
		}
		slices.Sort(got)
		want := []string{
			"4401 token expired",
			`data: {"code":4401,"reason":"token expired","reconnect":false}`,
			`{"end":{"code":4401,"reason":"token expired","reconnect":false}}`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("they ended with %q, want %q", got, want)
		}
		if took := time.Since(began); took < 10*time.Minute || took > 10*time.Minute+time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// A long poll that waits longer than its token lasts is answered with 401.
func TestIdentityEndsLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		v := serveInMemory(t, h, Options{Logger: quiet(), Guard: &testGuard{}})
		defer v.close()
		defer func() { _ = h.Shutdown(t.Context()) }()
		got := readAll(t, v, http.Header{"Grants": {"subscribe mine"}, "Expires": {"5s"}, "Prefer": {"wait=50"}})
		if !strings.HasPrefix(got, "401 ") || !strings.Contains(got, "token expired") {
			t.Errorf("got %s", got)
		}
	})
}

// A client that leaves before its identity is known has left, also when it becomes
// known.
func TestClientThatLeavesBeforeItIsKnown(t *testing.T) {
	guard := &slowGuard{asked: make(chan func(*Client, error), 1), left: make(chan *Client, 1)}
	h := newHub(t, nil, nil)
	v := serveOnOneLoop(t, h, Options{Logger: quiet(), Guard: guard})
	defer v.close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", v.url+ChannelsPath+"mine", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	failed := make(chan error, 1)
	go func() {
		response, err := v.client.Do(r)
		if err == nil {
			response.Body.Close()
		}
		failed <- err
	}()
	done := <-guard.asked
	cancel()
	if err := <-failed; err == nil {
		t.Error("a client that is not known was answered")
	}
	conn := rawOn(t, v) // the loop has seen the end of the first once it answers the second
	fmt.Fprint(conn, "OPTIONS /channels/mine HTTP/1.1\r\nHost: test\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	c := &Client{Identity: access.Everybody}
	done(c, nil)
	select {
	case got := <-guard.left:
		if got != c {
			t.Error("another client left")
		}
	case <-time.After(patience):
		t.Error("the client has not left")
	}
}

type slowGuard struct {
	asked chan func(*Client, error)
	left  chan *Client
}

func (g *slowGuard) Identify(_ *Request, done func(*Client, error)) { g.asked <- done }

func (g *slowGuard) Authorize(*Client, *Act, func(error)) (bool, error) { return true, nil }

func (g *slowGuard) Leave(c *Client) { g.left <- c }

// What the Guard decides later is published in the order in which it was sent, and a
// Guard may change it.
func TestMessagesKeepTheirOrder(t *testing.T) {
	for _, c := range carriers[1:4] {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, nil, nil)
			guard := &changingGuard{}
			v := c.serve(t, h, Options{Logger: quiet(), Guard: guard})
			defer v.close()
			defer func() { _ = h.Shutdown(t.Context()) }()
			conn, _, err := dialAs(t, v, ChannelsPath+"mine?envelope=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			const n = 10 * heldMax // it is read no more meanwhile, and goes on
			go func() {
				for i := range n {
					if conn.Write(t.Context(), ws.MessageText, fmt.Append(nil, i)) != nil {
						return
					}
				}
			}()
			for i := range n {
				_, data, err := conn.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf(`"user":"ann","data":"changed %d"}`, i); !strings.HasSuffix(string(data), want) {
					t.Fatalf("got %s, want %s", data, want)
				}
			}
		})
	}
}

type changingGuard struct{}

func (changingGuard) Identify(_ *Request, done func(*Client, error)) {
	done(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
}

func (changingGuard) Authorize(_ *Client, act *Act, later func(error)) (bool, error) {
	if act.Message == nil {
		return true, nil
	}
	go func() {
		act.Message.Data = append([]byte("changed "), act.Message.Data...)
		later(nil)
	}()
	return false, nil
}

func (changingGuard) Leave(*Client) {}

// A Guard that fails denies, and only its log knows how.
func TestGuardThatFails(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{Guard: Identify(func(r *Request) (*access.Identity, error) {
		switch r.Get("Try") {
		case "error":
			return nil, fmt.Errorf("no session cookie")
		case "nobody":
			return nil, nil
		}
		return access.Everybody, nil
	})}})
	for try, want := range map[string]string{"error": "401 no session cookie", "nobody": "401 this needs the grant", "": "201 "} {
		response, content := s.do("POST", "/channels/chat", fields{"Try", try}, "x")
		status, text, _ := strings.Cut(want, " ")
		if fmt.Sprint(response.StatusCode) != status || !strings.Contains(content, text) {
			t.Errorf("%q: %s %s, want %s", try, response.Status, content, want)
		}
	}
}
