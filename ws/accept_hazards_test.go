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

// Cross-site hijacking, through Accept: what a server takes for its own page.
// The Host is app.example over plain HTTP, and https://*.partner.example is listed.
func TestAcceptRefusesForeignOrigins(t *testing.T) {
	partners, err := handshake.ParseOrigins([]string{"https://*.partner.example"})
	if err != nil {
		t.Fatal(err)
	}
	own, listed := serve(t, echo(nil), false), serve(t, echo(&ws.AcceptOptions{Origins: partners}), false)
	for _, v := range []struct {
		origin   string
		own      int // the status without Origins
		partners int // and with them
	}{
		{"http://app.example", 101, 101},
		{"http://app.example:80", 101, 101},
		{"HTTP://APP.example", 101, 101},
		{"https://a.partner.example", 403, 101},
		{"https://a.b.partner.example", 403, 101},
		{"https://partner.example", 403, 403},

		{"http://evil.example", 403, 403},
		{"http://app.example.evil.net", 403, 403},
		{"http://evilapp.example", 403, 403},
		{"http://app.exampl", 403, 403},
		{"http://app.example.", 403, 403},
		{"http://www.app.example", 403, 403},
		{"http://example", 403, 403},
		{"https://a.partner.example.evil.net", 403, 403},
		{"https://evilpartner.example", 403, 403},
		{"http://a.partner.example", 403, 403},
		{"https://a.partner.example:8443", 403, 403},
		{"https://*.partner.example", 403, 403},
		{"https://.partner.example", 403, 403},
		{"https://a.partner.example@evil.net", 403, 403},
		{"https://evil.net#.partner.example", 403, 403},
		{"https://evil.net/.partner.example", 403, 403},
		{"https://evil.net\\.partner.example", 403, 403},
		{"https://evil.net?.partner.example", 403, 403},

		{"null", 403, 403},
		{"NULL", 403, 403},
		{"", 403, 403},
		{"*", 403, 403},
		{"app.example", 403, 403},
		{"//app.example", 403, 403},
		{"file://app.example", 403, 403},
		{"ws://app.example", 403, 403},
		{"chrome-extension://app.example", 403, 403},
		{"http://app.example:8080", 403, 403},
		{"http://app.example:", 403, 403},
		{"http://app.example:080", 403, 403},
		{"http://app.example:65616", 403, 403},
		{"http://user@app.example", 403, 403},
		{"http://app.example@evil.net", 403, 403},
		{"http://app.example/", 403, 403},
		{"http://app.example, http://evil.net", 403, 403},
		{"http://evil.net http://app.example", 403, 403},
		{"http://app%2eexample", 403, 403},
		{"http://127.0.0.1", 403, 403},
		{"http://[::1]", 403, 403},
		{"http://2130706433", 403, 403},
	} {
		for s, want := range map[*httptest.Server]int{own: v.own, listed: v.partners} {
			nc, _, response := upgrade(t, s, "Origin: "+v.origin+"\r\n")
			if response.StatusCode != want {
				t.Errorf("origin %q, with partners %v: %s, want %d", v.origin, s == listed, response.Status, want)
			}
			nc.Close()
		}
	}
	for _, twice := range []string{"Origin: http://app.example\r\nOrigin: http://evil.net\r\n", "Origin: http://app.example\r\nOrigin: http://app.example\r\n"} {
		if _, _, response := upgrade(t, own, twice); response.StatusCode != 400 {
			t.Errorf("%q: %s", twice, response.Status)
		}
	}
	// The scheme is that of the connection: over TLS a page of http is another.
	secure := httptest.NewRequest("GET", "https://app.example/", nil)
	secure.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"http://app.example"}}
	w := httptest.NewRecorder()
	if _, err := ws.Accept(w, secure, nil); err == nil || w.Code != 403 {
		t.Errorf("downgrade: %d, %v", w.Code, err)
	}
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

// Frames right behind the handshake are handed on, however many there are and
// however the handshake was cut.
func TestEarlyFramesOfAnySize(t *testing.T) {
	s := serve(t, echo(nil), false)
	for _, size := range []int{0, 1, 125, 3000, 4096, 5000, 70_000} {
		want := strings.Repeat("e", size)
		early := wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{1, 2, 3, 4}, []byte(want))
		early = append(early, wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{5, 6, 7, 8}, []byte("second"))...)
		nc, br, response := upgrade(t, s, "", early...)
		if response.StatusCode != 101 {
			t.Fatal(response.Status)
		}
		peer := wstest.NewPeer(t, buffered{nc, br}, true)
		peer.Want(fmt.Sprintf("text %q", want))
		peer.Want(`text "second"`)
		peer.Close(1000, "")
		peer.Want(`close 1000 ""`)
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

// The grammar of the offers, through Accept: what is malformed fails the
// handshake, what is merely unknown does not, and 64 KiB of spaces take no time.
func TestOfferedGrammar(t *testing.T) {
	s := serve(t, echo(&ws.AcceptOptions{Subprotocols: []string{"chat"}, Options: ws.Options{Compression: &deflate.Options{}}}), false)
	const none = "-"
	for _, v := range []struct {
		name, fields string
		status       int
		subprotocol  string
		extensions   string
	}{
		{"quoted parameter", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"1\\0\"\r\n", 101, "", "permessage-deflate; server_max_window_bits=10"},
		{"unknown extension", "Sec-WebSocket-Extensions: x-unknown; a=b; c\r\n", 101, "", ""},
		{"unknown parameter", "Sec-WebSocket-Extensions: permessage-deflate; x-unknown\r\n", 101, "", ""},
		{"unknown parameter, then a fallback", "Sec-WebSocket-Extensions: permessage-deflate; x-unknown, permessage-deflate\r\n", 101, "", "permessage-deflate"},
		{"duplicate parameter", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits\r\n", 101, "", ""},
		{"duplicate offer", "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n", 101, "", "permessage-deflate"},
		{"offer in two lines", "Sec-WebSocket-Extensions: x-unknown\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", 101, "", "permessage-deflate"},
		{"64 KiB of spaces", "Sec-WebSocket-Extensions: permessage-deflate" + strings.Repeat(" ", 64<<10) + "; server_no_context_takeover\r\n", 101, "", "permessage-deflate; server_no_context_takeover"},
		{"64 KiB of commas", "Sec-WebSocket-Extensions: " + strings.Repeat(",", 64<<10) + "permessage-deflate\r\n", 101, "", "permessage-deflate"},
		{"an open quote", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"10\r\n", 400, "", none},
		{"an empty quoted value", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"\"\r\n", 400, "", none},
		{"an empty value", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\r\n", 400, "", none},
		{"an empty parameter", "Sec-WebSocket-Extensions: permessage-deflate;\r\n", 400, "", none},
		{"no name", "Sec-WebSocket-Extensions: ; a\r\n", 400, "", none},
		{"a slash", "Sec-WebSocket-Extensions: a/b\r\n", 400, "", none},
		{"a byte past ASCII", "Sec-WebSocket-Extensions: caf\xe9\r\n", 400, "", none},
		{"too many parameters", "Sec-WebSocket-Extensions: a" + strings.Repeat(";b", 100) + "\r\n", 431, "", none},

		{"subprotocol", "Sec-WebSocket-Protocol: other, chat\r\n", 101, "chat", ""},
		{"subprotocols in two lines", "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: chat\r\n", 101, "chat", ""},
		{"subprotocol of another case", "Sec-WebSocket-Protocol: Chat\r\n", 101, "", ""},
		{"64 KiB of spaces before a subprotocol", "Sec-WebSocket-Protocol: ," + strings.Repeat(" ", 64<<10) + "chat\r\n", 101, "chat", ""},
		{"quoted subprotocol", "Sec-WebSocket-Protocol: \"chat\"\r\n", 400, "", none},
		{"duplicate subprotocol", "Sec-WebSocket-Protocol: chat, chat\r\n", 400, "", none},
		{"subprotocol with a space", "Sec-WebSocket-Protocol: chat room\r\n", 400, "", none},
	} {
		nc, _, response := upgrade(t, s, v.fields)
		if response.StatusCode != v.status {
			t.Errorf("%s: %s, want %d", v.name, response.Status, v.status)
		}
		if got := response.Header.Get("Sec-WebSocket-Protocol"); got != v.subprotocol {
			t.Errorf("%s: subprotocol %q", v.name, got)
		}
		if got := response.Header.Get("Sec-WebSocket-Extensions"); v.extensions != none && got != v.extensions {
			t.Errorf("%s: extensions %q, want %q", v.name, got, v.extensions)
		}
		nc.Close()
	}
}

// Window bits that are none. RFC 7692 §7.1.2 lets a server only decline such an
// offer: the connection is then uncompressed, and refuses compressed messages.
func TestInvalidWindowBitsAreDeclined(t *testing.T) {
	s := serve(t, echo(&ws.AcceptOptions{Options: ws.Options{Compression: &deflate.Options{}}}), false)
	for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
		for _, bits := range []string{"99", "08", "7", "16", "0", "-8", "8.0", "0x8", "1e1", "9a", "18446744073709551624"} {
			nc, br, response := upgrade(t, s, "Sec-WebSocket-Extensions: permessage-deflate; "+name+"="+bits+"\r\n")
			if got, there := response.Header["Sec-Websocket-Extensions"]; response.StatusCode != 101 || there {
				t.Errorf("%s=%s: %s, %q", name, bits, response.Status, got)
				continue
			}
			peer := wstest.NewPeer(t, buffered{nc, br}, true)
			peer.Text("plain")
			peer.Want(`text "plain"`)
			peer.Raw([]byte{0xc1, 0x80, 0, 0, 0, 0})
			peer.Want(`close 1002 "reserved bits set without an extension"`)
			nc.Close()
		}
	}
}

// A handler that panics does not leave its connection open, whose client would
// wait for an answer that nobody gives: a deferred Close works while a panic
// passes, and the next connection is served.
func TestHandlerThatPanicsLeavesNoConnection(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusInternalError, "")
		if _, _, err = conn.Read(r.Context()); err == nil {
			panic("a bug in the application")
		}
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	for range 3 {
		conn := dial(t, s.URL, nil)
		if err := conn.Write(background, ws.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.Read(background)
		wantEnd(t, err, 1011, 1011)
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
