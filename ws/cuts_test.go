package ws_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// A dialogue whose end comes behind any of its bytes: what was whole before is
// read, nothing of the rest is, and the end is an orderly one only behind a close
// frame.
func TestEndAtEveryByte(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	var input []byte
	var ends []int // of messages
	for i, payload := range []string{"first", "", "second"} {
		op := wire.Text
		if i == 2 { // in parts, with a ping between
			input = wire.AppendMaskedFrame(input, false, op, mask, []byte("a "))
			input = wire.AppendMaskedFrame(input, true, wire.Ping, mask, []byte("ping"))
			op = wire.Continuation
		}
		input = wire.AppendMaskedFrame(input, true, op, mask, []byte(payload))
		ends = append(ends, len(input))
	}
	messages := [][]byte{[]byte("first"), nil, []byte("a second")}
	input = wire.AppendMaskedFrame(input, true, wire.Close, mask, wire.AppendClose(nil, wire.CloseNormal, ""))
	for at := range len(input) + 1 {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(nil)
			defer b.Close()
			conn := ws.NewServerConn(a, nil)
			defer conn.CloseNow()
			if _, err := b.Write(input[:at]); err != nil {
				t.Fatal(err)
			}
			if err := b.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			for i, end := range ends {
				if end > at {
					break
				}
				if _, p, err := conn.Read(background); err != nil || !bytes.Equal(p, messages[i]) {
					t.Fatalf("cut at %d, message %d: %q, %v", at, i, p, err)
				}
			}
			_, p, err := conn.Read(background)
			if at == len(input) {
				wantEnd(t, err, wire.CloseNormal, wire.CloseNormal)
			} else if wantEnd(t, err, wire.CloseAbnormal, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d: %v", at, err)
			}
			if len(p) > 0 {
				t.Errorf("cut at %d: %q of a message was read", at, p)
			}
		})
	}
}
