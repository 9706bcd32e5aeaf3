//go:build js

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

var everyByte = func() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

var messages = []ws.Message{
	{Type: ws.MessageText, Data: []byte("hello")},
	{Type: ws.MessageText, Data: nil},
	{Type: ws.MessageText, Data: []byte("zażółć gęślą jaźń 🐦")},
	{Type: ws.MessageText, Data: []byte("\uFEFFa byte order mark stays")},
	{Type: ws.MessageText, Data: []byte("\uFEFF\uFEFF")},
	{Type: ws.MessageText, Data: []byte("nul \x00 and \uFFFD and \U0010FFFF")},
	{Type: ws.MessageText, Data: []byte(strings.Repeat("ż", 1<<19))}, // 1 MiB
	{Type: ws.MessageBinary, Data: everyByte},
	{Type: ws.MessageBinary, Data: nil},
	{Type: ws.MessageBinary, Data: bytes.Repeat(everyByte, 1<<12)}, // 1 MiB
}

func (t *T) same(what string, typ ws.MessageType, data []byte, err error, want ws.Message) {
	if err != nil || typ != want.Type || !bytes.Equal(data, want.Data) {
		t.fatalf("%s: got %v, %d bytes (%.40q), %v; want %v, %d bytes (%.40q)", what, typ, len(data), data, err, want.Type, len(want.Data), want.Data)
	}
}

func init() {
	scenarios["echo"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		for _, m := range messages {
			t.must(conn.Write(t.ctx, m.Type, m.Data))
			typ, data, err := conn.Read(t.ctx)
			t.same("Write, Read", typ, data, err, m)

			w, err := conn.Writer(t.ctx, m.Type)
			t.must(err)
			half := len(m.Data) / 2 // within a character, for some
			for _, part := range [][]byte{m.Data[:half], m.Data[half:]} {
				_, err = w.Write(part)
				t.must(err)
			}
			t.must(w.Close())
			t.must(w.Close())
			typ, r, err := conn.Reader(t.ctx)
			t.must(err)
			data, err = io.ReadAll(r)
			t.same("Writer, Reader", typ, data, err, m)

			t.must(conn.Enqueue(m.Type, m.Data))
			typ, data, err = conn.ReadAppend(t.ctx, []byte("before "))
			t.same("Enqueue, ReadAppend", typ, data, err, ws.Message{Type: m.Type, Data: append([]byte("before "), m.Data...)})

			p, err := ws.Prepare(m.Type, m.Data)
			t.must(err)
			for range 2 {
				t.must(conn.WritePrepared(t.ctx, p))
				typ, data, err = conn.Read(t.ctx)
				t.same("WritePrepared, Read", typ, data, err, m)
			}
		}
		room := make([]byte, 3, 100)
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("in place")))
		_, data, err := conn.ReadAppend(t.ctx, room)
		t.must(err)
		if &data[0] != &room[0] || string(data[3:]) != "in place" {
			t.errorf("ReadAppend did not use the memory it was given")
		}
	}

	scenarios["json"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		t.must(conn.WriteJSON(t.ctx, map[string]int{"answer": 42}))
		var got map[string]int
		t.must(conn.ReadJSON(t.ctx, &got))
		if got["answer"] != 42 {
			t.errorf("got %v", got)
		}
	}

	scenarios["misuse"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		if err := conn.Write(t.ctx, ws.MessageText, []byte{0xff}); !errors.Is(err, ws.ErrNotUTF8) {
			t.errorf("Write of bytes as text: %v", err)
		}
		if err := conn.Enqueue(ws.MessageText, []byte{0xff}); !errors.Is(err, ws.ErrNotUTF8) {
			t.errorf("Enqueue of bytes as text: %v", err)
		}
		if err := conn.Write(t.ctx, 7, nil); !errors.Is(err, ws.ErrMessageType) {
			t.errorf("Write of no type: %v", err)
		}
		if _, err := conn.Writer(t.ctx, 7); !errors.Is(err, ws.ErrMessageType) {
			t.errorf("Writer of no type: %v", err)
		}
		if _, err := ws.Prepare(7, nil); !errors.Is(err, ws.ErrMessageType) {
			t.errorf("Prepare of no type: %v", err)
		}
		if err := conn.WriteFrames(t.ctx, []byte{0x81, 0}); !errors.Is(err, ws.ErrServerOnly) {
			t.errorf("WriteFrames: %v", err)
		}
		for name, parts := range map[string][]string{"at once": {"ok", "\xff"}, "at the end": {"ok", "\xc5"}} {
			w, err := conn.Writer(t.ctx, ws.MessageText)
			t.must(err)
			for _, part := range parts {
				_, err = w.Write([]byte(part))
			}
			if closeErr := w.Close(); !errors.Is(closeErr, ws.ErrNotUTF8) || err != nil && !errors.Is(err, ws.ErrNotUTF8) {
				t.errorf("Writer of bytes as text, %s: %v, %v", name, err, closeErr)
			}
			if closeErr := w.Close(); !errors.Is(closeErr, ws.ErrNotUTF8) {
				t.errorf("closed again: %v", closeErr)
			}
		}
		// None of it has harmed the connection.
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("fine")))
		typ, data, err := conn.Read(t.ctx)
		t.same("afterwards", typ, data, err, ws.Message{Type: ws.MessageText, Data: []byte("fine")})
	}

	scenarios["concurrent"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		const writers, each = 20, 25
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				for j := range each {
					p := fmt.Appendf(nil, "%d from %d", j, i)
					var err error
					if j%3 == 0 {
						err = conn.Enqueue(ws.MessageText, p)
					} else {
						err = conn.Write(t.ctx, ws.MessageText, p)
					}
					if err != nil {
						t.errorf("%s: %v", p, err)
					}
				}
			})
		}
		for range 5 {
			all.Go(func() {
				for range writers * each / 5 {
					_, p, err := conn.Read(t.ctx)
					if err != nil {
						t.errorf("Read: %v", err)
						return
					}
					mu.Lock()
					got[string(p)]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(got) != writers*each {
			t.errorf("%d different messages came back of %d", len(got), writers*each)
		}
	}

	scenarios["subprotocol"] = func(t *T) {
		conn, response, err := ws.Dial(t.ctx, t.server+"/echo?protocol=b", &ws.DialOptions{Subprotocols: []string{"a", "b"}})
		t.must(err)
		defer conn.Close(ws.StatusNormal, "")
		if conn.Subprotocol() != "b" || response.Header.Get("Sec-WebSocket-Protocol") != "b" {
			t.errorf("got %q, %v", conn.Subprotocol(), response.Header)
		}
		none := t.dial("/echo", nil)
		defer none.Close(ws.StatusNormal, "")
		if none.Subprotocol() != "" {
			t.errorf("got %q without asking", none.Subprotocol())
		}
		// Chromium fails the connection when the server chooses none (RFC 6455 has
		// that for what was not offered only); other browsers need not.
	}

	scenarios["compression"] = func(t *T) {
		for _, c := range []struct {
			query string
			want  deflate.Params
		}{
			{"?compress=1", deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}},
			{"?compress=1&bits=10", deflate.Params{ServerMaxWindowBits: 10, ClientMaxWindowBits: 10, ServerNoContextTakeover: true, ClientNoContextTakeover: true}},
		} {
			conn, response, err := ws.Dial(t.ctx, t.server+"/echo"+c.query, &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
			t.must(err)
			if got, ok := conn.Compression(); !ok || got != c.want {
				t.errorf("%s: %+v, %v (%q)", c.query, got, ok, response.Header.Get("Sec-WebSocket-Extensions"))
			}
			for _, m := range messages {
				t.must(conn.Write(t.ctx, m.Type, m.Data))
				typ, data, err := conn.Read(t.ctx)
				t.same("compressed", typ, data, err, m)
			}
			t.must(conn.Close(ws.StatusNormal, ""))
		}
		conn := t.dial("/echo", nil)
		if _, ok := conn.Compression(); ok {
			t.errorf("compressed, with a server that does not")
		}
		t.must(conn.Close(ws.StatusNormal, ""))
	}

	scenarios["cancel a read"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.ctx, 10*time.Millisecond)
			if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.errorf("a read with nothing to read: %v", err)
			}
			if _, _, err := conn.Reader(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.errorf("a Reader after that: %v", err)
			}
			cancel()
			p := fmt.Appendf(nil, "message %d", i)
			t.must(conn.Write(t.ctx, ws.MessageText, p))
			typ, data, err := conn.Read(t.ctx)
			t.same("afterwards", typ, data, err, ws.Message{Type: ws.MessageText, Data: p})
		}
	}

	scenarios["a reader and a writer hold others off"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		for _, p := range []string{"first", "second", "third"} {
			t.must(conn.Write(t.ctx, ws.MessageText, []byte(p)))
		}
		ctx, cancel := context.WithCancel(t.ctx)
		_, r, err := conn.Reader(ctx)
		t.must(err)
		short, cancelShort := context.WithTimeout(t.ctx, 10*time.Millisecond)
		defer cancelShort()
		if _, _, err := conn.Read(short); !errors.Is(err, context.DeadlineExceeded) {
			t.errorf("a read while a reader is open: %v", err)
		}
		cancel()
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.errorf("the reader after its context: %v", err)
		}
		_, r, err = conn.Reader(t.ctx)
		t.must(err)
		one := make([]byte, 1)
		if _, err := r.Read(one); err != nil || string(one) != "s" {
			t.errorf("read %q, %v of the second message", one, err)
		}
		t.must(r.Close())
		if _, err := r.Read(one); !errors.Is(err, io.ErrClosedPipe) {
			t.errorf("the reader after Close: %v", err)
		}
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("last")))
		typ, data, err := conn.Read(t.ctx)
		t.same("after two readers were given up", typ, data, err, ws.Message{Type: ws.MessageText, Data: []byte("third")})

		_, r, err = conn.Reader(t.ctx)
		t.must(err)
		_, err = io.ReadFull(r, make([]byte, len("last")))
		t.must(err)
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("after it")))
		typ, data, err = conn.Read(t.ctx)
		t.same("after a reader was read to its last byte", typ, data, err, ws.Message{Type: ws.MessageText, Data: []byte("after it")})
		if _, err := r.Read(one); err != io.EOF {
			t.errorf("the reader at its end: %v", err)
		}

		ctx, cancel = context.WithCancel(t.ctx)
		w, err := conn.Writer(ctx, ws.MessageText)
		t.must(err)
		_, err = w.Write([]byte("never sent"))
		t.must(err)
		if err := conn.Write(short, ws.MessageText, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.errorf("a write while a writer is open: %v", err)
		}
		cancel()
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.errorf("the writer after its context: %v", err)
		}
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("sent")))
		typ, data, err = conn.Read(t.ctx)
		t.same("after a writer was given up", typ, data, err, ws.Message{Type: ws.MessageText, Data: []byte("sent")})
	}
}
