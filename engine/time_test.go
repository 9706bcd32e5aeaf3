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

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := inMemory(t, &engine.Server{})
		for _, head := range []string{"", opening[:len(opening)-1]} {
			began := time.Now()
			c := m.connect(t)
			if head != "" {
				c.send(t, []byte(head))
			}
			c.ends(t)
			after(t, began, engine.DefaultHandshakeTimeout)
		}
	})
}

func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, &engine.Server{})
		began := time.Now()
		c := m.upgrade(t)
		conn := next(t, n.open)
		h, p := c.frame(t)
		after(t, began, engine.DefaultPingInterval)
		if h.Opcode != wire.Ping {
			t.Fatalf("got %v", h.Opcode)
		}
		time.Sleep(3 * time.Second)
		c.send(t, masked(true, wire.Pong, string(p)))
		heard := time.Now()
		synctest.Wait()
		if rtt := conn.RTT(); rtt < 3*time.Second || rtt > 3*time.Second+tick {
			t.Errorf("RTT %v", rtt)
		}
		// A sign of life moves the next ping; silence after it ends the connection.
		if h, _ = c.frame(t); h.Opcode != wire.Ping {
			t.Fatalf("got %v", h.Opcode)
		}
		after(t, heard, engine.DefaultPingInterval)
		pinged := time.Now()
		c.expect(t, wire.Close, "\x03\xf3keepalive ping timeout")
		after(t, pinged, engine.DefaultPingTimeout)
		c.ends(t)
		if end := next(t, n.end); end.Code != 1006 || end.Sent != 1011 || end.Err == nil {
			t.Errorf("%+v", end)
		}
	})
}

// The pings come every PingInterval, also when PingTimeout is longer.
func TestKeepaliveKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := inMemory(t, &engine.Server{Options: engine.Options{PingInterval: time.Second, PingTimeout: time.Minute}})
		began := time.Now()
		c := m.upgrade(t)
		for range 10 {
			h, p := c.frame(t)
			after(t, began, time.Second)
			if h.Opcode != wire.Ping {
				t.Fatalf("got %v", h.Opcode)
			}
			began = time.Now()
			c.send(t, masked(true, wire.Pong, string(p)))
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := inMemory(t, &engine.Server{Options: engine.Options{IdleTimeout: 7 * time.Second}})
		c := m.upgrade(t)
		time.Sleep(5 * time.Second)
		c.send(t, text("not idle"))
		c.send(t, masked(true, wire.Pong, "does not count"))
		spoke := time.Now()
		c.expect(t, wire.Close, "\x03\xe9no message for longer than the idle timeout")
		after(t, spoke, 7*time.Second)
		c.ends(t)
	})
}

func TestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, &engine.Server{})
		c := m.upgrade(t)
		conn := next(t, n.open)
		began := time.Now()
		if err := conn.Close(1000, ""); err != nil {
			t.Fatal(err)
		}
		c.closes(t, 1000) // and it does not answer
		after(t, began, engine.DefaultCloseTimeout)
		if end := next(t, n.end); end.Code != 1006 || end.Sent != 1000 || end.Err == nil {
			t.Errorf("%+v", end)
		}
	})
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, &engine.Server{})
		m.upgrade(t)
		conn := next(t, n.open)
		began := time.Now()
		for range 100 {
			if err := conn.Write(engine.MessageBinary, make([]byte, 2000)); err != nil {
				t.Fatal(err)
			}
		}
		end := <-n.end
		after(t, began, engine.DefaultWriteTimeout)
		if !errors.Is(end, engine.ErrWriteTimeout) {
			t.Errorf("%+v", end)
		}
	})
}

// A peer that takes a little now and then lives.
func TestWriteTimeoutIsForProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := inMemory(t, &engine.Server{Options: engine.Options{PingInterval: -1}})
		c := m.upgrade(t)
		conn := next(t, n.open)
		const messages = 10
		for range messages {
			if err := conn.Write(engine.MessageBinary, make([]byte, 65000)); err != nil {
				t.Fatal(err)
			}
		}
		for range messages {
			time.Sleep(engine.DefaultWriteTimeout - time.Second)
			if h, p := c.frame(t); h.Opcode != wire.Binary || len(p) != 65000 {
				t.Fatalf("%v of %d bytes", h.Opcode, len(p))
			}
		}
		next(t, n.drain)
		if conn.Err() != nil {
			t.Error(conn.Err())
		}
	})
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
