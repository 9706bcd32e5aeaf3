package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// tick is how late a timer may be.
const tick = 40 * time.Millisecond

// memory is a listener of connections in memory.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), done: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// connect returns the client's end.
func (m *memory) connect(t *testing.T) *raw {
	client, server := net.Pipe()
	m.conns <- server
	c := rawConn(t, client)
	_ = c.SetDeadline(time.Time{}) // time is virtual: patience ends at once
	return c
}

func (m *memory) upgrade(t *testing.T) *raw {
	c := m.connect(t)
	c.send(t, []byte(opening))
	c.switched(t)
	return c
}

// inMemory serves s in memory until the test ends.
func inMemory(t *testing.T, s *engine.Server) (*memory, *notes) {
	n, m := newNotes(), newMemory()
	s.Handler, s.Loops, s.Log = n, 1, slog.New(slog.DiscardHandler)
	s.UseStreams()
	serve(t, s, m)
	return m, n
}

// after checks that something happened when it was due.
func after(t *testing.T, began time.Time, due time.Duration) {
	t.Helper()
	if took := time.Since(began); took < due || took > due+tick {
		t.Errorf("it took %v, want %v", took, due)
	}
}

func TestShutdownPaces(t *testing.T) {
	s := &engine.Server{Pace: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, s)
		const clients = 5
		var done sync.WaitGroup
		began := time.Now()
		var mu sync.Mutex
		var closed []time.Duration
		for range clients {
			c := m.upgrade(t)
			done.Go(func() {
				c.expect(t, wire.Close, "\x03\xe9going away")
				mu.Lock()
				closed = append(closed, time.Since(began))
				mu.Unlock()
				c.send(t, closing(1001))
				c.ends(t)
			})
		}
		idle := m.connect(t) // has not asked for anything yet
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		done.Wait()
		idle.ends(t)
		for i, at := range closed {
			if want := time.Duration(i) * 2 * time.Second; at < want || at > want+tick {
				t.Errorf("goodbye %d after %v, want %v", i, at, want)
			}
		}
		for range clients {
			if end := next(t, n.end); end.Code != 1001 || end.Sent != 1001 || end.Err != nil {
				t.Errorf("%+v", end)
			}
		}
	})
}

func TestShutdownGivesUp(t *testing.T) {
	s := &engine.Server{Options: engine.Options{CloseTimeout: time.Hour}}
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, s)
		c := m.upgrade(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		result := make(chan error, 1)
		go func() { result <- s.Shutdown(ctx) }()
		c.expect(t, wire.Close, "\x03\xe9going away") // and it does not answer
		if err := <-result; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		after(t, began, 3*time.Second)
		c.ends(t)
		if end := next(t, n.end); !errors.Is(end, net.ErrClosed) {
			t.Errorf("%+v", end)
		}
	})
}
