//go:build !js

package ws_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// answerPings makes peer answer every ping, until the connection ends.
func answerPings(peer *wstest.Peer) {
	for {
		f, err := peer.Receive()
		if err != nil {
			return
		}
		if f.Header.Opcode == wire.Ping {
			peer.Send(true, wire.Pong, f.Payload)
		}
	}
}

// A pong that lies unread is no sign of a dead peer: the time that counts is the
// time in which somebody waited for it.
func TestKeepaliveSparesThePeerOfASlowReader(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go answerPings(peer)
		peer.Send(false, wire.Text, "first ")
		_, r, err := conn.Reader(background)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		peer.Send(true, wire.Continuation, "second")
		if rest, err := io.ReadAll(r); err != nil || string(rest) != "second" {
			t.Fatalf("after a long pause: %q, %v", rest, err)
		}
	})
}

func TestKeepaliveSparesThePeerOfASlowRate(t *testing.T) {
	slow := func(context.Context, int, bool) error { <-time.After(10 * time.Minute); return nil }
	inBubble(t, &ws.Options{Rate: slow}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go answerPings(peer)
		peer.Text("x")
		read(t, conn, ws.MessageText, "x")
		if err := conn.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// A reader that reads in short turns finds out about a dead peer all the same.
func TestKeepaliveFindsASilentPeerBetweenShortReads(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		for conn.Err() == nil && time.Since(start) < time.Hour {
			ctx, cancel := context.WithTimeout(background, time.Second)
			_, _, _ = conn.Read(ctx)
			cancel()
		}
		if took := time.Since(start); took > 2*(ws.DefaultPingInterval+ws.DefaultPingTimeout) {
			t.Fatalf("a silent peer was noticed after %v", took)
		}
	})
}

// The last byte of a message sets other reads free, whether or not somebody comes
// for io.EOF.
func TestReaderReadToItsLastByteLetsCloseRead(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("four")
		_, r, err := conn.Reader(background)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		start := time.Now()
		go func() { closed <- conn.Close(ws.StatusNormal, "") }()
		synctest.Wait()
		peer.Want(`close 1000 ""`)
		peer.Close(1000, "")
		if err := <-closed; err != nil || time.Since(start) > 0 {
			t.Fatalf("Close = %v after %v", err, time.Since(start))
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("Read = %d, %v", n, err)
		}
	})
}

// A transport whose writes cannot be cut, as that of TLS: the caller leaves when
// its context ends, what it wrote goes on, and nothing is lost or torn.
func TestStalledWriteObeysItsContextOverAnyTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 100})
		conn := ws.NewServerConn(a, nil)
		peer := wstest.NewPeer(t, b, true)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		start := time.Now()
		if err := conn.Write(ctx, ws.MessageBinary, make([]byte, 1000)); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Fatalf("Write = %v after %v", err, time.Since(start))
		}
		short, cancelShort := context.WithTimeout(background, time.Second)
		defer cancelShort()
		if err := conn.Write(short, ws.MessageText, []byte("lost")); err != context.DeadlineExceeded {
			t.Fatalf("the second Write = %v", err)
		}
		if err := conn.Err(); err != nil {
			t.Fatal(err)
		}
		next := make(chan error, 1)
		go func() { next <- conn.Write(background, ws.MessageText, []byte("next")) }()
		if f, err := peer.Receive(); err != nil || f.Header.Opcode != wire.Binary || len(f.Payload) != 1000 {
			t.Fatalf("received %v, %v", f.Header, err)
		}
		peer.Want(`text "next"`)
		if err := <-next; err != nil {
			t.Fatal(err)
		}
		conn.CloseNow()
		b.Close()
	})
}
