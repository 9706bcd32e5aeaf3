package transport

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// What a WebSocket client, or code of the application, may do to a channel. The
// table in docs/hazards.md says which test is for what.

// panicking is a broker that panics where it is told to.
type panicking struct {
	hub.Broker
	publish, history atomic.Bool
}

func (p *panicking) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	if p.publish.Swap(false) {
		panic("a bug in Publish")
	}
	p.Broker.Publish(m, r, to, ticket)
}

func (p *panicking) IsImmediate() bool { return true }

func (p *panicking) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if p.history.Swap(false) {
		panic("a bug in History")
	}
	return p.Broker.History(ctx, channel, q)
}

// Code of the application that panics, in the goroutine that reads or in the one
// that writes, ends the connection it was called for with 1011, and nothing else.
func TestPanicClosesWith1011(t *testing.T) {
	var published, delivered atomic.Bool
	broker := &panicking{Broker: newBroker()}
	s := newSite(t, siteOptions{broker: broker, hub: hub.Options{Observer: &hub.Observer{
		Published: func(string, int, time.Duration) {
			if published.Swap(false) {
				panic("a bug in Published")
			}
		},
	}}, transport: Options{Observer: &Observer{
		Delivered: func(string, int, int, time.Duration) {
			if delivered.Swap(false) {
				panic("a bug in Delivered")
			}
		},
	}}})
	other := s.socket("/channels/other")
	check := func(name string, c *socketClient) {
		t.Helper()
		c.expectClose(1011, "internal error")
		other.send(text, name)
		other.expect(text, name)
		// A connection that comes afterwards is served.
		again := s.socket("/channels/chat")
		again.send(text, "again")
		again.expect(text, "again")
		if err := again.conn.Close(1000, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	c := s.socket("/channels/chat")
	broker.publish.Store(true)
	c.send(text, "x")
	check("the broker, while reading", c)

	c = s.socket("/channels/chat")
	published.Store(true)
	c.send(text, "x")
	check("the observer, while reading", c)

	// The history is asked for before the handshake is answered, so there is no
	// connection yet that could be told.
	broker.history.Store(true)
	if _, _, err := s.trySocket("/channels/chat?since=some:1"); err == nil {
		t.Error("a handshake is accepted whose history panics")
	}
	other.send(text, "after it")
	other.expect(text, "after it")

	c = s.socket("/channels/chat")
	delivered.Store(true)
	s.publish("chat", hub.Text, "x")
	check("the observer, while writing", c)

	if err := other.conn.Close(1000, ""); err != nil {
		t.Error(err)
	}
	s.expectGone()
}

// rawSocket upgrades a connection by hand.
func (s *site) rawSocket(path, early string) (*wstest.Peer, *http.Response) {
	s.t.Helper()
	conn := s.dial()
	request := "GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request+early); err != nil {
		s.t.Fatal(err)
	}
	// Read to the end of the head and no further.
	var head []byte
	for one := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one...) {
		if _, err := conn.Read(one); err != nil {
			s.t.Fatalf("after %q: %v", head, err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return wstest.NewPeer(s.t, conn, true), response
}

// What fails is not published, no matter how much of it was right: a subscriber
// sees what came before, and never a part of the message at fault.
func TestNothingOfAFailedMessageIsPublished(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{BodyBytesMax: 1000}})
	for i, v := range []struct {
		name string
		code int
		send func(p *wstest.Peer)
	}{
		{"invalid text", 1007, func(p *wstest.Peer) { p.Text("tainted\xff") }},
		{"invalid text in the last fragment", 1007, func(p *wstest.Peer) {
			p.Send(false, wire.Text, "tainted")
			p.Send(true, wire.Continuation, "\xff")
		}},
		{"a character that is cut", 1007, func(p *wstest.Peer) { p.Text("tainted\xe2\x82") }},
		{"too long", 1009, func(p *wstest.Peer) { p.Text(strings.Repeat("tainted", 200)) }},
		{"too long in all", 1009, func(p *wstest.Peer) {
			p.Send(false, wire.Text, strings.Repeat("tainted", 100))
			p.Send(true, wire.Continuation, strings.Repeat("tainted", 100))
		}},
		{"a new message in a message", 1002, func(p *wstest.Peer) {
			p.Send(false, wire.Text, "tainted")
			p.Text("tainted")
		}},
		{"not masked", 1002, func(p *wstest.Peer) { p.Raw(wire.AppendFrame(nil, true, wire.Text, []byte("tainted"))) }},
		{"a reserved bit", 1002, func(p *wstest.Peer) {
			b := wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{}, []byte("tainted"))
			b[0] |= 0x40
			p.Raw(b)
		}},
	} {
		channel := fmt.Sprintf("failed/%d", i)
		p, response := s.rawSocket("/channels/"+channel, "")
		if response.StatusCode != 101 {
			t.Fatal(response.Status)
		}
		p.Text("before")
		p.Want(`text "before"`)
		v.send(p)
		if f, err := p.Receive(); err != nil || !strings.HasPrefix(f.String(), fmt.Sprintf("close %d ", v.code)) {
			t.Errorf("%s: %v, %v", v.name, f, err)
		}
		p.Hangup()
		s.expectEnd(EndRefused)
		if _, page := s.do("GET", "/channels/"+channel+"?last=10", nil, ""); strings.Count(page, `"data"`) != 1 || strings.Contains(page, "tainted") {
			t.Errorf("%s: published %s", v.name, page)
		}
	}
	s.expectGone()
}
