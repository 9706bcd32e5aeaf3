//go:build unix

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// robinNumbers is how many numbered messages go each way between an unmodified client and a
// WebSocket.
const robinNumbers = 1000

// TestRoundRobinProtocols: unmodified clients of other protocols by every transport that they
// have in Node, with each of their requests at another node.
func TestRoundRobinProtocols(t *testing.T) {
	node := startNodeStage(t)
	app := newApplication(t)
	r := startRobin(t, appsConfig("")+openConfig)
	testRobin(t, node, app, "http://"+r.balancer.Host(), r.balancer.Host(), "", true)
	r.everyNodeServed(t)
}

// TestRoundRobinProxies: the same behind nginx and HAProxy, as docs/cluster-balancers.md
// configures them.
func TestRoundRobinProxies(t *testing.T) {
	node := startNodeStage(t)
	r := startRobin(t, appsConfig("")+openConfig)
	var addresses []string
	for _, n := range r.Nodes {
		addresses = append(addresses, n.Address())
	}
	for _, kind := range []struct {
		name  string
		start func(t *testing.T, timeout time.Duration, backends ...string) *proxy
	}{{"nginx", nginxBefore}, {"haproxy", haproxyBefore}} {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.start(t, proxyTimeout, addresses...)
			testRobin(t, node, nil, "https://"+p.host, r.Nodes[0].Address(), kind.name, false)
		})
	}
}

// testRobin has clients at url, and a WebSocket at host.
func testRobin(t *testing.T, node *stage, app *application, url, host, name string, all bool) {
	for i, transports := range [][]string{{"polling"}, {"polling", "websocket"}, {"websocket"}} {
		t.Run("socket.io "+strings.Join(transports, " then "), func(t *testing.T) {
			conn := fmt.Sprint(name, "socketio", i)
			a := node.open(t, conn, "socketio", "socket.io-client", "url", url, "namespace", "/"+conn, "options", map[string]any{"transports": transports, "rejectUnauthorized": false})
			upgraded := false
			a.until(t, "open", func(e seen) bool {
				upgraded = upgraded || e.Event == "upgraded"
				return e.Event == "open"
			})
			numbersTimes(t, robinNumbers, bare(t, host, conn, "?self=0"), a, true, func(prefix string) {
				a.do(t, "numbers", "name", "number", "prefix", prefix, "count", robinNumbers)
			}, func(e seen) string {
				upgraded = upgraded || e.Event == "upgraded"
				return said(e)
			}, same)
			if len(transports) == 2 && !upgraded {
				a.wants(t, "upgraded")
			}
			a.do(t, "close")
		})
	}
	sockjs := []string{"xhr-polling", "xhr-streaming", "websocket"}
	if all {
		sockjs = append(sockjs, "eventsource") // in Node it takes no certificate of a test
	}
	for _, transport := range sockjs {
		t.Run("sockjs "+transport, func(t *testing.T) {
			conn := name + "sockjs-" + transport
			a := node.open(t, conn, "sockjs", "sockjs-client", "url", url+"/sockjs/"+conn, "options", map[string]any{"transports": []string{transport}})
			a.wants(t, "open")
			numbersTimes(t, robinNumbers, bare(t, host, conn, "?self=0"), a, true, func(prefix string) {
				a.do(t, "numbers", "prefix", prefix, "count", robinNumbers)
			}, heard, same)
			a.do(t, "close")
		})
	}
	if !all {
		return
	}
	for _, transport := range []string{"ws", "xhr_streaming", "xhr_polling"} {
		t.Run("pusher "+transport, func(t *testing.T) {
			channel := "private-robin-" + strings.ReplaceAll(transport, "_", "-")
			options := pusherOptions(t, host, app, "user=ann")
			options["enabledTransports"] = []string{transport}
			a := openPusher(t, node, "robin pusher "+transport, "pusher-js", options)
			a.subscribes(t, channel)
			robinPusher(t, a, channel, bare(t, host, channel, "?self=0", "Authorization", "Bearer "+serverKey))
			a.do(t, "close")
		})
	}
	t.Run("piesocket", func(t *testing.T) { robinPieSocket(t, host) })
}

// robinPusher has a client and a WebSocket send each other numbers. What the client sends, it
// sends one after another: its fallbacks make a request of each message and do not wait, so
// that it is for the network which of them comes first, also with one server.
func robinPusher(t *testing.T, a *actor, channel string, n *near) {
	for i := range 50 {
		want := fmt.Sprint("client-", i)
		a.do(t, "trigger", "channel", channel, "name", "client-number", "data", want)
		if m, ok := n.messages.next(); !ok || string(m.Data) != want {
			t.Fatalf("the WebSocket heard %q, and %s was due", m.Data, want)
		}
	}
	for i := range robinNumbers {
		n.send(t, false, "socket-"+strconv.Itoa(i))
	}
	due := newNumberedTimes(robinNumbers, "socket")
	for done := false; !done; {
		e, ok := a.saw.next()
		if !ok {
			t.Fatalf("it heard no more, and what is due is %v", due.next)
		}
		var text string
		if e.Event == "message" && e.Channel == channel && json.Unmarshal(e.Data, &text) == nil {
			done = due.take(t, a.conn, text)
		}
	}
}

// robinPieSocket has a WebSocket of PieSocket and one of the channel, at different nodes, send
// each other numbers.
func robinPieSocket(t *testing.T, host string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := ws.Dial(ctx, "ws://"+host+"/v3/robin-pie?api_key="+appKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	pie, n := newNear(t, conn), bare(t, host, "robin-pie", "?self=0")
	for i := range robinNumbers {
		want := strconv.Itoa(i)
		n.send(t, false, want)
		for { // it begins with what PieSocket says of itself
			m, ok := pie.messages.next()
			if !ok {
				t.Fatalf("PieSocket heard no more, and %d was due", i)
			}
			if text := string(m.Data); text == want {
				break
			} else if i > 0 || !strings.Contains(text, "system") {
				t.Fatalf("PieSocket heard %s, and %d was due", text, i)
			}
		}
		pie.send(t, false, "pie-"+want)
		if m, ok := n.messages.next(); !ok || string(m.Data) != "pie-"+want {
			t.Fatalf("the WebSocket heard %q, and pie-%d was due", m.Data, i)
		}
	}
}

// same is a message as it was sent.
func same(data string) string { return data }
