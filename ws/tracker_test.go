package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// accepted serves one handshake on an in-memory wire, as net/http would, and
// returns both ends.
func accepted(t *testing.T, o *ws.AcceptOptions) (*ws.Conn, *wstest.Peer, error) {
	t.Helper()
	a, b := wstest.Pipe(nil)
	listener := &oneConn{conn: a, closed: make(chan struct{})}
	type result struct {
		conn *ws.Conn
		err  error
	}
	done := make(chan result, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, o)
		done <- result{conn, err}
	})}
	served := make(chan struct{})
	go func() { _ = server.Serve(listener); close(served) }()
	t.Cleanup(func() { _ = server.Close(); <-served; b.Close() })
	io.WriteString(b, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := <-done
	// The head of the response, so that the peer begins with frames.
	var head []byte
	for p := make([]byte, 1); len(head) < 4 || string(head[len(head)-4:]) != "\r\n\r\n"; {
		if _, err := b.Read(p); err != nil {
			break
		}
		head = append(head, p[0])
	}
	return r.conn, wstest.NewPeer(t, b, true), r.err
}

// oneConn is a listener with one connection to give.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	end    sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (nc net.Conn, err error) {
	l.once.Do(func() { nc = l.conn })
	if nc == nil {
		<-l.closed
		err = net.ErrClosed
	}
	return nc, err
}
func (l *oneConn) Close() error   { l.end.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

func TestTrackerClosesPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := &ws.Tracker{Pace: 4 * time.Second}
		o := &ws.AcceptOptions{Tracker: tracker}
		start := time.Now()
		var mu sync.Mutex
		var closed []time.Duration
		for range 4 {
			conn, peer, err := accepted(t, o)
			if err != nil {
				t.Fatal(err)
			}
			go conn.Read(background)
			go func() {
				peer.Want(`close 1001 "going away"`)
				mu.Lock()
				closed = append(closed, time.Since(start))
				mu.Unlock()
				peer.Close(1001, "")
			}()
		}
		if tracker.Len() != 4 {
			t.Errorf("Len = %d", tracker.Len())
		}
		if err := tracker.Shutdown(background); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for i, at := range closed {
			if want := time.Duration(i) * time.Second; at != want {
				t.Errorf("close %d after %v, want %v", i, at, want)
			}
		}
		if tracker.Len() != 0 || len(closed) != 4 {
			t.Errorf("Len = %d, %d closed", tracker.Len(), len(closed))
		}
		_, _, err := accepted(t, o)
		if err == nil {
			t.Error("accepted after Shutdown")
		}
		if err := tracker.Shutdown(background); err != nil {
			t.Errorf("second Shutdown = %v", err)
		}
	})
}

func TestTrackerDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := &ws.Tracker{}
		conn, _, err := accepted(t, &ws.AcceptOptions{Tracker: tracker, Options: ws.Options{CloseTimeout: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := tracker.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		if conn.Err() == nil || tracker.Len() != 0 {
			t.Errorf("still open: %v, %d", conn.Err(), tracker.Len())
		}
	})
}

func TestTrackerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := &ws.Tracker{}
		conn, peer, err := accepted(t, &ws.AcceptOptions{Tracker: tracker})
		if err != nil {
			t.Fatal(err)
		}
		peer.Hangup()
		if _, _, err := conn.Read(background); err == nil {
			t.Error("no end")
		}
		if tracker.Len() != 0 {
			t.Errorf("Len = %d", tracker.Len())
		}
		if err := tracker.Shutdown(background); err != nil {
			t.Error(err)
		}
	})
}
