package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// slowHub has every channel obey p.
func slowHub(t testing.TB, o *hub.Options, p hub.Policy) *hub.Hub {
	h := newHub(t, nil, o)
	h.SetPolicies(func(string) *hub.Policy { return &p })
	return h
}

// later is a time of put in which what waits becomes late.
const later = "later"

// put publishes "KEY=DATA" with a key, and "DATA" without.
func put(t testing.TB, h *hub.Hub, channel string, all ...string) {
	t.Helper()
	for _, text := range all {
		if text == later {
			<-time.After(100 * time.Millisecond)
			continue
		}
		m := hub.Message{Channel: channel, Data: []byte(text)}
		if key, _, ok := strings.Cut(text, "="); ok {
			m.Attributes = &hub.Attributes{Key: key}
		}
		if _, _, err := h.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// described is describe with what gaps say besides.
func described(pushes []hub.Push) string {
	var words []string
	for _, p := range pushes {
		word := describe([]hub.Push{p})
		if p.Gap != nil {
			word += fmt.Sprintf("%s*%d", p.Gap.Reason, p.Gap.Count)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestSlowPolicies(t *testing.T) {
	many, last := []string{}, []string{}
	for round := range 3 {
		for key := range 20 {
			many = append(many, fmt.Sprintf("%d=%d", key, round))
			if round == 2 {
				last = append(last, many[len(many)-1])
			}
		}
	}
	for name, test := range map[string]struct {
		policy hub.Policy
		count  int // QueueCountMax
		put    []string
		want   string
	}{
		"a client that keeps up":         {hub.Policy{Slow: hub.Conflate}, 10, []string{"a=1"}, "a=1"},
		"the newest of each key":         {hub.Policy{Slow: hub.Conflate}, 10, []string{"a=1", "b=1", later, "a=2", "a=3", "c=1"}, "gap(0-1)conflated*1 b=1 gap(2-3)conflated*1 a=3 c=1"},
		"without a key":                  {hub.Policy{Slow: hub.Conflate}, 10, []string{"1", later, "a=1", "2", "3"}, "gap(0-1)conflated*1 a=1 gap(2-3)conflated*1 3"},
		"a burst":                        {hub.Policy{Slow: hub.Conflate}, 10, []string{"a=1", "a=2", "3", "4"}, "a=1 a=2 3 4"},
		"what waited before it was slow": {hub.Policy{Slow: hub.Conflate}, 10, []string{"a=1", "a=2", "3", "4", later, "5"}, "gap(0-1)conflated*1 a=2 gap(2-4)conflated*2 5"},
		"a long burst":                   {hub.Policy{Slow: hub.Conflate}, 500, slices.Repeat([]string{"a=1"}, 65), "gap(0-64)conflated*64 a=1"},
		"many keys":                      {hub.Policy{Slow: hub.Conflate}, 20, many, "gap(0-40)conflated*40 " + strings.Join(last, " ")},
		"more keys than may wait":        {hub.Policy{Slow: hub.Conflate}, 2, []string{"a=1", "b=1", "a=2", "c=1"}, "gap(0-2)dropped*2 a=2 c=1"},
		"the oldest are dropped":         {hub.Policy{Slow: hub.DropOldest}, 3, []string{"a=1", "a=2", "a=3", "a=4", "5"}, "gap(0-2)dropped*2 a=3 a=4 5"},
		"one is given at once at a rate": {hub.Policy{Rate: 5}, 10, []string{"1", "2", "3"}, "gap(0-2)rate*2 3"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := slowHub(t, &hub.Options{QueueCountMax: test.count}, test.policy)
				e := connect(t, h)
				e.subscribe("c", hub.SubscribeOptions{})
				put(t, h, "c", test.put...)
				if got := described(e.drain()); got != test.want {
					t.Errorf("took %q, want %q", got, test.want)
				}
				put(t, h, "c", "a=live", "a=lively")
				if test.policy.Rate == 0 {
					want(t, e.drain(), "a=live a=lively")
				}
			})
		})
	}
}

// Memory does not grow with the publications, and Stats count those left out.
func TestConflatedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { conflatedIsBounded(t, 5000) })
	synctest.Test(t, func(t *testing.T) { conflatedIsBounded(t, 1<<20) }) // the count is the bound
}

func conflatedIsBounded(t *testing.T, bytesMax int) {
	h := slowHub(t, &hub.Options{QueueCountMax: 100, QueueBytesMax: bytesMax}, hub.Policy{Slow: hub.Conflate})
	e := connect(t, h)
	for _, c := range []string{"one", "many", "few"} {
		e.subscribe(c, hub.SubscribeOptions{})
	}
	for i := range 5000 {
		if i < 2500 { // then two channels are silent, and keep what waits
			put(t, h, "one", fmt.Sprint("k=", i))
			put(t, h, "few", fmt.Sprint(i%3, "=", i))
		}
		put(t, h, "many", fmt.Sprint(i, "=", strings.Repeat("x", i%200)))
		if i == 10 {
			put(t, h, "", later)
		}
		if count, bytes := e.Backlogs(); count > 100 || bytes > bytesMax {
			t.Fatalf("%d publications of %d bytes wait", count, bytes)
		}
	}
	before := h.Stats()
	perChannel := map[string]int{}
	for _, p := range e.drain() {
		if p.Delivery != nil {
			perChannel[p.Channel]++
		}
	}
	// The channel with many keys has the trouble, and the others have none.
	if perChannel["one"] != 1 || perChannel["few"] != 3 || perChannel["many"] < 10 || perChannel["many"] > 96 {
		t.Errorf("taken: %v", perChannel)
	}
	after := h.Stats()
	left := 0
	for _, reason := range []hub.GapReason{hub.GapConflated, hub.GapDropped} {
		if after.GapsByReason[reason].Gaps == 0 {
			t.Errorf("no gaps of the reason %v were counted", reason)
		}
		left += int(after.GapsByReason[reason].Publications)
	}
	if delivered := int(after.Deliveries - before.Deliveries); left+delivered != 10000 {
		t.Errorf("%d delivered and %d left out, of 10000", delivered, left)
	}
}

// A rate spreads publications over the second; the newest of each key wins.
func TestRate(t *testing.T) {
	for _, test := range []struct{ policy, wish, want int }{{5, 0, 5}, {0, 5, 5}, {5, 3, 3}, {3, 5, 3}, {250, 0, 250}, {0, hub.NoLimit, 0}} {
		synctest.Test(t, func(t *testing.T) {
			h := slowHub(t, nil, hub.Policy{Rate: test.policy})
			e := connect(t, h)
			e.subscribe("c", hub.SubscribeOptions{Rate: test.wish})
			var times []time.Time
			last, newest := "", ""
			for i := range 5000 {
				last = fmt.Sprint(i)
				put(t, h, "c", last)
				<-time.After(time.Millisecond)
				for _, p := range e.drain() {
					if p.Delivery != nil {
						times = append(times, time.Now())
						newest = string(p.Delivery.Data)
					}
				}
			}
			if test.want == 0 {
				if len(times) != 5000 {
					t.Errorf("%d came, want all", len(times))
				}
				return
			}
			for i := range times {
				if n := i + test.want; n < len(times) && times[n].Sub(times[i]) < time.Second {
					t.Fatalf("%+v: more than %d came within %v", test, test.want, times[n].Sub(times[i]))
				}
			}
			if n := len(times); n < test.want*5*9/10 {
				t.Errorf("%+v: %d came in 5 seconds", test, n)
			}
			<-time.After(time.Second)
			synctest.Wait()
			all := e.drain()
			if len(all) > 0 {
				newest = describe(all[len(all)-1:])
			}
			if newest != last {
				t.Errorf("%+v: the last was %s, want %s", test, newest, last)
			}
		})
	}
	h := newHub(t, nil, nil)
	var wrong *hub.OptionError
	if err := connect(t, h).trySubscribe("c", hub.SubscribeOptions{Rate: -1}); !errors.As(err, &wrong) || wrong.Option != "Rate" {
		t.Errorf("a negative rate: %v", err)
	}
}

// Several keys that change all the time take turns, and each ends with its newest value.
func TestRateTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := slowHub(t, nil, hub.Policy{Rate: 10})
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		const keys = 12
		var times [keys]int
		newest := map[string]string{}
		note := func() {
			for _, p := range e.drain() {
				if p.Delivery == nil {
					continue
				}
				key, value, _ := strings.Cut(string(p.Delivery.Data), "=")
				newest[key] = value
				n := 0
				_, _ = fmt.Sscan(key, &n)
				times[n]++
			}
		}
		for i := range 1200 { // two minutes
			for key := range keys {
				put(t, h, "c", fmt.Sprintf("%d=%d", key, i))
			}
			for range 10 {
				note()
				<-time.After(10 * time.Millisecond)
				synctest.Wait()
			}
		}
		for key, n := range times {
			if n < 95 || n > 105 {
				t.Errorf("of key %d %d came in two minutes, want a twelfth of 1200", key, n)
			}
		}
		for range 2 * keys {
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			note()
		}
		for key := range keys {
			if newest[fmt.Sprint(key)] != "1199" {
				t.Errorf("the newest of key %d is %s", key, newest[fmt.Sprint(key)])
			}
		}
	})
}

// A client that is too slow is told so at once, also while it takes nothing.
func TestDisconnect(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueCountMax: 3})
	h.SetPolicies(func(channel string) *hub.Policy {
		if channel == "strict" {
			return &hub.Policy{Slow: hub.Disconnect}
		}
		return nil
	})
	e := connect(t, h)
	e.subscribe("strict", hub.SubscribeOptions{})
	e.subscribe("other", hub.SubscribeOptions{})
	// What waits of others is read from history: it does not end the session.
	publish(t, h, "other", "1", "2", "3")
	publish(t, h, "strict", "a", "b")
	publish(t, h, "other", "4", "5")
	publish(t, h, "strict", "c")
	want(t, e.drain(), "a b c 1 2 3 4 5")

	publish(t, h, "strict", "a", "b", "c")
	if e.WasEnded() {
		t.Error("the session has ended before its queue was full")
	}
	publish(t, h, "strict", "d")
	if !e.WasEnded() {
		t.Error("the session has not ended")
	}
	if pushes, err := e.Take(nil); !errors.Is(err, hub.ErrSlow) || len(pushes) != 0 {
		t.Errorf("took %q, %v", describe(pushes), err)
	}
}

// The requested history is replayed, however slow the client is; publications meanwhile
// are conflated, and follow.
func TestReplayIsNotConflated(t *testing.T) {
	h := slowHub(t, &hub.Options{QueueBytesMax: 20, QueueCountMax: 5}, hub.Policy{Slow: hub.Conflate})
	put(t, h, "c", "a=1", "a=2", "a=3", "a=4", "a=5", "a=6", "a=7", "a=8", "a=9")
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{Last: 8})
	var all []hub.Push
	for i := range 10 {
		var err error
		if all, err = e.Take(all); err != nil {
			t.Fatal(err)
		}
		put(t, h, "c", fmt.Sprintf("a=%d", 10+i))
	}
	all = append(all, e.drain()...)
	got := described(all)
	if !strings.HasPrefix(got, "a=2 a=3 a=4 a=5 a=6 a=7 a=8 a=9 ") || !strings.HasSuffix(got, " a=19") {
		t.Errorf("took %q", got)
	}
}

// The key is in the payload, if it is JSON and the publication has none of its own.
func TestKeyPointer(t *testing.T) {
	synctest.Test(t, keyPointer)
}

func keyPointer(t *testing.T) {
	h := slowHub(t, nil, hub.Policy{Slow: hub.Conflate, KeyPointer: "/s"})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	for _, data := range []string{`{"s":"a","v":1}`, `{"s":"\u0061","v":2}`, `{"s":1}`, `{"s":"1"}`, `{"s":null}`, `{"s":[]}`, `[]`, `{"s":true}`} {
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Kind: hub.JSON, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
		put(t, h, "c", later)
	}
	put(t, h, "c", `{"s":"text"}`, "true=own")
	want(t, e.drain(), `gap(0-1) {"s":"\u0061","v":2} gap(2-3) {"s":"1"} gap(4-8) {"s":"text"} true=own`)
	for pointer, ok := range map[string]bool{"": true, "/a/0": true, "a": false, "/~": false} {
		if err := hub.CheckKeyPointer(pointer); (err == nil) != ok {
			t.Errorf("CheckKeyPointer(%q): %v", pointer, err)
		}
	}
}

// A policy that changes is that of subscriptions that exist, too, and nothing is lost.
func TestPolicyChangesUnderSubscription(t *testing.T) {
	synctest.Test(t, policyChangesUnderSubscription)
}

func policyChangesUnderSubscription(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	put(t, h, "c", "1", "2")
	h.SetPolicies(func(string) *hub.Policy { return &hub.Policy{Slow: hub.Conflate} })
	put(t, h, "c", "3", later, "4", "5")
	if got := described(e.drain()); got != "1 2 gap(2-4)conflated*2 5" {
		t.Errorf("took %q", got)
	}
	put(t, h, "c", "6", "7")
	h.SetPolicies(nil)
	put(t, h, "c", "8")
	want(t, e.drain(), "6 7 8")
	put(t, h, "c", "9", "10")
	want(t, e.drain(), "9 10")
}

// Expired publications are in a gap of their own.
func TestExpiredInBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := slowHub(t, nil, hub.Policy{Slow: hub.Conflate})
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		for i, key := range []string{"a", "b", "a", "c", "d"} {
			a := &hub.Attributes{Key: key}
			if key == "c" || key == "a" {
				a.Expires = time.Now().Add(time.Second)
			}
			if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: fmt.Append(nil, i+1), Attributes: a}); err != nil {
				t.Fatal(err)
			}
			put(t, h, "c", later)
		}
		<-time.After(time.Second)
		if got := described(e.drain()); got != "gap(0-1)conflated*1 2 gap(2-4)expired*2 5" {
			t.Errorf("took %q", got)
		}
	})
}

// A session that has left leaves no timer and no account behind.
func TestBacklogEndsWithSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := slowHub(t, nil, hub.Policy{Rate: 1})
		e := connect(t, h)
		for _, c := range []string{"a", "b"} {
			e.subscribe(c, hub.SubscribeOptions{})
			put(t, h, c, "1", "2")
		}
		want(t, e.drain(), "gap(0-1) 2 gap(0-1) 2")
		put(t, h, "a", "3")
		put(t, h, "b", "3")
		e.unsubscribe("a")
		if count, _ := e.Backlogs(); count != 1 {
			t.Errorf("%d publications wait", count)
		}
		<-time.After(time.Second)
		synctest.Wait()
		want(t, e.drain(), "3")
		put(t, h, "b", "4")
		e.Close()
		<-time.After(time.Minute)
	})
}

func BenchmarkConflate(b *testing.B) {
	for name, p := range map[string]hub.Policy{"history": {}, "drop-oldest": {Slow: hub.DropOldest}, "conflate": {Slow: hub.Conflate}, "rate": {Rate: 5}} {
		for _, every := range []int{1, 1 << 30} {
			b.Run(fmt.Sprintf("%s/slow=%v", name, every > 1), func(b *testing.B) {
				h := slowHub(b, nil, p)
				take := subscribers(b, h, 1000)
				data := make([]byte, 128)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					publishOne(b, h, data)
					if i++; i%every == 0 {
						take()
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
			})
		}
	}
}
