package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
)

func TestConnections(t *testing.T) {
	url := server(t, echoing(func() {}))
	o := Options{Connections: 50, Duration: 200 * time.Millisecond, Ramp: 1000}
	if runtime.GOOS == "linux" {
		o.PIDs = []int{os.Getpid()}
	}
	r, err := Connections(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Connections.Opened != 50 || r.Connections.AtEnd != 50 || r.Latency.Count != 50 || len(r.Errors) > 0 || r.Connections.Seconds < 0.045 {
		t.Errorf("%+v, %d pings, %+v", r.Connections, r.Latency.Count, r.Errors)
	}
	if runtime.GOOS == "linux" && (r.Server.ResidentEnd <= 0 || r.Server.CoresMax < 1 || r.Server.From != "/proc" || r.Samples[0].Resident <= 0) {
		t.Errorf("%+v", r.Server)
	}
	if !strings.HasPrefix(r.Verdict, "This server holds 50 idle connections") {
		t.Error(r.Verdict)
	}
}

// The memory for each connection is what the server grew by.
func TestConnectionsMemory(t *testing.T) {
	var open atomic.Int64
	url := server(t, func(_ int, conn *ws.Conn) {
		open.Add(1)
		defer open.Add(-1)
		_, _, _ = conn.Read(context.Background())
	})
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "process_cpu_seconds_total 12.5\nprocess_resident_memory_bytes %d\n", 1_000_000+50_000*max(open.Load()-1, 0))
	}))
	defer metrics.Close()
	r, err := Connections(t.Context(), url, Options{Connections: 40, Duration: 100 * time.Millisecond, Metrics: metrics.URL})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Server; s.PerConnection < 48_000 || s.PerConnection > 50_000 || s.MemoryUnknown != "" || s.ResidentBefore != 1_000_000 || s.From != metrics.URL || s.CPUSeconds != 0 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(r.Verdict, " KiB of memory for each; at the end 40 of them answered a ping.") {
		t.Error(r.Verdict)
	}
	metrics.Config.Handler = http.NotFoundHandler()
	secret := strings.Replace(metrics.URL, "://", "://joe:s3cret@", 1) + "?token=s3cret"
	if _, err := Connections(t.Context(), url, Options{Metrics: secret}); err == nil || !strings.HasSuffix(err.Error(), "?token=... answered 404") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	metrics.Close()
	if _, err := Connections(t.Context(), url, Options{Metrics: secret}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// Connections that end while they are held, and some that were never opened, are
// told apart.
func TestConnectionsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(i int, conn *ws.Conn) {
			ctx := context.Background()
			if i%3 == 1 {
				limit, cancel := context.WithTimeout(ctx, 30*time.Second)
				defer cancel()
				ctx = limit
			}
			_, _, _ = conn.Read(ctx)
			_ = conn.Close(ws.StatusGoingAway, "")
		}}
		dial := func(ctx context.Context, i int) (opened, error) {
			if i >= 6 {
				return opened{}, context.DeadlineExceeded
			}
			return m.dial(ctx, i)
		}
		r, err := Connections(t.Context(), "ws://memory/", Options{Connections: 9, Duration: time.Minute, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		kinds := errorsOf(r)
		if r.Connections != (Population{9, 6, 4, 0}) || kinds["opening: timed out"] != 3 || kinds["connection lost: closed by the server with 1001 going away"] != 2 || len(kinds) != 2 || r.Latency.Count != 4 {
			t.Errorf("%+v, %+v, %+v", r.Connections, r.Errors, r.Latency)
		}
		if r.Limit != LimitRefused || !strings.HasPrefix(r.Verdict, "This server took 6 of 9 connections; at the end 4 of them answered a ping.") {
			t.Errorf("%s: %s", r.Limit, r.Verdict)
		}
	})
}

func TestHandshakes(t *testing.T) {
	if testing.Short() {
		t.Skip("each kind of load takes a third of a second")
	}
	url := server(t, echoing(func() {}))
	o := short()
	r, err := Handshakes(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages.Received < 10 || r.Latency == nil || len(r.Errors) > 0 || r.Connections.Opened < int(r.Messages.Received) || r.Connections.Wanted != r.Connections.Opened {
		t.Errorf("%+v, %+v, %+v", r.Messages, r.Connections, r.Errors)
	}
	o.Rate = 100
	if r, err = Handshakes(t.Context(), url, o); err != nil || r.Latency.Count != 30 || r.Messages.Sent != 30 || r.Connections.Opened != 35 || len(r.Errors) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = Handshakes(t.Context(), url+"/refuse", o); err == nil || !strings.Contains(err.Error(), "cannot connect: ") || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
}

// A server too slow for the rate is late, and what was never begun is counted.
func TestHandshakesTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(_ int, conn *ws.Conn) { _, _, _ = conn.Read(context.Background()) }}
		dial := func(ctx context.Context, i int) (opened, error) {
			if !new(alarm).wait(ctx, time.Second) {
				return opened{}, ctx.Err()
			}
			return m.dial(ctx, i)
		}
		r, err := Handshakes(t.Context(), "ws://memory/", Options{Connections: 2, Rate: 10, Duration: 20 * time.Second, Warmup: NoWarmup, Drain: 10500 * time.Millisecond, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		// 200 are due, and two a second are done for 30 seconds.
		if r.Latency.Count != 60 || r.Messages.Sent != 200 || errorsOf(r)["not opened in time"] != 140 {
			t.Errorf("%d samples, %+v, %+v", r.Latency.Count, r.Messages, r.Errors)
		}
		if r.Latency.Max < 20_000 || !strings.HasPrefix(r.Verdict, "This server does not keep up with 10 new connections a second: it opens 1.9") {
			t.Errorf("%v: %s", r.Latency.Max, r.Verdict)
		}

		// What was due in the warm-up is not measured, even if it was never begun.
		r, err = Handshakes(t.Context(), "ws://memory/", Options{Connections: 2, Rate: 10, Duration: 3 * time.Second, Warmup: 40 * time.Second, Drain: time.Second, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if r.Messages.Sent != 30 || errorsOf(r)["not opened in time"] != 30 {
			t.Errorf("%+v, %+v", r.Messages, r.Errors)
		}
	})
}

func TestStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("the calm before a storm takes a second in real time")
	}
	url := server(t, echoing(func() {}))
	r, err := Storm(t.Context(), url, Options{Connections: 30, Storm: StormOptions{Rounds: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rounds) != 1 || r.Rounds[0].Back != 30 || r.Rounds[0].Dropped != 30 || r.Rounds[0].AllBack <= 0 || r.Latency.Count != 30 || r.Opening.Count < 30 || r.Connections.AtEnd != 30 || len(r.Errors) > 0 {
		t.Errorf("%+v, %+v, %+v", r.Rounds, r.Connections, r.Errors)
	}
	if !strings.HasPrefix(r.Verdict, "After 30 clients were dropped at once, all were back within ") {
		t.Error(r.Verdict)
	}
}

// Clients that are refused try again, later and later, and those that come back
// over a time do.
func TestStormRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(_ int, conn *ws.Conn) { _, _, _ = conn.Read(context.Background()) }}
		var began time.Time
		dial := func(ctx context.Context, i int) (opened, error) {
			if !began.IsZero() && time.Since(began) > 500*time.Millisecond && time.Since(began) < 8*time.Second {
				return opened{}, context.DeadlineExceeded // everybody was dropped after one second of calm
			}
			return m.dial(ctx, i)
		}
		o := Options{Connections: 20, Storm: StormOptions{Rounds: 2, Spread: 10 * time.Second}, dial: dial, Progress: func(p Progress) {
			if p.Phase == "calm" && began.IsZero() {
				began = time.Now()
			}
		}}
		r, err := Storm(t.Context(), "ws://memory/", o)
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		first, second := r.Rounds[0], r.Rounds[1]
		if first.Back != 20 || second.Back != 20 || first.Attempts < 40 || second.Attempts != 20 || first.AllBack < 9500 || second.AllBack < 9400 || second.AllBack > 9600 {
			t.Errorf("%+v", r.Rounds)
		}
		if n := errorsOf(r)["opening: timed out"]; n != first.Attempts-20 {
			t.Errorf("%d failures in %d attempts", n, first.Attempts)
		}
		if half := second.HalfBack; half < 4400 || half > 4600 || second.MostBack != second.AllBack {
			t.Errorf("%+v", second)
		}
	})
}

// A client that does not come back in time is counted.
func TestStormGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(_ int, conn *ws.Conn) { _, _, _ = conn.Read(context.Background()) }}
		var dials atomic.Int64
		dial := func(ctx context.Context, i int) (opened, error) {
			if dials.Add(1) > 11+7 {
				return opened{}, context.DeadlineExceeded
			}
			return m.dial(ctx, i)
		}
		r, err := Storm(t.Context(), "ws://memory/", Options{Connections: 10, Duration: 30 * time.Second, Storm: StormOptions{Rounds: 1}, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if round := r.Rounds[0]; round.Back != 7 || round.AllBack != 0 || round.HalfBack == 0 && round.MeanOpened > 0 || errorsOf(r)["not back in time"] != 3 || r.Connections.AtEnd != 7 {
			t.Errorf("%+v, %+v", r.Rounds, r.Errors)
		}
		if !strings.HasPrefix(r.Verdict, "Of 10 clients that were dropped at once, up to 3 did not come back in time") {
			t.Error(r.Verdict)
		}
	})
}

// The ends of runs that are cut short.
func TestIdleInterrupted(t *testing.T) {
	for name, play := range map[string]func(context.Context, string, Options) (*Report, error){"connections": Connections, "handshakes": Handshakes, "storm": Storm} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{handle: func(_ int, conn *ws.Conn) { _, _, _ = conn.Read(context.Background()) }}
			var late atomic.Bool
			dial := func(ctx context.Context, i int) (opened, error) {
				if late.Load() || name == "handshakes" {
					time.Sleep(time.Second)
				}
				return m.dial(ctx, i)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			o := Options{Connections: 5, Duration: time.Hour, Warmup: time.Second, Storm: StormOptions{Rounds: 1000}, dial: dial, Progress: func(p Progress) { late.Store(p.Phase == "calm") }}
			r, err := play(ctx, "ws://memory/", o)
			if err != nil || !r.Interrupted {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
			m.conns.Wait()
		})
	}
}

// With a ramp, handshakes that wait until others are through count from when they
// were due.
func TestRampIsNotOmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: func(_ int, conn *ws.Conn) { _, _, _ = conn.Read(context.Background()) }}
		slow := func(ctx context.Context, i int) (opened, error) {
			time.Sleep(2 * time.Second)
			return m.dial(ctx, i)
		}
		r, err := Connections(t.Context(), "ws://memory/", Options{Connections: 2 * rampersMax, Ramp: rampersMax, Duration: time.Second, dial: slow})
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		// The second half is due after 1 to 2 seconds and begins after 2 to 3.
		if o := r.Opening; o.Count != 2*rampersMax || o.Min < 1990 || o.Min > 2010 || o.Max < 2990 || o.Max > 3010 || o.P90 < 2990 {
			t.Errorf("%+v", o)
		}
	})
}
