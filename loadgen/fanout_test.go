package loadgen

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// Every subscriber gets every publication, and every delivery is a sample.
func TestFanoutCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broadcaster{}
		m := &memory{handle: b.handle}
		r, err := Fanout(t.Context(), "ws://memory/channels/x", Options{Connections: 20, Rate: 30, Duration: 5 * time.Second, dial: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if r.Latency.Count != 20*30*5 || r.Messages.Sent != 30*5 || r.Messages.Received != 20*30*5 || len(r.Errors) > 0 || r.Connections.AtEnd != 20 {
			t.Errorf("%d samples, %+v, %+v, %+v", r.Latency.Count, r.Messages, r.Errors, r.Connections)
		}
		if want := "This server holds 20 subscribers at 30 messages of 128 bytes a second, 600 deliveries in all, with p99 "; !strings.HasPrefix(r.Verdict, want) || r.Limit != LimitLoad {
			t.Errorf("%s: %s", r.Limit, r.Verdict)
		}
	})
}

// In a closed loop the window bounds the publications under way to the slowest.
func TestFanoutWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broadcaster{before: func() { time.Sleep(5 * time.Millisecond) }}
		m := &memory{handle: b.handle}
		r, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 5, Window: 3, Duration: 2 * time.Second, dial: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		// A publication takes 5 ms, and three are under way.
		if r.Latency.Max > 16 || r.Latency.Count < 1900 || r.Latency.Count > 2010 || len(r.Errors) > 0 {
			t.Errorf("%+v, %+v", r.Latency, r.Errors)
		}
	})
}

// A publication that does not arrive as it should is counted for what it is.
func TestFanoutFaults(t *testing.T) {
	numberOf := func(message []byte) uint64 {
		_, number, _, _, _ := newPayloads(len(message), publishMarker).find(message)
		return number
	}
	for name, c := range map[string]struct {
		change func(to int, message []byte) [][]byte
		kind   string
		least  int64
	}{
		"left out": {func(to int, message []byte) [][]byte {
			if n := numberOf(message); to == 1 && n%10 == 5 && n > 5 {
				return nil
			}
			return [][]byte{message}
		}, "publication left out", 5},
		"repeated": {func(to int, message []byte) [][]byte {
			if n := numberOf(message); to == 1 && n%10 == 5 && n > 5 {
				return [][]byte{message, message}
			}
			return [][]byte{message}
		}, "repeated publication", 5},
		"damaged": {func(to int, message []byte) [][]byte {
			if n := numberOf(message); to == 1 && n > 20 {
				message = bytes.Clone(message)
				message[100] ^= 1
			}
			return [][]byte{message}
		}, ErrorDamaged, 50},
		"something else": {func(_ int, message []byte) [][]byte { return [][]byte{message, []byte("hello")} }, ErrorUnexpected, 100},
		"held back": {func(to int, message []byte) [][]byte {
			if n := numberOf(message); to == 1 && n > 80 {
				return nil
			}
			return [][]byte{message}
		}, "not delivered in time", 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: (&broadcaster{change: c.change}).handle}
			r, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 3, Rate: 20, Duration: 5 * time.Second, Warmup: NoWarmup, dial: m.dial})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			m.conns.Wait()
			if got := errorsOf(r)[c.kind]; got < c.least {
				t.Errorf("%s: %d times %q of %+v", name, got, c.kind, r.Errors)
			}
		})
	}
}

// A closed loop goes on without subscribers that are gone, or that lose things.
func TestFanoutGoesOn(t *testing.T) {
	for name, left := range map[string]int{"one leaves": 2, "all leave": 0} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := &broadcaster{before: func() { time.Sleep(time.Millisecond) }}
			b.change = func(to int, message []byte) [][]byte {
				if time.Since(began) > 3*time.Second && to >= left {
					for conn, i := range b.number {
						if i == to {
							go conn.Close(ws.StatusPolicyViolation, "slow")
						}
					}
					return nil
				}
				return [][]byte{message}
			}
			m := &memory{handle: b.handle}
			r, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 3, Window: 4, Duration: 10 * time.Second, Warmup: NoWarmup, dial: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			if r.Connections.AtEnd != left || errorsOf(r)["connection lost: closed by the server with 1008 policy violation"] != int64(3-left) {
				t.Errorf("%s: %+v, %+v", name, r.Connections, r.Errors)
			}
			if last := r.Samples[len(r.Samples)-1]; (last.PerSecond > 100) != (left > 0) {
				t.Errorf("%s: %v deliveries a second at the end", name, last.PerSecond)
			}
		})
	}
}

// Other protocols: a join first, publications inside of something, several in
// one message.
func TestFanoutOfAnotherProtocol(t *testing.T) {
	var mu sync.Mutex
	joined := map[*ws.Conn]bool{}
	published := 0
	var held []byte
	flush := func() { // mu is held
		for to := range joined {
			if len(held) > 0 {
				_ = to.Enqueue(ws.MessageText, held)
			}
		}
		held = nil
	}
	url := server(t, func(_ int, conn *ws.Conn) {
		defer func() {
			mu.Lock()
			delete(joined, conn)
			mu.Unlock()
		}()
		for {
			_, message, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			mu.Lock()
			switch {
			case string(message) == "JOIN bench":
				joined[conn] = true
				_ = conn.Enqueue(ws.MessageText, []byte("JOINED"))
			case bytes.HasPrefix(message, []byte("SAY ")):
				published++
				held = append(append(held, message[4:]...), '\n')
				if published > 2 && published%2 == 0 {
					time.AfterFunc(5*time.Millisecond, func() { // if the next one does not come
						mu.Lock()
						defer mu.Unlock()
						flush()
					})
					break // with the next one
				}
				flush()
			}
			mu.Unlock()
		}
	})
	o := short()
	o.Duration, o.Window = 300*time.Millisecond, 4
	o.Fanout = FanoutOptions{Subscribe: []string{"JOIN bench"}, PublisherFirst: []string{"HELLO"}, Publish: `SAY {"data":"{payload}"}`, PublisherURL: url + "/publisher"}
	r, err := Fanout(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) > 0 || r.Messages.Received < 100 || r.Connections.AtEnd != 4 {
		t.Errorf("%+v, %+v, %+v", r.Errors, r.Messages, r.Connections)
	}
	o.Fanout.Publish = "SHOUT {payload}"
	o.Connections = 1
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := Fanout(ctx, url, o); err == nil {
		t.Error("a server that sends nothing was measured")
	}
}

// A server that does not send on what it gets is recognised, with the reason if
// there is one.
func TestFanoutOfAnEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: echoing(func() {})}
		began := time.Now()
		_, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 3, dial: m.dial})
		if err == nil || !strings.HasPrefix(err.Error(), "loadgen: 3 of 3 subscribers got nothing of 40 publications: ") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("it took %v, want 40 times 250 ms", took)
		}
		m.conns.Wait()
	})
}

func TestPublisherURL(t *testing.T) {
	for target, want := range map[string]string{
		"ws://h/channels/a/b":      "ws://h/channels/a/b?self=0",
		"ws://h/channels/a?self=1": "ws://h/channels/a?self=0",
		"ws://h/socket?x=1":        "ws://h/socket?x=1",
	} {
		if got := new(FanoutOptions).publisherURL(target); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if got := (&FanoutOptions{PublisherURL: "ws://other/"}).publisherURL("ws://h/channels/a"); got != "ws://other/" {
		t.Error(got)
	}
}

// The audience under every order of events: a complete publication is complete.
func TestAudience(t *testing.T) {
	a := newAudience(2, 1)
	members := []*membership{{}, {}, {left: true}}
	a.begin(7, members)
	if a.live != 2 || !members[0].joined || members[2].joined {
		t.Fatalf("%+v", a)
	}
	admits := func(up uint64) {
		t.Helper()
		if !a.hasRoomFor(up) || a.hasRoomFor(up+1) {
			t.Fatalf("the window is not up to %d", up)
		}
	}
	before := func(next uint64) func(uint64) bool { return func(n uint64) bool { return n < next } }
	admits(8)
	a.noteReceived(7)
	admits(8)
	a.noteReceived(8) // the other has 8 before 7, as of two publishers
	a.noteReceived(7)
	admits(9)
	a.noteReceived(8)
	admits(10)
	a.noteReceived(9)
	a.leave(members[1], before(9)) // with two that it will never have
	admits(11)
	a.void(11)
	admits(11)
	a.void(10)
	admits(13)
	a.void(10) // is over already
	a.void(14) // is not admitted
	admits(13)
	a.leave(members[2], before(0)) // was never there
	a.noteReceived(12)
	admits(14)
	a.leave(members[0], before(13))
	if a.hasRoomFor(13) || a.live != 0 { // nobody is there
		t.Errorf("%d live, done up to %d", a.live, a.done)
	}
}

// What a slow server kept from being sent counts from when it was due, and what
// could not be sent at all is an error.
func TestFanoutStallIsNotOmitted(t *testing.T) {
	for name, c := range map[string]struct {
		drain          time.Duration
		sent, unsent   int
		p50min, maxmin Millis
	}{
		"all is sent after the end": {20 * time.Second, 500, 0, 2400, 4900},
		"some is not":               {2 * time.Second, 350, 150, 1700, 3400},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &broadcaster{before: func() { time.Sleep(20 * time.Millisecond) }} // half of those due
			m := &memory{handle: b.handle, buffer: 2_000}
			r, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 2, Rate: 100, Duration: 5 * time.Second, Warmup: NoWarmup, Drain: c.drain, Size: 20_000, dial: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			const slack = 10 // messages that are on their way
			unsent := errorsOf(r)["not sent in time"]
			if r.Messages.Sent != 500 || unsent < int64(c.unsent-slack) || unsent > int64(c.unsent+slack) || c.unsent == 0 && len(r.Errors) > 0 {
				t.Errorf("%s: %d sent, %+v", name, r.Messages.Sent, r.Errors)
			}
			if n := r.Latency.Count; n < int64(2*(c.sent-slack)) || n > int64(2*(c.sent+slack)) || r.Latency.P50 < c.p50min || r.Latency.Max < c.maxmin {
				t.Errorf("%s: %+v, want %d samples, half of them above %v, and the longest above %v", name, r.Latency, 2*c.sent, c.p50min, c.maxmin)
			}
			if want := "This server does not hold 2 subscribers at 100 messages a second: each gets "; !strings.HasPrefix(r.Verdict, want) {
				t.Errorf("%s: %s", name, r.Verdict)
			}
		})
	}
}

// What was due after the publisher's connection was lost is not left out of the
// count.
func TestFanoutLosesPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broadcaster{}
		m := &memory{handle: func(i int, conn *ws.Conn) {
			if i == 2 { // the publisher
				time.AfterFunc(2*time.Second+5*time.Millisecond, func() { _ = conn.CloseNow() })
			}
			b.handle(i, conn)
		}}
		r, err := Fanout(t.Context(), "ws://memory/", Options{Connections: 2, Rate: 10, Duration: 5 * time.Second, Warmup: NoWarmup, dial: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		kinds := errorsOf(r)
		if n := kinds["not sent, as the publisher's connection was lost"]; r.Messages.Sent != 50 || n < 28 || n > 30 || kinds["the publisher's connection was lost: ended without a close frame"] != 1 {
			t.Errorf("%d sent, %+v", r.Messages.Sent, r.Errors)
		}
	})
}
