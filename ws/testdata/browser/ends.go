//go:build js

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws"
)

func init() {
	scenarios["closed by the page"] = func(t *T) {
		long := strings.Repeat("ż", 100)
		for _, c := range []struct {
			code         ws.StatusCode
			reason       string
			sent         ws.StatusCode
			seen, answer string
		}{
			{1000, "bye", 1000, "1000 bye", "1000"},
			{3000, "", 3000, "3000 ", "3000"},
			{4999, "zażółć", 4999, "4999 zażółć", "4999"},
			{1001, "gone", 4001, "4001 gone", "4001"},
			{1011, "", 4011, "4011 ", "4011"},
			{1005, "not sent", 1005, "1005 ", "1005"},
			{4000, long, 4000, "4000 " + long[:122], "4000"},
			{4000, "\uFEFFbad \xff", 4000, "4000 \uFEFFbad \uFFFD", "4000"},
		} {
			id := t.id()
			conn := t.dial("/echo?id="+id, nil)
			if err := conn.Close(c.code, c.reason); err != nil {
				t.errorf("Close(%d): %v", c.code, err)
			}
			if err := conn.Close(c.code, c.reason); err != nil {
				t.errorf("Close(%d) again: %v", c.code, err)
			}
			t.ends(conn, ws.CloseError{Code: c.sent, Sent: c.sent})
			if seen := t.tell("/seen", id); seen != c.seen {
				t.errorf("Close(%d, %.20q): the server saw %q, not %q", c.code, c.reason, seen, c.seen)
			}
		}
		conn := t.dial("/echo", nil)
		for _, code := range []ws.StatusCode{0, 999, 1004, 1006, 1015, 2999, 5000} {
			if err := conn.Close(code, ""); !errors.Is(err, ws.ErrCloseCode) {
				t.errorf("Close(%d): %v", code, err)
			}
		}
		t.must(conn.Write(t.ctx, ws.MessageText, []byte("still open")))
		go conn.Close(ws.StatusNormal, "")
		if !t.eventually(func() bool { return conn.Write(t.ctx, ws.MessageText, nil) != nil }) {
			t.errorf("writing goes on after Close")
		}
		t.over(conn)
	}

	scenarios["closed by the server"] = func(t *T) {
		for _, c := range []struct {
			code   ws.StatusCode
			reason string
			clean  bool // for Messages
		}{
			{1000, "", true},
			{1001, "restart", true},
			{1005, "", false},
			{1011, "oops", false},
			{4321, "zażółć", false},
		} {
			id := t.id()
			conn := t.dial(fmt.Sprintf("/close?id=%s&code=%d&reason=%s", id, c.code, url.QueryEscape(c.reason)), nil)
			t.over(conn) // what arrived before can be read after it
			var got []string
			var last error
			for m, err := range conn.Messages(t.ctx) {
				if last = err; err == nil {
					got = append(got, string(m.Data))
				}
			}
			if strings.Join(got, ",") != "one,two" || (last == nil) != c.clean {
				t.errorf("%d: read %q, then %v", c.code, got, last)
			}
			t.ends(conn, ws.CloseError{Code: c.code, Reason: c.reason, Sent: c.code})
			if err := conn.Close(ws.StatusNormal, ""); err != nil {
				t.errorf("Close after the server's: %v", err)
			}
			if seen, want := t.tell("/seen", id), fmt.Sprintf("%d %s", c.code, c.reason); seen != want {
				t.errorf("the browser answered %q, not %q", seen, want)
			}
		}
	}

	scenarios["a lost connection"] = func(t *T) {
		conn := t.dial("/drop", nil)
		for range 2 {
			if _, m, err := conn.Read(t.ctx); err != nil || string(m) == "" {
				t.errorf("what came before: %q, %v", m, err)
			}
		}
		if _, _, err := conn.Read(t.ctx); !errors.Is(err, io.ErrUnexpectedEOF) || ws.CloseStatus(err) != 1006 {
			t.errorf("Read: %v", err)
		}
		if err := conn.Close(ws.StatusNormal, ""); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.errorf("Close: %v", err)
		}
		t.ends(conn, ws.CloseError{Code: 1006, Err: io.ErrUnexpectedEOF})

		conn = t.dial("/echo", nil)
		w, err := conn.Writer(t.ctx, ws.MessageText)
		t.must(err)
		t.must(conn.CloseNow())
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 1005, Err: net.ErrClosed}) // nobody waits for the writer
		if err := w.Close(); !errors.Is(err, net.ErrClosed) {
			t.errorf("Close of a writer: %v", err)
		}
	}

	scenarios["CloseNow"] = func(t *T) {
		id := t.id()
		conn := t.dial("/echo?id="+id, nil)
		reads := make(chan error)
		go func() {
			_, _, err := conn.Read(t.ctx)
			reads <- err
		}()
		t.must(conn.CloseNow())
		t.must(conn.CloseNow())
		if err := <-reads; !errors.Is(err, net.ErrClosed) {
			t.errorf("the read under way: %v", err)
		}
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 1005, Err: net.ErrClosed})
		if seen := t.tell("/seen", id); seen != "1005 " {
			t.errorf("the server saw %q", seen)
		}
	}

	scenarios["a server that does not answer Close"] = func(t *T) {
		conn := t.dial("/deaf?id="+t.id(), &ws.DialOptions{Options: ws.Options{CloseTimeout: 600 * time.Millisecond, IdleTimeout: 300 * time.Millisecond}})
		began := time.Now()
		err := conn.Close(ws.StatusNormal, "")
		if took := time.Since(began); took < 600*time.Millisecond {
			t.errorf("Close took %v", took)
		}
		if err == nil || err != conn.Err() {
			t.errorf("Close: %v", err)
		}
		t.ends(conn, ws.CloseError{Code: 1006, Sent: 1000, Err: says("no close frame came back in time")})
	}

	scenarios["Close drops what was not read"] = func(t *T) {
		conn := t.dial("/burst?count=3&size=10", nil)
		if _, _, err := conn.Read(t.ctx); err != nil {
			t.errorf("Read: %v", err)
		}
		t.must(conn.Close(ws.StatusNormal, ""))
		t.ends(conn, ws.CloseError{Code: 1000, Sent: 1000})

		conn = t.dial("/close?code=1000", nil)
		t.over(conn)
		t.must(conn.Close(ws.StatusNormal, ""))
		t.ends(conn, ws.CloseError{Code: 1000, Sent: 1000})
	}

	// Handlers are released and sockets forgotten, however a connection ends.
	scenarios["nothing is left behind"] = func(t *T) {
		open := func() {
			for i, path := range []string{"/echo", "/echo", "/drop", "/close?code=1000", "/deaf?id=" + t.id(), "/refuse?status=403"} {
				conn, _, err := ws.Dial(t.ctx, t.server+path, &ws.DialOptions{Options: ws.Options{IdleTimeout: time.Hour}})
				if err != nil {
					continue
				}
				if strings.HasPrefix(path, "/echo") {
					t.must(conn.Write(t.ctx, ws.MessageBinary, make([]byte, 1000)))
				}
				if i%2 == 0 {
					t.must(conn.CloseNow())
				} else {
					_ = conn.Close(ws.StatusNormal, "")
				}
			}
		}
		open()
		before := t.values()
		const rounds = 15
		for range rounds {
			open()
		}
		after := 0
		if !t.eventually(func() bool { after = t.values(); return after < before+rounds }) {
			t.errorf("Go holds %d JavaScript values, %d before %d connections", after, before, rounds*6)
		}
	}

	scenarios["contexts that have ended"] = func(t *T) {
		conn := t.dial("/echo", nil)
		defer conn.Close(ws.StatusNormal, "")
		ctx, cancel := context.WithCancel(t.ctx)
		cancel()
		for name, err := range map[string]error{
			"Write": conn.Write(ctx, ws.MessageText, nil),
			"Read":  func() error { _, _, err := conn.Read(ctx); return err }(),
			"Ping":  func() error { _, err := conn.Ping(ctx); return err }(),
			"Dial":  func() error { _, _, err := ws.Dial(ctx, t.server+"/echo", nil); return err }(),
		} {
			if !errors.Is(err, context.Canceled) {
				t.errorf("%s: %v", name, err)
			}
		}
	}
}

// says is an error of which the text matters.
type says string

func (s says) Error() string { return string(s) }

func isOrSays(err, want error) bool {
	text, ok := want.(says)
	return errors.Is(err, want) || ok && err != nil && strings.Contains(err.Error(), string(text))
}

// over waits for the end of a connection.
func (t *T) over(conn *ws.Conn) {
	select {
	case <-conn.Done():
	case <-t.ctx.Done():
		t.fatalf("the connection has not ended")
	}
}

// ends checks how a connection has ended, and that every call says so.
func (t *T) ends(conn *ws.Conn, want ws.CloseError) {
	t.over(conn)
	e, ok := errors.AsType[*ws.CloseError](conn.Err())
	if !ok {
		t.fatalf("Err = %v", conn.Err())
	}
	if e.Code != want.Code || e.Reason != want.Reason || e.Sent != want.Sent || !isOrSays(e.Err, want.Err) {
		t.errorf("ended with %d %q, sent %d, %v; want %d %q, sent %d, %v", e.Code, e.Reason, e.Sent, e.Err, want.Code, want.Reason, want.Sent, want.Err)
	}
	for range 2 {
		_, _, read := conn.Read(t.ctx)
		_, _, reader := conn.Reader(t.ctx)
		_, writer := conn.Writer(t.ctx, ws.MessageText)
		_, ping := conn.Ping(t.ctx)
		for name, err := range map[string]error{
			"Read": read, "Reader": reader, "Writer": writer, "Ping": ping,
			"Write":   conn.Write(t.ctx, ws.MessageText, nil),
			"Enqueue": conn.Enqueue(ws.MessageText, nil),
		} {
			if err != error(e) {
				t.errorf("%s after the end: %v, and not the same as Err", name, err)
			}
		}
	}
	if conn.Buffered() != 0 {
		t.errorf("%d bytes buffered after the end", conn.Buffered())
	}
}
