package transport

import (
	"container/heap"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/transport/reconnect"
	"github.com/godwit-io/godwit/ws"
)

// newPacing is the pacing of a Transport whose hub has that many sessions.
func newPacing(sessions int, spread reconnect.Spread, perSecond int) *pacing {
	random := rand.New(rand.NewPCG(3, 4))
	t := &Transport{}
	t.pacing.random, t.pacing.sessions = random.Float64, func() int { return sessions }
	t.SetPace(spread, perSecond)
	return &t.pacing
}

// returning is a client of a house that comes back.
type returning struct {
	at    time.Duration
	tries int
}

// returnings is a heap of them, the next one first.
type returnings []returning

func (r returnings) Len() int           { return len(r) }
func (r returnings) Less(i, j int) bool { return r[i].at < r[j].at }
func (r returnings) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *returnings) Push(x any)        { *r = append(*r, x.(returning)) }
func (r *returnings) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// A house that comes back within one second is let in at the rate: nobody is sent away
// often, and no second has more than the rate and a burst.
func TestAdmissionOfAStorm(t *testing.T) {
	const house, rate = 19_000, 1000
	p := newPacing(0, reconnect.Spread{}, rate)
	random := rand.New(rand.NewPCG(5, 6))
	begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	waiting := make(returnings, house)
	for i := range waiting {
		waiting[i].at = time.Duration(random.Float64() * float64(time.Second))
	}
	heap.Init(&waiting)
	admitted := make(map[int]int)
	var last time.Duration
	most, tries := 0, 0
	for waiting.Len() > 0 {
		c := heap.Pop(&waiting).(returning)
		c.tries++
		ok, after := p.admit(begin.Add(c.at))
		if ok {
			admitted[int(c.at/time.Second)]++
			last, most, tries = c.at, max(most, c.tries), tries+c.tries
			continue
		}
		if after < time.Second || after > 61*time.Second {
			t.Fatalf("told to come back after %v", after)
		}
		c.at += (after + time.Second - 1).Truncate(time.Second) // as Retry-After has it
		heap.Push(&waiting, c)
	}
	for second, n := range admitted {
		if n > rate+rate/burstPart {
			t.Errorf("%d sessions begin in second %d", n, second)
		}
	}
	// At half of the rate it takes 38 s.
	if last > 40*time.Second || most > 3 || tries > 2*house {
		t.Errorf("the last session begins after %v, and one has tried %d times, all %d times", last, most, tries)
	}
}

// While some clients are sent away, newcomers have their half of the rate, and the line
// is never longer than the longest delay, however many ask.
func TestPlacesInLine(t *testing.T) {
	p := newPacing(0, reconnect.Spread{}, 100)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for range 50 {
		if ok, _ := p.admit(now); !ok {
			t.Fatal("there is no burst")
		}
	}
	for i := range 3000 { // 60 s of places 20 ms apart
		ok, after := p.admit(now)
		if want := time.Second + time.Duration(i+1)*20*time.Millisecond; ok || after != want {
			t.Fatalf("number %d: %v %v, want after %v", i, ok, after, want)
		}
	}
	counts := make([]int, 6)
	for range 6000 {
		ok, after := p.admit(now)
		if ok || after < time.Second || after >= 61*time.Second {
			t.Fatalf("beyond the line: %v %v", ok, after)
		}
		counts[(after-time.Second)/(10*time.Second)]++
	}
	for i, n := range counts { // 1000 each, with a standard deviation of 29
		if n < 880 || n > 1120 {
			t.Errorf("%d of those beyond the line come in part %d: %v", n, i, counts)
		}
	}
	// A clock that is set back does not send everybody to the end.
	now = now.Add(-time.Hour)
	for range 50 {
		p.admit(now)
	}
	if ok, after := p.admit(now); ok || after > 3*time.Second {
		t.Errorf("after the clock was set back: %v %v", ok, after)
	}
}

func TestPlacesAreGivenOnce(t *testing.T) {
	p := newPacing(0, reconnect.Spread{}, 100)
	p.random = func() float64 { return 0 }
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	places := make(map[time.Duration]int)
	admitted := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				ok, after := p.admit(now)
				mu.Lock()
				if places[after]++; ok {
					admitted++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if admitted != 50 || len(places) != 800-50+1 {
		t.Errorf("%d admitted, %d different places for the others", admitted, len(places)-1)
	}
}

func TestNoLimitOfSessions(t *testing.T) {
	p := newPacing(0, reconnect.Spread{}, NoLimit)
	now := time.Now()
	for range 100_000 {
		if ok, _ := p.admit(now); !ok {
			t.Fatal("refused")
		}
	}
}

// redraw keeps a delay that is right, and replaces one when the house has grown or shrunk,
// or the server stops.
func TestRedraw(t *testing.T) {
	sessions := 100
	o := &Transport{}
	p := &o.pacing
	p.random, p.sessions = func() float64 { return 0.5 }, func() int { return sessions }
	o.SetPace(reconnect.Spread{}, 0)
	delay, at := p.redraw(-1)
	if delay != 2*time.Second || at != 100 {
		t.Errorf("first %v at %d", delay, at)
	}
	if delay, _ = p.redraw(at); delay != 0 {
		t.Errorf("it is right, and drawn again: %v", delay)
	}
	sessions = 19_000
	if got := o.ReconnectWindow(); got != 19*time.Second {
		t.Errorf("a window of %v", got)
	}
	if delay, at = p.redraw(at); delay != 10500*time.Millisecond || at != 19_000 {
		t.Errorf("grown: %v at %d", delay, at)
	}
	if got := p.whenRefused(); got != 2*time.Second {
		t.Errorf("refused: %v", got)
	}
	if got := p.whenFull(); got != 14500*time.Millisecond {
		t.Errorf("full: %v", got)
	}
	o.BeginDrain(5 * time.Second)
	if delay, _ = p.redraw(-1); delay != 8*time.Second { // 1 s and half of 14
		t.Errorf("stopping: %v", delay)
	}
	if got := p.whenRefused(); got != 8*time.Second {
		t.Errorf("refused while stopping: %v", got)
	}
}

// Sessions are refused before anything else happens, each in the way its client
// understands, and everything else is served.
func TestSessionsTooMany(t *testing.T) {
	var mu sync.Mutex
	refused := make(map[string]int)
	s := newSite(t, siteOptions{transport: Options{
		Observer: &Observer{SessionRefused: func(transport string) {
			mu.Lock()
			defer mu.Unlock()
			refused[transport]++
		}},
	}})
	empty(s.transport)
	s.publish("chat", hub.Text, "x")

	response, body := s.do("GET", "/channels/chat", fields{"Accept", "text/event-stream"}, "")
	if retry := retryOf(t, body); response.StatusCode != 200 || retry < 11*time.Second || retry > 12*time.Second {
		t.Errorf("an event stream: %s %q", response.Status, body)
	}
	for i, header := range []fields{{"Accept", "application/x-ndjson"}, {"Prefer", "wait=10"}} {
		response, body := s.do("GET", "/channels/chat", header, "")
		after, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		if want := 21 + 10*i; response.StatusCode != 503 || after < want || after > want+1 || !strings.Contains(body, "/overloaded") {
			t.Errorf("%v: %s, Retry-After %d, want %d: %s", header, response.Status, after, want, body)
		}
	}
	_, handshake, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.server.URL, "http")+"/channels/chat", nil)
	if err == nil || handshake == nil || handshake.StatusCode != 503 || handshake.Header.Get("Retry-After") != "41" && handshake.Header.Get("Retry-After") != "42" {
		t.Errorf("a WebSocket: %v %+v", err, handshake)
	}
	_, handshake, err = ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.server.URL, "http")+"/connect", &ws.DialOptions{Subprotocols: []string{"godwit.v1"}})
	if err == nil || handshake == nil || handshake.StatusCode != 503 || handshake.Header.Get("Retry-After") == "" {
		t.Errorf("a WebSocket of a session: %v %+v", err, handshake)
	}
	if response, body := s.do("POST", "/connect", nil, `{"id":1,"connect":{}}`); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !strings.Contains(body, "/overloaded") {
		t.Errorf("a session by POST: %s %s", response.Status, body)
	}
	if response, body := s.do("GET", `/connect?commands=%7B%22id%22:1,%22connect%22:%7B%7D%7D`, fields{"Accept", "text/event-stream"}, ""); response.StatusCode != 200 || retryOf(t, body) < 30*time.Second {
		t.Errorf("a session of an EventSource: %s %q", response.Status, body)
	}
	// Requests that begin no session, or continue one, are served.
	for _, path := range []string{"/channels/chat", "/presence/chat"} {
		if response, body := s.do("GET", path, nil, ""); response.StatusCode != 200 {
			t.Errorf("%s: %s %s", path, response.Status, body)
		}
	}
	if response, body := s.do("POST", "/channels/chat", nil, "y"); response.StatusCode != 201 {
		t.Errorf("POST: %s %s", response.Status, body)
	}
	if response, body := s.do("HEAD", "/channels/chat", fields{"Accept", "text/event-stream"}, ""); response.StatusCode != 200 {
		t.Errorf("HEAD: %s %s", response.Status, body)
	}
	if response, _ := s.do("GET", "/channels/chat?since=lost:1", fields{"Prefer", "wait=10"}, ""); response.StatusCode != 200 {
		t.Errorf("a long poll that goes on: %s", response.Status)
	}
	if got := fmt.Sprint(refused); got != "map[longpoll:1 ndjson:1 session:2 sse:2 websocket:1]" {
		t.Errorf("the observer was told of %s", got)
	}
	if got := s.hub.Stats().Sessions; len(got) != 0 {
		t.Errorf("sessions began: %v", got)
	}
	// Another limit takes effect at once, and the same one leaves everything as it is.
	s.transport.SetPace(reconnect.Spread{}, 1)
	if ok, _ := s.transport.pacing.admit(time.Now()); ok {
		t.Error("a limit that was set to what it is lets one more begin")
	}
	s.transport.SetPace(reconnect.Spread{}, 2)
	s.open("/channels/chat", fields{"Accept", "text/event-stream"})
}

// empty has no session begin for an hour, and clients that are sent away come back every
// 10 s.
func empty(t *Transport) {
	a := &turnstile{perSecond: 1, limit: ratelimit.Every(time.Hour, 1), step: 10 * time.Second}
	a.bucket.Allow(time.Now(), a.limit)
	t.pacing.turnstile.Store(a)
}

// retryOf is what a stream of nothing else tells an EventSource.
func retryOf(t *testing.T, body string) time.Duration {
	t.Helper()
	text, ok := strings.CutPrefix(body, "retry: ")
	n, err := strconv.Atoi(strings.TrimSuffix(text, "\n\n"))
	if !ok || err != nil {
		t.Errorf("the stream is %q", body)
	}
	return time.Duration(n) * time.Millisecond
}

// On a loop a long poll goes on if its connection has had a request before, wherever it
// begins.
func TestLongPollsOnOneConnection(t *testing.T) {
	h := newHub(t, nil, nil)
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	v := serveOnOneLoop(t, h, Options{Logger: quiet()})
	empty(v.transport)
	defer v.close()
	for i, want := range []int{503, 200, 200} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", v.url+"/channels/chat?since=lost:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Prefer", "wait=10")
		response, err := v.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("request %d: %s, want %d", i, response.Status, want)
		}
	}
}

// The house that comes back learns its new delays as it grows.
func TestStreamsAreToldNewDelays(t *testing.T) {
	bubble(t, Options{Random: func() float64 { return 0.5 }, Reconnect: reconnect.Spread{SessionsPerSecond: 1}}, func(t *testing.T, h *hub.Hub, serve func(string, fields) (*memory, func())) {
		m, leave := serve("/channels/chat", fields{"Accept", "text/event-stream"})
		if got := m.take(); !strings.HasPrefix(got, "retry: 2000\n") {
			t.Errorf("the stream begins with %q", got)
		}
		var others []*hub.Session
		for range 9 {
			s, err := h.Connect("test", nil)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, s)
		}
		<-time.After(16 * time.Second)
		synctest.Wait()
		if got := m.take(); got != "retry: 6000\n\n" { // 1 s and half of 10
			t.Errorf("after some have come: %q", got)
		}
		for _, s := range others {
			s.Close()
		}
		<-time.After(15 * time.Second)
		synctest.Wait()
		if got := m.take(); got != "retry: 2000\n\n" {
			t.Errorf("after they have gone: %q", got)
		}
		leave()
	})
}
