package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Histories that are in a broker do not go over: the process that takes over uses the same
// one, and so does the one before until its last client has gone. What goes over is the rest, and the
// connection between the two only says that the other one is there.

// keepsAs returns an error if the program that would take over keeps histories where this
// one does not: in itself, or elsewhere.
func (s *Server) keepsAs(sections map[string]int) error {
	switch theirs := sections[sectionHistories] > 0; {
	case s.local == nil && theirs:
		return errors.New("the other program keeps histories itself and this one in a broker; that takes a stop and a new start")
	case s.local != nil && !theirs:
		return errors.New("the other program keeps histories in a broker and this one itself, or is too old; that takes a stop and a new start")
	}
	return nil
}

// awaitBroker waits until a broker elsewhere can serve: a process that takes over is not to be
// worse than the one before.
func (s *Server) awaitBroker(ctx context.Context) error {
	b, is := s.broker.(hub.HealthBroker)
	if s.local != nil || !is {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := b.Health(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the broker does not serve: %w", err)
		}
	}
}

// link is the connection to a process that has taken over, or from which this one has.
type link struct {
	conn io.Closer
	gone <-chan struct{} // closed when the other one has closed it, or has ended
}

// follow watches another process. unfollow ends it.
func (s *Server) follow(conn io.ReadWriteCloser) (gone <-chan struct{}) {
	ended := make(chan struct{})
	s.mu.Lock()
	s.links = append(s.links, link{conn, ended})
	s.mu.Unlock()
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn) // however it ends, the other one has gone
	}()
	return ended
}

// unfollow tells the other processes that this one is at its end; mu is not held.
func (s *Server) unfollow() {
	s.mu.Lock()
	links := s.links
	s.links = nil
	s.mu.Unlock()
	for _, l := range links {
		_ = l.conn.Close() // the other one may have closed it
		<-l.gone
	}
}
