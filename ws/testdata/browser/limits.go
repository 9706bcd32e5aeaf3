//go:build js

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall/js"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// unreadBytesMax is that of package ws.
const unreadBytesMax = 16 << 20

func init() {
	scenarios["message limit"] = func(t *T) {
		const most = 1000
		limit := &ws.DialOptions{Options: ws.Options{MessageBytesMax: most}}
		for _, m := range []ws.Message{
			{Type: ws.MessageBinary, Data: bytes.Repeat([]byte{1}, most)},
			{Type: ws.MessageText, Data: []byte(strings.Repeat("a", most))},
			{Type: ws.MessageText, Data: []byte(strings.Repeat("ż", most/2))}, // counted in bytes
		} {
			id := t.id()
			conn := t.dial("/echo?id="+id, limit)
			t.must(conn.Write(t.ctx, m.Type, m.Data))
			typ, data, err := conn.Read(t.ctx)
			t.same("the longest message", typ, data, err, m)
			t.must(conn.Write(t.ctx, m.Type, m.Data))
			t.must(conn.Write(t.ctx, m.Type, append(m.Data, 'b')))
			t.over(conn)
			typ, data, err = conn.Read(t.ctx)
			t.same("the message before the fault", typ, data, err, m)
			t.ends(conn, ws.CloseError{Code: 1006, Sent: 4009, Err: says("message longer than the limit")})
			if seen := t.tell("/seen", id); seen != "4009 message longer than the limit" {
				t.errorf("the server saw %q", seen)
			}
		}
	}

	scenarios["default message limit"] = func(t *T) {
		conn := t.dial(fmt.Sprintf("/burst?count=1&size=%d", ws.DefaultMessageBytesMax+1), nil)
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 4009, Err: says("message longer than the limit")})
	}

	scenarios["unread messages"] = func(t *T) {
		for _, c := range []struct{ size, fit int }{
			{1 << 20, 15}, // 16 with what a message counts beside its payload are too many
			{1 << 12, unreadBytesMax / (1<<12 + 64)},
		} {
			id := t.id()
			conn := t.dial(fmt.Sprintf("/burst?id=%s&count=%d&size=%d", id, c.fit+1, c.size), nil)
			t.over(conn)
			for range c.fit {
				_, _, err := conn.Read(t.ctx)
				t.must(err)
			}
			t.ends(conn, ws.CloseError{Code: 1006, Sent: 4008, Err: says("more messages than are being read")})
			if seen := t.tell("/seen", id); seen != "4008 more messages than are being read" {
				t.errorf("the server saw %q", seen)
			}

			conn = t.dial(fmt.Sprintf("/burst?count=%d&size=%d", c.fit, c.size), nil)
			for range c.fit { // at leisure
				_, _, err := conn.Read(t.ctx)
				t.must(err)
			}
			t.must(conn.Close(ws.StatusNormal, ""))
		}
	}

	scenarios["idle timeout"] = func(t *T) {
		id := t.id()
		conn := t.dial("/echo?id="+id, &ws.DialOptions{Options: ws.Options{IdleTimeout: time.Second}})
		began := time.Now()
		for range 10 { // longer than the timeout, and not idle
			wait, cancel := context.WithTimeout(t.ctx, 150*time.Millisecond)
			<-wait.Done()
			cancel()
			t.must(conn.Write(t.ctx, ws.MessageText, []byte("here")))
			_, _, err := conn.Read(t.ctx)
			t.must(err)
		}
		t.over(conn)
		if lasted := time.Since(began); lasted < 2500*time.Millisecond {
			t.errorf("ended after %v", lasted)
		}
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 4001, Err: says("no message for longer than the idle timeout")})
		if seen := t.tell("/seen", id); seen != "4001 no message for longer than the idle timeout" {
			t.errorf("the server saw %q", seen)
		}
	}

	scenarios["rate"] = func(t *T) {
		refused := errors.New("too much")
		asked := 0
		id := t.id()
		conn := t.dial("/burst?count=5&size=10&id="+id, &ws.DialOptions{Options: ws.Options{
			Rate: func(ctx context.Context, n int, begins bool) error {
				if n != 10 || !begins {
					t.errorf("Rate was asked about %d bytes, begins %v", n, begins)
				}
				switch asked++; asked {
				case 2:
					<-ctx.Done()
					return ctx.Err()
				case 4:
					return refused
				}
				return nil
			},
		}})
		_, first, err := conn.Read(t.ctx)
		t.must(err)
		ctx, cancel := context.WithTimeout(t.ctx, 10*time.Millisecond)
		defer cancel()
		if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.errorf("a read that Rate held up: %v", err)
		}
		_, second, err := conn.Read(t.ctx)
		t.must(err)
		if first[0] != 0 || second[0] != 1 {
			t.errorf("read %v and %v: a message was lost", first, second)
		}
		if _, _, err := conn.Read(t.ctx); !errors.Is(err, refused) {
			t.errorf("a read that Rate refused: %v", err)
		}
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 4008, Err: refused})
		if seen := t.tell("/seen", id); seen != "4008 too much" {
			t.errorf("the server saw %q", seen)
		}
	}

	scenarios["a server that does not read"] = func(t *T) {
		const most = 1 << 20
		var highs, lows atomic.Int32
		id := t.id()
		low := make(chan int, 1)
		conn := t.dial("/deaf?id="+id, &ws.DialOptions{Options: ws.Options{
			QueueBytesMax: most,
			OnHighWater: func(_ *ws.Conn, buffered int) {
				if highs.Add(1); buffered < most/2 {
					t.errorf("OnHighWater with %d", buffered)
				}
			},
			OnLowWater: func(_ *ws.Conn, buffered int) {
				if lows.Add(1); buffered > most/8 {
					t.errorf("OnLowWater with %d", buffered)
				}
				select {
				case low <- buffered:
				default:
				}
			},
		}})
		// The kernel and the browser take some of it. What they do not take stays:
		// the queue is full when it stays so.
		sent, last, same := 0, 0, 0
		piece := make([]byte, 100<<10)
		if !t.eventually(func() bool {
			if b := conn.Buffered(); b == last {
				same++
			} else {
				last, same = b, 0
			}
			if same == 200 {
				return true
			}
			for {
				switch err := conn.Enqueue(ws.MessageBinary, piece); {
				case errors.Is(err, ws.ErrQueueFull):
					return false
				case err != nil:
					t.fatalf("Enqueue: %v", err)
				}
				sent += len(piece)
				last, same = conn.Buffered(), 0
			}
		}) {
			t.fatalf("the queue does not fill: %d sent, %d buffered", sent, conn.Buffered())
		}
		if b := conn.Buffered(); b > most || b <= most-len(piece) {
			t.errorf("%d buffered when the queue is full", b)
		}
		if highs.Load() == 0 {
			t.errorf("OnHighWater was not called")
		}
		ctx, cancel := context.WithTimeout(t.ctx, 50*time.Millisecond)
		defer cancel()
		if err := conn.Write(ctx, ws.MessageBinary, make([]byte, most)); !errors.Is(err, context.DeadlineExceeded) {
			t.errorf("Write with a full queue: %v", err)
		}
		for len(low) > 0 {
			<-low
		}
		if got := t.tell("/listen", id); got != "ok" {
			t.errorf("/listen says %q", got)
		}
		select {
		case <-low:
		case <-t.ctx.Done():
			t.fatalf("OnLowWater was not called")
		}
		// A single message may always go, whatever its size.
		t.must(conn.Write(t.ctx, ws.MessageBinary, make([]byte, most+1)))
		sent += most + 1
		if !t.eventually(func() bool { return conn.Buffered() == 0 }) {
			t.errorf("%d stay buffered", conn.Buffered())
		}
		t.must(conn.Close(ws.StatusNormal, ""))
		if seen, want := t.tell("/seen", id), fmt.Sprintf("1000  after %d", sent); seen != want {
			t.errorf("the server saw %q, not %q: what timed out must not be sent", seen, want)
		}
	}

	// A queue that is always full is no stall as long as something leaves it.
	scenarios["a server that reads slowly"] = func(t *T) {
		conn := t.dial("/sip", &ws.DialOptions{Options: ws.Options{QueueBytesMax: 1 << 20, WriteTimeout: 2 * time.Second}})
		began, full := time.Now(), false
		piece := make([]byte, 64<<10)
		if !t.eventually(func() bool {
			for {
				err := conn.Enqueue(ws.MessageBinary, piece)
				if errors.Is(err, ws.ErrQueueFull) {
					full = true
					return time.Since(began) > 3*time.Second
				}
				t.must(err)
			}
		}) || !full {
			t.errorf("the queue never filled")
		}
		t.must(conn.CloseNow())
	}

	scenarios["write timeout"] = func(t *T) {
		for _, enqueue := range []bool{false, true} {
			conn := t.dial("/deaf?id="+t.id(), &ws.DialOptions{Options: ws.Options{WriteTimeout: 300 * time.Millisecond}})
			var err error
			piece := make([]byte, 512<<10)
			for i := 0; i < 1000 && err == nil; i++ {
				if !enqueue {
					err = conn.Write(t.ctx, ws.MessageBinary, piece)
				} else if err = conn.Enqueue(ws.MessageBinary, piece); errors.Is(err, ws.ErrQueueFull) {
					err = nil
					if t.eventually(func() bool { return conn.Err() != nil || conn.Buffered() < 512<<10 }) {
						err = conn.Err()
					}
				}
			}
			if !errors.Is(err, ws.ErrWriteTimeout) || ws.CloseStatus(err) != 1006 {
				t.errorf("writing to who does not read: %v", err)
			}
			t.ends(conn, ws.CloseError{Code: 1006, Sent: 1005, Err: ws.ErrWriteTimeout})
		}
	}
}

// values is how many JavaScript values Go holds, once garbage has been collected.
func (t *T) values() int {
	t.must(t.ctx.Err())
	runtime.GC()
	goInstance := js.Global().Get("go")
	return goInstance.Get("_values").Length() - goInstance.Get("_idPool").Length()
}
