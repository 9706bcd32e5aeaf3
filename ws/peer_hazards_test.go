//go:build !js

package ws_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// What a peer may try once the handshake is over. The table in docs/hazards.md
// says which test is for what.

// allocated runs f and returns how many bytes it allocated, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A length is not believed with memory: 1 GiB is announced, of which one byte
// comes, as a message, as its second fragment, and for a Reader.
func TestAnnouncedLengthMovesNoMemory(t *testing.T) {
	announce := func(op wire.Opcode) string {
		return string(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: op, Masked: true, Length: 1 << 30})) + "x"
	}
	begun := string(wire.AppendMaskedFrame(nil, false, wire.Binary, [4]byte{}, make([]byte, 20_000)))
	for name, v := range map[string]struct {
		input  string
		stream bool
	}{
		"message":              {announce(wire.Binary), false},
		"second fragment":      {begun + announce(wire.Continuation), false},
		"message for a Reader": {announce(wire.Binary), true},
		"text":                 {announce(wire.Text), false},
	} {
		inBubble(t, &ws.Options{MessageBytesMax: 1 << 31}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			var err error
			bytes := allocated(func() {
				go peer.Raw([]byte(v.input))
				if v.stream {
					var r io.Reader
					if _, r, err = conn.Reader(ctx); err == nil {
						_, err = io.Copy(io.Discard, r)
					}
				} else {
					_, _, err = conn.Read(ctx)
				}
			})
			if err != context.DeadlineExceeded || bytes > 512<<10 {
				t.Errorf("%s: %d bytes were allocated, %v", name, bytes, err)
			}
		})
	}
}

// A message under way holds what has arrived of it and room for about as much
// again, not what was announced.
func TestLongMessageGrowsWithWhatArrives(t *testing.T) {
	inBubble(t, &ws.Options{MessageBytesMax: 1 << 31}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		const arrives = 1 << 20
		peer.Raw(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Length: 1 << 30}))
		part := make([]byte, 32<<10)
		before := heapBytes()
		ctx, cancel := context.WithCancel(background)
		ended := make(chan error)
		go func() { _, _, err := conn.Read(ctx); ended <- err }()
		for range arrives / len(part) {
			peer.Raw(part)
			synctest.Wait() // it was taken
		}
		if held := heapBytes() - before; held < arrives || held > 3*arrives {
			t.Errorf("%d bytes are held of %d that came", held, arrives)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("Read = %v", err)
		}
	})
}

// heapBytes is how much is in use after a collection.
func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// reading is a connection that reads from elsewhere.
type reading struct {
	net.Conn
	r io.Reader
}

// No way of reading hands on a message that fails, and none calls back for it:
// Read and Messages return nothing of it, a Reader ends before what was wrong,
// and Rate is not asked about it.
func TestNothingIsReadOfAFailedFrame(t *testing.T) {
	const good, bad = "good ", "tainted\xff"
	for _, v := range []struct {
		parts []string
		good  int // bytes of them that may be handed on
	}{
		{[]string{bad}, 0},
		{[]string{good, bad}, len(good)},
		{[]string{bad, good}, 0},
		{[]string{good, bad, good}, len(good)},
	} {
		send := func(peer *wstest.Peer) {
			peer.Text("before")
			op := wire.Text
			for i, part := range v.parts {
				peer.Send(i == len(v.parts)-1, op, part)
				op = wire.Continuation
			}
			peer.Text("tainted, too")
		}
		asked := 0
		o := &ws.Options{Rate: func(_ context.Context, n int, _ bool) error { asked += n; return nil }}
		wantAsked := len("before") + v.good
		inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			send(peer)
			read(t, conn, ws.MessageText, "before")
			for range 3 {
				_, got, err := conn.Read(background)
				if wantEnd(t, err, 1006, 1007); got != nil {
					t.Errorf("Read returned %q", got)
				}
			}
			if asked != wantAsked {
				t.Errorf("Rate was asked about %d bytes, want %d", asked, wantAsked)
			}
			peer.Hangup()
		})
		inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			send(peer)
			var got []string
			for m, err := range conn.Messages(background) {
				if err == nil {
					got = append(got, string(m.Data))
				}
			}
			if fmt.Sprint(got) != "[before]" {
				t.Errorf("Messages gave %q", got)
			}
			peer.Hangup()
		})
		inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
			send(peer)
			read(t, conn, ws.MessageText, "before")
			var got []byte
			_, r, err := conn.Reader(background)
			if err == nil {
				got, err = io.ReadAll(r)
			}
			wantEnd(t, err, 1006, 1007)
			if strings.Contains(string(got), "tainted") {
				t.Errorf("a Reader gave %q", got)
			}
			peer.Hangup()
		})
	}
}

// A peer that drips a message byte by byte is alive by the protocol's measure.
// What bounds it is the context of the read, to the moment, and what it can
// make us hold is what it has sent.
func TestDrippedMessageObeysTheReadsContext(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		frame := wire.AppendMaskedFrame(nil, true, wire.Binary, [4]byte{1, 2, 3, 4}, make([]byte, 500_000))
		go func() {
			for i := range 1000 {
				peer.Raw(frame[i : i+1])
				<-time.After(time.Second)
			}
		}()
		ctx, cancel := context.WithTimeout(background, 200*time.Second)
		defer cancel()
		start := time.Now()
		var err error
		size := allocated(func() { _, _, err = conn.Read(ctx) })
		if err != context.DeadlineExceeded || time.Since(start) != 200*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if size > 256<<10 {
			t.Errorf("%d bytes were allocated for 200 that came", size)
		}
		<-time.After(900 * time.Second) // the peer has finished
		if conn.Err() != nil {
			t.Error(conn.Err())
		}
	})
}

// Every frame that a client puts on the wire has a mask of its own, whatever
// kind of frame it is and whichever connection, and no bit of them is fixed.
func TestMasksOnTheWireAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[[4]byte]int{}
		frames := 0
		var ones [32]int
		for range 4 {
			a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 1 << 20})
			conn := ws.NewClientConn(a, nil)
			for range 100 {
				if err := conn.Write(background, ws.MessageText, []byte("the same")); err != nil {
					t.Fatal(err)
				}
				if err := conn.Enqueue(ws.MessageBinary, nil); err != nil {
					t.Fatal(err)
				}
				w, err := conn.Writer(background, ws.MessageText)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, strings.Repeat("p", 5000))
				w.Close()
				ctx, cancel := context.WithCancel(background)
				pinged := make(chan error)
				go func() { _, err := conn.Ping(ctx); pinged <- err }()
				synctest.Wait()
				cancel()
				<-pinged
			}
			go conn.Close(1000, "bye")
			peer := wstest.NewPeer(t, b, false)
			for closed := false; !closed; {
				f, err := peer.Receive()
				if err != nil || !f.Header.Masked {
					t.Fatalf("%v masked %v, %v", f, f.Header.Masked, err)
				}
				frames++
				seen[f.Header.Mask]++
				for bit := range ones {
					ones[bit] += int(binary.BigEndian.Uint32(f.Header.Mask[:]) >> bit & 1)
				}
				closed = f.Header.Opcode == wire.Close
			}
			peer.Close(1000, "")
			peer.Hangup()
			<-conn.Done()
		}
		// Of 2,000 masks of 32 bits two are equal once in 2,000 runs, three pairs
		// practically never.
		if frames < 2000 || len(seen) < frames-2 {
			t.Errorf("%d masks in %d frames", len(seen), frames)
		}
		for bit, n := range ones { // six standard deviations of a fair coin
			if d := n - frames/2; d*d > 9*frames {
				t.Errorf("bit %d is set in %d of %d masks", bit, n, frames)
			}
		}
	})
}
