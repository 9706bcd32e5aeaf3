package transport

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// edges are the ways in which a client uses a channel.
var edges = []string{WebSocket, SSE, NDJSON, LongPoll, Page, Post}

// TestNobodyElseNotices has the broker keep everything in one channel waiting, one
// thing after another, while a client of another channel has its round trips: what
// blocked its caller there would block a loop, and with it everybody. The dialogue
// broker-slow says the same without carriers, to the moment.
func TestNobodyElseNotices(t *testing.T) {
	for i := range carriers {
		carrier := &carriers[i]
		for _, edge := range edges {
			t.Run(carrier.name+"/"+edge, func(t *testing.T) {
				carrier.skipInShort(t)
				s := &script{file: "slow", acts: []act{{verb: verbOpens, kind: edge}}}
				if why := carrier.cannot(s); why != "" {
					t.Skip(why)
				}
				play := func(t *testing.T) {
					p := newPlayer(t, s, false)
					stage := &carriedStage{t: t, carrier: carrier, venue: carrier.serve(t, p.hub, Options{Logger: quiet()})}
					p.stage = stage
					defer stage.finish(p)
					n := &neighbours{player: p, stage: stage, edge: edge, steady: SSE}
					if carrier.cannot(&script{acts: []act{{verb: verbOpens, kind: WebSocket}}}) == "" {
						n.steady = WebSocket
					}
					n.play()
				}
				if carrier.isVirtual {
					synctest.Test(t, play)
				} else {
					play(t)
				}
			})
		}
	}
}

// neighbours are clients of a slow channel and of a quick one.
type neighbours struct {
	*player
	stage  *carriedStage
	edge   string
	steady string // what stays, whatever the edge: a WebSocket if there are any
	trips  int
}

// crowd is more clients than there are goroutines for the calls of one channel,
// which are callsAtOnce.
const (
	crowd       = 20
	callsAtOnce = 16
)

func (n *neighbours) play() {
	t := n.t
	trip := n.quick()
	trip()

	// They subscribe, read a page or publish.
	n.hold("")
	steady := n.open(n.steady, "/channels/slow")
	n.broker.await(t, "held listen", 1)
	users := n.crowd("/channels/slow")
	switch n.edge {
	case LongPoll, Page:
		n.broker.await(t, "held history", callsAtOnce-1) // besides Listen
	case Post:
		n.broker.await(t, "held publish", crowd)
	}
	trip()
	n.broker.letGo(false, false)
	n.hears(steady, "is open")

	// They have the history replayed, they publish, and half of them leave before they
	// are answered.
	published, read := n.broker.counted("held publish"), n.broker.counted("held history")
	n.hold("")
	n.publish(steady)
	n.broker.await(t, "held publish", published+crowd)
	users = append(users, n.crowd("/channels/slow?last=5")...)
	if n.edge != Post {
		n.broker.await(t, "held history", read+callsAtOnce)
	}
	trip()
	for _, u := range users[:len(users)/2] {
		u.leave()
	}
	trip()
	n.broker.letGo(false, false)

	// The last one leaves, and one comes while the broker is still asked to mute.
	n.hold("mute")
	for _, u := range append(users[len(users)/2:], steady) {
		u.leave()
	}
	n.broker.await(t, "held mute", 1)
	trip()
	late := n.open(n.steady, "/channels/slow")
	if !n.stage.isVirtual() {
		until(t, "subscribed", func() bool { return n.stage.countMembers("/channels/slow") == 1 })
	}
	trip()
	n.broker.letGo(false, false)
	n.hears(late, "is open")
	for _, method := range brokerMethods {
		if given := n.broker.counted("gave up " + method); given > 0 {
			t.Errorf("%d calls of %s ended with their time, and not because they were let go", given, method)
		}
	}
}

func (n *neighbours) hold(method string) {
	n.broker.make(trouble{method: method, channel: "slow", isHeld: true})
}

// open has a client begin at an edge.
func (n *neighbours) open(edge, path string) client {
	a := &act{verb: verbOpens, kind: edge, path: path}
	switch edge {
	case LongPoll:
		a.verb, a.kind, a.fields = verbGets, "", fields{"Prefer", "wait=60"}
	case Page:
		a.verb, a.kind = verbGets, ""
	case Post:
		a.verb, a.kind, a.data = verbPosts, "", "slowly"
	}
	return n.stage.open(a)
}

func (n *neighbours) crowd(path string) (users []client) {
	for range crowd {
		users = append(users, n.open(n.edge, path))
	}
	return users
}

// publish has a crowd of messages published, over a WebSocket if there is one.
func (n *neighbours) publish(c client) {
	for range crowd {
		if n.steady == WebSocket {
			c.say(false, "slowly")
		} else {
			n.open(Post, "/channels/slow")
		}
	}
}

// hears reads lines until one has want in it.
func (n *neighbours) hears(c client, want string) {
	n.t.Helper()
	for {
		lines := c.hear(1)
		if len(lines) == 0 {
			n.t.Fatalf("%q is not heard", want)
		}
		if strings.Contains(lines[0], want) {
			return
		}
	}
}

// quick opens a client of the quick channel and returns its round trip: to publish
// something, and to hear of it.
func (n *neighbours) quick() func() {
	const path = "/channels/quick"
	var c client
	if n.edge == WebSocket || n.edge == SSE || n.edge == NDJSON {
		c = n.open(n.edge, path)
		n.hears(c, "is open")
	}
	post := func(data string) {
		n.hears(n.stage.open(&act{verb: verbPosts, path: path, data: data}), "201")
	}
	return func() {
		n.t.Helper()
		n.trips++
		data := fmt.Sprint("trip ", n.trips)
		began := time.Now()
		switch n.edge {
		case WebSocket:
			c.say(false, data)
			n.hears(c, data)
		case SSE, NDJSON:
			post(data)
			n.hears(c, data)
		case LongPoll:
			poll := n.open(LongPoll, path)
			until(n.t, "subscribed", func() bool { return n.stage.countMembers(path) == 1 })
			post(data)
			n.hears(poll, data)
			until(n.t, "gone", func() bool { return n.stage.countMembers(path) == 0 })
		case Page:
			post(data)
			n.hears(n.open(Page, path+"?last=1"), data)
		case Post:
			post(data)
		}
		if took := time.Since(began); n.stage.isVirtual() && took != 0 {
			n.t.Errorf("round trip %d took %v", n.trips, took)
		}
	}
}
