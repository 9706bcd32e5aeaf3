package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

var background = context.Background()

// inBubble runs f in virtual time with a server connection and a scripted client.
func inBubble(t *testing.T, o *ws.Options, f func(t *testing.T, conn *ws.Conn, peer *wstest.Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(nil)
		conn := ws.NewServerConn(a, o)
		f(t, conn, wstest.NewPeer(t, b, true))
		conn.CloseNow()
		b.Close()
	})
}

func read(t *testing.T, conn *ws.Conn, typ ws.MessageType, want string) {
	t.Helper()
	got, message, err := conn.Read(background)
	if err != nil || got != typ || string(message) != want {
		t.Fatalf("Read = %v, %.100q, %v; want %v, %.100q", got, message, err, typ, want)
	}
}

func wantEnd(t *testing.T, err error, code, sent ws.StatusCode) *ws.CloseError {
	t.Helper()
	e, ok := errors.AsType[*ws.CloseError](err)
	if !ok || e.Code != code || e.Sent != sent {
		t.Fatalf("got %#v, want a CloseError with code %d, sent %d", err, code, sent)
	}
	return e
}

func TestMessagesBothWays(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("hello")
		read(t, conn, ws.MessageText, "hello")
		peer.Send(true, wire.Binary, "\x00\xff")
		read(t, conn, ws.MessageBinary, "\x00\xff")
		peer.Send(false, wire.Text, "in ")
		peer.Send(true, wire.Ping, "still there?")
		peer.Send(false, wire.Continuation, "")
		peer.Send(true, wire.Continuation, "parts")
		read(t, conn, ws.MessageText, "in parts")
		peer.Want(`pong "still there?"`)

		if err := conn.Write(background, ws.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		peer.Want(`text "hi"`)
		if err := conn.Write(background, ws.MessageBinary, nil); err != nil {
			t.Fatal(err)
		}
		peer.Want(`binary ""`)
		frames := [][]byte{wire.AppendFrame(nil, true, wire.Text, []byte("one")), wire.AppendFrame(nil, true, wire.Text, []byte("two"))}
		if err := conn.WriteFrames(background, frames...); err != nil {
			t.Fatal(err)
		}
		peer.Want(`text "one"`)
		peer.Want(`text "two"`)
	})
}

func TestLongMessagesInAnyChunks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 100_000, 1 << 20} {
		for _, fragment := range []int{1 << 30, 50_000, 1000} {
			if size/fragment > 1000 {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				a, b := wstest.Pipe(&wstest.PipeOptions{Chunk: func(rest int) int {
					mu.Lock()
					defer mu.Unlock()
					return 1 + rnd.IntN(20_000)
				}})
				conn := ws.NewServerConn(a, nil)
				peer := wstest.NewPeer(t, b, true)
				want := make([]byte, size)
				for i := range want {
					want[i] = byte(rnd.Uint32())
				}
				go func() {
					op := wire.Binary
					for rest := want; ; op = wire.Continuation {
						n := min(fragment, len(rest))
						peer.Send(n == len(rest), op, string(rest[:n]))
						if rest = rest[n:]; len(rest) == 0 {
							break
						}
					}
					peer.Text("next")
				}()
				typ, got, err := conn.Read(background)
				if err != nil || typ != ws.MessageBinary || !bytes.Equal(got, want) {
					t.Errorf("%d bytes in fragments of %d: %v, %d bytes, %v", size, fragment, typ, len(got), err)
				}
				read(t, conn, ws.MessageText, "next")
				conn.CloseNow()
				b.Close()
			})
		}
	}
}

func TestReadAppendKeepsWhatIsThere(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("hello")
		dst := make([]byte, 1, 100)
		_, got, err := conn.ReadAppend(background, dst)
		if err != nil || string(got) != "\x00hello" || &got[0] != &dst[0] {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestThePeerCloses(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("last words")
		peer.Close(4000, "enough")
		peer.Text("not heard")
		read(t, conn, ws.MessageText, "last words")
		_, _, err := conn.Read(background)
		e := wantEnd(t, err, 4000, 4000)
		if e.Reason != "enough" || e.Err != nil || ws.CloseStatus(fmt.Errorf("wrapped: %w", err)) != 4000 {
			t.Errorf("%#v", e)
		}
		peer.Want(`close 4000 ""`)
		peer.WantEnd() // the server ends the transport first

		_, _, again := conn.Read(background)
		if again != err {
			t.Errorf("a repeated Read returned another error: %v", again)
		}
		if err := conn.Write(background, ws.MessageText, nil); err != again {
			t.Errorf("Write returned %v", err)
		}
		if err := conn.Close(1000, ""); err != nil {
			t.Errorf("Close after a close in good order: %v", err)
		}
		select {
		case <-conn.Done():
		default:
			t.Error("not Done")
		}
	})
}

func TestThisSideCloses(t *testing.T) {
	for _, reader := range []bool{false, true} {
		t.Run(fmt.Sprintf("while reading %v", reader), func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
				readErr := make(chan error, 1)
				if reader {
					go func() {
						_, _, err := conn.Read(background)
						readErr <- err
					}()
					synctest.Wait()
				}
				go func() {
					peer.Want(`close 1001 "bye"`)
					peer.Close(1001, "bye yourself")
				}()
				if err := conn.Close(ws.StatusGoingAway, "bye"); err != nil {
					t.Errorf("Close = %v", err)
				}
				if reader {
					wantEnd(t, <-readErr, 1001, 1001)
				}
				e := wantEnd(t, conn.Err(), 1001, 1001)
				if e.Reason != "bye yourself" {
					t.Errorf("reason %q", e.Reason)
				}
				if err := conn.Close(1000, ""); err != nil {
					t.Errorf("second Close = %v", err)
				}
			})
		})
	}
}

func TestCloseDoesNotWaitForever(t *testing.T) {
	inBubble(t, &ws.Options{CloseTimeout: 3 * time.Second}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		err := conn.Close(1000, "")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		wantEnd(t, err, 1006, 1000)
		peer.Want(`close 1000 ""`)
		peer.WantEnd()
	})
}

func TestCloseRefusesCodesThatMayNotBeSent(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		for _, code := range []ws.StatusCode{0, 999, 1004, 1006, 1015, 1016, 2999, 5000} {
			if err := conn.Close(code, ""); err != ws.ErrCloseCode {
				t.Errorf("Close(%d) = %v", code, err)
			}
		}
		peer.Text("still open")
		read(t, conn, ws.MessageText, "still open")
	})
}

func TestFaultIsAnsweredAndArrives(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(true, wire.Text, "\xff")
		peer.Text("not heard")
		_, _, err := conn.Read(background)
		wantEnd(t, err, 1006, 1007)
		if !strings.Contains(err.Error(), "not valid UTF-8") {
			t.Error(err)
		}
		peer.Want(`close 1007 "text message is not valid UTF-8"`)
		peer.WantEnd()
		peer.Hangup() // and the lingering goroutine ends with it
	})
}

func TestEndWithoutCloseFrame(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "half a mess")
		peer.Hangup()
		_, _, err := conn.Read(background)
		if wantEnd(t, err, 1006, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}

func TestCancelledReadLeavesTheConnectionUsable(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "first half, ")
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		start := time.Now()
		if _, _, err := conn.Read(ctx); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Fatalf("Read = %v after %v", err, time.Since(start))
		}
		if _, _, err := conn.Read(ctx); err != context.DeadlineExceeded {
			t.Fatalf("Read with an ended context = %v", err)
		}
		peer.Send(true, wire.Continuation, "second half")
		read(t, conn, ws.MessageText, "first half, second half")
	})
}

func TestAWaitingReadObeysItsContext(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		first := make(chan error, 1)
		go func() {
			_, _, err := conn.Read(background)
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, _, err := conn.Read(ctx); err != context.DeadlineExceeded {
			t.Errorf("second Read = %v", err)
		}
		peer.Text("for the first")
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestKeepaliveFindsASilentPeer(t *testing.T) {
	o := &ws.Options{PingInterval: 10 * time.Second, PingTimeout: 5 * time.Second}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		go func() {
			f, _ := peer.Receive() // answered once, and then no more
			peer.Send(true, wire.Pong, f.Payload)
		}()
		_, _, err := conn.Read(background)
		wantEnd(t, err, 1006, 1011)
		if took := time.Since(start); took.Round(time.Millisecond) != 25*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestKeepaliveDoesNotJudgeWithoutARead(t *testing.T) {
	o := &ws.Options{PingInterval: 10 * time.Second, PingTimeout: 5 * time.Second}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		<-time.After(time.Hour) // virtual: the application is busy
		if err := conn.Err(); err != nil {
			t.Fatal(err)
		}
		peer.Text("it was you who was away")
		read(t, conn, ws.MessageText, "it was you who was away")
	})
}

func TestPingMeasures(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go conn.Read(background)
		go func() {
			f, _ := peer.Receive()
			<-time.After(30 * time.Millisecond)
			peer.Send(true, wire.Pong, "unasked")
			peer.Send(true, wire.Pong, f.Payload)
		}()
		rtt, err := conn.Ping(background)
		if err != nil || rtt != 30*time.Millisecond {
			t.Errorf("Ping = %v, %v", rtt, err)
		}
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, err := conn.Ping(ctx); err != context.DeadlineExceeded {
			t.Errorf("Ping without an answer = %v", err)
		}
	})
}

func TestAPeerThatDoesNotRead(t *testing.T) {
	inBubble(t, &ws.Options{WriteTimeout: 3 * time.Second}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		start := time.Now()
		err := conn.Write(background, ws.MessageBinary, make([]byte, 100_000))
		wantEnd(t, err, 1006, 0)
		if took := time.Since(start); !errors.Is(err, ws.ErrWriteTimeout) || took != 3*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestTextMustBeUTF8(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		if err := conn.Write(background, ws.MessageText, []byte("\xff")); err != ws.ErrNotUTF8 {
			t.Error(err)
		}
		if err := conn.Write(background, 9, nil); err != ws.ErrMessageType {
			t.Error(err)
		}
		if err := conn.Write(background, ws.MessageText, []byte("fine")); err != nil {
			t.Error(err)
		}
		peer.Want(`text "fine"`)
	})
}

func TestWriteBetweenCloseFrameAndEnd(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go conn.Close(1000, "")
		synctest.Wait()
		if err := conn.Write(background, ws.MessageText, nil); err != ws.ErrClosing {
			t.Errorf("Write = %v", err)
		}
		if err := conn.WriteFrames(background, wire.AppendFrame(nil, true, wire.Text, nil)); err != ws.ErrClosing {
			t.Errorf("WriteFrames = %v", err)
		}
		peer.Want(`close 1000 ""`)
		peer.Close(1000, "")
		peer.WantEnd()
	})
}

func TestCloseNowUnblocksEverything(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		errs := make(chan error, 3)
		go func() { _, _, err := conn.Read(background); errs <- err }()
		go func() { errs <- conn.Write(background, ws.MessageBinary, make([]byte, 1_000_000)) }()
		go func() { _, err := conn.Ping(background); errs <- err }()
		synctest.Wait()
		conn.CloseNow()
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestConcurrentWritersDoNotMix(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		const writers, each = 8, 50
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if err := conn.Write(background, ws.MessageText, fmt.Appendf(nil, "%d %d %s", w, i, strings.Repeat("x", i*20))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		next := make([]int, writers)
		for range writers * each {
			f, err := peer.Receive()
			if err != nil {
				t.Fatal(err)
			}
			var w, i int
			var x string
			fmt.Sscan(f.Payload, &w, &i, &x)
			if i != next[w] || len(x) != i*20 {
				t.Fatalf("writer %d: message %d of %d bytes, want %d", w, i, len(x), next[w])
			}
			next[w]++
		}
		wg.Wait()
	})
}

// The answer to a close frame must not be lost because another goroutine is
// writing at that moment.
func TestCloseEchoWaitsForAWriter(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go conn.Write(background, ws.MessageBinary, make([]byte, 100_000)) // blocks: the peer is not reading
		synctest.Wait()
		peer.Close(1000, "")
		go conn.Read(background)
		synctest.Wait()
		if f, err := peer.Receive(); err != nil || len(f.Payload) != 100_000 {
			t.Fatal(err)
		}
		peer.Want(`close 1000 ""`)
		peer.WantEnd()
	})
}

func TestAllocBudget(t *testing.T) {
	near, far := socketPair(t)
	conn := ws.NewServerConn(near, nil)
	defer conn.CloseNow()
	frame := wire.AppendMaskedFrame(nil, true, wire.Binary, [4]byte{1, 2, 3, 4}, make([]byte, 500))
	reply := make([]byte, len(frame)-4) // a server does not mask
	dst := make([]byte, 0, 1000)
	allocs := testing.AllocsPerRun(200, func() {
		far.Write(frame)
		typ, message, err := conn.ReadAppend(background, dst)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(background, typ, message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, reply); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 && !raceEnabled { // the race detector makes sync.Pool forget
		t.Errorf("%v allocations to read a message and write it", allocs)
	}
}

// socketPair returns the two ends of a TCP connection over loopback.
func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}
