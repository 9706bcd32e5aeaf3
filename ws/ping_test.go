//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// A pong is noticed by a Read. Where none waits for it, the error of a Ping says
// so, however lively the peer; where one does, it is the context's.
func TestPingSaysThatNobodyReads(t *testing.T) {
	none := func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {}
	for name, c := range map[string]struct {
		read func(t *testing.T, conn *ws.Conn, peer *wstest.Peer)
		says bool
	}{
		"nobody": {none, true},
		"a reader": {func(_ *testing.T, conn *ws.Conn, _ *wstest.Peer) {
			go conn.Read(background)
		}, false},
		"one that was cut before": {func(t *testing.T, conn *ws.Conn, _ *wstest.Peer) {
			ctx, cancel := context.WithCancel(background)
			cancel()
			if _, _, err := conn.Read(ctx); err == nil {
				t.Error("a Read was not cut")
			}
		}, true},
		"one that came late": {func(_ *testing.T, conn *ws.Conn, _ *wstest.Peer) {
			time.AfterFunc(500*time.Millisecond, func() { conn.Read(background) })
		}, false},
		"one that left early": {func(_ *testing.T, conn *ws.Conn, _ *wstest.Peer) {
			ctx, cancel := context.WithTimeout(background, 500*time.Millisecond)
			go func() { defer cancel(); conn.Read(ctx) }()
		}, false},
		"one within a message": {func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			peer.Send(false, wire.Text, "begun")
			_, r, err := conn.Reader(background)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
				c.read(t, conn, peer)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(background, time.Second)
				defer cancel()
				_, err := conn.Ping(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("Ping = %v", err)
				}
				if says := strings.Contains(err.Error(), "no Read is under way"); says != c.says {
					t.Errorf("Ping = %v", err)
				}
				// It was sent all the same, and the connection lives.
				if f, err := peer.Receive(); err != nil || f.Header.Opcode != wire.Ping || conn.Err() != nil {
					t.Errorf("%v, %v, %v", f.Header, err, conn.Err())
				}
				conn.CloseNow()
			})
		})
	}
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, _ *wstest.Peer) {
		ctx, cancel := context.WithCancelCause(background)
		time.AfterFunc(time.Second, func() { cancel(errors.New("enough")) })
		if _, err := conn.Ping(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no Read is under way") {
			t.Errorf("Ping = %v", err)
		}
	})
}
