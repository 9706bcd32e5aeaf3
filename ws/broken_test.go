//go:build !js

package ws_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// breakOff writes to a peer that has gone.
func breakOff(t *testing.T, conn *ws.Conn) {
	t.Helper()
	if err := conn.Write(background, ws.MessageText, []byte("too late")); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("a write to nobody: %v", err)
	}
}

// A program that writes, and reads only then, learns why its peer has gone.
func TestAReasonIsReadBehindAFailedWrite(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("last words")
		peer.Close(ws.StatusMessageTooBig, "enough")
		peer.Hangup()
		breakOff(t, conn)
		if err := conn.Enqueue(ws.MessageText, nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Enqueue = %v", err)
		}
		read(t, conn, ws.MessageText, "last words")
		_, _, err := conn.Read(background)
		if e := wantEnd(t, err, ws.StatusMessageTooBig, ws.StatusMessageTooBig); e.Reason != "enough" {
			t.Errorf("the reason is %q", e.Reason)
		}
	})
}

// The same of one that only writes and closes, whether it is Close that fails to write or a Write before.
func TestAReasonIsReadByClose(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *ws.Conn){"a write fails": breakOff, "the close frame fails": nil} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
				peer.Text("last words")
				peer.Close(ws.StatusTryAgainLater, "")
				peer.Hangup()
				if before != nil {
					before(t, conn)
				}
				if err := conn.Close(ws.StatusNormal, ""); err != nil {
					t.Errorf("Close = %v", err)
				}
				wantEnd(t, conn.Err(), ws.StatusTryAgainLater, ws.StatusNormal)
			})
		})
	}
}

// A connection that cannot be written to and that nobody reads ends all the same, at
// the time that is given to a reader, with what has failed; whatever its timer was set to before.
func TestABrokenConnectionWaitsForAReader(t *testing.T) {
	for name, o := range map[string]*ws.Options{
		"silent":                     {PingInterval: ws.NoLimit, CloseTimeout: 3 * time.Second},
		"a ping would be due":        {PingInterval: time.Second, PingTimeout: 1600 * time.Millisecond, CloseTimeout: 3 * time.Second},
		"it would be idle":           {PingInterval: ws.NoLimit, IdleTimeout: 2 * time.Second, CloseTimeout: 3 * time.Second},
		"a close may take for ever":  {PingInterval: ws.NoLimit, CloseTimeout: ws.NoLimit},
		"pongs may take for ever":    {PingInterval: time.Second, PingTimeout: ws.NoLimit, CloseTimeout: 3 * time.Second},
		"a ping is due at that time": {PingInterval: 3 * time.Second, CloseTimeout: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
				want := o.CloseTimeout
				if want == ws.NoLimit {
					want = ws.DefaultCloseTimeout
				}
				peer.Hangup()
				start := time.Now()
				breakOff(t, conn)
				<-conn.Done()
				if took := time.Since(start); took != want {
					t.Errorf("it ended after %v, want %v", took, want)
				}
				if e := wantEnd(t, conn.Err(), 1006, 0); e.Err != io.ErrClosedPipe {
					t.Errorf("it ended with %v", e)
				}
			})
		})
	}
}

// A ping that nobody takes any more is the same as a Write.
func TestAPingFindsThePeerGone(t *testing.T) {
	o := &ws.Options{PingInterval: 10 * time.Second, PingTimeout: 2 * time.Second, CloseTimeout: 4 * time.Second}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		peer.Close(ws.StatusGoingAway, "")
		peer.Hangup()
		<-time.After(o.PingInterval + o.CloseTimeout - 1)
		synctest.Wait()
		if err := conn.Err(); err != nil {
			t.Fatalf("it ended after %v: %v", time.Since(start), err)
		}
		_, _, err := conn.Read(background)
		wantEnd(t, err, ws.StatusGoingAway, ws.StatusGoingAway)
	})
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		peer.Hangup()
		<-conn.Done()
		if took := time.Since(start); took != o.PingInterval+o.CloseTimeout {
			t.Errorf("it ended after %v: %v", took, conn.Err())
		}
	})
}
