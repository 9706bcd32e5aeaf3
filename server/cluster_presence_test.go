package server

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/ws"
)

// present is what GET /presence/NAME says.
type present struct {
	Count       int `json:"count"`
	Users       int `json:"users"`
	Connections []struct {
		ID string `json:"id"`
	} `json:"connections"`
	Members []struct {
		User     string `json:"user"`
		Sessions int    `json:"sessions"`
	} `json:"members"`
}

func (r *running) presence(t *testing.T, channel string) (p present) {
	t.Helper()
	a := r.do(t, "GET", "/presence/"+channel, "")
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.StatusCode != 200 {
		t.Fatalf("%s %s: %v", a.Status, a.body, err)
	}
	return p
}

// members waits until so many are in a channel, as a server says.
func (s *several) members(one *running, channel string, want int) present {
	s.t.Helper()
	var p present
	eventually(s.t, func() string {
		if p = one.presence(s.t, channel); p.Count != want || len(p.Connections) != want {
			return fmt.Sprintf("%q has the members %+v, want %d", channel, p, want)
		}
		return ""
	})
	return p
}

// joinsSoon has joins and leaves told in a tenth of the time that they are collected for by default.
func joinsSoon(t *testing.T) func(int, *Config) {
	return func(_ int, c *Config) {
		c.Channels = []ChannelPolicy{{Match: pattern(t, "**"), Joins: DefaultJoins / 10}}
	}
}

// TestClusterPresence: the members of a channel are the same whichever node is asked, by whatever
// interface, and a client that watches is told what happens on the others. A node that goes away
// takes its members along.
func TestClusterPresence(t *testing.T) {
	t.Parallel() // nodes are given time to be heard again
	s := startSeveral(t, 3, joinsSoon(t))
	a, b, c := s.all[0], s.all[1], s.all[2]
	s.read(a, "chat")
	s.read(b, "chat")
	gone := s.read(b, "chat")
	first := s.members(a, "chat", 3)
	for i, one := range []*running{b, c} {
		if p := s.members(one, "chat", 3); fmt.Sprint(p.Connections) != fmt.Sprint(first.Connections) {
			t.Errorf("node %d says %+v, and node 0 %+v", i+1, p.Connections, first.Connections)
		}
	}
	if p := c.do(t, "GET", "/presence/chat?count=1", ""); !strings.Contains(p.body, `"count":3`) {
		t.Errorf("the count on node 2 is %s", p.body)
	}
	if p := c.do(t, "GET", "/api/v1/channels/chat/presence?limit=2", ""); !strings.Contains(p.body, `"count":3`) || !strings.Contains(p.body, first.Connections[1].ID) || !strings.Contains(p.body, `"cursor"`) {
		t.Errorf("the API of node 2 says %s", p.body)
	}

	client := pie(t, c, "/connect")
	expectText(t, "connected", says(t, client, `{"id":1,"connect":{}}`), `"session"`)
	expectText(t, "subscribed", says(t, client, `{"id":2,"subscribe":{"channel":"chat","presence":true}}`), `"count":4`)
	expectText(t, "the members", says(t, client, `{"id":3,"presence":{"channel":"chat"}}`), `"count":4`)
	if err := gone.body.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	expectText(t, "somebody left node 1", hears(t, client), `"leave"`)
	s.read(b, "chat")
	expectText(t, "somebody came to node 1", hears(t, client), `"join"`)

	if testing.Short() {
		return // others wait seven seconds for a node that is not heard any more
	}
	b.node.Close() // it does not say goodbye
	heard := hears(t, client)
	if !strings.Contains(heard, `"leave"`) || strings.Count(heard, `"id"`) != 2 {
		t.Errorf("after the end of node 1 the client hears %s", heard)
	}
	s.members(a, "chat", 2)
	s.members(c, "chat", 2)
}

// pusherMember subscribes a user to a presence channel of Pusher, and returns the answer.
func pusherMember(t *testing.T, s *running, channel, user string) (conn *ws.Conn, answer string) {
	t.Helper()
	conn = pie(t, s, "/app/app-key?protocol=7&client=js")
	socket := socketIDs.FindString(hears(t, conn))
	data, err := json.Marshal(map[string]any{"user_id": user})
	if err != nil {
		t.Fatal(err)
	}
	subscribe, err := json.Marshal(map[string]any{"event": "pusher:subscribe", "data": map[string]string{
		"channel": channel, "auth": protocol.AuthSubscription("app-key", "app-secret", socket, channel, string(data)), "channel_data": string(data),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return conn, says(t, conn, string(subscribe))
}

// TestClusterPresenceOfPusher: a presence channel of Pusher is one channel over all nodes, with
// member_added and member_removed once for each user.
func TestClusterPresenceOfPusher(t *testing.T) {
	t.Parallel() // nodes are given time to be heard again
	s := startSeveral(t, 2, nil)
	a, b := s.all[0], s.all[1]
	ann, answer := pusherMember(t, a, "presence-room", "ann")
	expectText(t, "ann alone", answer, `\"count\":1`)
	bob, answer := pusherMember(t, b, "presence-room", "bob")
	expectText(t, "bob on the other node", answer, `\"count\":2`)
	expectText(t, "who is there", answer, `\"ann\"`)
	expectText(t, "ann is told of bob", hears(t, ann), `"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"bob\"`)
	again, answer := pusherMember(t, a, "presence-room", "ann")
	expectText(t, "ann again", answer, `\"count\":2`)
	expectText(t, "who is there", answer, `\"bob\"`)

	cid, _ := pusherMember(t, a, "presence-room", "cid")
	expectText(t, "bob is told of cid and nobody else", hears(t, bob), `"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":\"cid\"`)
	if testing.Short() {
		return // what follows waits for two more windows of joins, a second each
	}
	if err := again.Close(1000, ""); err != nil {
		t.Fatal(err)
	}
	if err := cid.Close(1000, ""); err != nil {
		t.Fatal(err)
	}
	expectText(t, "bob is told that cid has left, and not ann", hears(t, bob), `member_removed","channel":"presence-room","data":"{\"user_id\":\"cid\"`)
	pusherMember(t, b, "presence-room", "dan")
	expectText(t, "bob is told of dan next", hears(t, bob), `member_added","channel":"presence-room","data":"{\"user_id\":\"dan\"`)
}
