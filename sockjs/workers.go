package sockjs

import (
	"runtime"
	"sync"
)

// workers make the callbacks of sessions without a request of the client at the moment.
// There are no more goroutines than processors, and none when there is nothing to do.
type workers struct {
	mu      sync.Mutex // guards what follows
	waiting []*polled
	count   int           // of goroutines
	idle    chan struct{} // closed when count is 0; nil while nobody waits for that
}

// add has p run soon.
func (w *workers) add(p *polled) {
	w.mu.Lock()
	w.waiting = append(w.waiting, p)
	isNew := w.count < runtime.GOMAXPROCS(0)
	if isNew {
		w.count++
	}
	w.mu.Unlock()
	if isNew {
		go w.workLoop() // wait waits for it
	}
}

// wait returns when there is nothing to do.
func (w *workers) wait() {
	w.mu.Lock()
	if w.count == 0 {
		w.mu.Unlock()
		return
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	<-idle
}

func (w *workers) workLoop() {
	for {
		w.mu.Lock()
		if len(w.waiting) == 0 {
			w.waiting = nil
			if w.count--; w.count == 0 && w.idle != nil {
				close(w.idle)
				w.idle = nil
			}
			w.mu.Unlock()
			return
		}
		p := w.waiting[0]
		w.waiting[0] = nil
		w.waiting = w.waiting[1:]
		w.mu.Unlock()
		p.run()
	}
}
