package diskbroker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub/membroker"
)

// journal is the membroker.Journal: a queue, a goroutine that writes it, and lanes
// that tell what was written. All entries of a channel go through one lane, in order.
type journal struct {
	broker *Broker

	mu      sync.Mutex // guards what follows
	queue   *batch
	spare   []*batch        // for queue
	tasks   []func()        // for the writer, between two batches
	refusal error           // why nothing is appended; nil when it is
	trouble *DiskError      // of the disk, and with it refusal
	isOpen  bool            // the goroutines run
	closing bool            // the writer ends when the queue is empty
	rouse   chan struct{}   // capacity 1; wakes the writer
	lanes   []chan laneItem // closed by the writer
	done    sync.WaitGroup  // the writer and the lanes
	stats   journalStats
	since   atomic.Int64 // when the write that is under way began, in nanoseconds of Unix time; 0 for none
	log     *segmentLog  // the writer's
}

type journalStats struct {
	records, bytes, batches, failures atomic.Uint64
}

// batch is the part of the queue that is written at once.
type batch struct {
	b       []byte
	entries []membroker.Entry
	err     error
	left    atomic.Int32 // lanes that have not told all of it
}

type laneItem struct {
	batch *batch
	then  func() // without a batch: everything before it has been told
}

func newJournal(b *Broker) *journal {
	return &journal{broker: b, queue: new(batch), refusal: ErrNotOpen, rouse: make(chan struct{}, 1)}
}

// Append implements membroker.Journal.
func (j *journal) Append(e membroker.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refusal != nil {
		return j.refusal
	}
	q := j.queue
	if len(q.b) > queueBytesMax {
		return ErrBusy
	}
	at := len(q.b)
	q.b = e.AppendTo(beginFrame(q.b))
	if len(q.b) == at+frameHeadBytes {
		q.b = q.b[:at] // nothing is to be written of it
	} else {
		endFrame(q.b, at)
	}
	q.entries = append(q.entries, e)
	if len(q.entries) == 1 {
		j.wake()
	}
	return nil
}

func (j *journal) wake() {
	select {
	case j.rouse <- struct{}{}:
	default: // it is awake
	}
}

// start begins to write to log. n is how many lanes there are.
func (j *journal) start(log *segmentLog, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.log, j.isOpen, j.closing, j.trouble = log, true, false, nil
	j.lanes = make([]chan laneItem, n)
	for i := range j.lanes {
		lane := make(chan laneItem, laneBatches)
		j.lanes[i] = lane
		j.done.Go(func() { j.laneLoop(lane, i, n) })
	}
	j.done.Go(j.writeLoop)
	j.refusal = nil
}

// stop ends the goroutines when what was appended has been written and told. Records appended from now
// on are refused with refusal.
func (j *journal) stop(refusal error) {
	j.mu.Lock()
	j.refusal, j.closing = refusal, true
	wasOpen := j.isOpen
	j.isOpen = false
	j.wake()
	j.mu.Unlock()
	if wasOpen {
		j.done.Wait()
	}
}

// Health implements membroker.Journal.
func (j *journal) Health(context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if since := j.since.Load(); since != 0 && j.refusal == nil {
		if lasts := time.Since(time.Unix(0, since)); lasts > stallTime {
			return &DiskError{"write", fmt.Errorf("it has taken %v until now", lasts.Round(time.Second))}
		}
	}
	return j.refusal
}

// Close implements membroker.Journal.
func (j *journal) Close() error { return j.broker.closeDirectory() }

// writeLoop writes the queue until stop.
func (j *journal) writeLoop() {
	defer func() {
		for _, lane := range j.lanes {
			close(lane)
		}
	}()
	retry := time.NewTimer(retryInterval)
	retry.Stop()
	defer retry.Stop()
	for {
		j.mu.Lock()
		var q *batch // nil: nothing is queued
		tasks := j.tasks
		j.tasks = nil
		if len(j.queue.entries) > 0 {
			q, j.queue = j.queue, j.another()
		}
		closing := j.closing
		j.mu.Unlock()

		switch {
		case q != nil:
			if err := j.write(q); err != nil {
				j.fail(q, err)
			} else {
				j.give(q)
			}
		case len(tasks) == 0 && closing:
			return
		case len(tasks) == 0:
			if j.isTroubled() {
				retry.Reset(retryInterval)
			}
			select {
			case <-j.rouse:
			case <-retry.C:
				j.recover()
			}
		}
		for _, task := range tasks {
			task()
		}
	}
}

// do has the writer call f between two batches, and waits for that. It reports whether it was
// called: not after stop.
func (j *journal) do(f func()) bool {
	done := make(chan struct{})
	j.mu.Lock()
	if !j.isOpen {
		j.mu.Unlock()
		return false
	}
	j.tasks = append(j.tasks, func() { f(); close(done) })
	j.wake()
	j.mu.Unlock()
	<-done
	return true
}

// write writes a batch.
func (j *journal) write(q *batch) *DiskError {
	if len(q.b) == 0 {
		return nil
	}
	j.since.Store(time.Now().UnixNano())
	err := j.log.write(q.b)
	j.since.Store(0)
	if err != nil {
		return err
	}
	j.stats.records.Add(uint64(len(q.entries)))
	j.stats.bytes.Add(uint64(len(q.b)))
	j.stats.batches.Add(1)
	return nil
}

// give hands a batch to the lanes that it is for.
func (j *journal) give(q *batch) {
	n := len(j.lanes)
	var wanted [lanesMax]bool
	count := 0
	for i := range q.entries {
		if lane := q.entries[i].Lane(n); !wanted[lane] {
			wanted[lane] = true
			if count++; count == n {
				break
			}
		}
	}
	q.left.Store(int32(count))
	for lane := range n {
		if wanted[lane] {
			j.lanes[lane] <- laneItem{batch: q}
		}
	}
}

// laneLoop tells entries of lane i of n what became of them.
func (j *journal) laneLoop(lane <-chan laneItem, i, n int) {
	for item := range lane {
		q := item.batch
		if q == nil {
			item.then()
			continue
		}
		for k := range q.entries {
			if e := &q.entries[k]; e.Lane(n) == i {
				e.Done(q.err)
			}
		}
		if q.left.Add(-1) == 0 {
			j.keep(q)
		}
	}
}

// keep keeps the buffers of a batch for another one.
func (j *journal) keep(q *batch) {
	clear(q.entries)
	if cap(q.b) > keepBytes || cap(q.entries) > keepEntries {
		return
	}
	q.b, q.entries, q.err = q.b[:0], q.entries[:0], nil
	j.mu.Lock()
	if len(j.spare) < keepBatches {
		j.spare = append(j.spare, q)
	}
	j.mu.Unlock()
}

// another returns an empty batch; mu is held.
func (j *journal) another() *batch {
	last := len(j.spare) - 1
	if last < 0 {
		return new(batch)
	}
	q := j.spare[last]
	j.spare = j.spare[:last]
	return q
}

// settle waits until everything that was given to the lanes has been told. Only the writer
// calls it.
func (j *journal) settle() {
	var told sync.WaitGroup
	told.Add(len(j.lanes))
	for _, lane := range j.lanes {
		lane <- laneItem{then: told.Done}
	}
	told.Wait()
}

// fail tells a batch and everything behind it that it was not written. Only when all have been
// told is anything appended again, by recover: positions that were not written are given again.
func (j *journal) fail(q *batch, trouble *DiskError) {
	j.stats.failures.Add(1)
	j.mu.Lock()
	first := j.trouble == nil
	j.trouble = trouble
	if !j.closing {
		j.refusal = trouble
	}
	rest := j.queue
	j.queue = j.another()
	j.mu.Unlock()
	if first {
		j.broker.options.Logger.Error("the disk takes nothing; publishers are refused until it does", "dir", j.broker.options.Dir, "error", trouble)
	}
	for _, failed := range []*batch{q, rest} {
		if len(failed.entries) > 0 {
			failed.err = trouble
			j.give(failed)
		}
	}
	j.settle()
}

func (j *journal) isTroubled() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.trouble != nil
}

// recover tries whether the disk takes something again. The writer calls it, when everything has been
// told.
func (j *journal) recover() {
	if !j.isTroubled() {
		return
	}
	if j.log.isSuspect() {
		// The content of the file is not known any more. Everything is in memory, so it is written anew.
		j.settle()
		if err := j.broker.writeAnew(j.log); err != nil {
			return // it is tried again
		}
	} else if err := j.log.probe(); err != nil {
		return
	}
	j.mu.Lock()
	j.trouble = nil
	if !j.closing {
		j.refusal = nil
	}
	j.mu.Unlock()
	j.broker.options.Logger.Info("the disk takes what is published again", "dir", j.broker.options.Dir)
}

// distrust has everything be written anew: it could not be said that what was written is safe. It is called
// from the goroutine that syncs.
func (j *journal) distrust(trouble *DiskError) {
	j.do(func() {
		j.log.suspect.Store(true)
		j.fail(new(batch), trouble)
	})
}

var _ membroker.Journal = (*journal)(nil)
