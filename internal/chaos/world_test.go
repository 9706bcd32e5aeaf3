//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/witness"
)

const (
	// silence is how long a client hears nothing before it gives its connection up.
	// Servers are told to say something every second.
	silence = 6 * time.Second

	// patience bounds what has to come when everything is well again.
	patience = 90 * time.Second
)

// world is everything that a run consists of.
type world struct {
	t     *testing.T
	seed  uint64
	began time.Time
	nodes []*clustertest.Node
	truth *witness.Truth
	http  *http.Client
	diary diary

	over chan struct{} // closed when clients are to leave

	mu      sync.Mutex // guards what follows
	records []*witness.Record
	reasons map[string]int // of gaps, and of ends that clients were told
	wrong   []string       // what servers have said that they must not say

	waiting     atomic.Int64 // subscriptions that have not begun yet
	connections atomic.Int64 // that were opened
	failures    atomic.Int64 // and those that could not be
	attempts    atomic.Int64 // of publishing
	refused     atomic.Int64 // those among them that had to be made again
}

func newWorld(t *testing.T, seed uint64, nodes []*clustertest.Node) *world {
	transport := &http.Transport{MaxIdleConnsPerHost: 200, ResponseHeaderTimeout: silence, IdleConnTimeout: 10 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &world{
		t: t, seed: seed, began: time.Now(), nodes: nodes, truth: witness.NewTruth(), http: &http.Client{Transport: transport},
		over: make(chan struct{}), reasons: make(map[string]int),
	}
}

// random returns numbers of its own for a name, the same for each run of a seed.
func (w *world) random(name string) *rand.Rand {
	h := w.seed
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(w.seed, h))
}

// record makes a record that is judged at the end.
func (w *world) record(client, channel string) *witness.Record {
	r := witness.NewRecord(client, channel)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
	return r
}

func (w *world) allRecords() []*witness.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*witness.Record(nil), w.records...)
}

// count counts something that is told at the end.
func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reasons[what]++
}

// fail notes what must not be, which no record has.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) < 5 {
		w.wrong = append(w.wrong, fmt.Sprintf("%6.2f s: ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.wrong) > 0
}

// node chooses one, whether it runs or not.
func (w *world) node(random *rand.Rand) *clustertest.Node { return w.nodes[random.IntN(len(w.nodes))] }

// wait waits for a time by chance, and reports whether ctx goes on.
func wait(ctx context.Context, random *rand.Rand, least, most time.Duration) bool {
	d := least
	if most > least {
		d += rand.N(most - least)
		if random != nil {
			d = least + time.Duration(random.Int64N(int64(most-least)))
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pace is when publications are due, those of all publishers together. What could not be made in
// time is made as soon as it can be, so that a pause of the servers costs nothing of the load.
type pace struct {
	began time.Time
	every time.Duration
	taken atomic.Int64
}

func newPace(perSecond float64) *pace {
	return &pace{began: time.Now(), every: time.Duration(float64(time.Second) / perSecond)}
}

// wait waits until the next n are due, which are the caller's then, and reports whether ctx goes on.
func (p *pace) wait(ctx context.Context, n int) bool {
	at := p.began.Add(time.Duration(p.taken.Add(int64(n))-int64(n)) * p.every)
	return wait(ctx, nil, max(time.Until(at), 0), 0)
}

// diary is what was done to servers, and when.
type diary struct {
	mu   sync.Mutex // guards what follows
	acts []act
}

type act struct {
	at   time.Time
	what string // kill -9 of a node
	whom string // node-2
}

func (d *diary) note(what, whom string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, act{time.Now(), what, whom})
}

// before is the newest act that was begun before a time, nothing if there is none. An epoch is the
// broker's: where it has members, what was done to nodes is not its reason.
func (d *diary) before(at time.Time, newEpoch bool) (what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what = "nothing"
	for i := len(d.acts) - 1; i >= 0; i-- {
		if !d.acts[i].at.Before(at) {
			continue
		}
		if what == "nothing" {
			what = d.acts[i].what
		}
		if !newEpoch || !strings.HasSuffix(d.acts[i].what, " node") {
			return d.acts[i].what
		}
	}
	return what
}

func (d *diary) all() []act {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]act(nil), d.acts...)
}
