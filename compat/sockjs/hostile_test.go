package sockjs_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/compat/sockjs"
	"github.com/godwit-io/godwit/hub"
	library "github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
)

// virtual is a Server without a network, in virtual time. do makes a request and returns
// what it was answered; it must be called in a bubble.
func virtual(t *testing.T, o siteOptions) (h *hub.Hub, s *sockjs.Server, do func(method, path, body string) string) {
	h = newHub(t, &o.hub)
	o.transport.Logger = quiet
	channels, err := transport.New(h, &o.transport)
	if err != nil {
		t.Fatal(err)
	}
	o.sockjs.SockJS.Logger = quiet
	if s, err = sockjs.New(channels, &o.sockjs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, s, func(method, path, body string) string {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Body.String()
	}
}

// Sessions that were begun by a POST each and left alone are gone after DisconnectDelay, in
// SockJS and in the hub, and their memory with them.
func TestAbandonedSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 sessions take some seconds")
	}
	const most = 10_000
	// The runtime keeps what it needs for a goroutine, half a kilobyte. How many there are at a time depends on how busy the machine
	// is, so there are as many as there may be before anything is measured.
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range 3 * most {
		all.Go(func() { <-begin })
	}
	close(begin)
	all.Wait()
	synctest.Test(t, func(t *testing.T) {
		h, s, do := virtual(t, siteOptions{transport: transport.Options{SessionsPerSecond: transport.NoLimit}})
		var left [2]int64
		for round := range left { // goroutines and maps that were needed once are kept for the next time
			before := heap()
			for range most {
				if got := do("POST", "/sockjs/chat/000/"+random()+"/xhr", ""); got != "o\n" {
					t.Fatalf("%q", got)
				}
			}
			synctest.Wait()
			if n, sessions := s.Stats(), h.SessionCount(); n.Sessions != most || n.Waiting != most || sessions != most {
				t.Errorf("%+v, and %d sessions of the hub", n, sessions)
			}
			held := heap() - before
			began := time.Now()
			for s.Stats().Sessions > 0 {
				<-time.After(time.Second)
				synctest.Wait()
				if time.Since(began) > time.Minute {
					t.Fatalf("%+v", s.Stats())
				}
			}
			if took := time.Since(began); took > library.DefaultDisconnectDelay+2*time.Second {
				t.Errorf("they have stayed for %v", took)
			}
			if n := h.SessionCount(); n != 0 {
				t.Errorf("%d sessions of the hub are left", n)
			}
			left[round] = heap() - before
			t.Logf("a session without a receiver holds %d bytes; %d are left of all", held/most, left[round])
		}
		if left[1] > 10*most {
			t.Errorf("%d bytes are left of %d sessions", left[1], most)
		}
	})
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A session does not hold more and more once its client has stopped asking: it falls behind in
// the hub, and ends by itself.
func TestNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, do := virtual(t, siteOptions{})
		if got := do("POST", "/sockjs/chat/000/a/xhr", ""); got != "o\n" {
			t.Fatalf("%q", got)
		}
		before := heap()
		payload := []byte(strings.Repeat("x", 50_000))
		for range 4000 { // 200 MB
			if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: payload}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := s.Stats(); n.Sessions != 1 {
			t.Errorf("%+v", n)
		}
		// The history is 1,000 publications or less; the memory beside it is bounded.
		if held := heap() - before; held > 120<<20 {
			t.Errorf("%d bytes are held", held)
		}
		<-time.After(library.DefaultDisconnectDelay + 2*time.Second)
		synctest.Wait()
		if n := h.SessionCount(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// There are no more sessions than there may be, and clients that are told so can come back.
func TestSessionsMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := siteOptions{sockjs: sockjs.Options{SockJS: library.Options{SessionsMax: 10}}}
		h, _, do := virtual(t, o)
		for i := range 12 {
			want := "o\n"
			if i >= 10 {
				want = "c[1013,\"there are too many sessions; try again later\"]\n"
			}
			if got := do("POST", "/sockjs/chat/000/"+random()+"/xhr", ""); got != want {
				t.Errorf("%d: %q", i, got)
			}
		}
		if n := h.SessionCount(); n != 10 {
			t.Errorf("%d sessions of the hub", n)
		}
		<-time.After(library.DefaultDisconnectDelay + 2*time.Second)
		if got := do("POST", "/sockjs/chat/000/"+random()+"/xhr", ""); got != "o\n" {
			t.Errorf("%q", got)
		}
	})
}

// A Guard that never answers does not have clients wait for ever, and is told that they
// have left when it does.
func TestGuardThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &slowGuard{Guard: keyed(t, "k", map[string][]string{"subscribe": {"news"}}), asked: make(chan func(), 1)}
		left := make(chan struct{}, 1)
		o := siteOptions{transport: transport.Options{Guard: leaving{guard, left}}}
		h, _, do := virtual(t, o)
		began := time.Now()
		if got := do("POST", "/sockjs/news/000/a/xhr?key=k", ""); got != "c[1013,\"the server could not decide in time; try again later\"]\n" {
			t.Errorf("%q", got)
		}
		if took := time.Since(began); took != library.DefaultDecisionTimeout {
			t.Errorf("%v", took)
		}
		(<-guard.asked)() // too late
		<-left
		synctest.Wait()
		if n := h.SessionCount(); n != 0 {
			t.Errorf("%d sessions of the hub", n)
		}
	})
}

// leaving notes that a client has left.
type leaving struct {
	transport.Guard
	left chan struct{}
}

func (g leaving) Leave(*transport.Client) { g.left <- struct{}{} }

// The first frame comes when the client is subscribed: it misses nothing that is published
// from then on.
func TestOpenMeansSubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, do := virtual(t, siteOptions{})
		for i := range 100 {
			path := "/sockjs/chat/" + itoa(i) + "/a" + itoa(i) + "/xhr"
			if got := do(http.MethodPost, path, ""); got != "o\n" {
				t.Fatalf("%q", got)
			}
			if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: []byte("hello")}); err != nil {
				t.Fatal(err)
			}
			if got := do(http.MethodPost, path, ""); got != "a[\"hello\"]\n" {
				t.Fatalf("%q", got)
			}
		}
	})
}
