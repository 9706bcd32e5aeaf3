package tracing

import (
	"context"
	"slices"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// queue has spans wait for being sent. It is the SDK's span processor; the SDK's own one
// does not say what it has dropped.
type queue struct {
	exporter *exporter
	queueMax int
	batchMax int
	delay    time.Duration
	ctx      context.Context // ends what is under way
	cancel   context.CancelFunc
	full     chan struct{} // a batch is there, or the end; has room for one
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	spans  []sdktrace.ReadOnlySpan
	under  int // being sent
	closed bool
	counts Stats
}

func newQueue(o *Options, e *exporter) *queue {
	q := &queue{exporter: e, queueMax: o.QueueMax, batchMax: min(o.BatchMax, o.QueueMax), delay: o.Delay, full: make(chan struct{}, 1)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.running.Go(q.sendLoop)
	return q
}

// OnStart implements sdktrace.SpanProcessor.
func (q *queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	q.mu.Lock()
	if q.closed || len(q.spans)+q.under >= q.queueMax {
		q.counts.Dropped++
		q.mu.Unlock()
		return
	}
	q.spans = append(q.spans, s)
	isFull := len(q.spans) == q.batchMax
	q.mu.Unlock()
	if isFull {
		q.hurry()
	}
}

func (q *queue) hurry() {
	select {
	case q.full <- struct{}{}:
	default:
	}
}

// Shutdown implements sdktrace.SpanProcessor.
func (q *queue) Shutdown(ctx context.Context) error {
	q.close(ctx)
	return nil
}

// ForceFlush implements sdktrace.SpanProcessor. It does not wait.
func (q *queue) ForceFlush(context.Context) error {
	q.hurry()
	return nil
}

// sendLoop sends batches: when one is full, when Delay is over, and at the end.
func (q *queue) sendLoop() {
	defer q.exporter.client.CloseIdleConnections()
	ticker := time.NewTicker(q.delay)
	defer ticker.Stop()
	for {
		select {
		case <-q.full:
		case <-ticker.C:
		}
		for {
			batch, closed := q.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			lost := q.exporter.export(q.ctx, batch)
			q.mu.Lock()
			q.under = 0
			q.counts.Sent += uint64(len(batch) - lost)
			q.counts.Failed += uint64(lost)
			q.mu.Unlock()
		}
	}
}

func (q *queue) take() (batch []sdktrace.ReadOnlySpan, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.spans), q.batchMax)
	batch = slices.Clone(q.spans[:n])
	q.spans = slices.Delete(q.spans, 0, n) // clears what is behind
	q.under = n
	return batch, q.closed
}

// close sends what waits until ctx ends, and returns how many spans were lost since it was
// called.
func (q *queue) close(ctx context.Context) (lost uint64) {
	q.mu.Lock()
	isFirst := !q.closed
	q.closed = true
	before := q.counts.Failed
	q.mu.Unlock()
	if isFirst {
		q.hurry()
	}
	stop := context.AfterFunc(ctx, q.cancel)
	defer stop()
	q.running.Wait()
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts.Failed - before
}

func (q *queue) stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.counts
	s.Queued = len(q.spans) + q.under
	return s
}
