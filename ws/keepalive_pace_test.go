//go:build !js

package ws_test

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// The pings come every PingInterval, also when PingTimeout is longer.
func TestKeepaliveKeepsItsPace(t *testing.T) {
	for _, timeout := range []time.Duration{0, 100 * time.Millisecond, time.Second, time.Minute, -1} {
		o := &ws.Options{PingInterval: time.Second, PingTimeout: timeout}
		inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			start := time.Now()
			go conn.Read(background)
			for i := range 10 {
				f, err := peer.Receive()
				if err != nil || f.Header.Opcode != wire.Ping {
					t.Fatalf("PingTimeout %v: %v, %v", timeout, f, err)
				}
				if at := time.Since(start).Round(time.Millisecond); at != time.Duration(i+1)*time.Second {
					t.Fatalf("PingTimeout %v: ping %d came after %v", timeout, i+1, at)
				}
				peer.Send(true, wire.Pong, f.Payload)
			}
		})
	}
}

// Nobody reads, a ping is unanswered, and the idle timeout comes.
func TestIdleTimeoutWithoutAReadAndWithoutAPingTimeout(t *testing.T) {
	o := &ws.Options{PingInterval: time.Second, PingTimeout: -1, IdleTimeout: 10 * time.Second}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		<-time.After(time.Minute)
		wantEnd(t, conn.Err(), 1006, 1001)
	})
}
