//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// What a client may try with its handshake. The table in docs/hazards.md says
// which test is for what.

// upgradeFields are those of a handshake that is in order.
const upgradeFields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// accepting is a handler that hands its connections to the test.
func accepting(o *ws.AcceptOptions, conns chan<- *ws.Conn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := ws.Accept(w, r, o); err == nil {
			conns <- conn
		}
	})
}

// raw opens a connection to s.
func raw(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // it passes only when the test fails
	return nc
}

// upgrade does an opening handshake with additional fields and bytes behind it.
func upgrade(t *testing.T, s *httptest.Server, fields string, early ...byte) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	nc := raw(t, s)
	if _, err := nc.Write(append([]byte("GET / HTTP/1.1\r\nHost: app.example\r\n"+upgradeFields+fields+"\r\n"), early...)); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(nc)
	response, err := http.ReadResponse(br, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	return nc, br, response
}

// A refused upgrade is the last thing on its connection: what the client has
// sent behind it, a request for example, is not served, and the connection is
// closed. This is so for whatever refuses.
func TestRefusedUpgradeServesNothingMore(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n"
	closing := new(ws.Tracker)
	if err := closing.Shutdown(background); err != nil {
		t.Fatal(err)
	}
	options := map[string]*ws.AcceptOptions{
		"/":         nil,
		"/tracker":  {Tracker: closing},
		"/selector": {SelectSubprotocol: func([]string) string { return "not offered" }},
		"/header":   {Header: http.Header{"X": {"a\r\nb"}}},
		"/refuse": {Refuse: func(w http.ResponseWriter, _ *http.Request, f *handshake.Fault) { // forgets f.Header
			http.Error(w, "no", f.Status)
		}},
	}
	served := make(chan string, 100)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		if r.URL.Path == "/hidden" { // middleware without Unwrap
			w = struct{ http.ResponseWriter }{w}
		}
		if conn, err := ws.Accept(w, r, options[r.URL.Path]); err == nil {
			t.Errorf("%s was accepted", r.URL.Path)
			conn.CloseNow()
		}
	}), false)
	const head = " HTTP/1.1\r\nHost: app.example\r\n"
	const keepAlive = head + "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, v := range []struct {
		name, request string
		status        int
	}{
		{"no upgrade", "GET /" + head, 426},
		{"version", "GET /" + head + strings.Replace(upgradeFields, "13", "8", 1), 426},
		{"no key", "GET /" + keepAlive, 400},
		{"short key", "GET /" + keepAlive + "Sec-WebSocket-Key: AAAA\r\n", 400},
		{"origin", "GET /" + keepAlive + key + "Origin: http://evil.example\r\n", 403},
		{"method", "POST /" + keepAlive + key + "Content-Length: 0\r\n", 405},
		{"content", "GET /" + keepAlive + key + fmt.Sprintf("Content-Length: %d\r\n", len(smuggled)), 400},
		{"chunked content", "GET /" + keepAlive + key + "Transfer-Encoding: chunked\r\n", 400},
		{"extensions", "GET /" + keepAlive + key + "Sec-WebSocket-Extensions: a;\"\r\n", 400},
		{"subprotocols", "GET /" + keepAlive + key + "Sec-WebSocket-Protocol: a, a\r\n", 400},
		{"too many subprotocols", "GET /" + keepAlive + key + "Sec-WebSocket-Protocol: a" + strings.Repeat(",b", 100) + "\r\n", 431},
		{"HTTP/1.0", strings.Replace("GET /"+keepAlive+key, "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"shutting down", "GET /tracker" + keepAlive + key, 503},
		{"Refuse", "GET /refuse" + head + strings.Replace(upgradeFields, "13", "8", 1), 426},
		{"no Hijacker", "GET /hidden" + keepAlive + key, 500},
		{"the server's mistake in a header", "GET /header" + keepAlive + key, 500},
		{"the server's mistake", "GET /selector" + keepAlive + key + "Sec-WebSocket-Protocol: a\r\n", 500},
	} {
		for name, behind := range map[string]string{
			"a request": smuggled,
			"frames":    string(wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{1, 2, 3, 4}, []byte("hello"))) + smuggled,
		} {
			nc := raw(t, s)
			if _, err := io.WriteString(nc, v.request+"\r\n"+behind); err != nil {
				t.Fatal(err)
			}
			br := bufio.NewReader(nc)
			response, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(v.name, err)
			}
			io.Copy(io.Discard, response.Body)
			if response.StatusCode != v.status || !response.Close {
				t.Fatalf("%s: %s, closed %v; want %d and closed", v.name, response.Status, response.Close, v.status)
			}
			// A reset is as good an end as any, if only nothing more was said.
			if rest, err := io.ReadAll(br); len(rest) > 0 || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, behind it %s: then came %q, %v", v.name, name, rest, err)
			}
			if path := <-served; path == "/smuggled" || len(served) > 0 {
				t.Errorf("%s, behind it %s: what was smuggled was served", v.name, name)
			}
			nc.Close()
		}
	}
}

// Thousands of fields, a request a byte at a time, and a header of megabytes,
// in front of Accept on net/http as it is by default.
func TestHandshakesOfUnusualShape(t *testing.T) {
	s := serve(t, echo(nil), false)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "X-%d: y\r\n", i)
	}
	start := time.Now()
	if _, _, response := upgrade(t, s, many.String()); response.StatusCode != 101 {
		t.Errorf("20,000 fields: %s", response.Status)
	}
	if took := time.Since(start); took > 10*time.Second { // quadratic work takes much longer
		t.Errorf("20,000 fields take %v", took)
	}

	nc := raw(t, s)
	for _, c := range []byte("GET / HTTP/1.1\r\nHost: app.example\r\n" + upgradeFields + "\r\n") {
		if _, err := nc.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	if response, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || response.StatusCode != 101 {
		t.Errorf("a byte at a time: %v, %v", response, err)
	}

	for name, fields := range map[string]string{
		"one field of 2 MiB":      "X-Long: " + strings.Repeat("x", 2<<20) + "\r\n",
		"an offer of 2 MiB":       "Sec-WebSocket-Extensions: " + strings.Repeat(" ", 2<<20) + "\r\n",
		"300,000 fields of 2 MiB": strings.Repeat("A: bcd\r\n", 300_000),
	} {
		nc := raw(t, s)
		go io.WriteString(nc, "GET / HTTP/1.1\r\nHost: app.example\r\n"+upgradeFields+fields+"\r\n") // it may be cut off
		got, _ := io.ReadAll(nc)
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 431 ")) || bytes.Count(got, []byte("HTTP/1.1")) != 1 {
			t.Errorf("%s: %.200q", name, got)
		}
		nc.Close()
	}
}

// The grammar of the offers at a length that only net/http lets through: 64 KiB of
// spaces take no time. The rows of the drivers have the rest of it.
func TestOfferedGrammar(t *testing.T) {
	s := serve(t, echo(&ws.AcceptOptions{Subprotocols: []string{"chat"}, Options: ws.Options{Compression: &deflate.Options{}}}), false)
	for _, v := range []struct {
		name, fields string
		subprotocol  string
		extensions   string
	}{
		{"64 KiB of spaces", "Sec-WebSocket-Extensions: permessage-deflate" + strings.Repeat(" ", 64<<10) + "; server_no_context_takeover\r\n", "", "permessage-deflate; server_no_context_takeover"},
		{"64 KiB of commas", "Sec-WebSocket-Extensions: " + strings.Repeat(",", 64<<10) + "permessage-deflate\r\n", "", "permessage-deflate"},
		{"64 KiB of spaces before a subprotocol", "Sec-WebSocket-Protocol: ," + strings.Repeat(" ", 64<<10) + "chat\r\n", "chat", ""},
	} {
		nc, _, response := upgrade(t, s, v.fields)
		if response.StatusCode != 101 {
			t.Errorf("%s: %s", v.name, response.Status)
		}
		if got := response.Header.Get("Sec-WebSocket-Protocol"); got != v.subprotocol {
			t.Errorf("%s: subprotocol %q", v.name, got)
		}
		if got := response.Header.Get("Sec-WebSocket-Extensions"); got != v.extensions {
			t.Errorf("%s: extensions %q, want %q", v.name, got, v.extensions)
		}
		nc.Close()
	}
}

// A hook that panics does so in the middle of a Read. Close says goodbye all the
// same, and ends the connection by itself.
func TestHookThatPanicsLeavesNoConnection(t *testing.T) {
	o := &ws.Options{Rate: func(context.Context, int, bool) error { panic("a bug in the application") }}
	inBubble(t, o, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Text("x")
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not reach the caller")
				}
			}()
			_, _, _ = conn.Read(background)
		}()
		start := time.Now()
		go conn.Close(ws.StatusInternalError, "")
		peer.Want(`close 1011 ""`)
		peer.Close(1011, "")
		<-conn.Done()
		if took := time.Since(start); took > ws.DefaultCloseTimeout {
			t.Errorf("it ended after %v", took)
		}
	})
}
