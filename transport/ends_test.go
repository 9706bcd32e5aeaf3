package transport

import "sync"

// ends are what the Observer was told of sessions that have ended. However many they are, the Observer does not wait.
type ends struct {
	more chan struct{} // has one when there may be something

	mu  sync.Mutex // guards all
	all []End
}

func newEnds() *ends { return &ends{more: make(chan struct{}, 1)} }

func (e *ends) add(end End) {
	e.mu.Lock()
	e.all = append(e.all, end)
	e.mu.Unlock()
	notify(e.more)
}

// take returns the oldest that was not taken yet, if there is one.
func (e *ends) take() (end End, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) == 0 {
		return end, false
	}
	end, e.all = e.all[0], e.all[1:]
	return end, true
}

// notify leaves one in a channel that has room for one.
func notify(more chan struct{}) {
	select {
	case more <- struct{}{}:
	default:
	}
}
