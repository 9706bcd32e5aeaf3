package engine

import (
	"context"
	"sync"
	"time"
)

// Shutdown ends the server in good order: it stops listening, says goodbye to
// every connection with 1001, spread over Pace, and waits until all have ended;
// requests under way in HTTP and calls of Blocking handlers are waited for, too, and
// connections that handlers of HTTP have taken over until they close them. So are
// requests served on loops; see Finisher for what they are told.
// When ctx ends first, the remaining connections are cut off, such a call excepted, and ctx's
// error returned. It may be called again.
func (s *Server) Shutdown(ctx context.Context) error {
	if !s.quit() {
		return nil // it never began
	}
	web := make(chan struct{})
	go func() {
		defer close(web)
		if s.web != nil {
			_ = s.web.shutdown(ctx)
		}
	}()
	s.mu.Lock()
	ending := s.onShutdown
	s.onShutdown = nil
	s.mu.Unlock()
	for _, f := range ending {
		f()
	}
	err := s.sayGoodbye(ctx)
	<-web
	if s.web != nil {
		s.web.cut() // what handlers have taken over and not closed
	}
	s.halt()
	if waited := s.pool.Wait(ctx); err == nil {
		err = waited
	}
	return err
}

// StopAccepting stops listening, and leaves everything else as it is: connections that
// are open are served, and told with their next response that it is the last. It is for
// a server whose successor has the same socket, and in which connections wait for that
// one; Shutdown is to follow. Serve returns with that. When StopAccepting returns, all that
// were accepted are counted in Len.
func (s *Server) StopAccepting() {
	s.mu.Lock()
	s.leaving.Store(true)
	for ln := range s.listeners {
		ln.Close()
	}
	s.mu.Unlock()
	began := true
	s.once.Do(func() { began, s.startErr = false, ErrServerClosed })
	if !began {
		return
	}
	var stopping sync.WaitGroup
	for _, l := range s.loops {
		stopping.Add(1)
		if !l.do(func() { l.stopAccepting(); stopping.Done() }) {
			stopping.Done()
		}
	}
	stopping.Wait()
}

// RegisterOnShutdown has Shutdown call f when nothing is accepted any more, and before
// connections are told goodbye: what the application has going on with them ends
// best in its own way. Shutdown goes on when f has returned. Close does not call it.
func (s *Server) RegisterOnShutdown(f func()) {
	s.mu.Lock()
	s.onShutdown = append(s.onShutdown, f)
	s.mu.Unlock()
}

// Close ends the server and every connection at once, without close frames. It
// does not wait for calls of Blocking handlers, the last of which is OnClose.
func (s *Server) Close() error {
	if s.quit() {
		if s.web != nil {
			s.web.close()
		}
		s.halt()
	}
	return nil
}

// quit stops listening and accepting. It reports whether there is something to
// end.
func (s *Server) quit() bool {
	s.mu.Lock()
	s.closing.Store(true)
	s.leaving.Store(true)
	for ln := range s.listeners {
		ln.Close()
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	s.mu.Unlock()
	began := true
	s.once.Do(func() { began, s.startErr = false, ErrServerClosed })
	if !began || len(s.loops) == 0 {
		return false
	}
	for _, l := range s.loops {
		l.do(l.stopAccepting)
	}
	return true
}

// halt ends the loops and everything else that runs.
func (s *Server) halt() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	for _, l := range s.loops {
		l.do(func() { l.stopping = true })
	}
	s.goroutines.Wait()
}

// sayGoodbye closes every connection with 1001 and waits until all have ended.
func (s *Server) sayGoodbye(ctx context.Context) error {
	conns := s.conns()
	var pace <-chan time.Time
	if s.numbers.pace > 0 && len(conns) > 1 {
		ticker := time.NewTicker(max(s.numbers.pace/time.Duration(len(conns)), 1))
		defer ticker.Stop()
		pace = ticker.C
	}
	for i, c := range conns {
		if i > 0 && pace != nil {
			select {
			case <-pace:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		c.loop.do(func() { c.loop.dismiss(c) }) // the loop knows what it is by then
	}
	s.mu.Lock()
	empty := s.empty
	s.mu.Unlock()
	if s.isEmpty() {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conns returns the connections there are; those whose request has not arrived
// are ended, as they are owed nothing.
func (s *Server) conns() []*Conn {
	var all []*Conn
	for _, l := range s.loops {
		found := make(chan []*Conn, 1)
		if l.do(func() { found <- l.openConns() }) {
			all = append(all, <-found...)
		}
	}
	return all
}

func (l *loop) openConns() []*Conn {
	var open []*Conn
	for _, c := range l.conns {
		switch {
		case c == nil:
		case c.state == stateHead:
			l.abandon(c)
		case c.state == stateOpen || c.state == stateExchange:
			open = append(open, c)
		}
	}
	return open
}
