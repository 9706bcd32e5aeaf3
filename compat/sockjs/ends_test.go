package sockjs_test

import (
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/transport"
)

// ends are what the Observer was told of sessions that have ended. However many they are, the Observer does not wait.
type ends struct {
	more chan struct{} // has one when there may be something

	mu  sync.Mutex // guards all
	all []transport.End
}

func newEnds() *ends { return &ends{more: make(chan struct{}, 1)} }

func (e *ends) add(end transport.End) {
	e.mu.Lock()
	e.all = append(e.all, end)
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// take returns the oldest that was not taken yet, if there is one.
func (e *ends) take() (end transport.End, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) == 0 {
		return end, false
	}
	end, e.all = e.all[0], e.all[1:]
	return end, true
}

// next waits for the end of a session.
func (e *ends) next(t testing.TB) transport.End {
	t.Helper()
	for expired := time.After(patience); ; {
		if end, ok := e.take(); ok {
			return end
		}
		select {
		case <-e.more:
		case <-expired:
			t.Fatal("no session has ended")
		}
	}
}
