//go:build linux

package engine

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"
)

// A loop that was long under way leaves accepting to the other one for a while,
// unless that is no better.
func TestStepsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
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
			l.noteLap(by)
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
