package identity

import (
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
)

// jobBytes is what a token that waits counts beside its own length.
const jobBytes = 512

// job is a token that is being verified, for all clients that have shown it meanwhile.
type job struct {
	key    cacheKey
	token  *token
	cookie string
	bytes  int
	asked  []*remote // whose keys were fetched for it
	done   []func(*access.Identity, error)
}

// pool has a bounded number of goroutines work on jobs, in turn. None is there while
// there is nothing to do.
type pool struct {
	work func(*job) // ends with finish or, later, resume

	running sync.WaitGroup

	mu         sync.Mutex // guards the rest
	workersMax int
	bytesMax   int
	workers    int
	bytes      int // of all jobs that are not finished
	jobs       map[cacheKey]*job
	queue      []*job
	closed     bool
}

// retryBusy is when to come back if too many wait.
const retryBusy = time.Second

// join adds done to a job that is under way for the same token, if there is one.
func (p *pool) join(k cacheKey, done func(*access.Identity, error)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.jobs[k]
	if j == nil {
		return false
	}
	j.done = append(j.done, done)
	return true
}

// add adds a job, which calls done later. It returns a refusal, and does not call
// done, if there is no place.
func (p *pool) add(j *job, done func(*access.Identity, error)) *access.Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	if same := p.jobs[j.key]; same != nil {
		same.done = append(same.done, done)
		return nil
	}
	j.bytes += jobBytes
	switch {
	case p.closed:
		return stopping()
	case p.bytes+j.bytes > p.bytesMax:
		return &access.Refusal{Cause: access.Unavailable, Reason: "too many tokens wait to be verified; try again", RetryAfter: retryBusy}
	}
	j.done = append(j.done, done)
	p.bytes += j.bytes
	p.jobs[j.key] = j
	p.push(j)
	return nil
}

func stopping() *access.Refusal {
	return &access.Refusal{Cause: access.Unavailable, Reason: "the server is stopping; try again", RetryAfter: retryBusy}
}

// push has a worker take j. The lock is held.
func (p *pool) push(j *job) {
	p.queue = append(p.queue, j)
	if p.workers < p.workersMax {
		p.workers++
		p.running.Go(p.workLoop)
	}
}

// resume has a worker take up a job again.
func (p *pool) resume(j *job) {
	p.mu.Lock()
	if !p.closed {
		p.push(j)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.finish(j, nil, stopping())
}

func (p *pool) workLoop() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.queue = nil // not the array of the last storm
			p.workers--
			p.mu.Unlock()
			return
		}
		j := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
		p.work(j)
	}
}

// finish ends a job: all its waiters are called.
func (p *pool) finish(j *job, id *access.Identity, refusal *access.Refusal) {
	p.mu.Lock()
	delete(p.jobs, j.key)
	p.bytes -= j.bytes
	done := j.done
	p.mu.Unlock()
	for _, f := range done {
		answer(f, id, refusal)
	}
}

// answer calls done with an error that is nil if there is no refusal.
func answer(done func(*access.Identity, error), id *access.Identity, refusal *access.Refusal) {
	if refusal != nil {
		done(nil, refusal)
		return
	}
	done(id, nil)
}

// close ends the jobs that wait, takes no more, and waits for those under way. What
// would resume them has to have ended, or must end.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	queue := p.queue
	p.queue = nil
	p.mu.Unlock()
	for _, j := range queue {
		p.finish(j, nil, stopping())
	}
	p.running.Wait()
}
