package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// socketClient is a WebSocket client of a site.
type socketClient struct {
	t    *testing.T
	conn *ws.Conn
	ctx  context.Context
}

func (s *site) socket(path string) *socketClient {
	s.t.Helper()
	c, response, err := s.trySocket(path)
	if err != nil {
		s.t.Fatalf("%s: %v (%v)", path, err, response)
	}
	return c
}

func (s *site) trySocket(path string) (*socketClient, *http.Response, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	conn, response, err := ws.Dial(ctx, s.server.URL+path, nil)
	if err != nil {
		return nil, response, err
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socketClient{s.t, conn, ctx}, response, nil
}

func (c *socketClient) send(typ ws.MessageType, data string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, typ, []byte(data)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socketClient) expect(typ ws.MessageType, data string) {
	c.t.Helper()
	gotType, got, err := c.conn.Read(c.ctx)
	if err != nil {
		c.t.Fatalf("waiting for %q: %v", data, err)
	}
	if gotType != typ || string(got) != data {
		c.t.Fatalf("received %v %q, want %v %q", gotType, got, typ, data)
	}
}

// expectClose reads the rest and checks the close frame.
func (c *socketClient) expectClose(code ws.StatusCode, reason string) {
	c.t.Helper()
	for {
		_, _, err := c.conn.Read(c.ctx)
		if err == nil {
			continue
		}
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
			c.t.Fatalf("ended with %v, want %d %q", err, code, reason)
		}
		return
	}
}

const (
	text   = ws.MessageText
	binary = ws.MessageBinary
)

func TestWebSocketRaw(t *testing.T) {
	s := newSite(t, siteOptions{})
	alice, bob := s.socket("/channels/chat"), s.socket("/channels/chat")
	quiet := s.socket("/channels/chat?self=0")
	elsewhere := s.socket("/channels/chat/2")

	both := func(typ ws.MessageType, data string) {
		t.Helper()
		alice.expect(typ, data)
		bob.expect(typ, data)
	}
	alice.send(text, "héllo")
	both(text, "héllo")
	quiet.expect(text, "héllo")
	bob.send(binary, "\x00\xff")
	both(binary, "\x00\xff")
	quiet.expect(binary, "\x00\xff")
	bob.send(text, "")
	both(text, "")
	quiet.expect(text, "")

	// Not its own, but everybody else's.
	quiet.send(text, "mine")
	both(text, "mine")
	s.publish("chat", hub.JSON, `{"a": 1}`)
	both(text, `{"a": 1}`) // as published
	quiet.expect(text, `{"a": 1}`)
	if r, body := s.do("POST", "/channels/chat", fields{"Content-Type", "text/plain"}, "posted"); r.StatusCode != 201 {
		t.Fatal(r.Status, body)
	}
	both(text, "posted")
	quiet.expect(text, "posted")

	// And nothing came from the other channel.
	s.publish("chat/2", hub.Text, "other")
	elsewhere.expect(text, "other")

	_, presence := s.do("GET", "/presence/chat", nil, "")
	golden.Compare(t, "testdata/presence.txt", s.normalise(presence))

	for _, c := range []*socketClient{alice, bob, quiet, elsewhere} {
		if err := c.conn.Close(ws.StatusNormal, ""); err != nil {
			t.Error(err)
		}
		s.expectEnd(EndClient)
	}
	s.expectGone()
}

func TestWebSocketReplay(t *testing.T) {
	tests := []struct {
		query string
		want  []string
	}{
		{"", nil},
		{"?last=0", nil},
		{"?last=2", []string{"3", "4"}},
		{"?last=100", []string{"1", "2", "3", "4"}},
		{"?since=EPOCH:2", []string{"3", "4"}},
		{"?since=EPOCH:4", nil},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			s := newSite(t, siteOptions{})
			s.count("chat", 4)
			c := s.socket("/channels/chat" + strings.ReplaceAll(test.query, "EPOCH", s.epoch()))
			for _, want := range test.want {
				c.expect(text, want)
			}
			c.send(text, "live")
			c.expect(text, "live")
		})
	}
}

func TestWebSocketEnvelope(t *testing.T) {
	var all strings.Builder
	for _, query := range []string{"&last=1", "&since=EPOCH:2", "&since=EPOCH:1", "&since=other:1", ""} {
		s := newSite(t, siteOptions{hub: keepTwo})
		s.count("chat", 4)
		c, response, err := s.trySocket("/channels/chat?envelope=1" + strings.ReplaceAll(query, "EPOCH", s.epoch()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "> ?envelope=1%s\n< Godwit-Position: %s\n", query, s.normalise(response.Header.Get("Godwit-Position")))
		showUntil := func(last string) {
			for message := ""; !strings.Contains(message, last); {
				typ, data, err := c.conn.Read(c.ctx)
				if err != nil || typ != text {
					t.Fatal(typ, err)
				}
				message = string(data)
				fmt.Fprintf(&all, "< %s\n", s.normalise(message))
			}
		}
		if query != "" {
			// The replay first, for one more publication pushes what it has not
			// read out of a history of two.
			showUntil(`"data":"4"`)
		}
		c.send(binary, "\x01")
		showUntil("data_base64")
	}
	golden.Compare(t, "testdata/websocket-envelope.txt", all.String())
}

func TestWebSocketLost(t *testing.T) {
	s := newSite(t, siteOptions{hub: keepTwo})
	s.count("chat", 5)
	for _, since := range []string{s.epoch() + ":1", "other:1"} {
		c := s.socket("/channels/chat?since=" + since)
		c.expectClose(4410, "position lost")
		s.expectEnd(EndLost)
	}
	s.expectGone()
}

func TestWebSocketLimits(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{BodyBytesMax: 100}, hub: hub.Options{PublicationBytesMax: 100}})
	c := s.socket("/channels/chat")
	c.send(text, strings.Repeat("x", 100))
	c.expect(text, strings.Repeat("x", 100))
	_ = c.conn.Write(c.ctx, text, []byte(strings.Repeat("x", 101)))
	_, _, err := c.conn.Read(c.ctx)
	if code := ws.CloseStatus(err); code != wire.CloseMessageTooBig {
		t.Errorf("a message over the limit ends with %v", err)
	}
	s.expectEnd(EndRefused)

	// A hub that takes less than the Transport lets in.
	s = newSite(t, siteOptions{hub: hub.Options{PublicationBytesMax: 10}})
	c = s.socket("/channels/chat")
	c.send(text, "12345678901")
	_, _, err = c.conn.Read(c.ctx)
	if code := ws.CloseStatus(err); code != wire.CloseMessageTooBig {
		t.Errorf("a publication over the hub's limit ends with %v", err)
	}
	s.expectEnd(EndRefused)
	s.expectGone()
}

// faulty is a broker that fails where it is told to.
type faulty struct {
	hub.Broker
	publish, listen, history error
}

func (f *faulty) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	if f.publish != nil {
		to.Published(ticket, hub.Published{Err: f.publish})
		return
	}
	f.Broker.Publish(m, r, to, ticket)
}

func (f *faulty) Listen(ctx context.Context, channel string) (hub.Position, error) {
	if f.listen != nil {
		return hub.Position{}, f.listen
	}
	return f.Broker.Listen(ctx, channel)
}

func (f *faulty) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if f.history != nil {
		return hub.Page{}, f.history
	}
	return f.Broker.History(ctx, channel, q)
}

var errBroken = errors.New("broken on purpose")

func TestWebSocketBrokerFails(t *testing.T) {
	s := newSite(t, siteOptions{broker: &faulty{Broker: newBroker(), publish: errBroken}})
	c := s.socket("/channels/chat")
	c.send(text, "x")
	c.expectClose(ws.StatusInternalError, "could not publish")
	s.expectEnd(EndFailure)

	s = newSite(t, siteOptions{broker: &faulty{Broker: newBroker(), history: errBroken}})
	c = s.socket("/channels/chat?since=some:1&envelope=1")
	if _, message, err := c.conn.Read(c.ctx); err != nil || !strings.Contains(string(message), `"is":true`) {
		t.Errorf("who is behind hears %s, %v", message, err)
	}
	c.conn.Close(ws.StatusNormal, "")
	s.expectEnd(EndClient)

	s = newSite(t, siteOptions{broker: &faulty{Broker: newBroker(), listen: errBroken}})
	_, response, err := s.trySocket("/channels/chat")
	if err == nil || response == nil || response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !response.Close {
		t.Errorf("a subscription that fails is answered with %v, %v", response, err)
	}
	s.expectGone()
}

func TestWebSocketShutdown(t *testing.T) {
	s := newSite(t, siteOptions{})
	idle, busy := s.socket("/channels/chat"), s.socket("/channels/chat?envelope=1")
	done := make(chan error, 1)
	go func() { done <- s.hub.Shutdown(idle.ctx) }()
	idle.expectClose(ws.StatusGoingAway, "going away")
	busy.expectClose(ws.StatusGoingAway, "going away")
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.expectEnd(EndShutdown)
	s.expectEnd(EndShutdown)
	_, response, err := s.trySocket("/channels/chat")
	if err == nil || response == nil || response.StatusCode != 503 || !response.Close {
		t.Errorf("during shutdown an upgrade is answered with %v, %v", response, err)
	}
	s.expectGone()
}

// What was published is never missed by a client that has seen its WebSocket open.
func TestWebSocketIsSubscribedWhenOpen(t *testing.T) {
	s := newSite(t, siteOptions{})
	for i := range 50 {
		channel := fmt.Sprintf("open/%d", i)
		c := s.socket("/channels/" + channel)
		s.publish(channel, hub.Text, "at once")
		c.expect(text, "at once")
		_ = c.conn.CloseNow()
	}
	s.expectGone()
}
