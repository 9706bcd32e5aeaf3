//go:build linux

package engine_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// soakConnect opens a WebSocket without more than a socket, nil if that fails. A
// small receive buffer makes the server's queue the larger part.
func soakConnect(ctx context.Context, address string) net.Conn {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte(opening)); err != nil {
		nc.Close()
		return nil
	}
	return nc
}

// soakAbort vanishes in the middle of something, with a reset or without.
func soakAbort(ctx context.Context, address string, rnd *rand.Rand) {
	nc := soakConnect(ctx, address)
	if nc == nil {
		return
	}
	defer nc.Close()
	frame := masked(rnd.IntN(2) == 0, wire.Binary, string(make([]byte, rnd.IntN(100_000))))
	_, _ = nc.Write(frame[:rnd.IntN(len(frame))])
	if rnd.IntN(2) == 0 {
		_ = nc.(*net.TCPConn).SetLinger(0)
	}
}

// soakDeaf sends and does not read until the server has had enough of it.
func soakDeaf(ctx context.Context, address string, _ *rand.Rand) {
	nc := soakConnect(ctx, address)
	if nc == nil {
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	for frame := masked(true, wire.Binary, string(make([]byte, 10_000))); ; {
		if _, err := nc.Write(frame); err != nil {
			return
		}
	}
}

// soakFlood sends pings, tiny messages and fragments as fast as it can, and reads.
func soakFlood(ctx context.Context, address string, rnd *rand.Rand) {
	nc := soakConnect(ctx, address)
	if nc == nil {
		return
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	kinds := [][]byte{masked(true, wire.Ping, "flood"), text("x"), append(masked(false, wire.Text, ""), masked(true, wire.Continuation, "y")...)}
	go func() {
		for range 100 {
			if _, err := nc.Write(bytes.Repeat(kinds[rnd.IntN(len(kinds))], 500)); err != nil {
				return
			}
		}
		_, _ = nc.Write(closing(1000))
	}()
	_, _ = io.Copy(io.Discard, nc)
}

// soakLarge echoes messages of megabytes.
func soakLarge(ctx context.Context, address string, rnd *rand.Rand) {
	c, _, err := ws.Dial(ctx, "ws://"+address+"/", &ws.DialOptions{Options: ws.Options{MessageBytesMax: 8 << 20}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for range 5 {
		message := make([]byte, rnd.IntN(4<<20))
		if !soakOnce(ctx, c, message) {
			return
		}
	}
}

// soakListen takes publications for a while.
func soakListen(ctx context.Context, address string, rnd *rand.Rand) {
	c, _, err := ws.Dial(ctx, "ws://"+address+"/", nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	how := []string{"listen", "join"}[rnd.IntN(2)]
	_ = c.Write(ctx, ws.MessageText, []byte(how)) // the first read tells, too
	for range rnd.IntN(1000) {
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
	}
	_ = c.Close(ws.StatusNormal, "")
}

// soakSecure echoes over TLS and leaves in good order, or does not.
func soakSecure(ctx context.Context, address string, rnd *rand.Rand) {
	c, _, err := ws.Dial(ctx, "wss://"+address+"/", &ws.DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}}) // its authority is in the other process
	if err != nil {
		return
	}
	defer c.CloseNow()
	soakEcho(ctx, c, rnd, 100_000)
}

// soakWait has workers wait for it, and sometimes leaves before they have.
func soakWait(ctx context.Context, address string, rnd *rand.Rand) {
	c, _, err := ws.Dial(ctx, "ws://"+address+"/waits", nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	soakEcho(ctx, c, rnd, 1000)
}

// soakOnce sends a message while it reads, since neither side takes all of a large
// one at once, and reports whether it came back.
func soakOnce(ctx context.Context, c *ws.Conn, message []byte) bool {
	written := make(chan error, 1)
	go func() { written <- c.Write(ctx, ws.MessageBinary, message) }()
	_, p, err := c.Read(ctx)
	if err != nil || !bytes.Equal(p, message) {
		_ = c.CloseNow()
		<-written
		return false
	}
	return <-written == nil
}

func soakEcho(ctx context.Context, c *ws.Conn, rnd *rand.Rand, most int) {
	for range rnd.IntN(20) {
		message := make([]byte, 10+rnd.IntN(most))
		if !soakOnce(ctx, c, message) {
			return
		}
	}
	if rnd.IntN(2) == 0 {
		_ = c.Write(ctx, ws.MessageBinary, make([]byte, most)) // and does not wait for the echo
		return
	}
	_ = c.Close(ws.StatusNormal, "")
}
