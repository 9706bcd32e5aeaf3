package interop

import (
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait. Nothing waits that long unless it fails.
const patience = 3 * time.Minute

// program returns the first of the programs that is installed. Without one the
// test is skipped, unless GODWIT_REQUIRE_ALL is set, as in CI.
func program(t *testing.T, names ...string) string {
	t.Helper()
	skipShort(t)
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, names[0]+" is not installed")
	return ""
}

// skipShort leaves other programs to a run of all tests: they take seconds to start.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("other programs take seconds to start")
	}
}

// missing skips the test for want of something on this machine.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal(what + ", and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip(what)
}

// inbox keeps what arrives, in order and without a bound, until the test asks
// for it.
type inbox[T any] struct {
	mu    sync.Mutex
	items []T
	more  chan struct{} // closed and replaced with every put
	ended bool          // nothing more will come
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{more: make(chan struct{})} }

func (b *inbox[T]) put(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, item)
	close(b.more)
	b.more = make(chan struct{})
}

func (b *inbox[T]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	close(b.more)
}

// next takes the oldest item, waiting for one if more can come.
func (b *inbox[T]) next() (item T, ok bool) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		b.mu.Lock()
		more, ended := b.more, b.ended
		if len(b.items) > 0 {
			item, b.items = b.items[0], b.items[1:]
			b.mu.Unlock()
			return item, true
		}
		b.mu.Unlock()
		if ended {
			return item, false
		}
		select {
		case <-more:
		case <-limit.C:
			return item, false
		}
	}
}
