package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// Without a read under way, Close reads the answer itself.
func TestCloseWithoutARead(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		go func() {
			peer.Text("nobody wants it")
			peer.Want(`close 1001 "bye"`)
			peer.Close(1001, "bye yourself")
		}()
		if err := conn.Close(ws.StatusGoingAway, "bye"); err != nil {
			t.Errorf("Close = %v", err)
		}
		if e := wantEnd(t, conn.Err(), 1001, 1001); e.Reason != "bye yourself" {
			t.Errorf("reason %q", e.Reason)
		}
		if err := conn.Close(1000, ""); err != nil {
			t.Errorf("second Close = %v", err)
		}
	})
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
func socketPair(t testing.TB) (near, far net.Conn) {
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
