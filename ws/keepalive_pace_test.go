//go:build !js

package ws_test

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// Nobody reads, a ping is unanswered, and the idle timeout comes.
func TestIdleTimeoutWithoutAReadAndWithoutAPingTimeout(t *testing.T) {
	o := &ws.Options{PingInterval: time.Second, PingTimeout: ws.NoLimit, IdleTimeout: 10 * time.Second}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		<-time.After(time.Minute)
		wantEnd(t, conn.Err(), 1006, 1001)
	})
}
