package ws_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestReaderStreams(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "one ")
		typ, r, err := conn.Reader(background)
		if err != nil || typ != ws.MessageText {
			t.Fatal(typ, err)
		}
		var p [3]byte
		if n, err := io.ReadFull(r, p[:]); n != 3 || err != nil || string(p[:]) != "one" {
			t.Fatalf("%q, %v", p[:n], err)
		}
		// Another read waits for its turn.
		second := make(chan string, 1)
		go func() {
			_, message, _ := conn.Read(background)
			second <- string(message)
		}()
		synctest.Wait()
		peer.Send(true, wire.Ping, "p")
		peer.Send(false, wire.Continuation, "two ")
		peer.Send(true, wire.Continuation, "")
		peer.Text("next")
		if rest, err := io.ReadAll(r); string(rest) != " two " || err != nil {
			t.Fatalf("%q, %v", rest, err)
		}
		if got := <-second; got != "next" {
			t.Errorf("the waiting Read got %q", got)
		}
		peer.Want(`pong "p"`)
		if n, err := r.Read(p[:]); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d, %v", n, err)
		}
	})
}

func TestReaderClosedEarly(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Binary, "unwanted")
		_, r, err := conn.Reader(background)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("Read after Close = %v", err)
		}
		peer.Send(false, wire.Continuation, "unwanted too")
		peer.Send(true, wire.Continuation, "and this")
		peer.Text("wanted")
		read(t, conn, ws.MessageText, "wanted")
	})
}

func TestReaderObeysItsContext(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, _, err := conn.Reader(ctx); err != context.DeadlineExceeded { // nothing has come
			t.Fatal(err)
		}
		peer.Text("not lost")
		read(t, conn, ws.MessageText, "not lost")

		ctx, cancel = context.WithTimeout(background, time.Second)
		defer cancel()
		peer.Send(false, wire.Text, "half")
		_, r, err := conn.Reader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != "half" || err != context.DeadlineExceeded {
			t.Fatalf("%q, %v", got, err)
		}
		peer.Send(true, wire.Continuation, "the other half")
		peer.Text("next")
		read(t, conn, ws.MessageText, "next")
	})
}

func TestReaderBeginsWithWhatACutReadHas(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "one ")
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, _, err := conn.Read(ctx); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		_, r, err := conn.Reader(background)
		if err != nil {
			t.Fatal(err)
		}
		peer.Send(true, wire.Continuation, "two")
		if got, err := io.ReadAll(r); string(got) != "one two" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestReaderReportsAFault(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "good ")
		_, r, err := conn.Reader(background)
		if err != nil {
			t.Fatal(err)
		}
		peer.Send(true, wire.Continuation, "\xff")
		got, err := io.ReadAll(r)
		if string(got) != "good " {
			t.Errorf("%q", got)
		}
		wantEnd(t, err, 1006, 1007)
		peer.Want(`close 1007 "text message is not valid UTF-8"`)
		peer.Hangup()
	})
}

func TestWriterSendsFragments(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		w, err := conn.Writer(background, ws.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", 5000)
		for _, part := range []string{"he", "llo ", long, "\xe2\x82", "\xac"} {
			if n, err := io.WriteString(w, part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		// Another message waits; a pong does not.
		waited := make(chan error, 1)
		go func() { waited <- conn.Write(background, ws.MessageText, []byte("after")) }()
		go conn.Read(background)
		peer.Send(true, wire.Ping, "p")
		peer.Want(`text "hello "…`)
		peer.Want(`continuation "` + long + `"…`)
		peer.Want(`pong "p"`)
		select {
		case err := <-waited:
			t.Fatalf("the other message did not wait: %v", err)
		default:
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		peer.Want(`continuation "€"`)
		peer.Want(`text "after"`)
		if err := <-waited; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("second Close = %v", err)
		}
		if _, err := w.Write(nil); err == nil {
			t.Error("Write after Close")
		}
		small, _ := conn.Writer(background, ws.MessageBinary)
		small.Close()
		peer.Want(`binary ""`)
	})
}

func TestWriterRefusesInvalidText(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		w, _ := conn.Writer(background, ws.MessageText)
		if _, err := io.WriteString(w, "a\xff"); err != ws.ErrNotUTF8 {
			t.Errorf("Write = %v", err)
		}
		if err := w.Close(); err != ws.ErrNotUTF8 {
			t.Errorf("Close = %v", err)
		}
		// Nothing was sent, so nothing is lost.
		if err := conn.Write(background, ws.MessageText, []byte("fine")); err != nil {
			t.Error(err)
		}
		peer.Want(`text "fine"`)

		w, _ = conn.Writer(background, ws.MessageText)
		io.WriteString(w, strings.Repeat("x", 5000))
		io.WriteString(w, "\xe2\x82")
		if err := w.Close(); err != ws.ErrNotUTF8 { // cut inside a character, and begun
			t.Errorf("Close = %v", err)
		}
		if e := wantEnd(t, conn.Err(), 1006, 0); !errors.Is(e, ws.ErrNotUTF8) {
			t.Error(e)
		}
	})
}

func TestWritersTakeTurns(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		first, _ := conn.Writer(background, ws.MessageText)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, err := conn.Writer(ctx, ws.MessageText); err != context.DeadlineExceeded {
			t.Errorf("second Writer = %v", err)
		}
		io.WriteString(first, "first")
		first.Close()
		second, err := conn.Writer(background, ws.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		second.Close()
		peer.Want(`text "first"`)
		peer.Want(`text ""`)
		if _, err := conn.Writer(background, 3); err != ws.ErrMessageType {
			t.Error(err)
		}
	})
}

func TestMessages(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("one")
		peer.Send(true, wire.Binary, "two")
		peer.Close(1001, "")
		var got []string
		for m, err := range conn.Messages(background) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Type.String()+" "+string(m.Data))
		}
		if strings.Join(got, ", ") != "text one, binary two" {
			t.Errorf("got %q", got)
		}
	})
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Close(1011, "oops")
		turns := 0
		for _, err := range conn.Messages(background) {
			turns++
			wantEnd(t, err, 1011, 1011)
		}
		if turns != 1 {
			t.Errorf("%d turns", turns)
		}
	})
}

func TestJSON(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		type point struct{ X, Y int }
		if err := conn.WriteJSON(background, point{1, 2}); err != nil {
			t.Fatal(err)
		}
		peer.Want(`text "{\"X\":1,\"Y\":2}"`)
		if err := conn.WriteJSON(background, make(chan int)); err == nil {
			t.Error("a channel was encoded")
		}
		peer.Text("not JSON")
		peer.Text(`{"X":3,"Y":4}`)
		var p point
		if err := conn.ReadJSON(background, &p); err == nil {
			t.Error("no error")
		}
		if err := conn.ReadJSON(background, &p); err != nil || p != (point{3, 4}) {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func TestLatency(t *testing.T) {
	inBubble(t, &ws.Options{PingInterval: time.Second}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		if conn.Latency() != 0 {
			t.Error("a latency before any ping")
		}
		go conn.Read(background)
		f, _ := peer.Receive() // the keepalive
		<-time.After(40 * time.Millisecond)
		peer.Send(true, wire.Pong, f.Payload)
		synctest.Wait()
		if got := conn.Latency(); got != 40*time.Millisecond {
			t.Errorf("Latency = %v", got)
		}
	})
}
