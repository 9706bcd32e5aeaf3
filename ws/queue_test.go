package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestEnqueueKeepsOrder(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		w, _ := conn.Writer(background, ws.MessageText) // whole messages wait for it
		io.WriteString(w, "streamed")
		for i := range 3 {
			if err := conn.Enqueue(ws.MessageText, fmt.Appendf(nil, "queued %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.Close()
		if err := conn.Write(background, ws.MessageText, []byte("written")); err != nil {
			t.Fatal(err)
		}
		peer.Want(`text "streamed"`)
		for i := range 3 {
			peer.Want(fmt.Sprintf(`text "queued %d"`, i))
		}
		peer.Want(`text "written"`)
		if err := conn.Enqueue(ws.MessageText, []byte("\xff")); err != ws.ErrNotUTF8 {
			t.Error(err)
		}
		if err := conn.Enqueue(7, nil); err != ws.ErrMessageType {
			t.Error(err)
		}
	})
}

func TestEnqueueIsBoundedAndTells(t *testing.T) {
	var told []string
	o := &ws.Options{
		QueueBytesMax: 100_000, HighWaterBytes: 60_000, LowWaterBytes: 10_000,
		OnHighWater: func(_ *ws.Conn, n int) { told = append(told, fmt.Sprintf("high %v", n >= 60_000)) },
		OnLowWater:  func(_ *ws.Conn, n int) { told = append(told, fmt.Sprintf("low %v", n <= 10_000)) },
	}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		const size = 9000
		sent := 0
		payload := []byte(strings.Repeat("x", size))
		for {
			err := conn.Enqueue(ws.MessageBinary, payload)
			synctest.Wait() // the wire takes what it takes
			if err == ws.ErrQueueFull {
				break
			}
			if err != nil || sent > 1000 {
				t.Fatal(sent, err)
			}
			sent++
		}
		if n := conn.Buffered(); n > 100_000+20 || n < 90_000 {
			t.Errorf("Buffered = %d", n)
		}
		for range sent {
			if f, err := peer.Receive(); err != nil || len(f.Payload) != size {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if conn.Buffered() != 0 {
			t.Errorf("Buffered = %d", conn.Buffered())
		}
		if strings.Join(told, ", ") != "high true, low true" {
			t.Errorf("told %q", told)
		}
		if err := conn.Enqueue(ws.MessageBinary, make([]byte, 200_000)); err != nil {
			t.Errorf("one message may always wait: %v", err)
		}
		peer.Receive()
	})
}

func TestRateHook(t *testing.T) {
	messages, bytes := 0, 0
	o := &ws.Options{Rate: func(ctx context.Context, n int, begins bool) error {
		bytes += n
		if begins {
			messages++
		}
		if messages > 2 {
			return errors.New("two messages are enough")
		}
		return nil
	}}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "on")
		peer.Send(true, wire.Continuation, "e")
		peer.Text("two")
		peer.Text("three")
		read(t, conn, ws.MessageText, "one")
		read(t, conn, ws.MessageText, "two")
		_, _, err := conn.Read(background)
		wantEnd(t, err, 1006, 1008)
		peer.Want(`close 1008 "two messages are enough"`)
		peer.Hangup()
		if bytes != len("one")+len("two")+len("three") {
			t.Errorf("%d bytes", bytes)
		}
	})
}
