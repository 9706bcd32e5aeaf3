package engine_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// gate echoes, and holds the loop with "block" until it is let go.
type gate struct {
	echo
	entered, leave chan struct{}
	once           sync.Once
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 10), leave: make(chan struct{})} }

func (g *gate) open() { g.once.Do(func() { close(g.leave) }) }

func (g *gate) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	if string(p) == "block" {
		g.entered <- struct{}{}
		<-g.leave
		return
	}
	g.echo.OnMessage(c, typ, p)
}

// lagging waits until a loop is that far behind, and returns its index.
func lagging(t *testing.T, s *engine.Server, by time.Duration) int {
	t.Helper()
	for ctx := within(t); ctx.Err() == nil; runtime.Gosched() {
		for i, l := range s.Stats() {
			if l.Lag > by {
				return i
			}
		}
	}
	t.Fatal("no loop lags")
	return 0
}

// A client that comes while a loop is held up is served by another loop, however
// it comes and however few connections the first loop has; later that loop has its
// share again.
func TestALoopThatLagsGetsNoConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
	drivers(t, func(t *testing.T, s *engine.Server) {
		g := newGate()
		s.Handler, s.StallAfter = g, engine.NoLimit
		s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = s.Upgrade(w, r, engine.Admission{}) })
		s.Admit = func(r *engine.Request) engine.Admission { return engine.Admission{HTTP: r.Path() == "/http"} }
		address := start(t, s)
		t.Cleanup(g.open)
		upgrade(t, address).send(t, text("block"))
		next(t, g.entered)
		slow := lagging(t, s, 200*time.Millisecond)
		for range 50 { // each of them would wait for ever on that loop
			upgrade(t, address)
			c := connect(t, address)
			c.send(t, []byte(strings.Replace(opening, "GET / ", "GET /http ", 1)))
			c.switched(t)
			c.send(t, text("here"))
			c.expect(t, wire.Text, "here")
		}
		if n := s.Stats()[slow].Conns; n != 1 {
			t.Errorf("%d connections are on the loop that lags", n)
		}
		g.open()
		for ctx := within(t); s.Stats()[slow].Conns == 1; {
			if ctx.Err() != nil {
				t.Fatal("it is never given another connection")
			}
			connect(t, address).Close()
		}
	})
}

// Loops have about as many connections each, whichever is woken to accept them.
func TestLoopsShareConnections(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		address := start(t, s)
		for range 200 {
			upgrade(t, address)
		}
		a, b := s.Stats()[0].Conns, s.Stats()[1].Conns
		if a+b != 200 || max(a, b)-min(a, b) > 80 { // a loop that is starved for a moment is left out for that long
			t.Errorf("%d and %d connections", a, b)
		}
	})
}

// wasted takes its time with every message.
type wasted struct {
	engine.NopHandler
	each time.Duration
}

func (h wasted) OnMessage(*engine.Conn, engine.MessageType, []byte) { <-time.After(h.each) }

// shed says whether an opening handshake is refused as it is with ShedAfter.
func shed(t *testing.T, c *raw) bool {
	t.Helper()
	c.send(t, []byte(opening))
	r := c.response(t)
	if r.StatusCode == http.StatusSwitchingProtocols {
		return false
	}
	after, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if r.StatusCode != http.StatusServiceUnavailable || !r.Close || err != nil || after < 5 || after > 14 {
		t.Fatalf("got %v", r)
	}
	return true
}

// When clients send more than the loops can do, clients that come then are refused,
// and served when that is over. Requests for HTTP are answered all the time.
func TestShedding(t *testing.T) {
	if testing.Short() {
		t.Skip("a loop is behind for seconds in real time")
	}
	drivers(t, func(t *testing.T, s *engine.Server) {
		j := newJournal()
		s.Handler, s.ShedAfter, s.StallAfter, s.Log = wasted{each: 20 * time.Millisecond}, 20*time.Millisecond, engine.NoLimit, j.logger()
		s.HTTP = http.HandlerFunc(site)
		var admitted atomic.Int64
		s.Admit = func(*engine.Request) engine.Admission {
			admitted.Add(1)
			return engine.Admission{}
		}
		address := start(t, s)
		// The second flood is on the other loop, as the first one's lags, unless the
		// machine has something else to do just then.
		var floods []*raw
		frame := text(strings.Repeat("x", 4<<10)) // a handful are read at a time
		for s.Stats()[0].Conns == 0 || s.Stats()[1].Conns == 0 {
			c := connect(t, address)
			if shed(t, c) {
				continue
			}
			floods = append(floods, c)
			go func() {
				for {
					if _, err := c.Write(frame); err != nil {
						return
					}
				}
			}()
			lagging(t, s, 60*time.Millisecond)
		}
		for ctx := within(t); !shed(t, connect(t, address)); {
			if ctx.Err() != nil {
				t.Fatal("it serves")
			}
		}
		if line := j.wait(t, "503", "WARN"); !strings.Contains(line, "Blocking") {
			t.Errorf("the log does not say what to do: %s", line)
		}
		before := admitted.Load()
		for range 3 {
			if shed(t, connect(t, address)) {
				continue
			}
			before++
		}
		if got := admitted.Load(); got != before {
			t.Errorf("Admit has seen %d, and %d were served", got, before)
		}
		web := connect(t, address)
		web.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		if r := web.response(t); r.StatusCode != http.StatusOK {
			t.Errorf("HTTP is answered with %v", r)
		}
		for _, c := range floods {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		for ctx := within(t); shed(t, connect(t, address)); {
			if ctx.Err() != nil {
				t.Fatal("it is not over")
			}
		}
		_ = s.Close()
		var sum engine.Stats
		for _, l := range s.Stats() {
			sum.Shed += l.Shed
			sum.Refused += l.Refused
		}
		if sum.Shed == 0 || sum.Shed != sum.Refused {
			t.Errorf("%d were shed, %d refused", sum.Shed, sum.Refused)
		}
		if said := len(j.more) + 1; said != 1 { // one was waited for
			t.Errorf("it was said %d times: %q", said, j.lines)
		}
	})
}

// A request that another HTTP server has accepted is refused by Upgrade, which needs no
// loop for it, and taken by Adopt, which has nothing to say any more.
func TestSheddingOfUpgrades(t *testing.T) {
	g := newGate()
	s := &engine.Server{Handler: g, Loops: 1, ShedAfter: 20 * time.Millisecond, StallAfter: engine.NoLimit}
	address := start(t, s)
	t.Cleanup(g.open)
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = s.Upgrade(w, r, engine.Admission{}) }))
	defer outside.Close()
	upgrade(t, address).send(t, text("block"))
	next(t, g.entered)
	lagging(t, s, 40*time.Millisecond)
	if !shed(t, connect(t, outside.Listener.Addr().String())) {
		t.Error("Upgrade accepts")
	}
	if s.Stats()[0].Shed != 1 {
		t.Errorf("%+v", s.Stats())
	}
	client, server := net.Pipe()
	if _, err := s.Adopt(server, engine.Adoption{}); err != nil {
		t.Errorf("Adopt: %v", err)
	}
	g.open()
	c := rawConn(t, client)
	c.send(t, text("late"))
	c.expect(t, wire.Text, "late")
}

// One callback that blocks is a stall and no overload; two laps in a row are. The
// log has the beginning and, when nobody was refused for a while, the end.
func TestSheddingInTime(t *testing.T) {
	const long, longer = engine.DefaultShedAfter + time.Second, 2*engine.DefaultShedAfter - time.Second
	synctest.Test(t, func(t *testing.T) {
		j, m, sleeps := newJournal(), newMemory(), make(chan time.Duration, 10)
		s := &engine.Server{Handler: sleeper{sleeps: sleeps}, StallAfter: engine.NoLimit, HandshakeTimeout: time.Hour, Loops: 1, Log: j.logger()}
		s.UseStreams()
		serve(t, s, m)
		busy, other := m.upgrade(t), m.upgrade(t)
		comes := func(at time.Duration) <-chan bool {
			c, refused := m.connect(t), make(chan bool, 1)
			go func() {
				time.Sleep(at)
				refused <- shed(t, c)
				c.Close()
			}()
			return refused
		}

		sleeps <- longer
		first := comes(time.Second)
		synctest.Wait()
		busy.send(t, text("x"))
		if <-first {
			t.Error("one long callback sheds")
		}

		// Laps of 0 to 6, 6 to 12 and 12 to 18 seconds: what takes the second has come
		// in the first, and what takes the third in the second.
		inFirst, inSecond, inThird := comes(time.Second), comes(long+time.Second), comes(2*long+time.Second)
		synctest.Wait()
		for range 3 {
			sleeps <- long
		}
		busy.send(t, text("x"))
		time.Sleep(2 * time.Second)
		other.send(t, text("x"))
		busy.send(t, text("x"))
		if <-inFirst || !<-inSecond || !<-inThird {
			t.Error("the lap of the first was the first that was long, and the others came later")
		}
		j.wait(t, "WARN", "503", "longer than")
		if got := s.Stats()[0]; got.Shed != 2 || got.Lag != longer {
			t.Errorf("%+v", got)
		}
		if <-comes(0) || len(j.lines) != 1 {
			t.Errorf("it is not over: %q", j.lines)
		}
		time.Sleep(10 * time.Second)
		if <-comes(0) {
			t.Error("nothing has happened meanwhile")
		}
		j.wait(t, "INFO", "accepted again", "refused=2")
		time.Sleep(30 * time.Second)
		if lag := s.Stats()[0].Lag; lag != 0 {
			t.Errorf("it still lags by %v", lag)
		}
	})
}

// sleeper sleeps for what comes out of sleeps with each message.
type sleeper struct {
	engine.NopHandler
	sleeps chan time.Duration
}

func (h sleeper) OnMessage(*engine.Conn, engine.MessageType, []byte) { <-time.After(<-h.sleeps) }
