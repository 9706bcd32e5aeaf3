//go:build linux

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// chain is a node of a chain, which tells its subscribers of blocks.
type chain struct {
	server *httptest.Server
	came   chan string   // a token for each subscription
	left   chan struct{} // has one when a connection has ended

	mu    sync.Mutex
	conns map[*ws.Conn]struct{}
	block int
}

func newChain(t *testing.T) *chain {
	c := &chain{came: make(chan string, 100), left: make(chan struct{}, 1), conns: make(map[*ws.Conn]struct{})}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		defer c.forget(conn)
		for {
			_, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			var request struct{ ID int }
			if json.Unmarshal(message, &request) != nil {
				t.Errorf("%s", message)
				return
			}
			if conn.Write(r.Context(), ws.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"result":"0xaa"}`, request.ID)) != nil {
				return
			}
			c.mu.Lock()
			c.conns[conn] = struct{}{}
			c.mu.Unlock()
			c.came <- r.Header.Get("Authorization")
		}
	}))
	t.Cleanup(func() {
		c.cut()
		c.server.Close()
	})
	return c
}

func (c *chain) forget(conn *ws.Conn) {
	c.mu.Lock()
	delete(c.conns, conn)
	c.mu.Unlock()
	select {
	case c.left <- struct{}{}:
	default:
	}
}

// awaitOne waits until all connections but one have ended: the chain may hear of an end later than of the
// connection that was made after it.
func (c *chain) awaitOne(t *testing.T) {
	t.Helper()
	for timeout := time.After(patience); ; {
		c.mu.Lock()
		n := len(c.conns)
		c.mu.Unlock()
		if n == 1 {
			return
		}
		select {
		case <-c.left:
		case <-timeout:
			t.Fatalf("%d connections", n)
		}
	}
}

// cut ends all connections.
func (c *chain) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.CloseNow()
	}
}

// tell tells of a block, and returns to how many.
func (c *chain) tell(ctx context.Context) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block++
	for conn := range c.conns {
		_ = conn.Write(ctx, ws.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xaa","result":{"number":%d}}}`, c.block))
	}
	return len(c.conns)
}

// await waits for somebody to subscribe, and returns with what token.
func (c *chain) await(t *testing.T) string {
	t.Helper()
	select {
	case token := <-c.came:
		return token
	case <-time.After(patience):
		t.Fatal("nobody subscribes")
		return ""
	}
}

// bridge is a bridge that follows the chain.
func (c *chain) bridge(name, channel string) Bridge {
	return Bridge{
		Name: name, URL: Secret{"ws" + strings.TrimPrefix(c.server.URL, "http")},
		Headers: []BridgeHeader{{Name: "Authorization", Value: Secret{"Bearer " + name}}},
		Subscriptions: []BridgeSubscription{{
			Send: `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`, Channel: channel, Data: "/params/result",
		}},
		Backoff: BridgeBackoff{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	}
}

// expectLine reads a line that is no sign of life, and compares what matters of it.
func (s *streamed) expectLine(t *testing.T, wants ...string) {
	t.Helper()
	line := "{}"
	for line == "{}" {
		if !s.scanner.Scan() {
			t.Fatalf("the stream has ended before %q: %v", wants, s.scanner.Err())
		}
		line = s.scanner.Text()
	}
	for _, want := range wants {
		if !strings.Contains(line, want) {
			t.Fatalf("got %s without %s", line, want)
		}
	}
}

// TestBridge: what a chain tells goes to a channel, outages and all, and the API and the metrics know.
func TestBridge(t *testing.T) {
	c := newChain(t)
	s := start(t, Config{Bridges: []Bridge{c.bridge("eth", "eth/heads")}})
	if token := c.await(t); token != "Bearer eth" {
		t.Errorf("it came with %q", token)
	}
	stream := open(t, s, http.MethodGet, "/channels/eth/heads?last=10", "Accept", "application/x-ndjson")
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`)
	c.tell(t.Context())
	stream.expectLine(t, `"data":{"number":1}`)
	c.cut()
	stream.expectLine(t, `"event":"bridge.away"`, `"reason":"upstream"`)
	c.await(t)
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"upstream"`, `"from":"`)
	c.tell(t.Context())
	stream.expectLine(t, `"data":{"number":2}`)

	b := s.nodes(t).Bridges
	if len(b) != 1 || b[0].State != "live" || b[0].Connections != 2 || b[0].Gaps != 2 || b[0].Messages["published"] != 2 || b[0].Channels != 1 {
		t.Errorf("%+v", b)
	}
	metrics := s.do(t, http.MethodGet, "/metrics", "").body
	for _, want := range []string{`godwit_bridge_state{bridge="eth",state="live"} 1`, `godwit_bridge_messages_total{bridge="eth",outcome="published"} 2`, `godwit_bridge_connections_total{bridge="eth"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if a := s.do(t, http.MethodGet, "/readyz", ""); a.StatusCode != http.StatusOK {
		t.Errorf("ready: %s", a.Status)
	}

	// A reload leaves what is the same alone, and what is wrong changes nothing.
	next := s.Config()
	next.Bridges = []Bridge{next.Bridges[0], c.bridge("other", "other/heads")}
	if _, err := s.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if token := c.await(t); token != "Bearer other" {
		t.Errorf("it came with %q", token)
	}
	broken := next
	broken.Bridges = []Bridge{c.bridge("eth", "eth/heads")}
	broken.Bridges[0].Headers[0].Value = Secret{"env:NO_SUCH_VARIABLE"}
	if _, err := s.Reload(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "bridges[0].headers[0].value: the variable NO_SUCH_VARIABLE is not set") {
		t.Errorf("got %v", err)
	}
	if b := s.bridges.Reports(); len(b) != 2 || b[0].Connections != 2 || b[1].Connections != 1 {
		t.Errorf("%+v", b)
	}
	next.Bridges = []Bridge{c.bridge("eth", "eth/blocks")}
	if _, err := s.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	stream.expectLine(t, `"event":"bridge.away"`, `"reason":"stopped"`)
	c.await(t)
	open(t, s, http.MethodGet, "/channels/eth/blocks?last=10", "Accept", "application/x-ndjson").expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`)
}

// TestFollow: a bridge that is added while the server runs stays over a reload, unless the configuration has one of its name.
func TestFollow(t *testing.T) {
	c := newChain(t)
	s := start(t, Config{Bridges: []Bridge{c.bridge("first", "first")}})
	c.await(t)
	for _, channel := range []string{"eth/old", "eth/heads"} { // the second replaces the first
		if err := s.Follow(c.bridge("eth", channel)); err != nil {
			t.Fatal(err)
		}
		if token := c.await(t); token != "Bearer eth" {
			t.Errorf("it came with %q", token)
		}
	}
	for name, b := range map[string]Bridge{
		"is the name of one in the config": c.bridge("first", "a"),
		"is not 1 to 64 letters":           c.bridge("e t h", "a"),
		"a channel is needed":              c.bridge("other", ""),
		"the variable NO_SUCH_URL is not":  {Name: "other", URL: Secret{"env:NO_SUCH_URL"}, Subscriptions: []BridgeSubscription{{Channel: "a"}}},
	} {
		if err := s.Follow(b); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
	if _, err := s.Reload(t.Context(), s.Config()); err != nil {
		t.Fatal(err)
	}
	if r := s.bridges.Reports(); len(r) != 2 || r[0].Connections != 1 || r[1].Connections != 2 || len(c.came) > 0 {
		t.Errorf("%+v", r)
	}
	next := s.Config()
	next.Bridges = []Bridge{c.bridge("eth", "eth/blocks")}
	if _, err := s.Reload(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	c.await(t)
	open(t, s, http.MethodGet, "/channels/eth/blocks?last=10", "Accept", "application/x-ndjson").expectLine(t, `"event":"bridge.gap"`)
	if r := s.bridges.Reports(); len(r) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestBridgeUpgrade: the bridge of a process ends before the one that takes its place has it.
func TestBridgeUpgrade(t *testing.T) {
	c := newChain(t)
	config := Config{Bridges: []Bridge{c.bridge("eth", "eth/heads")}}
	s := start(t, config)
	c.await(t)
	c.tell(t.Context())
	before := open(t, s, http.MethodGet, "/channels/eth/heads?last=10", "Accept", "application/x-ndjson")
	before.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`)
	before.expectLine(t, `"data":{"number":1}`) // a bridge that ends publishes nothing more
	next, err := s.succeed(t, config)
	if err != nil {
		t.Fatal(err)
	}
	c.await(t)
	c.awaitOne(t)
	c.tell(t.Context())
	stream := open(t, next, http.MethodGet, "/channels/eth/heads?last=10", "Accept", "application/x-ndjson")
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`)
	stream.expectLine(t, `"data":{"number":1}`)
	stream.expectLine(t, `"event":"bridge.away"`, `"reason":"stopped"`)
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`, `"from":"`)
	stream.expectLine(t, `"data":{"number":2}`)
}

// TestBridgesOfNodes: of several nodes one has a bridge, keeps it when another comes, and hands it over when it goes.
func TestBridgesOfNodes(t *testing.T) {
	t.Parallel() // nodes are given time to hear of each other
	c := newChain(t)
	configure := func(i int, config *Config) {
		if i != 1 { // one node does not know the bridge
			config.Bridges = []Bridge{c.bridge("eth", "eth/heads")}
		}
	}
	s := startSeveral(t, 3, configure)
	c.await(t)
	c.tell(t.Context())
	owner := func() (owner int) {
		owner = -1
		for i, one := range s.all {
			for _, r := range one.bridges.Reports() {
				if r.IsHere {
					if owner >= 0 {
						t.Errorf("nodes %d and %d have it", owner, i)
					}
					owner = i
				}
			}
		}
		return owner
	}
	first := owner()
	if first < 0 || first == 1 {
		t.Fatalf("node %d has it", first)
	}
	for _, one := range s.all {
		eventually(t, func() string { // it is live once the answer to its subscription was read
			b := one.nodes(t).Bridges
			if len(b) != 1 || b[0].Node != s.all[first].node.ID() || b[0].State != "live" {
				return fmt.Sprintf("%+v", b)
			}
			return ""
		})
	}
	s.add(configure)
	s.settle(4)
	if now := owner(); now != first || len(c.came) > 0 {
		t.Errorf("node %d has it, and before it was %d", now, first)
	}

	reader := s.all[1]
	stream := open(t, reader, http.MethodGet, "/channels/eth/heads?last=10", "Accept", "application/x-ndjson")
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`)
	stream.expectLine(t, `"data":{"number":1}`)
	s.all[first].stop()
	stream.expectLine(t, `"event":"bridge.away"`, `"reason":"stopped"`)
	c.await(t)
	c.awaitOne(t)
	c.tell(t.Context())
	stream.expectLine(t, `"event":"bridge.gap"`, `"reason":"start"`, `"from":"`)
	stream.expectLine(t, `"data":{"number":2}`)
}

// TestFirstOf: all nodes draw the same one, and not the same one for all bridges.
func TestFirstOf(t *testing.T) {
	seen := make(map[string]int)
	for i := range 100 {
		name := fmt.Sprint("bridge", i)
		first := firstOf(name, []string{"A", "B", "C"})
		if other := firstOf(name, []string{"C", "A", "B"}); other != first {
			t.Errorf("%s: %s, or %s", name, first, other)
		}
		seen[first]++
	}
	if len(seen) != 3 || seen["A"] < 10 || seen["B"] < 10 || seen["C"] < 10 {
		t.Errorf("%v", seen)
	}
}
