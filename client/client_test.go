package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

var transports = []client.Transport{client.WebSocket, client.Stream, client.LongPoll}

// each runs a test over every transport.
func each(t *testing.T, f func(t *testing.T, o *client.Options)) {
	for _, transport := range transports {
		t.Run(string(transport), func(t *testing.T) {
			f(t, &client.Options{Transports: []client.Transport{transport}})
		})
	}
}

func TestChannels(t *testing.T) {
	each(t, func(t *testing.T, o *client.Options) {
		s := start(t, nil)
		remove, err := s.hub.Handle("math/double", func(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
			n, err := strconv.Atoi(string(c.Data))
			return hub.Answer{Kind: hub.JSON, Data: []byte(strconv.Itoa(2 * n))}, err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer remove()
		c := dial(t, s.url(), o)
		chat := subscribe(t, c, "chat", &client.SubscribeOptions{Presence: client.PresenceBySession})
		scores := subscribe(t, c, "scores/**", nil)
		began(t, chat)
		began(t, scores)

		for _, d := range []client.Data{client.Text("hi \"there\"\n"), client.JSON(map[string]int{"n": 1}), client.Binary([]byte{0, 255})} {
			p, err := c.Publish(t.Context(), "chat", d, &client.PublishOptions{Event: "said", Key: "k"})
			if err != nil {
				t.Fatal(err)
			}
			var m *client.Message
			for m == nil {
				m = next(t, chat).Message // members come, too
			}
			if m.Position != p.Position || m.Kind != d.Kind || string(m.Data) != string(d.Bytes) || m.Event != "said" || m.Key != "k" || m.Channel != "chat" {
				t.Errorf("%+v of %+v", m, d)
			}
		}
		again := client.PublishOptions{IdempotencyKey: "once"}
		first, err := c.Publish(t.Context(), "scores/final/a", client.Text("1:0"), &again)
		second, err2 := c.Publish(t.Context(), "scores/final/a", client.Text("1:0"), &again)
		if err != nil || err2 != nil || first.Position != second.Position || first.Duplicate || !second.Duplicate {
			t.Errorf("%+v %v, %+v %v", first, err, second, err2)
		}
		if m := message(t, scores); m.Channel != "scores/final/a" || string(m.Data) != "1:0" {
			t.Errorf("%+v", m)
		}
		page, err := c.History(t.Context(), "chat", client.HistoryQuery{Last: 2})
		if err != nil || len(page.Messages) != 2 || string(page.Messages[0].Data) != `{"n":1}` || page.Gap != nil {
			t.Errorf("%+v %v", page, err)
		}
		roster, err := c.Presence(t.Context(), "chat", client.PresenceQuery{})
		if err != nil || roster.Count != 1 || len(roster.Members) != 1 || roster.Members[0].ID != c.Status().Session {
			t.Errorf("%+v %v", roster, err)
		}
		answer, err := c.RPC(t.Context(), "math/double", client.JSON(21))
		if err != nil || string(answer.Bytes) != "42" {
			t.Errorf("%s %v", answer.Bytes, err)
		}
		var problem *client.Problem
		if _, err := c.RPC(t.Context(), "math/half", client.JSON(21)); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemMethodUnknown) {
			t.Errorf("%v", err)
		}
		if _, err := c.Publish(t.Context(), "a//b", client.Text(""), nil); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemChannelName) {
			t.Errorf("%v", err)
		}
		if got := c.Status(); got.State != client.Open || got.Transport != o.Transports[0] || got.Err != nil {
			t.Errorf("%+v", got)
		}
		c.Close()
		for err = nil; err == nil; {
			_, err = chat.Next(t.Context())
		}
		if !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Publish(t.Context(), "chat", client.Text("late"), nil); !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestExclude: a publication skips the session that has asked for it, and reaches all others.
func TestExclude(t *testing.T) {
	s := start(t, nil)
	backend, asker, other := dial(t, s.url(), nil), dial(t, s.url(), nil), dial(t, s.url(), nil)
	handle(t, backend, "say", nil, func(ctx context.Context, call client.Call) (client.Data, error) {
		_, err := backend.Publish(ctx, "room", call.Data, &client.PublishOptions{Exclude: call.Session})
		return client.Data{}, err
	})
	heard, left := subscribe(t, other, "room", nil), subscribe(t, asker, "room", nil)
	began(t, heard)
	began(t, left)
	if _, err := asker.RPC(t.Context(), "say", client.Text("hi")); err != nil {
		t.Fatal(err)
	}
	s.publish(t, "room", "next")
	if m := message(t, heard); string(m.Data) != "hi" {
		t.Errorf("%+v", m)
	}
	if m := message(t, left); string(m.Data) != "next" {
		t.Errorf("%+v", m)
	}
	// A session that answers no calls cannot exclude another one.
	var problem *client.Problem
	_, err := other.Publish(t.Context(), "room", client.Text("secret"), &client.PublishOptions{Exclude: left.Channel()})
	if !errors.As(err, &problem) || !strings.HasSuffix(problem.Type, "/forbidden") {
		t.Errorf("a session that answers nothing has left out another: %v", err)
	}
}

// TestMembers: an iterator over members reads page after page, until the caller stops.
func TestMembers(t *testing.T) {
	s := start(t, nil)
	want := make(map[string]bool)
	var c *client.Client
	for range 5 {
		c = dial(t, s.url(), nil)
		began(t, subscribe(t, c, "room", nil))
		want[c.Status().Session] = true
	}
	n := 0
	for m, err := range c.Members(t.Context(), "room", client.PresenceQuery{Limit: 2}) {
		if err != nil || !want[m.ID] {
			t.Errorf("%+v %v", m, err)
		}
		delete(want, m.ID)
		n++
	}
	if n != 5 {
		t.Errorf("%d members, without %v", n, want)
	}
	for range c.Members(t.Context(), "room", client.PresenceQuery{Limit: 2}) {
		break
	}
	var problem *client.Problem
	n = 0
	for _, err := range c.Members(t.Context(), "a//b", client.PresenceQuery{}) {
		if n++; !errors.As(err, &problem) || n > 1 {
			t.Error(n, err)
		}
	}
	if channel, err := client.UserChannel("a/b"); err != nil || channel != "@a%2Fb" {
		t.Error(channel, err)
	}
}

// TestCuts: while connections break, each subscription gets everything once and in
// order, and each message is published once.
func TestCuts(t *testing.T) {
	count, cuts := 1000, 8
	if testing.Short() {
		count, cuts = 300, 4
	}
	each(t, func(t *testing.T, o *client.Options) {
		s := start(t, nil)
		waiting := make(chan struct{}, 1)
		with := *o
		with.OnStatus = func(s client.Status) {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}
		c := dial(t, s.url(), &with)
		one, all := subscribe(t, c, "cut/a", nil), subscribe(t, c, "cut/*", nil)
		began(t, one)
		began(t, all)
		seen := make(chan int, count)
		var reading sync.WaitGroup
		for _, sub := range []*client.Subscription{one, all} {
			reading.Go(func() {
				for i := range count {
					e, err := sub.Next(t.Context())
					for err == nil && e.Message == nil && e.Gap == nil {
						e, err = sub.Next(t.Context())
					}
					if err != nil || e.Gap != nil || string(e.Message.Data) != strconv.Itoa(i) {
						t.Errorf("%s: want %d, got %+v %v", sub.Channel(), i, e, err)
						break
					}
					if sub == one {
						seen <- i // there is room for all
					}
				}
			})
		}
		// Each publication waits for the one before it, and some wait for a connection.
		reading.Go(func() {
			for i := range count {
				if _, err := c.Publish(t.Context(), "cut/a", client.Text(strconv.Itoa(i)), nil); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
		})
		// The time that the server wants to be given is not waited for.
		over := make(chan struct{})
		var hurrying sync.WaitGroup
		hurrying.Go(func() {
			for {
				select {
				case <-waiting:
					c.Hurry()
				case <-over:
					return
				}
			}
		})
		for i := range cuts {
			for n := range seen {
				if n >= (i+1)*count/(cuts+1) {
					break
				}
			}
			s.wire.cut(false)
		}
		reading.Wait()
		close(over)
		hurrying.Wait()
		page, err := s.hub.History(t.Context(), "cut/a", hub.Query{})
		if err != nil || len(page.Publications) != count {
			t.Errorf("%d publications of %d, %v", len(page.Publications), count, err)
		}
	})
}

// TestBehind: a receiver that does not keep up gets everything, and holds up no other.
func TestBehind(t *testing.T) {
	const count = 5000
	s := start(t, nil)
	c := dial(t, s.url(), nil)
	slow, quick := subscribe(t, c, "slow", nil), subscribe(t, c, "quick", nil)
	began(t, slow)
	began(t, quick)
	for i := range count {
		s.publish(t, "slow", strconv.Itoa(i))
	}
	if _, err := c.Publish(t.Context(), "quick", client.Text("hi"), nil); err != nil {
		t.Fatal(err)
	}
	if m := message(t, quick); string(m.Data) != "hi" {
		t.Errorf("%+v", m)
	}
	for i := range count {
		if m := message(t, slow); string(m.Data) != strconv.Itoa(i) {
			t.Fatalf("want %d, got %s", i, m.Data)
		}
	}
}

// TestOffline: a message published without a connection waits, and is published once and in order.
func TestOffline(t *testing.T) {
	s := start(t, nil)
	waiting := make(chan struct{}, 1)
	c := dial(t, s.url(), &client.Options{Transports: []client.Transport{client.WebSocket}, OnStatus: func(s client.Status) {
		if s.State == client.Waiting && s.Session != "" {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}
	}})
	s.wire.cut(true)
	<-waiting
	sub := subscribe(t, c, "later", &client.SubscribeOptions{Last: 10})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Publish(ctx, "later", client.Text("never"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range 3 {
			if _, err := c.Publish(t.Context(), "later", client.Text(strconv.Itoa(i)), nil); err != nil {
				t.Error(err)
			}
		}
	})
	s.wire.cut(false)
	c.Hurry()
	publishing.Wait()
	for i := range 3 {
		if m := message(t, sub); string(m.Data) != strconv.Itoa(i) {
			t.Errorf("%d: %s", i, m.Data)
		}
	}
}

// TestFallback: something on the way that knows no WebSocket, and something that does not let
// streams through either, are gone around.
func TestFallback(t *testing.T) {
	for _, test := range []struct {
		name   string
		refuse func(r *http.Request) bool
		want   client.Transport
	}{
		{"no WebSocket", func(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }, client.Stream},
		{"no streams", func(r *http.Request) bool {
			return r.Header.Get("Upgrade") != "" || strings.Contains(r.Header.Get("Accept"), "ndjson")
		}, client.LongPoll},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if test.refuse(r) {
						http.Error(w, "this proxy does not know that", http.StatusBadRequest)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			c := dial(t, s.url(), nil)
			if got := c.Status(); got.Transport != test.want {
				t.Errorf("%+v", got)
			}
			sub := subscribe(t, c, "chat", nil)
			began(t, sub)
			s.publish(t, "chat", "hi")
			if m := message(t, sub); string(m.Data) != "hi" {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestRefused: what the server does not want ends, and says why.
func TestRefused(t *testing.T) {
	s := start(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"type":"https://godwit.io/problems/origin-not-allowed","title":"Origin not allowed"}`)
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var problem *client.Problem
	if _, err := client.Dial(ctx, s.url(), nil); !errors.As(err, &problem) || !problem.IsA(clientproto.ProblemOrigin) {
		t.Error(err)
	}
	for _, bad := range []string{"", "127.0.0.1:80", "ftp://a", "http://a?b"} {
		if _, err := client.Start(bad, nil); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := client.Start(s.url(), &client.Options{Transports: []client.Transport{"pigeon"}}); !errors.Is(err, client.ErrOptions) {
		t.Error(err)
	}
}

func TestSubscribeOptions(t *testing.T) {
	s := start(t, nil)
	c := dial(t, s.url(), nil)
	subscribe(t, c, "twice", nil)
	at := hub.Position{Epoch: "E", Offset: 1}
	for _, test := range []struct {
		channel string
		o       client.SubscribeOptions
	}{
		{"twice", client.SubscribeOptions{}},
		{"a", client.SubscribeOptions{Since: at, Last: 1}},
		{"a", client.SubscribeOptions{Last: -1}},
		{"a", client.SubscribeOptions{Vector: "V"}},
		{"a/*", client.SubscribeOptions{Since: at}},
		{"a/*", client.SubscribeOptions{Presence: client.PresenceByUser}},
		{"a/b*", client.SubscribeOptions{}},
	} {
		if _, err := c.Subscribe(test.channel, &test.o); !errors.Is(err, client.ErrOptions) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	left := subscribe(t, c, "left", nil)
	left.Close()
	var err error
	for err == nil {
		_, err = left.Next(t.Context())
	}
	if !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
	subscribe(t, c, "left", nil)
}

// TestSessionGone: a server that does not know a session any more is connected to again, also
// if a request on the way up is what finds out.
func TestSessionGone(t *testing.T) {
	for _, transport := range []client.Transport{client.Stream, client.LongPoll} {
		t.Run(string(transport), func(t *testing.T) {
			var once sync.Once
			s := start(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					isGone := false
					if r.Method == http.MethodPost && r.Header.Get("Godwit-Session") != "" {
						once.Do(func() { isGone = true })
					}
					if !isGone {
						next.ServeHTTP(w, r)
						return
					}
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusNotFound)
					fmt.Fprint(w, `{"type":"https://godwit.io/problems/session-unknown","title":"No such session"}`)
				})
			})
			waiting := make(chan struct{}, 1)
			c := dial(t, s.url(), &client.Options{Transports: []client.Transport{transport}, OnStatus: func(client.Status) {
				select {
				case waiting <- struct{}{}:
				default:
				}
			}})
			published := make(chan error, 1)
			go func() {
				_, err := c.Publish(t.Context(), "chat", client.Text("hi"), nil)
				published <- err
			}()
			for {
				select {
				case <-waiting:
					c.Hurry() // the client would take its time to come back
				case err := <-published:
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		})
	}
}
