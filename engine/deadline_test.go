package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestCloseAt(t *testing.T) {
	tests := []struct {
		name string
		set  func(*engine.Conn) error
		due  time.Duration
		want string // of the close frame
	}{
		{"once", func(c *engine.Conn) error {
			return c.CloseAt(time.Now().Add(3*time.Second), 4001, "expired")
		}, 3 * time.Second, "\x0f\xa1expired"},
		{"without a code", func(c *engine.Conn) error {
			return c.CloseAt(time.Now().Add(3*time.Second), wire.CloseNoStatus, "")
		}, 3 * time.Second, ""},
		{"later than the wheel turns", func(c *engine.Conn) error {
			return c.CloseAt(time.Now().Add(time.Hour), 1008, "")
		}, time.Hour, "\x03\xf0"},
		{"in the past", func(c *engine.Conn) error {
			return c.CloseAt(time.Now().Add(-time.Hour), 1008, "")
		}, 0, "\x03\xf0"},
		{"moved earlier", func(c *engine.Conn) error {
			_ = c.CloseAt(time.Now().Add(time.Minute), 4001, "")
			return c.CloseAt(time.Now().Add(time.Second), 4002, "")
		}, time.Second, "\x0f\xa2"},
		{"moved later", func(c *engine.Conn) error {
			_ = c.CloseAt(time.Now().Add(time.Second), 4001, "")
			return c.CloseAt(time.Now().Add(time.Minute), 4002, "")
		}, time.Minute, "\x0f\xa2"},
		{"taken back, and the idle timeout is as ever", func(c *engine.Conn) error {
			_ = c.CloseAt(time.Now().Add(time.Second), 4001, "")
			return c.CloseAt(time.Time{}, 4001, "")
		}, 2 * time.Hour, "\x03\xe9no message for longer than the idle timeout"},
		{"a code that may not be sent changes nothing", func(c *engine.Conn) error {
			_ = c.CloseAt(time.Now().Add(time.Second), 4001, "")
			if err := c.CloseAt(time.Now(), 1006, ""); err != engine.ErrCloseCode {
				t.Error(err)
			}
			return nil
		}, time.Second, "\x0f\xa1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, n := inMemory(t, &engine.Server{Options: engine.Options{PingInterval: engine.NoLimit, IdleTimeout: 2 * time.Hour}})
				c := m.upgrade(t)
				conn := next(t, n.open)
				began := time.Now()
				if err := tt.set(conn); err != nil {
					t.Fatal(err)
				}
				c.expect(t, wire.Close, tt.want)
				after(t, began, tt.due)
				c.send(t, closing(1000))
				c.ends(t)
				if end := next(t, n.end); end.Sent == 0 {
					t.Errorf("%+v", end)
				}
				if err := conn.CloseAt(time.Now(), 1000, ""); err != conn.Err() {
					t.Errorf("after the end: %v", err)
				}
			})
		})
	}
}

// A handler that is at work does not put the deadline off.
func TestCloseAtWhileAHandlerBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m, n := inMemory(t, &engine.Server{})
		c := m.upgrade(t)
		conn := next(t, n.open)
		conn.SetHandler(engine.Blocking(stuck{n, release}))
		c.send(t, append(text("takes long"), text("waits")...))
		began := time.Now()
		if err := conn.CloseAt(began.Add(300*time.Millisecond), 1008, "too long"); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Close, "\x03\xf0too long")
		after(t, began, 300*time.Millisecond)
		close(release)
		c.send(t, closing(1008))
		c.ends(t)
		if end := next(t, n.end); end.Sent != 1008 {
			t.Errorf("%+v", end)
		}
	})
}

// stuck does not return from OnMessage until it is released.
type stuck struct {
	*notes
	release chan struct{}
}

func (s stuck) OnMessage(*engine.Conn, engine.MessageType, []byte) { <-s.release }
