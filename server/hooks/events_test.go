package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
)

func taken(http.ResponseWriter, *http.Request) {}

// told are the types of all events that arrived, in the order of arrival, and the
// channels of them.
func (a *application) told(t *testing.T) (types, channels []string) {
	t.Helper()
	for _, r := range a.requests() {
		kinds, names := r.events(t)
		types = append(types, kinds...)
		channels = append(channels, names...)
	}
	return types, channels
}

// after lets time pass. Nothing else does in a bubble.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		r := newRecord()
		h := a.start(t, Options{Events: new(Events), Observer: r.observer()})
		ann := Member{Session: "s1", User: "ann", Info: json.RawMessage(`{ "n": 1 }`), Transport: "websocket"}
		h.SessionOpened(ann)
		h.SessionClosed(ann, "going \"away\"")
		after(gatherFor)
		requests := a.requests()
		if len(requests) != 1 || requests[0].at != gatherFor {
			t.Fatalf("%d requests, the first after %v", len(requests), requests[0].at)
		}
		want := `{"events":[{"type":"session.opened","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s1","user":"ann","info":{"n":1},"transport":"websocket"}},` +
			`{"type":"session.closed","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s1","user":"ann","info":{"n":1},"transport":"websocket","reason":"going \"away\""}}]}`
		if got := string(requests[0].body); got != want {
			t.Errorf("told\n%s, want\n%s", got, want)
		}
		verifySignature(t, requests[0], testSecret)
		h.ChannelOccupied("a")
		h.MemberJoined("a", ann)
		after(dampedFor + gatherFor)
		requests = a.requests()
		want = `{"events":[{"type":"channel.occupied","timestamp":"2000-01-01T00:00:00.100Z","data":{"channel":"a"}},` +
			`{"type":"member.joined","timestamp":"2000-01-01T00:00:00.100Z","data":{"channel":"a","session":"s1","user":"ann","info":{"n":1},"transport":"websocket"}}]}`
		if got := string(requests[len(requests)-1].body); len(requests) != 2 || got != want {
			t.Errorf("told\n%s, want\n%s", got, want)
		}
		if r.told[Delivered] != 4 || h.Stats().Events != (EventStats{}) {
			t.Errorf("observed %v, %+v", r.told, h.Stats().Events)
		}
	})
}

// What comes and goes within the time is no news.
func TestDamping(t *testing.T) {
	ann, again, guest := Member{Session: "s1", User: "ann"}, Member{Session: "s2", User: "ann"}, Member{Session: "g1"}
	const almost = dampedFor - time.Millisecond
	for name, row := range map[string]struct {
		happens func(h *Hooks)
		want    []string
	}{
		"occupied":            {func(h *Hooks) { h.ChannelOccupied("a") }, []string{TypeOccupied}},
		"and vacated at once": {func(h *Hooks) { h.ChannelOccupied("a"); h.ChannelVacated("a") }, nil},
		"and vacated within":  {func(h *Hooks) { h.ChannelOccupied("a"); after(almost); h.ChannelVacated("a") }, nil},
		"and vacated after": {
			func(h *Hooks) { h.ChannelOccupied("a"); after(dampedFor); h.ChannelVacated("a") },
			[]string{TypeOccupied, TypeVacated},
		},
		"flapping, and there": {
			func(h *Hooks) {
				for range 20 {
					h.ChannelOccupied("a")
					after(time.Second)
					h.ChannelVacated("a")
					after(time.Second)
				}
				h.ChannelOccupied("a")
			},
			[]string{TypeOccupied},
		},
		"flapping, while there": {
			func(h *Hooks) {
				h.ChannelOccupied("a")
				after(dampedFor)
				for range 20 {
					h.ChannelVacated("a")
					after(time.Second)
					h.ChannelOccupied("a")
				}
			},
			[]string{TypeOccupied},
		},
		"told twice":                        {func(h *Hooks) { h.ChannelOccupied("a"); h.ChannelOccupied("a") }, []string{TypeOccupied}},
		"vacated, occupied before our time": {func(h *Hooks) { h.ChannelVacated("a") }, []string{TypeVacated}},
		"a guest joins and leaves":          {func(h *Hooks) { h.MemberJoined("a", guest); after(almost); h.MemberLeft("a", guest) }, nil},
		"guests are different": {
			func(h *Hooks) { h.MemberJoined("a", guest); h.MemberJoined("a", Member{Session: "g2"}) },
			[]string{TypeJoined, TypeJoined},
		},
		"a page is loaded again": {
			func(h *Hooks) {
				h.MemberJoined("a", ann)
				after(dampedFor)
				h.MemberLeft("a", ann)
				after(almost)
				h.MemberJoined("a", again)
			},
			[]string{TypeJoined},
		},
		"a second window": {
			func(h *Hooks) { h.MemberJoined("a", ann); h.MemberJoined("a", again); h.MemberLeft("a", ann) },
			[]string{TypeJoined},
		},
		"and the first is closed later": {
			func(h *Hooks) {
				h.MemberJoined("a", ann)
				after(dampedFor)
				h.MemberJoined("a", again)
				h.MemberLeft("a", again)
				after(dampedFor)
				h.MemberLeft("a", ann)
			},
			[]string{TypeJoined, TypeLeft},
		},
		"another channel": {
			func(h *Hooks) { h.MemberJoined("a", ann); h.MemberJoined("b", ann); h.MemberLeft("b", ann) },
			[]string{TypeJoined},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, taken)
				h := a.start(t, Options{Events: new(Events)})
				row.happens(h)
				after(dampedFor + gatherFor)
				if got, _ := a.told(t); !slices.Equal(got, row.want) {
					t.Errorf("told %q, want %q", got, row.want)
				}
				if s := h.Stats().Events; s != (EventStats{}) {
					t.Errorf("left is %+v", s)
				}
				there := 0
				for _, s := range h.events.states {
					if s.isThere {
						there++
					}
				}
				if len(h.events.states) != there {
					t.Errorf("%d states are kept for %d that are there", len(h.events.states), there)
				}
			})
		})
	}
}

func TestDampedChangesComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		h := a.start(t, Options{Events: new(Events)})
		h.ChannelOccupied("a")
		after(time.Second)
		h.ChannelOccupied("b")
		after(time.Second)
		h.ChannelVacated("a") // moves the next one to the front
		h.ChannelOccupied("a")
		after(time.Minute)
		var at []time.Duration
		for _, r := range a.requests() {
			at = append(at, r.at)
		}
		_, channels := a.told(t)
		if want := []time.Duration{4*time.Second + gatherFor, 5*time.Second + gatherFor}; !slices.Equal(at, want) || !slices.Equal(channels, []string{"b", "a"}) {
			t.Errorf("%q at %v, want %v", channels, at, want)
		}
	})
}

func TestWhichEventsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		h := a.start(t, Options{Events: &Events{Channels: []access.Pattern{pattern(t, "private/**")}, Types: []string{TypeVacated, TypeJoined, TypeClosed}}})
		m := Member{Session: "s", User: "ann"}
		for _, channel := range []string{"public", "private/a"} {
			h.ChannelOccupied(channel)
			h.MemberJoined(channel, m)
		}
		h.SessionOpened(m)
		after(dampedFor)
		for _, channel := range []string{"public", "private/a"} {
			h.ChannelVacated(channel)
			h.MemberLeft(channel, m)
		}
		h.SessionClosed(m, "")
		after(dampedFor + gatherFor)
		types, channels := a.told(t)
		slices.Sort(types)
		slices.Sort(channels)
		if !slices.Equal(types, []string{TypeVacated, TypeJoined, TypeClosed}) || !slices.Equal(channels, []string{"", "private/a", "private/a"}) {
			t.Errorf("told %q of %q", types, channels)
		}
	})
}

// The status says that events were taken. What comes with it is not read.
func TestOnlyTheStatusCounts(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a page": say(strings.Repeat("<p>", 1<<20)),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "ok")
		},
		"nothing": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, handler)
				r := newRecord()
				h := a.start(t, Options{Events: new(Events), Observer: r.observer()})
				h.SessionOpened(Member{Session: "s"})
				after(time.Minute)
				if n := len(a.requests()); n != 1 || r.told[Delivered] != 1 {
					t.Errorf("%d requests, observed %v", n, r.told)
				}
			})
		})
	}
}

// The events of a channel arrive in order, whatever fails meanwhile, and a batch is
// the same in each attempt.
func TestOrderAcrossRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			switch n.Add(1) % 4 {
			case 1:
				panic(http.ErrAbortHandler)
			case 2:
				w.WriteHeader(http.StatusInternalServerError)
			case 3:
				pause(r.Context(), time.Minute)
			}
		})
		h := a.start(t, Options{Events: &Events{BatchCountMax: 7, Retry: time.Hour}})
		const sessions, each = 20, 30
		for i := range each {
			for s := range sessions {
				h.SessionClosed(Member{Session: fmt.Sprint(s)}, fmt.Sprint(i))
			}
			after(10 * time.Millisecond)
		}
		after(time.Hour)
		if s := h.Stats().Events; s != (EventStats{}) {
			t.Fatalf("left is %+v", s)
		}
		next := map[string]int{}
		bodies := map[string]string{}
		for _, r := range a.requests() {
			id := r.header.Get("Webhook-Id")
			if before, again := bodies[id]; again {
				if before != string(r.body) {
					t.Fatalf("%s is another batch when it is sent again", id)
				}
				continue // the application knows it by its id
			}
			verifySignature(t, r, testSecret)
			bodies[id] = string(r.body)
			var batch struct {
				Events []struct {
					Data struct{ Session, Reason string }
				}
			}
			if err := json.Unmarshal(r.body, &batch); err != nil || len(batch.Events) > 7 {
				t.Fatalf("%v: %d events", err, len(batch.Events))
			}
			for _, e := range batch.Events {
				if e.Data.Reason != fmt.Sprint(next[e.Data.Session]) {
					t.Fatalf("session %s: %s comes, want %d", e.Data.Session, e.Data.Reason, next[e.Data.Session])
				}
				next[e.Data.Session]++
			}
		}
		for s := range sessions {
			if next[fmt.Sprint(s)] != each {
				t.Errorf("session %d: %d of %d", s, next[fmt.Sprint(s)], each)
			}
		}
		if len(a.requests()) <= len(bodies) {
			t.Error("nothing was sent twice")
		}
	})
}

// The pauses between attempts double, up to a minute, and end with the event's
// worth.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		r := newRecord()
		h := a.start(t, Options{Events: new(Events), Observer: r.observer()})
		h.SessionOpened(Member{Session: "s"})
		after(time.Hour)
		var previous time.Duration
		want := retryFirst
		requests := a.requests()
		for i, r := range requests {
			if i > 0 {
				vary := time.Duration(float64(want) * retryVary)
				if got := r.at - previous; got < want-vary || got > want+vary+time.Millisecond {
					t.Errorf("pause %d is %v, want about %v", i, got, want)
				}
				want = min(2*want, retryLast)
			}
			previous = r.at
			if at := time.Unix(946684800, 0).Add(r.at).Unix(); r.header.Get("Webhook-Timestamp") != fmt.Sprint(at) {
				t.Errorf("attempt %d is signed for %s, and is of %d", i, r.header.Get("Webhook-Timestamp"), at)
			}
		}
		if previous > DefaultRetry || previous < DefaultRetry-2*retryLast || len(requests) < 10 {
			t.Errorf("%d attempts, the last after %v", len(requests), previous)
		}
		if r.givenUp[TooOld] != 1 || r.told[Failed] != len(requests) || h.Stats().Events != (EventStats{GivenUp: 1}) {
			t.Errorf("observed %v and %v; %+v", r.givenUp, r.told, h.Stats().Events)
		}
	})
}

// After an outage events that are too old are given up, and the rest arrives.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
			if !well.Load() {
				w.WriteHeader(http.StatusBadGateway)
			}
		})
		r := newRecord()
		h := a.start(t, Options{Events: &Events{Retry: 2 * time.Minute}, Observer: r.observer()})
		for i := range 10 {
			h.SessionClosed(Member{Session: "s"}, fmt.Sprint(i))
			after(time.Minute)
		}
		well.Store(true)
		after(3 * time.Minute)
		requests := a.requests()
		last := string(requests[len(requests)-1].body)
		if !strings.Contains(last, `"reason":"9"`) || strings.Contains(last, `"reason":"6"`) {
			t.Errorf("the last is %s", last)
		}
		s := h.Stats().Events
		if s.GivenUp < 7 || s.GivenUp > 9 || r.givenUp[TooOld] != int(s.GivenUp) || r.told[Delivered] != 10-int(s.GivenUp) || s.Queued != 0 || s.QueuedBytes != 0 {
			t.Errorf("observed %v and %v; %+v", r.givenUp, r.told, s)
		}
	})
}

// An event that waited behind a batch until it was too old is not even tried.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		r := newRecord()
		h := a.start(t, Options{Events: &Events{BatchCountMax: 1}, Observer: r.observer()})
		for range 50 {
			h.SessionOpened(Member{Session: "s"})
		}
		after(DefaultRetry + time.Second)
		ids := map[string]bool{}
		for _, r := range a.requests() {
			ids[r.header.Get("Webhook-Id")] = true
		}
		if len(ids) != 1 || r.givenUp[TooOld] != 50 {
			t.Errorf("%d were tried, observed %v", len(ids), r.givenUp)
		}
	})
}

// An event that is too old is not sent, also if it could be.
func TestOldEventsAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				hang(w, r)
			}
		})
		r := newRecord()
		h := a.start(t, Options{Events: &Events{Timeout: time.Minute, Retry: 30 * time.Second}, Observer: r.observer()})
		for i := range 3 {
			h.SessionClosed(Member{Session: "s"}, fmt.Sprint("at ", i))
			after(25 * time.Second)
		}
		after(time.Minute)
		requests := a.requests()
		if len(requests) != 2 || !strings.Contains(string(requests[1].body), "at 2") || strings.Contains(string(requests[1].body), "at 1") || r.givenUp[TooOld] != 2 {
			t.Errorf("%d requests, the last %s; observed %v", len(requests), requests[len(requests)-1].body, r.givenUp)
		}
	})
}

func TestRetryAfterOfEvents(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		field  string
		want   time.Duration // until the next attempt; 0: the usual
	}{
		"busy, seconds":       {http.StatusTooManyRequests, "90", 90 * time.Second},
		"unavailable, a date": {http.StatusServiceUnavailable, "Sat, 01 Jan 2000 00:02:00 GMT", 2*time.Minute - gatherFor},
		"another status":      {http.StatusInternalServerError, "90", 0},
		"nonsense":            {http.StatusTooManyRequests, "soon", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int32
				a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
					if n.Add(1) == 1 {
						w.Header().Set("Retry-After", row.field)
						w.WriteHeader(row.status)
					}
				})
				h := a.start(t, Options{Events: new(Events)})
				h.SessionOpened(Member{Session: "s"})
				after(gatherFor)
				for i := range 50 { // of all lanes
					h.SessionOpened(Member{Session: fmt.Sprint(i)})
				}
				after(5 * time.Minute)
				requests := a.requests()
				if len(requests) != 2+lanes { // one again
					t.Fatalf("%d requests", len(requests))
				}
				pause := requests[1].at - requests[0].at
				if row.want != 0 && pause != row.want || row.want == 0 && pause > 2*time.Second {
					t.Errorf("the next came after %v", pause)
				}
			})
		})
	}
}

// An application that asks for more time than an event is worth does not get it of all that
// follow.
func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Retry-After", "99999999999")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		h := a.start(t, Options{Events: new(Events)})
		h.SessionOpened(Member{Session: "s"})
		after(DefaultRetry / 2)
		h.SessionClosed(Member{Session: "s"}, "later")
		after(DefaultRetry)
		if requests := a.requests(); len(requests) != 2 || !strings.Contains(string(requests[1].body), "later") {
			t.Errorf("%d requests", len(requests))
		}
	})
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
		r, log := newRecord(), new(lockedBuffer)
		h := a.start(t, Options{Events: new(Events), Observer: r.observer(), Logger: slog.New(slog.NewTextHandler(log, nil))})
		h.ChannelOccupied("a")
		for i := range 50 { // of all lanes
			h.SessionOpened(Member{Session: fmt.Sprint(i)})
		}
		after(time.Second)
		h.SessionClosed(Member{Session: "s"}, "")
		h.ChannelVacated("a")
		after(time.Minute)
		if n := len(a.requests()); n < 1 || n > lanes || r.givenUp[Gone] != 51 || h.Stats().Events != (EventStats{GivenUp: 51, Gone: true}) {
			t.Errorf("%d requests, observed %v, %+v", n, r.givenUp, h.Stats().Events)
		}
		if len(h.events.states) != 0 {
			t.Errorf("%d states are kept", len(h.events.states))
		}
		if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "(410)") || strings.Contains(s, "secret") {
			t.Errorf("logged\n%s", s)
		}
	})
}

// Queues are bounded in number and in bytes, and what does not fit is counted.
func TestQueueIsBounded(t *testing.T) {
	for name, row := range map[string]struct {
		events Events
		member Member
		want   int // of the events that fit
	}{
		"number":        {Events{QueueCountMax: 7}, Member{Session: "s"}, 7},
		"bytes":         {Events{QueueBytesMax: 1 << 10}, Member{Session: "s", Info: json.RawMessage(`"` + strings.Repeat("x", 400) + `"`)}, 2},
		"one may queue": {Events{QueueBytesMax: 10}, Member{Session: "s"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, hang)
				r := newRecord()
				h := a.start(t, Options{Events: &row.events, Observer: r.observer()})
				for range 10 {
					h.SessionOpened(row.member)
					after(gatherFor / 20)
				}
				after(gatherFor) // what is being sent counts, too
				h.SessionOpened(row.member)
				if s := h.Stats().Events; s.Queued != row.want || s.GivenUp != uint64(11-row.want) || r.givenUp[QueueFull] != 11-row.want {
					t.Errorf("observed %v, %+v", r.givenUp, s)
				}
			})
		})
	}
}

// So many changes cannot wait: the oldest are told early, and none is lost.
func TestDampingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		h := a.start(t, Options{Events: &Events{QueueCountMax: 10}})
		for i := range 15 {
			h.ChannelOccupied(fmt.Sprint(i))
		}
		after(gatherFor)
		if s := h.Stats().Events; s.Damped != 10 || s.GivenUp != 0 {
			t.Errorf("%+v", s)
		}
		if types, _ := a.told(t); len(types) != 5 {
			t.Errorf("%d were told early", len(types))
		}
		after(dampedFor + gatherFor)
		if types, _ := a.told(t); len(types) != 15 {
			t.Errorf("%d were told", len(types))
		}
	})
}

func TestBatchBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		h := a.start(t, Options{Events: &Events{BatchBytesMax: 500}})
		for range 10 { // of 300 bytes and more
			h.SessionOpened(Member{Session: "s", Info: json.RawMessage(`"` + strings.Repeat("x", 200) + `"`)})
		}
		h.SessionOpened(Member{Session: "s", Info: json.RawMessage(`"` + strings.Repeat("x", 2000) + `"`)})
		after(gatherFor)
		types, _ := a.told(t)
		if n := len(a.requests()); len(types) != 11 || n != 11 {
			t.Errorf("%d events in %d requests", len(types), n)
		}
	})
}

// A full batch waits for nothing.
func TestFullBatchesGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		h := a.start(t, Options{Events: new(Events)})
		h.SessionOpened(Member{Session: "s"})
		synctest.Wait() // it waits for others
		for range DefaultBatchCountMax {
			h.SessionOpened(Member{Session: "s"})
		}
		synctest.Wait()
		if requests := a.requests(); len(requests) != 1 || requests[0].at != 0 {
			t.Fatalf("%d requests", len(requests))
		}
		after(gatherFor)
		if requests := a.requests(); len(requests) != 2 || requests[1].at != gatherFor {
			t.Errorf("%d requests, the last after %v", len(requests), requests[1].at)
		}
	})
}

// Close tells the rest, the changes that wait for being undone as well.
func TestCloseTellsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
		})
		h := a.start(t, Options{Events: new(Events)})
		h.ChannelOccupied("a")
		h.MemberJoined("a", Member{Session: "s"})
		began := time.Now()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		h.SessionClosed(Member{Session: "s"}, "")
		h.ChannelVacated("a")
		types, _ := a.told(t)
		if !slices.Equal(types, []string{TypeOccupied, TypeJoined, TypeOccupied, TypeJoined}) || time.Since(began) > 2*time.Second {
			t.Errorf("told %q within %v", types, time.Since(began))
		}
		if s := h.Stats().Events; s != (EventStats{}) {
			t.Errorf("left is %+v", s)
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, hang)
		r := newRecord()
		h := a.start(t, Options{Events: &Events{Timeout: time.Hour}, Observer: r.observer()})
		for i := range 5 {
			h.ChannelOccupied(fmt.Sprint(i))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := h.Close(ctx)
		if err == nil || err.Error() != "hooks: 5 events were given up, for the application did not take them in time" || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s := h.Stats().Events; r.givenUp[Closed] != 5 || s != (EventStats{GivenUp: 5}) {
			t.Errorf("observed %v, %+v", r.givenUp, s)
		}
	})
}

// An observer may ask what it likes.
func TestObserverIsCalledWithoutLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"allow":{}}`) })
		var h *Hooks
		var calls atomic.Int32
		h = a.start(t, Options{Subscribe: new(Question), Events: &Events{QueueCountMax: 1}, Observer: &Observer{
			Answered: func(string, Outcome, time.Duration) { calls.Add(1); h.Stats() },
			Told:     func(int, Outcome, time.Duration) { calls.Add(1); h.Stats() },
			GivenUp:  func(int, Reason) { calls.Add(1); h.Stats() },
		}})
		if err := subscribe(h, SubscribeRequest{}); err != nil {
			t.Error(err)
		}
		h.SessionOpened(Member{Session: "s"})
		h.SessionOpened(Member{Session: "s"})
		after(gatherFor)
		if calls.Load() != 3 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

func BenchmarkMemberJoined(b *testing.B) {
	e := Events{URL: "https://app.example/"}
	h, err := New(&Options{Events: &e, Secrets: [][]byte{[]byte(testSecret)}})
	if err != nil {
		b.Fatal(err)
	}
	defer closeNow(h)
	m := Member{Session: "s1", User: "ann", Info: json.RawMessage(`{"name":"Ann"}`)}
	b.ReportAllocs()
	for b.Loop() {
		h.MemberJoined("chat/a", m)
		h.MemberLeft("chat/a", m)
	}
}
