//go:build !js

package ws

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
)

// Waiters get the right in the order in which they came, whichever of them gives
// up.
func TestTokenGoesRoundInOrder(t *testing.T) {
	for gone := range 4 { // 3: nobody gives up
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer b.Close()
			c := NewServerConn(a, nil)
			defer c.CloseNow()
			var right token
			if err := c.acquire(t.Context(), &right); err != nil {
				t.Fatal(err)
			}
			c.mu.Unlock()
			var order []int
			var cancels []context.CancelFunc
			for i := range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				cancels = append(cancels, cancel)
				go func() {
					if c.acquire(ctx, &right) != nil {
						return
					}
					order = append(order, i)
					right.give()
					c.mu.Unlock()
				}()
				synctest.Wait()
			}
			if gone < 3 {
				cancels[gone]()
				synctest.Wait()
			}
			c.mu.Lock()
			right.give()
			c.mu.Unlock()
			synctest.Wait()
			want := 0
			for _, i := range order {
				if want == gone {
					want++
				}
				if i != want {
					t.Fatalf("without %d: %v", gone, order)
				}
				want++
			}
			if n := 3; gone < 3 && len(order) != n-1 || gone == 3 && len(order) != n {
				t.Fatalf("without %d: %v", gone, order)
			}
			if right.held() {
				t.Error("still held")
			}
			for _, cancel := range cancels {
				cancel()
			}
		})
	}
}

// The right that comes to a waiter that is just giving up is not lost.
func TestTokenIsPassedOnByWhoGaveUp(t *testing.T) {
	var right token
	right.take()
	w := right.wait()
	right.give() // now w's
	right.leave(w)
	if right.held() {
		t.Fatal("lost")
	}
	if !right.take() {
		t.Fatal("not free")
	}
}

// A transport that only looks like a socket, because it embeds one, is used by
// its own methods.
func TestWrappedSocketIsUsedThroughItsOwnMethods(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingConn{TCPConn: near.(*net.TCPConn)}
	server, client := NewServerConn(counting, nil), NewClientConn(far, nil)
	defer server.CloseNow()
	defer client.CloseNow()
	if err := client.Write(t.Context(), MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Write(t.Context(), MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if counting.read == 0 || counting.written == 0 {
		t.Errorf("%d bytes read and %d written through it", counting.read, counting.written)
	}
	if socketOf(counting) != nil || socketOf(plainConn{counting.TCPConn}) == nil {
		t.Error("a wrapper is not taken at its word")
	}
}

// plainConn says that it leaves the bytes alone.
type plainConn struct{ *net.TCPConn }

func (c plainConn) Socket() net.Conn { return c.TCPConn }

type countingConn struct {
	*net.TCPConn
	read, written int
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.read += n
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.written += n
	return n, err
}
