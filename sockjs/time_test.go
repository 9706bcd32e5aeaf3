package sockjs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/sockjs"
)

// still is a Server in a bubble, where time is virtual and requests are calls.
type still struct {
	t *testing.T
	*sockjs.Server
}

func newStill(t *testing.T, h sockjs.Handler, o *sockjs.Options) *still {
	if o == nil {
		o = new(sockjs.Options)
	}
	o.Logger = quiet
	s, err := sockjs.New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	return &still{t, s}
}

// post makes a request and waits for its response.
func (s *still) post(path, body string) *httptest.ResponseRecorder {
	return s.postWith(s.t.Context(), path, body)
}

func (s *still) postWith(ctx context.Context, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if cut := recover(); cut != nil && cut != http.ErrAbortHandler {
				panic(cut)
			}
		}()
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body)))
	}()
	return w
}

func (s *still) expect(path, want string) {
	s.t.Helper()
	if got := s.post(path, "").Body.String(); got != want+"\n" {
		s.t.Fatalf("%s: got %.100q, want %q", path, got, want)
	}
}

// after reports how much virtual time f takes.
func after(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// A poll that has nothing to say gets a heartbeat after 25 s.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, echo{}, nil)
		s.expect("/0/a/xhr", "o")
		for range 3 {
			if d := after(func() { s.expect("/0/a/xhr", "h") }); d != 25*time.Second {
				t.Error(d)
			}
			time.Sleep(4 * time.Second)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A session without a receiver ends after 5 s, and its name may be used anew.
func TestDisconnectDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newEvents(nil)
		s := newStill(t, h, nil)
		s.expect("/0/a/xhr", "o")
		h.expect(t, "open")
		time.Sleep(4 * time.Second)
		s.post("/0/a/xhr_send", `["x"]`) // a client that only sends is not there
		time.Sleep(time.Second - 1)
		synctest.Wait()
		h.expect(t, "message x")
		if n := s.Stats(); n.Sessions != 1 || n.Waiting != 1 {
			t.Errorf("%+v", n)
		}
		time.Sleep(1)
		synctest.Wait()
		h.expect(t, `close 1000 "" true`)
		if n := s.Stats(); n.Sessions != 0 || n.Waiting != 0 {
			t.Errorf("%+v", n)
		}
		if code := s.post("/0/a/xhr_send", `["x"]`).Code; code != http.StatusNotFound {
			t.Error(code)
		}
		s.expect("/0/a/xhr", "o")
		_ = s.Close()
	})
}

// The end of a session is told for 5 s after the last time that it was asked for; a client
// that asks without end is told more and more slowly.
func TestFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, goAway{}, nil)
		s.expect("/0/a/xhr", "o")
		const farewell = `c[3000,"Go away!"]`
		s.expect("/0/a/xhr", farewell)
		for range 7 {
			time.Sleep(4 * time.Second)
			if d := after(func() { s.expect("/0/a/xhr", farewell) }); d != 0 {
				t.Error(d)
			}
		}
		for range 3 {
			if d := after(func() { s.expect("/0/a/xhr", farewell) }); d != time.Second {
				t.Error(d)
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := s.Stats().Sessions; n != 0 {
			t.Error(n)
		}
		s.expect("/0/a/xhr", "o")
		_ = s.Close()
	})
}

// A receiver that comes while another one waits is told so, soon at first, then more slowly. The
// first one is not touched.
func TestSecondReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, echo{}, nil)
		s.expect("/0/a/xhr", "o")
		first := make(chan string, 1)
		go func() { first <- s.post("/0/a/xhr", "").Body.String() }()
		synctest.Wait()
		for i := range 12 {
			want := 50 * time.Millisecond
			if i >= 4 { // it is asked twice each time
				want = time.Second
			}
			if d := after(func() { s.expect("/0/a/xhr", `c[2010,"Another connection still open"]`) }); d != want {
				t.Errorf("%d: %v", i, d)
			}
		}
		s.post("/0/a/xhr_send", `["x"]`)
		if got := <-first; got != "a[\"x\"]\n" {
			t.Errorf("%q", got)
		}
		_ = s.Close()
	})
}

// A second receiver takes the place of the first if that goes in time.
func TestSecondReceiverTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, echo{}, nil)
		s.expect("/0/a/xhr", "o")
		go s.post("/0/a/xhr", "")
		synctest.Wait()
		second := make(chan string, 1)
		go func() { second <- s.post("/0/a/xhr", "").Body.String() }()
		time.Sleep(40 * time.Millisecond)
		s.post("/0/a/xhr_send", `["first"]`)
		synctest.Wait()
		time.Sleep(time.Second)
		s.post("/0/a/xhr_send", `["second"]`)
		if got := <-second; got != "a[\"second\"]\n" {
			t.Errorf("%q", got)
		}
		_ = s.Close()
	})
}

// A receiver whose client has gone is not in the way of the next, also if its end was not
// noticed yet.
func TestReceiverHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newEvents(nil)
		s := newStill(t, h, nil)
		s.expect("/0/a/xhr", "o")
		ctx, cancel := context.WithCancel(t.Context())
		go s.postWith(ctx, "/0/a/xhr", "")
		synctest.Wait()
		cancel()
		if d := after(func() { s.expect("/0/a/xhr", `c[1002,"Connection interrupted"]`) }); d != 0 {
			t.Error(d)
		}
		h.expect(t, "open", `close 1002 "Connection interrupted" true`)
		_ = s.Close()
	})
}

// A session without a decision is refused in time.
func TestDecisionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newEvents(nil)
		s := newStill(t, nil, &sockjs.Options{Decide: func(s *sockjs.Session, _ *sockjs.Request) sockjs.Handler {
			s.Hold()
			return h
		}})
		if d := after(func() {
			s.expect("/0/a/xhr", `c[1013,"the server could not decide in time; try again later"]`)
		}); d != sockjs.DefaultDecisionTimeout {
			t.Error(d)
		}
		h.expect(t, `close 1013 "the server could not decide in time; try again later" false`)
		_ = s.Close()
	})
}

// WakeAt is exact, and works between two polls.
func TestWakeAtBetweenPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := newEvents(func(s *sockjs.Session, call string) {
			switch call {
			case "open":
				s.WakeAt(begun.Add(3 * time.Second))
			case "wake":
				if d := time.Since(begun); d != 3*time.Second {
					t.Error(d)
				}
				_ = s.Send("woken")
			}
		})
		s := newStill(t, h, nil)
		s.expect("/0/a/xhr", "o")
		time.Sleep(4 * time.Second)
		s.expect("/0/a/xhr", `a["woken"]`)
		h.expect(t, "open", "wake")
		_ = s.Close()
	})
}

// 10,000 sessions that are begun and left cost nothing after 5 s. The runtime keeps what it
// has needed for goroutines, and a collection may come late, so of the 10,000 behind the first
// the round counts that leaves the least.
func TestAbandonedSessions(t *testing.T) {
	sessions := 10_000
	if testing.Short() {
		sessions = 3000
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, echo{}, nil)
		var left [3]int
		for round := range left {
			before := heap()
			for i := range sessions {
				s.expect(fmt.Sprintf("/0/s%d/xhr", i), "o")
			}
			each := (heap() - before) / sessions
			t.Logf("%d bytes for a session", each)
			if n := s.Stats(); n.Sessions != sessions || n.Waiting != sessions || each > 1500 {
				t.Errorf("%+v", n)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if n := s.Stats(); n.Sessions != 0 || n.Waiting != 0 {
				t.Errorf("%+v", n)
			}
			left[round] = heap()
		}
		if more := min(left[1]-left[0], left[2]-left[1]); more > 1<<20 {
			t.Errorf("%d bytes are left", more)
		}
		_ = s.Close()
	})
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A client that sends many requests at once while the program has paused is refused; what was
// taken is handed on, in order, when it resumes.
func TestInboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paused := make(chan *sockjs.Session, 1)
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "open" {
				s.PauseReading()
				paused <- s
			}
		})
		s := newStill(t, h, nil)
		s.expect("/0/a/xhr", "o")
		go s.post("/0/a/xhr", "") // so that the session lives
		synctest.Wait()
		codes := make(chan int, 280)
		for i := range 280 {
			go func() { codes <- s.post("/0/a/xhr_send", fmt.Sprintf(`["%d"]`, i)).Code }()
			synctest.Wait()
		}
		for range 280 - 256 {
			if code := <-codes; code != http.StatusServiceUnavailable {
				t.Error(code)
			}
		}
		if len(codes) != 0 {
			t.Error("something was answered that was not handed on")
		}
		h.expect(t, "open")
		(<-paused).ResumeReading()
		for i := range 256 {
			h.expect(t, fmt.Sprintf("message %d", i))
		}
		for range 256 {
			if code := <-codes; code != http.StatusNoContent {
				t.Error(code)
			}
		}
		_ = s.Close()
	})
}

// Names that nobody has are refused and cost nothing.
func TestUnknownSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, echo{}, nil)
		for i := range 1000 {
			if code := s.post(fmt.Sprintf("/0/s%d/xhr_send", i), `["x"]`).Code; code != http.StatusNotFound {
				t.Fatal(code)
			}
		}
		if n := s.Stats(); n.Sessions != 0 || n.Received != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// Close does not wait for clients that are to be told, and stops their timers.
func TestCloseIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t, goAway{}, nil)
		for i := range 10 {
			s.expect(fmt.Sprintf("/0/s%d/xhr", i), "o")
		}
		if d := after(func() { _ = s.Close() }); d != 0 || s.Stats().Sessions != 0 {
			t.Errorf("%v, %+v", d, s.Stats())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
