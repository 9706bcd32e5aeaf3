package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

func TestIdentityExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		woken := make(chan struct{}, 10)
		ann := &access.Identity{Kind: access.Token, User: "ann", Expires: time.Now().Add(time.Hour)}
		s, err := h.ConnectAs(ann, "test", func() { woken <- struct{}{} })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		gone, err := h.ConnectAs(ann, "test", nil)
		if err != nil {
			t.Fatal(err)
		}
		gone.Close() // its timer, too
		began := time.Now()
		<-woken
		if took := time.Since(began); took != time.Hour {
			t.Errorf("the session ended after %v, want 1h", took)
		}
		_, err = s.Take(nil)
		var refusal *access.Refusal
		if !errors.As(err, &refusal) || refusal.Cause != access.Expired {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestEndGivesWhatIsQueuedFirst(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("chat", hub.SubscribeOptions{})
	publish(t, h, "chat", "1")
	why := errors.New("enough")
	e.End(why)
	e.End(errors.New("again"))
	publish(t, h, "chat", "2")
	pushes, err := e.Take(nil)
	want(t, pushes, "1")
	if err != nil {
		t.Error(err)
	}
	if pushes, err = e.Take(nil); err != why || len(pushes) > 0 {
		t.Errorf("then came %v, %v", pushes, err)
	}
}

func TestPresenceSaysWho(t *testing.T) {
	h := newHub(t, nil, nil)
	ann := &access.Identity{User: "ann", Info: []byte(`{"color":"red"}`)}
	s, err := h.ConnectAs(ann, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Subscribe(1, "chat", hub.SubscribeOptions{})
	connect(t, h).subscribe("chat", hub.SubscribeOptions{})
	members := present(t, h, "chat")
	if len(members) != 2 {
		t.Fatal(members)
	}
	if m := members[0]; m.User != "ann" || m.Info != `{"color":"red"}` || members[1].User != "" {
		t.Errorf("members are %+v", members)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	h := newHub(t, nil, nil)
	users := []string{"ann", "bob", "ann"}
	for i, user := range users {
		s, err := h.ConnectAs(&access.Identity{User: user}, "test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		for j := range i {
			s.Subscribe(1, fmt.Sprint("room/", 9-j), hub.SubscribeOptions{})
		}
	}
	var got []string
	for _, s := range h.Sessions() {
		got = append(got, s.Identity().User+" "+strings.Join(s.Channels(), ","))
	}
	slices.Sort(got)
	if want := []string{"ann ", "ann room/8,room/9", "bob room/9"}; !slices.Equal(got, want) {
		t.Errorf("sessions are %q, want %q", got, want)
	}
	if got, want := fmt.Sprint(h.Channels()), "[{room/8 1 0 } {room/9 2 0 }]"; got != want {
		t.Errorf("channels are %s, want %s", got, want)
	}
	why := errors.New("banned")
	if n := h.EndSessions(func(s *hub.Session) bool { return s.Identity().User == "ann" }, why); n != 2 {
		t.Errorf("%d sessions were ended, want 2", n)
	}
	for _, s := range h.Sessions() {
		var pushes []hub.Push
		var err error
		for range 3 { // outcomes come first
			if pushes, err = s.Take(pushes[:0]); err != nil {
				break
			}
		}
		if isAnn := s.Identity().User == "ann"; isAnn != errors.Is(err, why) {
			t.Errorf("a session of %s ends with %v", s.Identity().User, err)
		}
	}
}

func TestExcludedSessionIsPassedOver(t *testing.T) {
	h := newHub(t, nil, nil)
	a, b := connect(t, h), connect(t, h)
	for _, e := range []*edge{a, b} {
		e.subscribe("chat", hub.SubscribeOptions{})
	}
	m := hub.Message{Channel: "chat", Data: []byte("x"), Attributes: &hub.Attributes{Exclude: a.ID(), Event: "joke", User: "bob", Key: "k"}}
	if _, _, err := h.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	publish(t, h, "chat", "y")
	want(t, a.drain(), "y")
	pushes := b.drain()
	want(t, pushes, "x y")
	if got := *pushes[0].Delivery.Attributes; got != *m.Attributes {
		t.Errorf("attributes are %+v", got)
	}
	late := connect(t, h)
	late.subscribe("chat", hub.SubscribeOptions{Last: 5})
	want(t, late.await(func(all []hub.Push) bool { return len(all) == 2 }), "x y")
}

func TestAttributesThatCannotBe(t *testing.T) {
	h := newHub(t, nil, nil)
	for text, a := range map[string]hub.Attributes{
		`event "a\nb" contains the control character U+000A`: {Event: "a\nb"},
		`key "\xff" is not valid UTF-8`:                      {Key: "\xff"},
		`is 256 bytes long; at most 255 are allowed`:         {User: strings.Repeat("u", 256)},
	} {
		_, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Attributes: &a})
		if !errors.Is(err, hub.ErrAttribute) || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// The news of sessions to an Observer adds up, in any order of endings.
func TestObserverIsTold(t *testing.T) {
	sessions, members := 0, make(map[string]int)
	var why error
	h := newHub(t, nil, &hub.Options{Observer: &hub.Observer{
		Opened: func(*hub.Session) { sessions++ },
		Closed: func(_ *hub.Session, e error) { sessions--; why = e },
		Joined: func(_ *hub.Session, channel string) { members[channel]++ },
		Left:   func(_ *hub.Session, channel string) { members[channel]-- },
	}})
	a, b := connect(t, h), connect(t, h)
	a.subscribe("chat", hub.SubscribeOptions{})
	b.subscribe("chat", hub.SubscribeOptions{})
	b.subscribe("news", hub.SubscribeOptions{})
	if sessions != 2 || members["chat"] != 2 || members["news"] != 1 {
		t.Errorf("%d sessions, members %v", sessions, members)
	}
	a.unsubscribe("chat")
	b.End(errors.New("enough"))
	b.Close()
	if sessions != 1 || members["chat"] != 0 || members["news"] != 0 || why == nil || why.Error() != "enough" {
		t.Errorf("%d sessions, members %v, %v", sessions, members, why)
	}
}

func TestClearHistory(t *testing.T) {
	h := newHub(t, nil, nil)
	publish(t, h, "chat", "1", "2")
	if err := h.ClearHistory(t.Context(), "chat"); err != nil {
		t.Fatal(err)
	}
	if page, err := h.History(t.Context(), "chat", hub.Query{}); err != nil || len(page.Publications) != 0 {
		t.Errorf("the history is %v, %v", page.Publications, err)
	}
	var name *hub.NameError
	if err := h.ClearHistory(t.Context(), "a//b"); !errors.As(err, &name) {
		t.Errorf("a bad name: %v", err)
	}
	plain := newHub(t, struct{ hub.Broker }{newBroker()}, nil)
	if err := plain.ClearHistory(t.Context(), "chat"); err != hub.ErrNotSupported {
		t.Errorf("a broker that cannot: %v", err)
	}
}

// Sessions are ended at the pace that was asked for, and the rest when the time is up.
func TestShutdownAtPace(t *testing.T) {
	for name, row := range map[string]struct {
		perSecond int
		limit     time.Duration
		want      time.Duration
	}{
		"at a pace":    {100, time.Minute, 980 * time.Millisecond},
		"out of time":  {10, time.Second, time.Second},
		"all at once":  {hub.NoLimit, time.Minute, 0},
		"one is least": {0, 500 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, nil, nil)
				began := time.Now()
				var last atomic.Int64
				const n = 100
				for range n {
					var s *hub.Session
					var err error
					s, err = h.ConnectAs(nil, "test", func() {
						last.Store(int64(time.Since(began))) // they come one after another
						go s.Close()
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), row.limit)
				defer cancel()
				_ = h.ShutdownAtPace(ctx, row.perSecond) // its error says that ctx has ended
				synctest.Wait()
				if last := time.Duration(last.Load()); last != row.want || len(h.Sessions()) > 0 {
					t.Errorf("the last of %d sessions was ended after %v, want %v; %d are left", n, last, row.want, len(h.Sessions()))
				}
			})
		})
	}
}
