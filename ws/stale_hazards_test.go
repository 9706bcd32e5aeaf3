//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/internal/drivertest"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// Pooled buffers hold what was in them: another connection's bytes. Everything
// that is ordinary is done again while they are overwritten as soon as they are
// given back, so that a stale byte in a message, a ping, a close reason or the
// rest of a short write is a byte that the test did not send.

func TestNothingStaleInOrdinaryBehaviour(t *testing.T) {
	if testing.Short() {
		t.Skip("what it runs with a sweeper is also run without")
	}
	sweeper := ws.StartSweeper()
	defer sweeper.Stop()
	for name, test := range map[string]func(*testing.T){
		"closed by peer": TestThePeerCloses,
		"closed here":    TestCloseWithoutARead,
		"cut reads":      TestCancelledReadLeavesTheConnectionUsable,
		"pings":          TestPingMeasures,
		"streams in":     TestReaderStreams,
		"streams out":    TestWriterSendsFragments,
		"queue":          TestEnqueueKeepsOrder,
		"prepared":       TestPrepared,
	} {
		t.Run(name, test)
	}
	for _, rows := range []string{"conversations/", "writing/", "closing/", "control/", "compression/", "opening/frames"} {
		t.Run("in memory", func(t *testing.T) { drivertest.RunSome(t, inMemory, rows) })
	}
	sweeper.OverSockets()
	for name, test := range map[string]func(*testing.T){
		"sockets":      TestEchoOverSockets,
		"short writes": TestCutWriteIsContinued,
		"compression":  TestCompressedEcho,
	} {
		t.Run(name, test)
	}
	for _, rows := range []string{"writing/", "control/pings of", "compression/every"} {
		t.Run("over sockets", func(t *testing.T) { drivertest.RunSome(t, overSockets, rows) })
	}
	if sweeper.Swept() == 0 {
		t.Error("no buffer was overwritten: nothing was tested")
	}
}

// Every length of a control frame's payload and of a close reason comes back as
// it was sent, also in single bytes and also from a wire that takes little at a
// time, on connections that share their buffers with ones that carry secrets.
func TestNothingStaleInControlFrames(t *testing.T) {
	sweeper := ws.StartSweeper()
	defer sweeper.Stop()
	for _, chunk := range []int{1, 50, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			o := &wstest.PipeOptions{Chunk: func(int) int { return chunk }, BufferBytes: max(chunk, 10)}
			secret, secretFar := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 1 << 20})
			other := ws.NewServerConn(secret, nil)
			otherPeer := wstest.NewPeer(t, secretFar, true)
			for length := range wire.ControlPayloadBytesMax + 1 {
				// The buffers have been full of something else.
				otherPeer.Send(true, wire.Binary, strings.Repeat("secret", 3000))
				if _, message, err := other.Read(background); err != nil || other.Write(background, ws.MessageBinary, message) != nil {
					t.Fatal(err)
				}
				otherPeer.Want("binary " + fmt.Sprintf("%q", strings.Repeat("secret", 3000)))
				sweeper.Sweep()

				a, b := wstest.Pipe(o)
				conn := ws.NewServerConn(a, nil)
				peer := wstest.NewPeer(t, b, true)
				ended := make(chan error, 1)
				ctx, cancel := context.WithCancel(background)
				go func() { _, _, err := conn.Read(ctx); ended <- err }()
				payload := strings.Repeat("p", length)
				peer.Send(true, wire.Ping, payload)
				peer.Want(fmt.Sprintf("pong %q", payload))
				cancel()
				<-ended

				reason := strings.Repeat("r", max(0, length-2))
				closed := make(chan error, 1)
				go func() { closed <- conn.Close(4000, reason) }()
				peer.Want(fmt.Sprintf("close 4000 %q", reason))
				peer.Close(4001, reason)
				<-closed
				if e := wantEnd(t, conn.Err(), 4001, 4000); e.Reason != reason {
					t.Fatalf("the peer's reason became %q", e.Reason)
				}
				b.Close()
			}
			other.CloseNow()
			secretFar.Close()
		})
	}
	if sweeper.Swept() == 0 {
		t.Error("no buffer was overwritten: nothing was tested")
	}
}

// What a Read has returned is the caller's: nothing that is received or sent
// later changes it, over a socket and over any other stream, compressed or not.
func TestNothingStaleInWhatWasRead(t *testing.T) {
	sweeper := ws.StartSweeper()
	defer sweeper.Stop()
	sweeper.OverSockets()
	for _, compression := range []*deflate.Options{nil, {}} {
		options := ws.Options{Compression: compression}
		s := serve(t, echo(&ws.AcceptOptions{Options: options}), false)
		for _, socket := range []bool{true, false} {
			o := &ws.DialOptions{Options: options}
			if !socket { // hides that it is a socket
				o.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
					nc, err := new(net.Dialer).DialContext(ctx, network, address)
					return struct{ net.Conn }{nc}, err
				}
			}
			conn := dial(t, s.URL, o)
			var got [][]byte
			var want []string
			for i, size := range []int{0, 1, 2, 125, 126, 1000, 4096, 32 << 10, 70_000, 10, 0, 1} {
				want = append(want, strings.Repeat(string(rune('a'+i)), size))
				sweeper.Sweep()
				sent := make(chan error, 1)
				go func() { sent <- conn.Write(background, ws.MessageText, []byte(want[i])) }()
				_, message, err := conn.Read(background)
				if err != nil || <-sent != nil {
					t.Fatal(err)
				}
				got = append(got, message)
			}
			for i := range want {
				if string(got[i]) != want[i] {
					t.Errorf("socket %v, compression %v: message %d has become %.40q…", socket, compression != nil, i, got[i])
				}
			}
			if err := conn.Close(4000, "enough"); err != nil {
				t.Error(err)
			}
		}
	}
	if sweeper.Swept() == 0 {
		t.Error("no buffer was overwritten: nothing was tested")
	}
}
