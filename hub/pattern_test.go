package hub_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestCheckPattern(t *testing.T) {
	for pattern, problem := range map[string]string{
		"*": "", "**": "", "a/*": "", "a/**": "", "*/b": "", "@ann/*": "", "a/*/c/**": "", "ä/*": "",
		"":                              "no pattern but the name",
		"a":                             "no pattern but the name",
		"a*":                            "stands for a whole segment",
		"**/a":                          "can only be the last",
		"a//*":                          "empty segment",
		"/*":                            "empty segment",
		"../*":                          "no channel has",
		"@{user}/*":                     "{user} is for grants",
		"a/{x}/*":                       "nothing like",
		"\x00/*":                        "control character",
		"\xff/*":                        "not valid UTF-8",
		strings.Repeat("a", 255) + "/*": "bytes long",
	} {
		err := hub.CheckPattern(pattern)
		if problem == "" {
			if err != nil {
				t.Errorf("%q: %v", pattern, err)
			}
			continue
		}
		var fault *hub.NameError
		if !errors.As(err, &fault) || !strings.Contains(fault.Problem, problem) {
			t.Errorf("%q: %v, want %q", pattern, err, problem)
		}
	}
}

// channelsOf shows pushes with their channels, as "a:1 a/b:2".
func channelsOf(pushes []hub.Push) string {
	var parts []string
	for _, p := range pushes {
		parts = append(parts, p.Channel+":"+describe([]hub.Push{p}))
	}
	return strings.Join(parts, " ")
}

func wantChannels(t *testing.T, e *edge, want string) {
	t.Helper()
	if got := channelsOf(e.drain()); got != want {
		t.Errorf("took %q, want %q", got, want)
	}
}

func TestPatternIsLive(t *testing.T) {
	h := newHub(t, nil, nil)
	publish(t, h, "a/b", "before")
	e := connect(t, h)
	o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/*", hub.SubscribeOptions{}) })
	if o.Err != nil || o.Channel != "a/*" || o.Vector == nil || o.Vector.Began.IsZero() {
		t.Fatalf("the outcome is %+v", o)
	}
	publish(t, h, "a/b", "1", "2")
	publish(t, h, "a/c", "3")
	publish(t, h, "a", "no")
	publish(t, h, "a/b/c", "no")
	publish(t, h, "a/b", "4")
	wantChannels(t, e, "a/b:1 a/b:2 a/c:3 a/b:4")
	if members, err := h.PresenceCount("a/b"); err != nil || members > 0 {
		t.Errorf("a subscriber by a pattern is a member: %v, %v", members, err)
	}
	if got := fmt.Sprint(e.Channels(), h.Stats().Subscriptions); got != "[a/*] 1" {
		t.Errorf("the session has %s", got)
	}
	if err := e.trySubscribe("a/*", hub.SubscribeOptions{}); err != hub.ErrSubscribed {
		t.Errorf("a second time: %v", err)
	}
	e.unsubscribe("a/*")
	publish(t, h, "a/b", "5")
	publish(t, h, "a/d", "6")
	wantChannels(t, e, "")
	if s := h.Stats(); s.Channels != 0 || s.Subscriptions != 0 {
		t.Errorf("the hub still has %+v", s)
	}
}

func TestPatternsLeaveUsersAlone(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("**", hub.SubscribeOptions{})
	e.subscribe("*", hub.SubscribeOptions{})
	e.subscribe("*/x", hub.SubscribeOptions{})
	publish(t, h, "@ann", "no")
	publish(t, h, "@ann/x", "no")
	publish(t, h, "a/@ann", "1")
	wantChannels(t, e, "a/@ann:1")
	e.subscribe("@ann/*", hub.SubscribeOptions{})
	publish(t, h, "@ann/x", "2")
	wantChannels(t, e, "@ann/x:2")
}

// TestOverlaps: each publication is given once, while subscriptions come and go.
func TestOverlaps(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("a/*", hub.SubscribeOptions{})
	e.subscribe("**", hub.SubscribeOptions{})
	publish(t, h, "a/b", "1")
	wantChannels(t, e, "a/b:1")
	publish(t, h, "a/b", "2") // waits in the queue while the subscription changes hands
	o := e.outcome(func(tag uint64) { e.Subscribe(tag, "a/b", hub.SubscribeOptions{}) })
	if o.Err != nil || o.Position.Offset != 2 {
		t.Errorf("the channel goes on at %v, %v", o.Position, o.Err)
	}
	publish(t, h, "a/b", "3")
	if members, _ := h.PresenceCount("a/b"); members != 1 {
		t.Errorf("members: %v", members)
	}
	e.unsubscribe("**")
	publish(t, h, "a/b", "4")
	e.unsubscribe("a/b")
	publish(t, h, "a/b", "5")
	if members, _ := h.PresenceCount("a/b"); members != 0 {
		t.Errorf("members: %v", members)
	}
	wantChannels(t, e, "a/b:2 a/b:3 a/b:4 a/b:5")
	e.unsubscribe("a/*")
	publish(t, h, "a/b", "6")
	wantChannels(t, e, "")
}

func TestSubscribeWithinAPatternBeginsAnew(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("a/*", hub.SubscribeOptions{})
	publish(t, h, "a/b", "1", "2", "3")
	wantChannels(t, e, "a/b:1 a/b:2 a/b:3")
	e.subscribe("a/b", hub.SubscribeOptions{Last: 2})
	publish(t, h, "a/b", "4")
	wantChannels(t, e, "a/b:2 a/b:3 a/b:4")
}

func TestPatternExcludesOwn(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("a/*", hub.SubscribeOptions{ExcludeSelf: true})
	e.publish(hub.Message{Channel: "a/b", Data: []byte("1")})
	publish(t, h, "a/b", "2")
	wantChannels(t, e, "a/b:2")
	e.subscribe("**", hub.SubscribeOptions{})
	e.publish(hub.Message{Channel: "a/b", Data: []byte("3")})
	wantChannels(t, e, "a/b:3")
	e.unsubscribe("**")
	e.publish(hub.Message{Channel: "a/b", Data: []byte("4")})
	publish(t, h, "a/b", "5")
	wantChannels(t, e, "a/b:5")
}

func TestPatternRefusals(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	var option *hub.OptionError
	for name, test := range map[string]struct {
		channel string
		o       hub.SubscribeOptions
	}{
		"since":  {"a/*", hub.SubscribeOptions{Since: hub.Position{Epoch: "e", Offset: 1}}},
		"last":   {"a/*", hub.SubscribeOptions{Last: -1}},
		"vector": {"a/b", hub.SubscribeOptions{Vector: &hub.Vector{}}},
	} {
		if err := e.trySubscribe(test.channel, test.o); !errors.As(err, &option) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := newHub(t, immediate{newBroker()}, nil)
	if err := connect(t, bare).trySubscribe("a/*", hub.SubscribeOptions{}); err != hub.ErrNotSupported {
		t.Errorf("a broker without patterns: %v", err)
	}
	small := newHub(t, nil, &hub.Options{SubscriptionsMax: 1})
	s := connect(t, small)
	s.subscribe("a/*", hub.SubscribeOptions{})
	if err := s.trySubscribe("b/*", hub.SubscribeOptions{}); err != hub.ErrTooManySubscriptions {
		t.Errorf("one more: %v", err)
	}
}

// TestPatternEviction: however few positions are kept, nothing is missed by a client
// that keeps up.
func TestPatternEviction(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PatternChannelsMax: 3})
	e := connect(t, h)
	e.subscribe("**", hub.SubscribeOptions{})
	var want []string
	for i := range 100 {
		channel := fmt.Sprint("c/", i%7)
		publish(t, h, channel, fmt.Sprint(i))
		want = append(want, fmt.Sprint(channel, ":", i))
		wantChannels(t, e, want[i])
	}
	if n := h.Stats().Channels; n > 4 {
		t.Errorf("%d channels are kept", n)
	}
}

// TestPatternOverflow: what there is no room for is one gap.
func TestPatternOverflow(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PatternChannelsMax: 2})
	e := connect(t, h)
	e.subscribe("c/*", hub.SubscribeOptions{})
	for i := range 5 {
		publish(t, h, fmt.Sprint("c/", i), fmt.Sprint(i))
	}
	pushes := e.drain()
	if got := channelsOf(pushes); got != "c/0:0 c/1:1 c/*:gap(0-0)" {
		t.Errorf("took %q", got)
	} else if g := pushes[2].Gap; g.Count != 3 || g.Reason != hub.GapDropped || g.From != g.To {
		t.Errorf("the gap is %+v", g)
	}
	publish(t, h, "c/4", "x", "y")
	wantChannels(t, e, "c/4:x c/4:y")
}

// TestPatternFallsBehind: a slow client reads the history of each channel.
func TestPatternFallsBehind(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueCountMax: 3})
	e := connect(t, h)
	e.subscribe("c/*", hub.SubscribeOptions{})
	for i := range 20 {
		publish(t, h, fmt.Sprint("c/", i%2), fmt.Sprint(i))
	}
	accounts := make(map[string]*ledger)
	n := 0
	for _, p := range e.drain() {
		l := accounts[p.Channel]
		if l == nil {
			l = &ledger{t: t}
			accounts[p.Channel] = l
		}
		l.add(p)
		n++
	}
	if n != 20 || accounts["c/0"].gaps+accounts["c/1"].gaps > 0 {
		t.Errorf("%d pushes", n)
	}
}

func TestPatternsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := newBroker()
		h := newHub(t, broker, nil)
		e := connect(t, h)
		e.subscribe("**", hub.SubscribeOptions{})
		for i := range 100 {
			publish(t, h, fmt.Sprint("c/", i), "x")
		}
		e.Close()
		if s := h.Stats(); s.Channels != 0 || s.Subscriptions != 0 {
			t.Errorf("the hub still has %+v", s)
		}
		h.SetPolicies(func(string) *hub.Policy { return &hub.Policy{NoHistory: true} })
		f := connect(t, h)
		f.subscribe("**", hub.SubscribeOptions{})
		held := broker.Stats().Channels
		for i := range 100 {
			publish(t, h, fmt.Sprint("d/", i), "x")
		}
		if got := broker.Stats(); got.Channels != held {
			t.Errorf("the broker holds %d channels more because of a pattern", got.Channels-held)
		}
		f.Close()
	})
}

func TestManyMatchesAreOne(t *testing.T) {
	h := newHub(t, nil, nil)
	sessions := make([]*edge, 20)
	for i := range sessions {
		sessions[i] = connect(t, h)
		for _, pattern := range []string{"**", "a/**", "a/*", "*/b", "*/*"} {
			sessions[i].subscribe(pattern, hub.SubscribeOptions{})
		}
		sessions[i].subscribe("a/b", hub.SubscribeOptions{})
	}
	publish(t, h, "a/b", "1")
	publish(t, h, "a/c", "2")
	for _, e := range sessions {
		wantChannels(t, e, "a/b:1 a/c:2")
	}
}

var _ hub.PatternBroker = (*membroker.Broker)(nil)
