package cluster

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// events are what watchers and handlers are told, in order, by one goroutine.
type events struct {
	bytesMax int
	log      *slog.Logger
	more     chan struct{}

	mu       sync.Mutex // guards what follows
	waiting  []event
	bytes    int        // of told messages that wait
	watchers []*watcher // replaced, and never changed
	told     map[string]func(from string, data []byte)
}

// event is a change, or something that was told.
type event struct {
	change Change
	to     []*watcher // the watchers at the time of the event

	from string // empty for a change
	kind string
	data []byte
}

type watcher struct {
	f    func(Change)
	gone atomic.Bool
}

const eventBytes = 128 // what an event takes beside its data

func (e *events) init(bytesMax int, log *slog.Logger) {
	e.bytesMax, e.log, e.more, e.told = bytesMax, log, make(chan struct{}, 1), make(map[string]func(string, []byte))
}

// add adds an event. When too much waits, told messages are lost, and the watchers know.
func (e *events) add(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v.from != "" {
		if e.told[v.kind] == nil {
			return
		}
		if e.bytes+len(v.data)+eventBytes > e.bytesMax {
			e.lose(v.from)
			return
		}
		e.bytes += len(v.data) + eventBytes
	}
	e.addLocked(v)
}

func (e *events) addLocked(v event) {
	if v.from == "" && v.to == nil {
		if v.to = e.watchers; len(v.to) == 0 {
			return
		}
	}
	e.waiting = append(e.waiting, v)
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// lose announces the loss of a peer's told messages, once for a row of them.
func (e *events) lose(from string) {
	if last := len(e.waiting) - 1; last >= 0 && e.waiting[last].change.Kind == Missed && e.waiting[last].change.Peer.ID == from {
		return
	}
	e.addLocked(event{change: Change{Missed, Peer{ID: from}}})
}

// watch adds a watcher, which is told first, and then what happens from now on.
func (e *events) watch(f func(Change), first []Change) (stop func()) {
	w := &watcher{f: f}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watchers = append(e.watchers[:len(e.watchers):len(e.watchers)], w)
	for _, c := range first {
		e.addLocked(event{change: c, to: []*watcher{w}})
	}
	return func() {
		if w.gone.Swap(true) {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		var stay []*watcher
		for _, other := range e.watchers {
			if other != w {
				stay = append(stay, other)
			}
		}
		e.watchers = stay
	}
}

// handle sets the handler of the messages of a kind that other nodes tell.
func (e *events) handle(kind string, f func(from string, data []byte)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f == nil {
		delete(e.told, kind)
		return
	}
	e.told[kind] = f
}

// loop tells until done.
func (e *events) loop(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-e.more:
		}
		for {
			e.mu.Lock()
			waiting := e.waiting
			e.waiting = nil
			e.mu.Unlock()
			if len(waiting) == 0 {
				break
			}
			for i := range waiting {
				select {
				case <-done:
					return
				default:
					e.give(&waiting[i])
				}
				waiting[i] = event{}
			}
		}
	}
}

// give tells one event.
func (e *events) give(v *event) {
	if v.from == "" {
		for _, w := range v.to {
			if !w.gone.Load() {
				e.guard(func() { w.f(v.change) })
			}
		}
		return
	}
	e.mu.Lock()
	e.bytes -= len(v.data) + eventBytes
	f := e.told[v.kind]
	e.mu.Unlock()
	if f != nil {
		e.guard(func() { f(v.from, v.data) })
	}
}

// guard calls f, and logs if it panics.
func (e *events) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			e.log.Error("a handler of what other nodes tell panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
}
