package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// A server that stalls for a second is a second of waiting for every message that
// was due meanwhile. In an open loop all of them are counted; in a closed loop one
// for each connection. That is the difference that both exist for.
func TestStallIsNotOmitted(t *testing.T) {
	const rate, seconds = 100, 10
	for _, loop := range []string{"open", "closed"} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			stall := sync.OnceFunc(func() { time.Sleep(time.Second) })
			m := &memory{handle: echoing(func() {
				time.Sleep(time.Millisecond)
				if time.Since(began) > 5*time.Second {
					stall()
				}
			})}
			o := Options{Connections: 1, Duration: seconds * time.Second, Warmup: time.Second, dial: m.dial}
			if loop == "open" {
				o.Rate = rate
			}
			r, err := Echo(t.Context(), "ws://memory/", o)
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			if len(r.Errors) > 0 {
				t.Errorf("%s: %+v", loop, r.Errors)
			}
			if r.Latency.Max < 990 || r.Latency.Max > 1010 {
				t.Errorf("%s: the longest took %v, want the stall of a second", loop, r.Latency.Max)
			}
			if loop == "closed" {
				if r.Latency.P9999 > 2 && r.Latency.Count < 8000 || r.Latency.P99 > 1.1 {
					t.Errorf("closed: p99 is %v of %d samples; one message should have waited", r.Latency.P99, r.Latency.Count)
				}
				return
			}
			// Of 1000 samples the 100 that were due in the stall waited from a second down
			// to nothing.
			if r.Latency.Count != rate*seconds || r.Messages.Sent != rate*seconds {
				t.Errorf("open: %d samples of %d sent, and the schedule has %d", r.Latency.Count, r.Messages.Sent, rate*seconds)
			}
			if r.Latency.P99 < 850 || r.Latency.P99 > 1000 || r.Latency.P90 > 130 {
				t.Errorf("open: p90 %v and p99 %v, want about 100 ms and 900 ms", r.Latency.P90, r.Latency.P99)
			}
			if r.Own.Lateness.Max > 1 {
				t.Errorf("open: the generator was %v late in virtual time", r.Own.Lateness.Max)
			}
			if r.Limit != LimitLoad || !strings.HasPrefix(r.Verdict, "This server keeps up with 100 messages of 128 bytes a second on 1 connection with p99 ") {
				t.Errorf("open: %s: %s", r.Limit, r.Verdict)
			}
		})
	}
}

// A server that does not even read for a second blocks its senders, so that
// messages leave late. Their latency counts from when they were due all the same.
func TestBlockedSenderIsNotOmitted(t *testing.T) {
	const rate, seconds, size = 100, 10, 4 << 10
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stall := sync.OnceFunc(func() { time.Sleep(time.Second) })
		m := &memory{buffer: 2 * size, handle: echoing(func() {
			if time.Since(began) > 5*time.Second {
				stall()
			}
		})}
		r, err := Echo(t.Context(), "ws://memory/", Options{Connections: 1, Rate: rate, Size: size, Duration: seconds * time.Second, Warmup: time.Second, dial: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if r.Latency.Count != rate*seconds || r.Messages.Sent != rate*seconds || len(r.Errors) > 0 {
			t.Errorf("%d samples of %d sent, %+v", r.Latency.Count, r.Messages.Sent, r.Errors)
		}
		// What fits into the wire left in time; the other 97 waited to be sent.
		if r.Latency.P99 < 850 || r.Latency.P99 > 1000 || r.Latency.P90 > 130 || r.Latency.Mean < 45 || r.Latency.Mean > 55 {
			t.Errorf("p90 %v, p99 %v, mean %v; want at most 100 ms, about 900 ms and about 50 ms", r.Latency.P90, r.Latency.P99, r.Latency.Mean)
		}
		if r.Own.Lateness.Max > 1 {
			t.Errorf("the generator was %v late, though the connection was not free", r.Own.Lateness.Max)
		}
	})
}

// The schedule is kept over any number of connections, and the samples cover the
// measurement.
func TestOpenLoopCounts(t *testing.T) {
	for _, c := range []struct {
		connections int
		rate        float64
	}{{1, 10}, {3, 10}, {7, 1000}, {50, 33}} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: echoing(func() {})}
			r, err := Echo(t.Context(), "ws://memory/", Options{Connections: c.connections, Rate: c.rate, Duration: 6 * time.Second, dial: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			want := int64(6 * c.rate)
			if r.Latency.Count != want || r.Messages.Sent != want || r.Messages.Received != want || len(r.Errors) > 0 {
				t.Errorf("%+v: %d samples, %+v, %+v; want %d", c, r.Latency.Count, r.Messages, r.Errors, want)
			}
			if r.Seconds != 6 || len(r.Samples) < 50 || r.Connections.AtEnd != c.connections {
				t.Errorf("%+v: %v seconds, %d samples, %+v", c, r.Seconds, len(r.Samples), r.Connections)
			}
			total := 0.0
			for i, s := range r.Samples {
				from := 0.0
				if i > 0 {
					from = r.Samples[i-1].At
				}
				total += s.PerSecond * (s.At - from)
			}
			if total < float64(want)-0.5 || total > float64(want)+0.5 {
				t.Errorf("%+v: the samples add up to %v, want %d", c, total, want)
			}
		})
	}
}

// A server that does not answer is waited for as long as was said, and what is
// missing is counted.
func TestNoAnswer(t *testing.T) {
	for _, rate := range []float64{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: func(_ int, conn *ws.Conn) {
				for n := 0; ; n++ {
					typ, message, err := conn.Read(context.Background())
					if err != nil {
						return
					}
					time.Sleep(time.Millisecond)
					if n < 3 {
						_ = conn.Write(context.Background(), typ, message)
					}
				}
			}}
			began := time.Now()
			r, err := Echo(t.Context(), "ws://memory/", Options{Connections: 2, Window: 4, Rate: rate, Warmup: NoWarmup, Duration: 4 * time.Second, Drain: 7 * time.Second, dial: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 11*time.Second || took > 12*time.Second {
				t.Errorf("it took %v, want 4 s and the drain time of 7 s", took)
			}
			m.conns.Wait()
			want := int64(8) // the window of each
			if rate > 0 {
				want = 4*5 - 6
			}
			if got := errorsOf(r)["no answer in time"]; got != want || r.Messages.Received != 6 || len(r.Errors) != 1 {
				t.Errorf("rate %v: %+v with %d received, want %d without an answer", rate, r.Errors, r.Messages.Received, want)
			}
		})
	}
}

// A connection that is lost is counted with what it owed, and the others go on.
func TestConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(i int, conn *ws.Conn) {
			for n := 0; ; n++ {
				typ, message, err := conn.Read(context.Background())
				if err != nil {
					return
				}
				if i == 1 && n == 10 {
					_ = conn.Close(ws.StatusTryAgainLater, "too much")
					return
				}
				_ = conn.Write(context.Background(), typ, message)
			}
		}}
		r, err := Echo(t.Context(), "ws://memory/", Options{Connections: 2, Rate: 20, Warmup: NoWarmup, Duration: 10 * time.Second, dial: m.dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		kinds := errorsOf(r)
		if kinds["connection lost: closed by the server with 1013 try again later"] != 1 || kinds["not answered, as the connection was lost"] != 90 || len(kinds) != 2 {
			t.Errorf("%+v", r.Errors)
		}
		if r.Latency.Count != 110 || r.Messages.Sent != 200 || r.Connections.Opened != 2 || r.Connections.AtEnd != 1 {
			t.Errorf("%d samples, %+v, %+v", r.Latency.Count, r.Messages, r.Connections)
		}
		if !strings.HasPrefix(r.Verdict, "This server does not keep up with 20 messages") || !strings.Contains(r.Verdict, "91 errors, most of them: not answered, as the connection was lost.") {
			t.Error(r.Verdict)
		}
	})
}

func TestWrongAnswers(t *testing.T) {
	for name, answer := range map[string]func(typ ws.MessageType, message []byte) (ws.MessageType, []byte){
		"of 63 bytes instead of 64": func(typ ws.MessageType, message []byte) (ws.MessageType, []byte) { return typ, message[1:] },
		"of type binary":            func(_ ws.MessageType, message []byte) (ws.MessageType, []byte) { return ws.MessageBinary, message },
		"other content": func(typ ws.MessageType, message []byte) (ws.MessageType, []byte) {
			message[40] ^= 1
			return typ, message
		},
	} {
		url := server(t, func(_ int, conn *ws.Conn) {
			for {
				typ, message, err := conn.Read(context.Background())
				if err != nil {
					return
				}
				typ, message = answer(typ, message)
				_ = conn.Write(context.Background(), typ, message)
			}
		})
		r, err := Echo(t.Context(), url, short())
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Errors) != 1 || r.Errors[0].Kind != ErrorWrongAnswer || !strings.Contains(r.Errors[0].Example, name) || r.Latency != nil || !strings.HasPrefix(r.Verdict, "No answer was right. ") {
			t.Errorf("%s: %+v, %s", name, r.Errors, r.Verdict)
		}
	}
}

// A channel, which sends what one connection says to all, is no echo server with
// thousands of wrong answers.
func TestEchoOfAChannel(t *testing.T) {
	for _, rate := range []float64{0, 200} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			conns := map[*ws.Conn]bool{}
			m := &memory{handle: func(_ int, conn *ws.Conn) {
				mu.Lock()
				conns[conn] = true
				mu.Unlock()
				for {
					typ, message, err := conn.Read(context.Background())
					mu.Lock()
					if err != nil {
						delete(conns, conn)
						mu.Unlock()
						return
					}
					for to := range conns {
						_ = to.Enqueue(typ, message)
					}
					mu.Unlock()
				}
			}}
			o := Options{Connections: 3, Rate: rate, Duration: time.Hour, dial: m.dial}
			began := time.Now()
			r, err := Echo(t.Context(), "ws://memory/", o)
			m.conns.Wait()
			if err == nil || !strings.Contains(err.Error(), "this URL sends what one says to the others, too, as a channel does, so it is no echo server") {
				t.Errorf("%+v, %v", r, err)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v to see that", took)
			}
		})
	}
}

// On real sockets, every way of sending gets its answers and no errors.
func TestEchoOfEveryKind(t *testing.T) {
	plain := server(t, echoing(func() {}))
	compressed := serverOf(t, compressing(), httptest.NewServer, echoing(func() {}))
	secure := "wss" + strings.TrimPrefix(serverOf(t, nil, httptest.NewTLSServer, echoing(func() {})), "wss")
	secure = strings.Replace(secure, "wssws", "wss", 1)
	for name, c := range map[string]struct {
		url    string
		change func(*Options)
	}{
		"one byte":     {plain, func(o *Options) { o.Size = 1 }},
		"window":       {plain, func(o *Options) { o.Window = 16 }},
		"binary":       {plain, func(o *Options) { o.Binary = true }},
		"large window": {plain, func(o *Options) { o.Size, o.Window = 200_000, 8 }}, // more than the sockets hold
		"open":         {plain, func(o *Options) { o.Rate = 500 }},
		"open, large":  {plain, func(o *Options) { o.Rate, o.Size = 20, 200_000 }},
		"ramp":         {plain, func(o *Options) { o.Ramp = 100 }},
		"compress":     {compressed, func(o *Options) { o.Compress, o.Size, o.Subprotocols = true, 2000, []string{"chat.v1", "chat.v2"} }},
		"declined":     {plain, func(o *Options) { o.Compress = true }},
		"TLS":          {secure, func(o *Options) { o.TLS = &tls.Config{InsecureSkipVerify: true} }},
		"no warm-up":   {plain, func(o *Options) { o.Warmup = NoWarmup }},
	} {
		if testing.Short() && name != "compress" && name != "open" {
			continue // each takes its third of a second
		}
		o := short()
		c.change(&o)
		r, err := Echo(t.Context(), c.url, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(r.Errors) > 0 || r.Latency == nil || r.Messages.Received == 0 && o.Size < 100_000 || r.Connections.AtEnd != 4 || r.Opening.Count != 4 {
			t.Errorf("%s: %+v, %+v, %+v", name, r.Errors, r.Messages, r.Connections)
		}
		if name == "compress" && (!r.Load.Compressed || r.Load.Subprotocol != "chat.v2") || name == "declined" && len(r.Notes) != 1 {
			t.Errorf("%s: %+v, %v", name, r.Load, r.Notes)
		}
		if o.Rate > 0 && r.Latency.Count != int64(o.Rate*o.Duration.Seconds()) {
			t.Errorf("%s: %d samples, want %v", name, r.Latency.Count, o.Rate*o.Duration.Seconds())
		}
	}
}

// Ctrl-C ends a run with what was measured.
func TestInterrupted(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: echoing(func() { time.Sleep(time.Millisecond) })}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			r, err := Echo(ctx, "ws://memory/", Options{Connections: 2, Rate: rate, Duration: time.Hour, Warmup: time.Second, dial: m.dial})
			if err != nil {
				t.Fatal(err)
			}
			m.conns.Wait()
			if !r.Interrupted || r.Seconds < 3.9 || r.Seconds > 4.1 || r.Latency == nil || len(r.Errors) > 0 || !strings.HasSuffix(r.Verdict, "The run was interrupted after 4.00 s.") {
				t.Errorf("%+v", r)
			}
			if rate > 0 && (r.Latency.Count < 395 || r.Latency.Count > 405) {
				t.Errorf("%d samples in 4 s at 100 a second", r.Latency.Count)
			}
		})
	}
	// In the warm-up there is nothing to report, and before a connection nothing to do.
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: echoing(func() { time.Sleep(time.Millisecond) })}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := Echo(ctx, "ws://memory/", Options{Warmup: time.Hour, dial: m.dial})
		if err != nil || !r.Interrupted || r.Latency != nil || r.Messages != nil || r.Seconds != 0 || r.Verdict != "The run was interrupted before anything was measured." {
			t.Errorf("%+v, %v", r, err)
		}
		m.conns.Wait()
		if r, err = Echo(ctx, "ws://memory/", Options{dial: func(ctx context.Context, _ int) (opened, error) { return opened{}, ctx.Err() }}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// When some connections cannot be opened, the others are measured.
func TestSomeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: echoing(func() { time.Sleep(time.Millisecond) })}
		dial := func(ctx context.Context, i int) (opened, error) {
			if i%2 == 1 {
				return opened{}, fmt.Errorf("no room for %d", i)
			}
			return m.dial(ctx, i)
		}
		r, err := Echo(t.Context(), "ws://memory/", Options{Connections: 10, Rate: 50, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if r.Connections.Opened != 5 || r.Connections.Wanted != 10 || errorsOf(r)["opening: other"] != 5 || r.Latency.Count != 500 {
			t.Errorf("%+v, %+v, %d samples", r.Connections, r.Errors, r.Latency.Count)
		}
		first := true
		none := func(ctx context.Context, i int) (opened, error) {
			if first {
				first = false
				return m.dial(ctx, i)
			}
			return opened{}, errors.New("no room")
		}
		if _, err = Echo(t.Context(), "ws://memory/", Options{Connections: 1, dial: none}); err == nil || err.Error() != "loadgen: no connection could be opened: no room" {
			t.Errorf("%v", err)
		}
		m.conns.Wait()
	})
}
