package piesocket

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// expect fails unless the client has heard exactly these lines.
func (s *stage) expect(name string, lines ...string) {
	s.t.Helper()
	if got := s.clients[name].take(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		s.t.Errorf("%s heard\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// An app that is full tells its clients nothing for a while, and then lets them come back.
func TestAppIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{Apps: apps(t, func(shop *app.App) { shop.ConnectionsMax = 1 })}, nil)
		defer s.hub.Close()
		defer s.end()
		s.open("A", "/v3/room?api_key=shop-key", "")
		s.open("B", "/v4/room?api_key=shop-key", "")
		s.expect("B")
		s.say("B", `{"event":"x","data":1}`)
		s.expect("A")
		<-time.After(3*time.Second - 1)
		s.settle()
		s.expect("B")
		<-time.After(1)
		s.settle()
		s.expect("B", "closed 4429 the app has as many connections as it may have")
		s.leave("B")
		if stats := s.apps.ByID("1").Stats(); stats.Connections != 1 || stats.Refused != 1 {
			t.Errorf("%+v", stats)
		}
		s.leave("A")
		s.open("C", "/v4/room?api_key=shop-key", "")
		s.expect("C", `{"event":"system::connected"}`)
	})
}

// What an app may not publish is not published, and the connection goes on.
func TestAppPublishesTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{Apps: apps(t, func(shop *app.App) { shop.PublicationsPerSecond, shop.PublicationBytesMax = 2, 30 })}, &hub.Options{PublicationBytesMax: 40})
		defer s.hub.Close()
		defer s.end()
		s.open("A", "/v3/room?api_key=shop-key&notify_self=1", "")
		s.open("B", "/v4/room?api_key=shop-key", "")
		s.expect("B", `{"event":"system::connected"}`)
		tooLong := `{"event":"x","data":"` + strings.Repeat("x", 8) + `"}`
		s.say("A", tooLong[:28]+`"}`)
		s.expect("A", tooLong[:28]+`"}`)
		s.say("A", tooLong)
		s.expect("A", `{"event":"system:error","data":"the message has 31 bytes, and at most 30 are possible in this app; it was not published"}`)
		s.say("B", "second")
		s.say("B", "third")
		s.expect("B", tooLong[:28]+`"}`, `{"event":"system::error","data":"the app publishes more than it may; this was not published"}`)
		s.expect("A", "second")
		<-time.After(500 * time.Millisecond)
		s.say("B", "fourth")
		s.expect("A", "fourth")
		s.leave("A")
		s.leave("B")
		if stats := s.apps.ByID("1").Stats(); stats.Published != 3 || stats.Limited != 1 || stats.Delivered != 4 {
			t.Errorf("%+v", stats)
		}
	})
}

// What the hub refuses is told, too.
func TestHubRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{}, &hub.Options{PublicationBytesMax: 4, SubscriptionsMax: 1})
		defer s.hub.Close()
		defer s.end()
		s.open("A", "/v4/room?api_key=shop-key", "")
		s.say("A", "12345")
		s.say("A", `{"event":"system::subscribe","data":{"channel":"more"}}`)
		s.say("A", `{"event":"system::subscribe","data":{"channel":"more"}}`)
		tooMany := `{"event":"system::subscribe_error","data":{"channel":"more","error":"session has too many subscriptions"}}`
		s.expect("A", `{"event":"system::connected"}`, `{"event":"system::error","data":"publication too large: 5 bytes, at most 4 are allowed"}`, tooMany, tooMany)
	})
}

// Clients that come back at once are accepted later, each app and address by itself.
func TestReturnsAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{}, nil)
		delay := func(key, address string) time.Duration {
			return s.protocol.returns.delay(key, netip.MustParseAddr(address), time.Now())
		}
		for i := range acceptedBurst {
			if d := delay("k", "192.0.2.1"); d != 0 {
				t.Fatalf("number %d waits %v", i+1, d)
			}
		}
		if d := delay("k", "::ffff:192.0.2.1"); d != 1500*time.Millisecond {
			t.Errorf("the next one waits %v", d)
		}
		for _, other := range [][2]string{{"k", "192.0.2.2"}, {"l", "192.0.2.1"}, {"k", "127.0.0.1"}, {"k", "::1"}} {
			if d := delay(other[0], other[1]); d != 0 {
				t.Errorf("%v waits %v", other, d)
			}
		}
		<-time.After(time.Second / acceptedPerSecond)
		if d := delay("k", "192.0.2.1"); d != 0 {
			t.Errorf("later it waits %v", d)
		}
		for range acceptedBurst + 1 {
			_ = delay("k", "127.0.0.1")
		}
		if d := delay("k", "127.0.0.1"); d != 0 {
			t.Errorf("this machine waits %v", d)
		}

		for range acceptedBurst {
			_ = delay("shop-key", "192.0.2.9")
		}
		s.open("A", "/v4/room?api_key=shop-key", "192.0.2.9:1234")
		s.expect("A")
		if n := s.apps.ByID("1").Stats().Connections; n != 0 {
			t.Errorf("%d connections count before they are accepted", n)
		}
		<-time.After(1500 * time.Millisecond)
		s.settle()
		s.expect("A", `{"event":"system::connected"}`)
		s.end()
		_ = s.hub.Close()
	})
}

// A replay is an extension of version 3.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{}, nil)
		defer s.hub.Close()
		defer s.end()
		var second hub.Position
		for i := range 3 {
			pos, _, err := s.hub.Publish(t.Context(), hub.Message{Channel: "shop/room", Data: fmt.Append(nil, i)})
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				second = pos
			}
		}
		s.open("A", "/v3/room?api_key=shop-key&last=2", "")
		s.expect("A", "1", "2")
		s.open("B", "/v3/room?api_key=shop-key&since="+second.String(), "")
		s.expect("B", "2")
	})
}

// A session that ends takes what the client may know with it: an error where it is not to
// come back, and none where it is.
func TestEnd(t *testing.T) {
	for name, c := range map[string]struct {
		why  error
		want []string
	}{
		"for good": {&hub.Ended{Code: 4403, Reason: "banned"}, []string{`{"error":"banned"}`, "closed 4403 banned"}},
		"for now":  {&hub.Ended{Code: 4000, Reason: "elsewhere", Reconnect: true}, []string{"closed 4000 elsewhere"}},
		"slow":     {hub.ErrSlow, []string{"closed 4507 too slow"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, &Options{}, nil)
				defer s.hub.Close()
				defer s.end()
				s.open("A", "/v3/room?api_key=shop-key", "")
				for _, session := range s.hub.Sessions() {
					session.End(c.why)
				}
				s.settle()
				s.expect("A", c.want...)
			})
		})
	}
}

// A channel with a thousand watchers is told in as many frames as there are watchers,
// and in version 3 no list is longer than its bound.
func TestPresenceOfManyMembers(t *testing.T) {
	members := 1000
	if testing.Short() {
		members = 300 // more than a list has
	}
	for _, version := range []int{3, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, &Options{}, nil)
			defer s.hub.Close()
			defer s.end()
			for i := range members {
				r := fmt.Sprintf("/v%d/presence-room?api_key=shop-key&uuid=u%d", version, i)
				s.open(fmt.Sprint("c", i), r, "")
			}
			for isQuiet := false; !isQuiet; {
				<-time.After(3 * time.Second)
				s.settle()
				isQuiet = true
				for _, c := range s.clients {
					isQuiet = len(c.take()) == 0 && isQuiet
				}
			}
			s.open("last", fmt.Sprintf("/v%d/presence-room?api_key=shop-key&uuid=last", version), "")
			<-time.After(2 * time.Second)
			s.settle()
			bytes := 0
			for name, c := range s.clients {
				heard := c.take()
				if name == "last" {
					continue
				}
				if len(heard) != 1 || !strings.Contains(heard[0], `"member":{"uuid":"last"`) || version == 3 && !strings.Contains(heard[0], fmt.Sprintf(`"count":%d`, members+1)) {
					t.Fatalf("%s heard %d: %.200s", name, len(heard), strings.Join(heard, "\n"))
				}
				if version == 3 && !strings.Contains(heard[0], `"uuid":"u`+name[1:]+`"`) {
					t.Fatalf("%s is not in its own list", name)
				}
				bytes = max(bytes, len(heard[0]))
			}
			if most := map[int]int{3: 201*40 + 200, 4: 150}[version]; bytes > most {
				t.Errorf("version %d: a frame has %d bytes, and %d are the most", version, bytes, most)
			}
		})
	}
}

// No message of a client breaks a socket, and all that it sends is a frame of JSON or what
// somebody has sent.
func FuzzReceive(f *testing.F) {
	for _, text := range []string{
		`{"event":"x","data":1}`, `{"event":"system::subscribe","data":{"channel":"a","presence":1,"uuid":"u","jwt":null,"user":{"a":1}}}`,
		`{"event":"system::unsubscribe","data":{"channel":"a"}}`, `{"event":"system::get_members","data":{"channel":"room"}}`,
		`{"system::channel":"room","system::to":"ann","event":"e"}`, "text", `[1]`, `{"event":"system::subscribe","data":[]}`,
	} {
		f.Add(text, false, true)
		f.Add(text, true, false)
	}
	shop := app.App{ID: "1", Key: "shop-key", Secret: []byte(secret), Prefix: "shop/"}
	f.Fuzz(func(t *testing.T, text string, binary, isNew bool) {
		made, err := app.New([]app.App{shop})
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewProtocol(&Options{Apps: made})
		if err != nil {
			t.Fatal(err)
		}
		version := 3
		if isNew {
			version = 4
		}
		s := &Socket{protocol: p, app: made.ByID("1"), version: version, uuid: "u"}
		var refused *refusal
		if s.primary, refused = s.newChannel(&asked{name: "room", user: "ann"}, start); refused != nil {
			t.Fatal(refused)
		}
		var out dialect.Effects
		s.Begin(start, &out)
		s.Opened("session")
		for range 3 {
			s.Receive(start, dialect.Frame{Binary: binary, Data: []byte(text)}, &out)
		}
		var pushes []hub.Push
		for _, c := range out.Commands {
			if c.Action != 0 && (c.As == nil || c.As.Name != "shop-key") {
				t.Fatalf("a command as nobody of the app: %+v", c)
			}
			if c.Channel != "" && !strings.HasPrefix(c.Channel, "shop/") {
				t.Fatalf("a command for the channel %q", c.Channel)
			}
			switch c.Kind {
			case hub.CommandPublish:
				pushes = append(pushes, hub.Push{Channel: c.Channel, Delivery: &hub.Delivery{Publication: &hub.Publication{
					Channel: c.Channel, Kind: c.Message.Kind, Data: c.Message.Data, Attributes: c.Message.Attributes,
				}}})
			case hub.CommandPresence:
				pushes = append(pushes, hub.Push{Channel: c.Channel, Outcome: &hub.Outcome{Tag: c.Tag, Command: c.Kind, Channel: c.Channel, Roster: &hub.Roster{}}})
			default:
				pushes = append(pushes, hub.Push{Channel: c.Channel, Outcome: &hub.Outcome{Tag: c.Tag, Command: c.Kind, Channel: c.Channel}})
			}
		}
		s.Push(start, pushes, &out)
		s.End(hub.ErrShutdown, &out)
		s.Left()
		if n := made.ByID("1").Stats().Connections; n != 0 {
			t.Fatalf("%d connections are left", n)
		}
	})
}

var _ transport.Protocol = (*Protocol)(nil)
