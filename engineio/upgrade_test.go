package engineio_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestUpgrade(t *testing.T) {
	sockets := make(chan *engineio.Socket, 1)
	onBoth(t, engineio.Options{}, hooks{open: func(s *engineio.Socket) { sockets <- s }}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		one := next(t, sockets)
		c := s.dial(t, socket4+"&sid="+sid)
		c.say("2probe")
		c.hears("3probe")
		s.hears(t, sid, "6")
		s.post(t, sid, "4over polling")
		s.hears(t, sid, "4over polling")
		s.post(t, sid, "4one\x1ebAg==")
		c.say("5")
		c.hears("4one")
		c.hearsBytes(2)
		if one.Transport() != engineio.WebSocket {
			t.Error(one.Transport())
		}
		if a := s.poll(t, sid); a.status != 400 || a.body != `{"code":3,"message":"Bad request"}` {
			t.Errorf("%+v", a)
		}
		c.say("4three")
		c.hears("4three")
		other := s.dial(t, socket4+"&sid="+sid)
		other.ends()
		c.say("4four")
		c.hears("4four")
		if stats := s.server.Stats(); stats.Upgraded != 1 || stats.UpgradesFailed != 1 || stats.WebSocket != 1 || stats.Polling != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// A WebSocket that does not ask to take over is closed, and polling goes on.
func TestFailedUpgrades(t *testing.T) {
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		for _, says := range []string{"4hello", "abc", "2", "1"} {
			c := s.dial(t, socket4+"&sid="+sid)
			c.say(says)
			c.ends()
			s.post(t, sid, "4x")
			s.hears(t, sid, "4x")
		}
		c := s.dial(t, socket4+"&sid="+sid)
		c.say("2probe")
		c.hears("3probe")
		_ = c.CloseNow()
		for s.server.Stats().UpgradesFailed < 5 { // until the server has noticed
			s.post(t, sid, "4x")
			s.hears(t, sid, "4x")
		}
		c = s.dial(t, socket4+"&sid="+sid)
		c.say("2probe")
		c.hears("3probe")
		second := s.dial(t, socket4+"&sid="+sid)
		second.ends()
		c.say("5")
		c.say("4x")
		c.hears("4x")
	})
}

// Numbered messages go both ways while the session moves: none is lost, doubled or out of
// order.
func TestUpgradeInTraffic(t *testing.T) {
	messages := 3000
	if testing.Short() {
		messages = 600
	}
	heard := make(chan error, 1)
	h := hooks{
		open: func(s *engineio.Socket) {
			s.SetValue(new(int))
			go func() { // the server speaks from elsewhere
				for i := range messages {
					if s.Write(engineio.MessageText, fmt.Append(nil, i)) != nil {
						return
					}
				}
			}()
		},
		message: func(s *engineio.Socket, _ engineio.MessageType, data []byte) {
			n := s.Value().(*int)
			if string(data) != fmt.Sprint(*n) {
				heard <- fmt.Errorf("got %s, want %d", data, *n)
			}
			if *n++; *n == messages {
				heard <- nil
			}
		},
	}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		for range 5 {
			sid, rest := s.open(t)
			c := &mover{site: s, sid: sid}
			c.take(t, rest)
			defer c.move(t, messages).CloseNow()
			if err := next(t, heard); err != nil {
				t.Fatal(err)
			}
			if c.heard != messages {
				t.Fatalf("the client has heard %d messages", c.heard)
			}
		}
	})
}

// mover is a client that moves from polling to a WebSocket.
type mover struct {
	site  *site
	sid   string
	heard int
	said  int
}

// take counts what the server says.
func (c *mover) take(t *testing.T, payload string) {
	for one := range strings.SplitSeq(payload, "\x1e") {
		if strings.HasPrefix(one, "4") {
			if one != fmt.Sprint("4", c.heard) {
				t.Errorf("got %q, want %d", one, c.heard)
			}
			c.heard++
		}
	}
}

// post says some messages over polling.
func (c *mover) post(t *testing.T, count int) {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteByte(0x1e)
		}
		fmt.Fprint(&b, "4", c.said)
		c.said++
	}
	if a, err := c.site.try(t.Context(), "POST", poll4+"&sid="+c.sid, b.String()); err != nil || a.status != 200 {
		t.Errorf("%+v, %v", a, err)
	}
}

// move says messages messages and hears as many, the first over polling.
func (c *mover) move(t *testing.T, messages int) *socket {
	stop := make(chan struct{})
	var poller sync.WaitGroup
	poller.Go(func() {
		for {
			a, err := c.site.try(t.Context(), "GET", poll4+"&sid="+c.sid, "")
			if err != nil || a.status != 200 {
				t.Errorf("%+v, %v", a, err)
				return
			}
			c.take(t, a.body)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	c.post(t, 500)
	socket := c.site.dial(t, socket4+"&sid="+c.sid)
	socket.say("2probe")
	socket.hears("3probe")
	c.post(t, 500)
	close(stop)
	poller.Wait()
	socket.say("5")
	var speaker sync.WaitGroup
	speaker.Go(func() {
		for ; c.said < messages; c.said++ {
			if err := socket.Write(context.Background(), ws.MessageText, fmt.Appendf(nil, "4%d", c.said)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for c.heard < messages {
		_, p := socket.next()
		c.take(t, string(p))
	}
	speaker.Wait()
	return socket
}
