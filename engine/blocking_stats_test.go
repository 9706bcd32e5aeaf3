package engine_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// What the workers do, to the nanosecond: one call at a time, and one behind it.
func TestWorkerStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWaits()
		m := newMemory()
		s := &engine.Server{Handler: engine.Blocking(h), Workers: 1}
		s.UseStreams()
		serve(t, s, m)
		first, second := m.upgrade(t), m.upgrade(t)
		expect := func(when string, want engine.WorkerStats) {
			t.Helper()
			synctest.Wait()
			want.Workers = 1
			if got := s.SharedStats().Workers; got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		expect("opened", engine.WorkerStats{Calls: 2})
		first.send(t, text("wait"))
		expect("in a call", engine.WorkerStats{Busy: 1, Calls: 3})
		time.Sleep(time.Second)
		second.send(t, text("wait"))
		expect("another waits", engine.WorkerStats{Busy: 1, Waiting: 1, Calls: 3, CallTime: time.Second})
		time.Sleep(2 * time.Second)
		expect("for long", engine.WorkerStats{Busy: 1, Waiting: 1, Oldest: 2 * time.Second, Calls: 3, CallTime: 3 * time.Second})
		h.leave <- struct{}{}
		first.expect(t, wire.Text, "wait")
		expect("its turn", engine.WorkerStats{Busy: 1, Calls: 4, CallTime: 3 * time.Second, WaitTime: 2 * time.Second})
		time.Sleep(4 * time.Second)
		h.leave <- struct{}{}
		second.expect(t, wire.Text, "wait")
		time.Sleep(time.Second)
		expect("at rest", engine.WorkerStats{Calls: 4, CallTime: 7 * time.Second, WaitTime: 2 * time.Second})
	})
}

// exits ends the goroutine of each message's call.
type exits struct{ engine.NopHandler }

func (exits) OnMessage(*engine.Conn, engine.MessageType, []byte) { runtime.Goexit() }

// A call that ends its goroutine, or panics, is over.
func TestWorkerStatsOfFailedCalls(t *testing.T) {
	for name, h := range map[string]engine.Handler{"exits": exits{}, "panics": panics{newNotes(), ""}} {
		t.Run(name, func(t *testing.T) {
			s := &engine.Server{Handler: engine.Blocking(h), Workers: 1}
			address := start(t, s)
			for range 3 {
				upgrade(t, address, text("panic")...).closes(t, wire.CloseInternalError)
			}
			const calls = 9 // OnOpen, OnMessage, OnClose
			for {
				got := s.SharedStats().Workers
				if got.Busy < 0 || got.Busy > 1 || got.Calls > calls {
					t.Fatalf("%+v", got)
				}
				if got.Busy == 0 && got.Waiting == 0 && got.Calls == calls {
					return
				}
				next(t, time.After(time.Millisecond))
			}
		})
	}
}
