package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// What a client may try against the whole server. The table in docs/hazards.md
// says which test is for what.

// upgradeHead is a WebSocket handshake but for the empty line at its end.
const upgradeHead = "GET /channels/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// A handshake that comes a byte at a time, each in time to look alive, is cut at
// the header's time to the moment.
func TestDrippedHandshakeIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, stop := serveInMemory(t, Config{})
		c := w.dial()
		defer c.Close()
		begin := time.Now()
		answered := make(chan string, 1)
		go func() {
			answer, _ := io.ReadAll(c)
			answered <- string(answer)
		}()
		sent := 0
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{upgradeHead[i%len(upgradeHead)]}); err != nil {
				break
			}
			sent++
			time.Sleep(time.Second)
		}
		took := time.Since(begin)
		if took < headerTimeout || took > headerTimeout+time.Second || sent < int(headerTimeout/time.Second) {
			t.Errorf("cut after %v and %d bytes", took, sent)
		}
		if answer := <-answered; strings.Contains(answer, "101") {
			t.Errorf("answered %q", answer)
		}
		stop()
	})
}

// A header of thousands of lines, or one of megabytes, is answered with 431 when
// the limit is reached, and what is behind it is not served; below the limit a
// handshake is accepted, a byte at a time, too.
func TestHandshakeHeaderIsBounded(t *testing.T) {
	s := start(t, Config{})
	send := func(b string, bytewise bool) (*http.Response, *bufio.Reader) {
		t.Helper()
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(time.Minute)) // it passes only when the test fails
		go func() {
			step := len(b)
			if bytewise {
				step = 1
			}
			for rest := b; len(rest) > 0; rest = rest[step:] {
				if _, err := io.WriteString(nc, rest[:step]); err != nil {
					return // it was cut off
				}
			}
		}()
		br := bufio.NewReader(nc)
		response, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		return response, br
	}
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X-%d: y\r\n", i)
		}
		return b.String()
	}
	for _, v := range []struct {
		name, fields string
		bytewise     bool
		status       int
	}{
		{"nothing more", "", false, 101},
		{"a byte at a time", "", true, 101},
		{"eighty lines", numbered(80), false, 101},
		{"eighty lines, a byte at a time", numbered(80), true, 101},
		{"a thousand lines", numbered(1000), false, 431},
		{"ten thousand lines", numbered(10_000), false, 431},
		{"two hundred thousand lines", strings.Repeat("A: b\r\n", 200_000), false, 431},
		{"a line of a megabyte", "X: " + strings.Repeat("x", 1<<20) + "\r\n", false, 431},
		{"an offer of a megabyte of spaces", "Sec-WebSocket-Extensions: " + strings.Repeat(" ", 1<<20) + "\r\n", false, 431},
		{"a subprotocol of a megabyte", "Sec-WebSocket-Protocol: " + strings.Repeat("a", 1<<20) + "\r\n", false, 431},
	} {
		begin := time.Now()
		response, br := send(upgradeHead+v.fields+"\r\n", v.bytewise)
		if response.StatusCode != v.status {
			t.Errorf("%s: %s, want %d", v.name, response.Status, v.status)
			continue
		}
		if v.status == 431 {
			body, _ := io.ReadAll(br)
			if !response.Close || strings.Contains(string(body), "HTTP/1.1") {
				t.Errorf("%s: closed %v, and then came %q", v.name, response.Close, body)
			}
		}
		if took := time.Since(begin); took > 10*time.Second { // quadratic work takes much longer
			t.Errorf("%s: took %v", v.name, took)
		}
	}
}

// Code that panics, in either goroutine of a WebSocket: its client is told 1011,
// the log says where, and the server serves on.
func TestPanicInAWebSocket(t *testing.T) {
	for _, writing := range []bool{false, true} {
		var armed atomic.Bool
		boom := func(here bool) {
			if here && armed.Swap(false) {
				panic("a bug in an observer")
			}
		}
		broker, err := membroker.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := hub.New(broker, &hub.Options{Observer: &hub.Observer{
			Published: func(string, int, time.Duration) { boom(!writing) },
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		s := startAltered(t, Config{}, func(s *Server) {
			s.channels, err = transport.New(h, &transport.Options{Logger: s.log, Observer: &transport.Observer{
				Delivered: func(string, int, int, time.Duration) { boom(writing) },
			}})
			if err != nil {
				t.Fatal(err)
			}
		})
		dial := func() *ws.Conn {
			t.Helper()
			conn, _, err := ws.Dial(t.Context(), s.url+"/channels/chat", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.CloseNow() })
			return conn
		}
		conn := dial()
		armed.Store(true)
		if err := conn.Write(t.Context(), ws.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		err = nil
		for err == nil {
			_, _, err = conn.Read(t.Context())
		}
		if ws.CloseStatus(err) != ws.StatusInternalError {
			t.Errorf("writing %v: the client was told %v", writing, err)
		}

		other := dial()
		if err := other.Write(t.Context(), ws.MessageText, []byte("still there")); err != nil {
			t.Fatal(err)
		}
		if _, message, err := other.Read(t.Context()); err != nil || string(message) != "still there" {
			t.Errorf("writing %v: afterwards %q, %v", writing, message, err)
		}
		_ = other.CloseNow()
		for !strings.Contains(s.log.String(), "handler panicked") { // it is written after the close frame
		}
		if log := s.log.String(); !strings.Contains(log, "a bug in an observer") || !strings.Contains(log, "peer_hazards_test.go") {
			t.Errorf("writing %v: the log does not say what happened:\n%s", writing, log)
		}
		// A loop lets its figures be seen when it has nothing to do.
		for !strings.Contains(s.do(t, "GET", "/metrics", "").body, "\ngodwit_panics_total 1\n") {
		}
	}
}

// Content that does not come, and answers that are not taken, hold a connection for
// half a minute and no longer, whatever was asked for.
func TestNothingIsHeldForEver(t *testing.T) {
	for _, c := range []struct{ name, request string }{
		{"content that does not come", "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content that does not come to where nothing is", "PUT /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content for a host that is not answered to", "POST /channels/c HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 10\r\n\r\n"},
		{"an answer that is not taken", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"},

		// Protocols of others.
		{"content of the API of Pusher", "POST /apps/app/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content for a signature", "POST /pusher/auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n"},
		{"content of the API of PieSocket", "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content without a session of SockJS", "POST /sockjs/chat/0/s/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content for a new session of SockJS", "POST /sockjs/chat/0/s/xhr HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content without a session of Pusher", "POST /pusher/app/app-key/0/s/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"content without a session of Engine.IO", "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"an answer of SockJS", "GET /sockjs/chat/info HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"an answer of Engine.IO", "GET /socket.io/?EIO=9 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"an answer of the API of Pusher", "GET /apps/app/channels HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"an answer about a file of Socket.IO", "GET /socket.io/socket.io.js HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"a refused handshake of Engine.IO", strings.Replace(upgradeHead, "/channels/chat", "/socket.io/?EIO=4&transport=websocket", 1) + "Origin: https://evil.example\r\n\r\n"},
		{"a refused handshake of SockJS", strings.Replace(upgradeHead, "/channels/chat", "/sockjs/chat/0/s/websocket", 1) + "Origin: https://evil.example\r\n\r\n"},
		{"a refused handshake of PieSocket", strings.Replace(upgradeHead, "/channels/chat", "/v3/chat", 1) + "Origin: https://evil.example\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w, stop := serveInMemory(t, Config{})
				nc := w.dial() // a pipe takes nothing by itself
				defer nc.Close()
				if _, err := io.WriteString(nc, c.request); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(c.name, "content") {
					go io.Copy(io.Discard, nc)
				}
				<-time.After(shortTimeout + 5*time.Second) // net/http has a little patience of its own
				synctest.Wait()
				if n := s.front.counts(); n.open != 0 {
					t.Errorf("%d connections are open", n.open)
				}
				stop()
			})
		})
	}
}
