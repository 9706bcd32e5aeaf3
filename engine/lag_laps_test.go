//go:build linux

package engine

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// A lap ends with a look that finds all there is, or with as many events as there
// are connections.
func TestLaps(t *testing.T) {
	s := &Server{streams: true, ShedAfter: time.Second}
	if err := s.resolve(); err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.loops = []*loop{l}
	l.conns = make([]*Conn, 3*eventsMax)
	l.startLap(l.clock())
	look := func(after time.Duration, found int) time.Duration {
		began := l.lag.began
		l.now += wsproto.Time(after)
		l.looked(found)
		return time.Duration(l.lag.began - began)
	}
	l.now = l.lag.began
	for i, step := range []struct {
		after time.Duration
		found int
		lap   time.Duration // 0: it goes on
		sheds int32
	}{
		{2 * time.Second, 10, 2 * time.Second, 1},
		{time.Second + 1, eventsMax - 1, time.Second + 1, 2},
		{time.Second, 0, time.Second, 0},
		{time.Millisecond, eventsMax, 0, 0},
		{time.Second, eventsMax, 0, 0},
		{time.Second, eventsMax, 2*time.Second + time.Millisecond, 1},
		{time.Second, eventsMax, 0, 1},
		{time.Second, 1, 2 * time.Second, 2},
	} {
		if lap := look(step.after, step.found); lap != step.lap || l.lag.sheds.Load() != step.sheds {
			t.Errorf("look %d: a lap of %v, %d are long", i, lap, l.lag.sheds.Load())
		}
	}
	// What is reported is forgotten after one to two windows.
	var p laps
	const begin = 10 * lagWindow
	p.note(wsproto.Time(begin), 3*time.Second)
	p.note(wsproto.Time(begin+lagWindow-1), time.Second)
	for _, c := range []struct{ at, want time.Duration }{
		{begin, 3 * time.Second}, {begin + 2*lagWindow - 1, 3 * time.Second}, {begin + 2*lagWindow, 0}, {begin + 20*lagWindow, 0},
	} {
		q := p
		if q.note(wsproto.Time(c.at), 0); max(q.longest[0], q.longest[1]) != c.want {
			t.Errorf("at %v: %v", c.at, q.longest)
		}
	}
}

// A loop that was long under way leaves accepting to the other one for a while,
// unless that is no better.
func TestStepsBack(t *testing.T) {
	s := &Server{Handler: NopHandler{}, Loops: 2, Log: slog.New(slog.DiscardHandler)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	defer func() {
		_ = s.Close()
		<-ended
	}()
	connect := func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(scriptOpening)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(scriptResponse))); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range s.loops {
		for n := make(chan int); ; { // the listener comes as a task
			if l.do(func() { n <- len(l.listeners) }); <-n == 1 {
				break
			}
		}
	}
	watches := func(l *loop, before func()) bool {
		answer := make(chan bool)
		l.do(func() {
			before()
			answer <- l.listeners[0].again == 0
		})
		return <-answer
	}
	first, second := s.loops[0], s.loops[1]
	late := func(l *loop, by time.Duration) func() {
		return func() {
			l.now = l.clock()
			l.lagged(by)
		}
	}
	if watches(first, late(first, time.Minute)) {
		t.Fatal("it goes on accepting")
	}
	before := first.open.Load()
	for range 20 {
		connect()
	}
	if first.open.Load() > before {
		t.Error("it was given connections")
	}
	if !watches(second, late(second, time.Second)) {
		t.Error("nobody accepts: both have stepped back")
	}
	connect()
	for deadline := time.Now().Add(30 * time.Second); !watches(first, func() {}); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
}
