package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/internal/certtest"
	"github.com/godwit-io/godwit/server/forward"
	"github.com/godwit-io/godwit/ws"
)

// town is nodes that know each other in this process.
type town struct {
	authority *certtest.Authority // of the nodes' certificates; nil: no TLS

	mu      sync.Mutex
	members map[string]*townsman
}

// townsman is one of them: what it has as neighbours.
type townsman struct {
	town      *town
	id        string
	node      forward.Node
	asked     map[string]func(ctx context.Context, from string, data []byte) ([]byte, error)
	gone      []func(id string)
	questions int
}

func (m *townsman) Node(id string) (forward.Node, bool) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()
	other := m.town.members[id]
	if other == nil || id == m.id || other.node.Address == "" {
		return forward.Node{}, false
	}
	return other.node, true
}

func (m *townsman) IDs() (ids []string) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()
	for id := range m.town.members {
		if id != m.id {
			ids = append(ids, id)
		}
	}
	return ids
}

func (m *townsman) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	m.town.mu.Lock()
	m.questions++
	var f func(ctx context.Context, from string, data []byte) ([]byte, error)
	if other := m.town.members[node]; other != nil {
		f = other.asked[kind]
	}
	m.town.mu.Unlock()
	if f == nil {
		return nil, errors.New("nobody answers")
	}
	return f(ctx, m.id, data)
}

func (m *townsman) Handle(kind string, f func(ctx context.Context, from string, data []byte) ([]byte, error)) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()
	m.asked[kind] = f
}

func (m *townsman) SetAddress(address, token string) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()
	m.node = forward.Node{ID: m.id, Address: address, Token: token}
}

func (m *townsman) WatchGone(f func(id string)) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()
	m.gone = append(m.gone, f)
}

// bury says that a node is gone.
func (w *town) bury(id string) {
	w.mu.Lock()
	delete(w.members, id)
	var told []func(string)
	for _, m := range w.members {
		told = append(told, m.gone...)
	}
	w.mu.Unlock()
	for _, f := range told {
		f(id)
	}
}

// begin starts a node.
func (w *town) begin(t *testing.T, c Config) *running {
	t.Helper()
	w.mu.Lock()
	if w.members == nil {
		w.members = make(map[string]*townsman)
	}
	m := &townsman{town: w, id: fmt.Sprint("NODE", len(w.members)+1), asked: make(map[string]func(context.Context, string, []byte) ([]byte, error))}
	w.members[m.id] = m
	w.mu.Unlock()
	r := startPrepared(t, c, func(s *Server) {
		if w.authority != nil {
			pair := w.authority.Issue(t, nil, "127.0.0.1")
			trust := ClusterTLS{Cert: pair.Cert, Key: pair.Key, CA: w.authority.File}
			var err error
			if s.peerTLS, err = trust.load(s.log); err != nil {
				t.Fatal(err)
			}
		}
		s.nodes = s.newNodes(m.id, m)
	}, func(*Server) {})
	if a := r.do(t, "GET", "/healthz", ""); a.StatusCode != 200 { // it serves, so its address is known
		t.Fatal(a.Status)
	}
	return r
}

// eachTown runs f with two nodes, with each driver.
func eachTown(t *testing.T, f func(t *testing.T, w *town, a, b *running)) {
	eachDriver(t, func(t *testing.T, driver string) {
		w := &town{}
		f(t, w, w.begin(t, Config{Driver: driver}), w.begin(t, Config{Driver: driver}))
	})
}

// A session of Engine.IO that polls goes on whichever node is asked, and moves to a
// WebSocket that was opened at the other one.
func TestNodesSocketIO(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	eachTown(t, nodesSocketIO)
}

// With TLS between the nodes it is the same, and a node with a certificate of somebody else has nothing
// handed on to it.
func TestNodesTLS(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	w := &town{authority: certtest.NewAuthority(t)}
	a, b := w.begin(t, Config{}), w.begin(t, Config{})
	nodesSocketIO(t, w, a, b)
	w.authority = certtest.NewAuthority(t)
	stranger := w.begin(t, Config{})
	opened := a.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "")
	_, sid, _ := strings.Cut(opened.body, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	if p := stranger.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid="+sid, "40/chat,"); p.StatusCode != 400 || !strings.Contains(p.body, "Session ID unknown") {
		t.Errorf("a node that is not trusted has a request handed on: %s %s", p.Status, p.body)
	}
	if p := b.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid="+sid, "40/chat,"); p.StatusCode != 200 {
		t.Errorf("one that is trusted: %s %s", p.Status, p.body)
	}
	a.leaveSocketIO(t, opened)
}

func nodesSocketIO(t *testing.T, w *town, a, b *running) {
	const path = "/socket.io/?EIO=4&transport=polling"
	opened := a.do(t, "GET", path, "")
	var handshake struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(opened.body, "0")), &handshake); err != nil || !strings.HasPrefix(handshake.SID, "NODE1.") {
		t.Fatalf("%s: %v", opened.body, err)
	}
	session := path + "&sid=" + handshake.SID
	if p := b.do(t, "POST", session, "40/chat,"); p.StatusCode != 200 || p.body != "ok" {
		t.Fatalf("a POST elsewhere: %s %s", p.Status, p.body)
	}
	if p := b.do(t, "GET", session, ""); !strings.HasPrefix(p.body, "40/chat,") {
		t.Fatalf("a poll elsewhere: %s %s", p.Status, p.body)
	}
	if p := a.do(t, "POST", session, `42/chat,["n",1]`); p.body != "ok" {
		t.Fatalf("a POST: %s %s", p.Status, p.body)
	}
	p := b.do(t, "GET", session, "", "Origin", b.url)
	if !strings.HasPrefix(p.body, `42/chat,["n",1`) {
		t.Fatalf("what it heard: %s %s", p.Status, p.body)
	}
	for name, values := range p.Header {
		if len(values) > 1 && name != "Vary" {
			t.Errorf("%s is there %d times", name, len(values))
		}
	}

	socket := pie(t, b, "/socket.io/?EIO=4&transport=websocket&sid="+handshake.SID)
	expectText(t, "the probe", says(t, socket, "2probe"), "3probe")
	polled := a.do(t, "GET", session, "") // is released
	if polled.body != "6" {
		t.Errorf("a poll while the session moves: %s %q", polled.Status, polled.body)
	}
	if err := socket.Write(t.Context(), ws.MessageText, []byte("5")); err != nil {
		t.Fatal(err)
	}
	expectText(t, "after the upgrade", says(t, socket, `42/chat,["n",2]`), `42/chat,["n",2`)
	if p := b.do(t, "GET", session, ""); p.StatusCode != 400 {
		t.Errorf("a poll of a session that has moved: %s %s", p.Status, p.body)
	}

	if p := b.do(t, "GET", path+"&sid=", ""); p.StatusCode != 200 { // as without one
		t.Errorf("an empty SID: %s %s", p.Status, p.body)
	} else {
		b.leaveSocketIO(t, p)
	}

	// A session of nobody, of a node that nobody knows, and of this one.
	for _, sid := range []string{"x", "NODE9.abcdefghijabcdefghij", "NODE2.abcdefghijabcdefghij", "NODE1.abcdefghijabcdefghij", "."} {
		p := b.do(t, "GET", path+"&sid="+sid, "")
		if p.StatusCode != 400 || !strings.Contains(p.body, "Session ID unknown") {
			t.Errorf("SID %q: %s %s", sid, p.Status, p.body)
		}
	}
}

// A session of SockJS is found by the name that its client has chosen, with one question
// for each node that it comes to.
func TestNodesSockJS(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	eachTown(t, func(t *testing.T, w *town, a, b *running) {
		const session = "/sockjs/chat/000/abcdefgh"
		if p := a.do(t, "POST", session+"/xhr", ""); p.body != "o\n" {
			t.Fatalf("%s %q", p.Status, p.body)
		}
		for i := range 3 {
			if p := b.do(t, "POST", session+"/xhr_send", fmt.Sprintf(`["%d"]`, i)); p.StatusCode != 204 {
				t.Fatalf("%s %s", p.Status, p.body)
			}
			if p := b.do(t, "POST", session+"/xhr", ""); p.body != fmt.Sprintf("a[\"%d\"]\n", i) {
				t.Fatalf("%s %q", p.Status, p.body)
			}
		}
		w.mu.Lock()
		questions := w.members["NODE2"].questions
		w.mu.Unlock()
		if questions != 1 {
			t.Errorf("the other node was asked %d times", questions)
		}
		if p := b.do(t, "POST", "/sockjs/chat/000/unknown/xhr_send", `["x"]`); p.StatusCode != 404 {
			t.Errorf("a session of nobody: %s %s", p.Status, p.body)
		}
		// A stream, by way of the other node.
		if p := b.do(t, "POST", "/sockjs/chat/000/streamed/xhr", ""); p.body != "o\n" {
			t.Fatalf("%s %q", p.Status, p.body)
		}
		stream := open(t, a, "POST", "/sockjs/chat/000/streamed/xhr_streaming")
		b.do(t, "POST", session+"/xhr_send", `["to the stream"]`)
		if p := b.do(t, "POST", "/sockjs/chat/000/streamed/xhr_send", `["own"]`); p.StatusCode != 204 {
			t.Fatalf("%s %s", p.Status, p.body)
		}
		stream.expect(t, `a["own"]`)
	})
}

// The fallback of Pusher is like SockJS.
func TestNodesPusher(t *testing.T) {
	eachTown(t, func(t *testing.T, w *town, a, b *running) {
		const session = "/pusher/app/app-key/1/abcdefgh"
		if p := a.do(t, "POST", session+"/xhr?protocol=7", ""); p.body != "o\n" {
			t.Fatalf("%s %q", p.Status, p.body)
		}
		if p := b.do(t, "POST", session+"/xhr", ""); !strings.Contains(p.body, "connection_established") {
			t.Fatalf("%s %q", p.Status, p.body)
		}
		if p := b.do(t, "POST", session+"/xhr_send", `["{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"news\"}}"]`); p.StatusCode != 204 {
			t.Fatalf("%s %s", p.Status, p.body)
		}
		if p := b.do(t, "POST", session+"/xhr", ""); !strings.Contains(p.body, "subscription_succeeded") {
			t.Fatalf("%s %q", p.Status, p.body)
		}
	})
}

// A session of /connect takes commands, gives pages and streams, and ends, whichever node is
// asked.
func TestNodesConnect(t *testing.T) {
	eachTown(t, func(t *testing.T, w *town, a, b *running) {
		const commands = "application/x-ndjson"
		begun := a.do(t, "POST", "/connect", `{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"chat"}}`, "Content-Type", commands)
		_, session := sessionIn(t, begun.body)
		if !strings.HasSuffix(session, "-NODE1") {
			t.Fatal(session)
		}
		at := "/connect?session=" + session
		if p := b.do(t, "POST", at, `{"id":3,"publish":{"channel":"chat","data":1}}`, "Content-Type", commands); p.StatusCode/100 != 2 {
			t.Fatalf("a command elsewhere: %s %s", p.Status, p.body)
		}
		if p := b.do(t, "GET", at+"&ack=1", "", "Prefer", "wait=5"); !strings.Contains(p.body, `"data":1`) && !strings.Contains(p.body, `"id":3`) {
			t.Fatalf("a page elsewhere: %s %s", p.Status, p.body)
		}
		if p := b.do(t, "GET", "/connect", "", "Godwit-Session", session, "Prefer", "wait=1"); p.StatusCode != 200 {
			t.Fatalf("by field: %s %s", p.Status, p.body)
		}
		wrong := strings.Replace(session, ".", ".x", 1)
		if p := b.do(t, "POST", "/connect?session="+wrong, `{"id":4,"ping":{}}`, "Content-Type", commands); p.StatusCode != 404 {
			t.Errorf("with a wrong secret: %s %s", p.Status, p.body)
		}
		if p := b.do(t, "DELETE", at, ""); p.StatusCode != 204 {
			t.Errorf("the end: %s %s", p.Status, p.body)
		}
		if p := b.do(t, "POST", at, `{"id":4,"ping":{}}`, "Content-Type", commands); p.StatusCode != 404 || !strings.Contains(p.body, "session-unknown") {
			t.Errorf("after its end: %s %s", p.Status, p.body)
		}

		// A client that comes back to another node is not there twice.
		here := pie(t, a, "/connect")
		_, session = sessionIn(t, says(t, here, `{"id":1,"connect":{}}`))
		id, secret, _ := strings.Cut(session, ".")
		there := pie(t, b, "/connect")
		if said := says(t, there, fmt.Sprintf(`{"id":2,"connect":{"resume":{"session":%q,"secret":%q}}}`, id, secret)); !strings.Contains(said, `"resumed":false`) {
			t.Fatal(said)
		}
		expectText(t, "the session that was left", hears(t, here), `"code":4409`)

		// Down by an event stream of one node, up by the other.
		stream := open(t, a, "GET", `/connect?commands=`+strings.ReplaceAll(`{"id":1,"connect":{}}`, `"`, "%22"), "Accept", "text/event-stream")
		_, session = sessionIn(t, stream.next(t))
		if p := b.do(t, "POST", "/connect?session="+session, `{"id":2,"subscribe":{"channel":"chat","last":1}}`, "Content-Type", commands); p.StatusCode/100 != 2 {
			t.Fatalf("%s %s", p.Status, p.body)
		}
		stream.expect(t, `"data":1`)
	})
}

// sessionIn returns the ID and what names the session in what the server has said.
func sessionIn(t *testing.T, text string) (id, shown string) {
	t.Helper()
	part := func(name string) string {
		_, rest, ok := strings.Cut(text, `"`+name+`":"`)
		value, _, closed := strings.Cut(rest, `"`)
		if !ok || !closed {
			t.Fatalf("there is no %s in %s", name, text)
		}
		return value
	}
	id = part("session")
	return id, id + "." + part("secret")
}

// streamed is an answer that comes little by little.
type streamed struct {
	body    io.ReadCloser
	scanner *bufio.Scanner
}

func open(t *testing.T, r *running, method, path string, header ...string) *streamed {
	t.Helper()
	return openBody(t, r, method, path, "", header...)
}

func openBody(t *testing.T, r *running, method, path, body string, header ...string) *streamed {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	p, err := http.DefaultTransport.RoundTrip(q)
	if err != nil || p.StatusCode != 200 {
		t.Fatal(p, err)
	}
	t.Cleanup(func() { _ = p.Body.Close() })
	return &streamed{p.Body, bufio.NewScanner(p.Body)}
}

// next is the next line that says something.
func (s *streamed) next(t *testing.T) string {
	t.Helper()
	for s.scanner.Scan() {
		if line := s.scanner.Text(); strings.HasPrefix(line, "data:") || strings.HasPrefix(line, "a[") {
			return line
		}
	}
	t.Fatal("the stream has ended: ", s.scanner.Err())
	return ""
}

// expect waits for a line that contains want.
func (s *streamed) expect(t *testing.T, want string) {
	t.Helper()
	for line := s.next(t); !strings.Contains(line, want); line = s.next(t) {
	}
}

// A client that asks for names that nobody knows has other nodes asked no more often than it
// may ask at all.
func TestNodesUnknownNames(t *testing.T) {
	w := &town{}
	const most = 3 // a second; twice as many at once
	a, b := w.begin(t, Config{}), w.begin(t, Config{Limits: Limits{RequestsPerSecond: most}})
	if p := a.do(t, "POST", "/sockjs/chat/000/known/xhr", ""); p.body != "o\n" {
		t.Fatalf("%s %q", p.Status, p.body)
	}
	if p := b.do(t, "POST", "/sockjs/chat/000/known/xhr_send", `["x"]`); p.StatusCode != 204 {
		t.Fatalf("%s %s", p.Status, p.body)
	}
	refused := 0
	for i := range 40 {
		p := b.do(t, "POST", fmt.Sprintf("/sockjs/chat/000/unknown%d/xhr_send", i), `["x"]`)
		if p.StatusCode == http.StatusTooManyRequests && p.Header.Get("Retry-After") != "" {
			refused++
		} else if p.StatusCode != 404 && p.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("%s %s", p.Status, p.body)
		}
	}
	w.mu.Lock()
	questions := w.members["NODE2"].questions
	w.mu.Unlock()
	if questions > 40-refused+1 || refused == 0 {
		t.Errorf("the other node was asked %d times, and %d were refused", questions, refused)
	}
	// A client that has a session goes on.
	if p := b.do(t, "POST", "/sockjs/chat/000/known/xhr_send", `["x"]`); p.StatusCode != 204 {
		t.Fatalf("%s %s", p.Status, p.body)
	}
}

// Nobody has requests handed on without the token of the node, and nobody is somebody else
// because a field says so.
func TestNodesStrangers(t *testing.T) {
	w := &town{}
	a := w.begin(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	b := w.begin(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	gate := "http://" + a.Server.nodes.listener.Addr().String()
	ask := func(header ...string) answer {
		return (&running{url: gate}).do(t, "GET", "/sockjs/chat/info", "", header...)
	}
	origin := (&forward.Origin{Node: "NODE2", Peer: "192.0.2.1:1"}).String()
	for _, header := range [][]string{
		{}, {forward.FieldToken, ""}, {forward.FieldToken, "x"}, {forward.FieldToken, b.Server.nodes.token, forward.FieldOrigin, origin},
	} {
		if p := ask(header...); p.StatusCode != http.StatusUnauthorized || strings.Contains(p.body, "websocket") {
			t.Errorf("%q: %s %s", header, p.Status, p.body)
		}
	}
	if p := ask(forward.FieldToken, a.Server.nodes.token); p.StatusCode != http.StatusBadRequest {
		t.Errorf("from nowhere: %s %s", p.Status, p.body)
	}
	if p := ask(forward.FieldToken, a.Server.nodes.token, forward.FieldOrigin, origin); p.StatusCode != 200 {
		t.Errorf("with the token: %s %s", p.Status, p.body)
	}
	for _, path := range []string{"/metrics", "/api/v1/channels", "/", "/healthz", "/apps/app/channels"} {
		p := (&running{url: gate}).do(t, "GET", path, "", forward.FieldToken, a.Server.nodes.token, forward.FieldOrigin, origin)
		if p.StatusCode != 404 {
			t.Errorf("%s is served to nodes: %s", path, p.Status)
		}
	}

	// At the addresses for clients the fields mean nothing, and do not go on to the node.
	opened := a.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "")
	_, sid, _ := strings.Cut(opened.body, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	defer a.leaveSocketIO(t, opened)
	p := b.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid="+sid, "40", "X-Forwarded-For", "198.51.100.7",
		forward.FieldToken, "x", forward.FieldOrigin, (&forward.Origin{Node: "NODE2", Client: netip.MustParseAddr("203.0.113.9")}).String())
	if p.body != "ok" {
		t.Fatalf("%s %s", p.Status, p.body)
	}
	for n := 0; !strings.Contains(a.log.String(), "client=198.51.100.7"); n++ { // it is logged behind the answer
		if a.do(t, "GET", "/healthz", ""); n == 10_000 {
			t.Fatalf("the node that has the session logged\n%s", a.log.String())
		}
	}
	if log := a.log.String(); strings.Contains(log, "203.0.113.9") {
		t.Errorf("the node that has the session logged\n%s", log)
	}

	// A node that is gone: its token is worth nothing where another is now.
	stale := forward.Node{ID: "NODE1", Address: strings.TrimPrefix(gate, "http://"), Token: b.Server.nodes.token}
	w.mu.Lock()
	w.members["NODE1"].node = stale
	w.mu.Unlock()
	if p := b.do(t, "GET", "/socket.io/?EIO=4&transport=polling&sid="+sid, ""); p.StatusCode != 400 || !strings.Contains(p.body, "Session ID unknown") || p.Header.Get(forward.FieldToken) != "" {
		t.Errorf("with the token of one that is gone: %s %s", p.Status, p.body)
	}
}

// When the node that has a session is gone, the answer is the protocol's own for one that is
// not known: at once, and to what waits when it is noticed.
func TestNodesLost(t *testing.T) {
	eachTown(t, func(t *testing.T, w *town, a, b *running) {
		// A node that takes connections and says nothing: it stands still.
		still, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer still.Close()
		w.mu.Lock()
		w.members["NODE3"] = &townsman{town: w, id: "NODE3", node: forward.Node{ID: "NODE3", Address: still.Addr().String(), Token: "x"}}
		w.mu.Unlock()
		const sid = "NODE3.abcdefghijabcdefghij"
		polled := make(chan answer)
		go func() { polled <- b.do(t, "GET", "/socket.io/?EIO=4&transport=polling&sid="+sid, "") }()
		nc, err := still.Accept() // it has been handed on
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		w.bury("NODE3")
		if p := <-polled; p.StatusCode != 400 || !strings.Contains(p.body, "Session ID unknown") {
			t.Errorf("what waited: %s %s", p.Status, p.body)
		}

		// Nothing listens where a connection comes from, and no other program can meanwhile.
		from, err := net.Dial("tcp", still.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		w.mu.Lock()
		w.members["NODE4"] = &townsman{town: w, id: "NODE4", node: forward.Node{ID: "NODE4", Address: from.LocalAddr().String(), Token: "x"}}
		w.mu.Unlock()
		if p := b.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid=NODE4.abcdefghijabcdefghij", "40"); p.StatusCode != 400 || !strings.Contains(p.body, "Session ID unknown") {
			t.Errorf("one that is not there: %s %s", p.Status, p.body)
		}
		secret := strings.Repeat("a", 26) + "-NODE4"
		if p := b.do(t, "GET", "/connect?session=xyz."+secret, ""); p.StatusCode != 404 || !strings.Contains(p.body, "session-unknown") {
			t.Errorf("one that is not there: %s %s", p.Status, p.body)
		}
	})
}

// A node that leaves ends what it hands on and lasts, and does not wait for it.
func TestNodesLeave(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	eachTown(t, func(t *testing.T, w *town, a, b *running) {
		opened := a.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "")
		_, sid := sessionOf(opened.body)
		socket := pie(t, b, "/socket.io/?EIO=4&transport=websocket&sid="+sid)
		expectText(t, "the probe", says(t, socket, "2probe"), "3probe")
		stopped := make(chan error, 1)
		go func() { stopped <- b.stop() }()
		_, _, err := socket.Read(t.Context())
		if err == nil || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		socket.CloseNow()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		a.leaveSocketIO(t, opened)
	})
}

// leaveSocketIO ends the session that opened has begun, as a client does that leaves: a server that stops waits for
// one that could poll again.
func (r *running) leaveSocketIO(t *testing.T, opened answer) {
	t.Helper()
	_, sid := sessionOf(opened.body)
	if p := r.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid="+sid, "1"); p.StatusCode != 200 {
		t.Errorf("a client that leaves: %s %s", p.Status, p.body)
	}
}

func sessionOf(open string) (before, sid string) {
	before, sid, _ = strings.Cut(open, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	return before, sid
}

// Without others nothing is different: SIDs and secrets are as they were.
func TestNodesNone(t *testing.T) {
	s := start(t, Config{})
	opened := s.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "")
	defer s.leaveSocketIO(t, opened)
	_, sid := sessionOf(opened.body)
	if len(sid) != 20 || strings.Contains(sid, ".") {
		t.Errorf("a SID is %q", sid)
	}
	_, session := sessionIn(t, s.do(t, "POST", "/connect", `{"id":1,"connect":{}}`, "Content-Type", "application/x-ndjson").body)
	if len(session) != 26+1+26 {
		t.Errorf("a session is %q", session)
	}
}
