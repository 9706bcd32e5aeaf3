package tracing

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/godwit-io/godwit/hub"
)

// record makes n spans.
func record(tracer *Tracer, n int) {
	for range n {
		_, done := tracer.publishing("post", hub.Message{Channel: "c"})
		done(hub.Published{})
	}
}

// Batches are sent when they are full or when Delay is over; what does not fit is
// dropped and counted.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector()
		tracer := newTracer(t, c, func(o *Options) { o.QueueMax, o.BatchMax = 10, 4 })
		record(tracer, 3)
		<-time.After(DefaultDelay - time.Millisecond)
		if got := tracer.Stats(); got != (Stats{Queued: 3}) {
			t.Errorf("before Delay: %+v", got)
		}
		<-time.After(2 * time.Millisecond)
		if got := tracer.Stats(); got != (Stats{Sent: 3}) {
			t.Errorf("after Delay: %+v", got)
		}
		record(tracer, 4)
		synctest.Wait()
		if got := tracer.Stats(); got != (Stats{Sent: 7}) || c.count() != 2 {
			t.Errorf("with a full batch: %+v in %d requests", got, c.count())
		}
		held := make(chan struct{})
		c.answer = func(int, http.ResponseWriter) { <-held }
		record(tracer, 12)
		synctest.Wait()
		if got := tracer.Stats(); got != (Stats{Sent: 7, Dropped: 2, Queued: 10}) {
			t.Errorf("with a collector that is slow: %+v", got)
		}
		close(held)
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		record(tracer, 1)
		if got := tracer.Stats(); got != (Stats{Sent: 17, Dropped: 3}) || c.count() != 5 {
			t.Errorf("after Close: %+v in %d requests", got, c.count())
		}
	})
}

// What a collector answers, and what comes of it.
func TestAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		answer   func(attempt int, w http.ResponseWriter)
		attempts int
		after    time.Duration // at least, until the last attempt
		want     Stats
		logs     string
	}{
		"taken": {nil, 1, 0, Stats{Sent: 2}, ""},
		"away for a while": {func(n int, w http.ResponseWriter) {
			if n < 3 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}, 3, 2 * time.Second, Stats{Sent: 2}, ""},
		"to wait for": {func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 2, 30 * time.Second, Stats{Sent: 2}, ""},
		"to wait for too long": {func(n int, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "100000")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 1, 0, Stats{Failed: 2}, "the collector answers 503 (Service Unavailable)"},
		"refused":    {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, 1, 0, Stats{Failed: 2}, "the collector answers 401 (Unauthorized)"},
		"redirected": {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusFound) }, 1, 0, Stats{Failed: 2}, "the collector answers 302 (Found)"},
		"taken in part": {func(_ int, w http.ResponseWriter) {
			partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
			_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
		}, 1, 0, Stats{Sent: 1, Failed: 1}, "the collector has refused some of the traces"},
		"taken, with nonsense": {func(_ int, w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, 1, 0, Stats{Sent: 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, log := newCollector(), new(logged)
				c.answer = row.answer
				tracer := newTracer(t, c, func(o *Options) {
					o.Logger, o.Endpoint, o.Headers = log.logger(), "http://user:hunter2@collector.example/?token=hunter2", http.Header{"Authorization": {"hunter2"}}
				})
				record(tracer, 2)
				began := time.Now()
				_ = tracer.Close(t.Context())
				if took := time.Since(began); took < row.after/2 || row.after == 0 && took > 0 {
					t.Errorf("it took %v", took)
				}
				if got := tracer.Stats(); got != row.want || c.count() != row.attempts {
					t.Errorf("%+v after %d attempts, want %+v after %d", got, c.count(), row.want, row.attempts)
				}
				if got := log.String(); (got == "") != (row.logs == "") || !strings.Contains(got, row.logs) || strings.Contains(got, "hunter2") {
					t.Errorf("logged is %q, want %q and no secrets", got, row.logs)
				}
			})
		})
	}
}

// failing is a collector that cannot be reached.
type failing struct{ attempts int }

func (f *failing) RoundTrip(*http.Request) (*http.Response, error) {
	f.attempts++
	return nil, errors.New("connection refused")
}

// A collector that is away is given up after Retry, batch after batch, and complained
// about once a minute.
func TestCollectorIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := new(failing), new(logged)
		tracer := newTracer(t, c, func(o *Options) { o.Logger, o.BatchMax, o.Retry = log.logger(), 1, 10*time.Second })
		record(tracer, 3)
		<-time.After(time.Minute)
		if got := tracer.Stats(); got != (Stats{Failed: 3}) || c.attempts < 6 {
			t.Errorf("%+v after %d attempts", got, c.attempts)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d complaints:\n%s", n, log)
		}
	})
}

// Close gives up what waits when its context ends.
func TestCloseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer := newTracer(t, new(failing), func(o *Options) { o.Retry = NoLimit })
		record(tracer, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		err := tracer.Close(ctx)
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "3 spans were dropped") || took != 20*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error("a second Close:", err)
		}
	})
}

// Whatever a collector answers is a number of spans.
func FuzzRejected(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("<html>"))
	f.Add([]byte{0x0a, 0x02, 0x08, 0x05})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if n := parseRejected(answer); n < 0 {
			t.Fatal(n)
		}
	})
}

func TestRejected(t *testing.T) {
	if n := parseRejected([]byte{0x0a, 0x02, 0x08, 0x05}); n != 5 {
		t.Errorf("5 were rejected, read is %d", n)
	}
}
