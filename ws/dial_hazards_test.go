//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// What a server, a proxy or the text of a stranger may try with Dial. The table
// in docs/hazards.md says which test is for what.

// dialScript dials a server in memory that reads the request and then does what
// script says, with the response's head up to its own fields in hand.
func dialScript(o ws.DialOptions, script func(nc *wstest.Wire, head string)) (*ws.Conn, *http.Response, error) {
	var server sync.WaitGroup
	defer server.Wait()
	o.Proxy = noProxy
	o.NetDial = func(context.Context, string, string) (net.Conn, error) {
		near, far := wstest.Pipe(nil)
		server.Go(func() {
			r, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				far.Close()
				return
			}
			script(far, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
				handshake.AcceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n")
		})
		return near, nil
	}
	return ws.Dial(background, "ws://app.example/", &o)
}

// The head of a response may have 64 KiB: that passes, also byte by byte, and
// one more does not, nor a head that never ends, whatever it is made of.
func TestResponseHeadLimit(t *testing.T) {
	const limit = 64 << 10
	for _, v := range []struct {
		name             string
		size             int // of the whole head
		filler           string
		bytewise, passes bool
	}{
		{"the limit", limit, "x", false, true},
		{"the limit, byte by byte", limit, "x", true, true},
		{"one more", limit + 1, "x", false, false},
		{"one more, byte by byte", limit + 1, "x", true, false},
		{"a megabyte in one line", 1 << 20, "x", false, false},
		{"a megabyte in many lines", 1 << 20, "x\r\nX: ", false, false},
		{"a megabyte of spaces", 1 << 20, " ", false, false},
	} {
		var conn *ws.Conn
		var err error
		size := allocated(func() {
			conn, _, err = dialScript(ws.DialOptions{}, func(nc *wstest.Wire, head string) {
				head += "X: "
				fill := v.size - len(head) - len("\r\n\r\n")
				head += strings.Repeat(v.filler, fill/len(v.filler)) + strings.Repeat("y", fill%len(v.filler)) + "\r\n\r\n"
				step := len(head)
				if v.bytewise {
					step = 1
				}
				for rest := []byte(head); len(rest) > 0; rest = rest[step:] {
					if _, err := nc.Write(rest[:step]); err != nil {
						break
					}
				}
			})
		})
		if v.passes != (err == nil) || err != nil && !strings.Contains(err.Error(), "longer than 65536 bytes") {
			t.Errorf("%s: %v", v.name, err)
		}
		if size > 16<<20 {
			t.Errorf("%s: %d bytes were allocated", v.name, size)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// The head may have 256 fields, of any name; one more is refused, and so are as
// many as 64 KiB hold.
func TestResponseFieldsLimit(t *testing.T) {
	const limit, ours = 256, 3
	for _, v := range []struct {
		fields int
		format string
		passes bool
	}{
		{limit - ours, "X-%d: y\r\n", true},
		{limit - ours, "X: %d\r\n", true},
		{limit - ours + 1, "X-%d: y\r\n", false},
		{limit - ours + 1, "X: %d\r\n", false},
		{5000, "%d:\r\n", false},
	} {
		conn, _, err := dialScript(ws.DialOptions{}, func(nc *wstest.Wire, head string) {
			for i := range v.fields {
				head += fmt.Sprintf(v.format, i)
			}
			_, _ = io.WriteString(nc, head+"\r\n")
		})
		if v.passes != (err == nil) || err != nil && !strings.Contains(err.Error(), "more than 256 fields") {
			t.Errorf("%d fields of the form %q: %v", v.fields, v.format, err)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// A server that drips its response is given up on at the handshake's time, to
// the moment, however alive it looks.
func TestDrippedResponseObeysTheHandshakeTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			conn, _, err := dialScript(ws.DialOptions{HandshakeTimeout: timeout}, func(nc *wstest.Wire, head string) {
				for i := 0; ; i++ {
					if _, err := nc.Write([]byte{head[i%len(head)]}); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
			if timeout == 0 {
				timeout = ws.DefaultHandshakeTimeout
			}
			if conn != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", conn, err)
			}
			// The dripping peer notices at its next byte.
			if took := time.Since(start); took < timeout || took > timeout+100*time.Millisecond {
				t.Errorf("given up after %v", took)
			}
		})
	}
}

// Frames right behind the server's response are read, whatever their size.
func TestEarlyFramesOfTheServer(t *testing.T) {
	for _, size := range []int{0, 1, 4000, 4096, 10_000, 60_000} {
		want := strings.Repeat("e", size)
		conn, _, err := dialScript(ws.DialOptions{}, func(nc *wstest.Wire, head string) {
			b := wire.AppendFrame([]byte(head+"\r\n"), true, wire.Text, []byte(want))
			_, _ = nc.Write(wire.AppendFrame(b, true, wire.Text, []byte("second")))
			nc.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		read(t, conn, ws.MessageText, want)
		read(t, conn, ws.MessageText, "second")
		conn.CloseNow()
	}
}

// An answer that a server may not give to an offer fails the handshake.
func TestAnswersThatWereNotOffered(t *testing.T) {
	compressing := ws.Options{Compression: &deflate.Options{}}
	for _, v := range []struct {
		name, fields string
		passes       bool
	}{
		{"nothing", "", true},
		{"compression", "Sec-WebSocket-Extensions: permessage-deflate\r\n", true},
		{"the least bits", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8; server_max_window_bits=8\r\n", true},
		{"bits of 99", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n", false},
		{"bits of 08", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=08\r\n", false},
		{"bits of 7", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7\r\n", false},
		{"bits of 16", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16\r\n", false},
		{"empty bits", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\r\n", false},
		{"empty quoted bits", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\"\"\r\n", false},
		{"bits without a value", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", false},
		{"server bits without a value", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits\r\n", false},
		{"twice the bits", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; server_max_window_bits=9\r\n", false},
		{"an unknown parameter", "Sec-WebSocket-Extensions: permessage-deflate; x\r\n", false},
		{"an unknown extension", "Sec-WebSocket-Extensions: x-unknown\r\n", false},
		{"twice the extension", "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n", false},
		{"an open quote", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"9\r\n", false},
		{"spaces without end", "Sec-WebSocket-Extensions: permessage-deflate;" + strings.Repeat(" ", 60_000) + "\r\n", false},

		{"a subprotocol", "Sec-WebSocket-Protocol: chat\r\n", true},
		{"another subprotocol", "Sec-WebSocket-Protocol: other\r\n", false},
		{"another case of it", "Sec-WebSocket-Protocol: Chat\r\n", false},
		{"both subprotocols", "Sec-WebSocket-Protocol: chat, talk\r\n", false},
		{"two lines of it", "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", false},
		{"an empty subprotocol", "Sec-WebSocket-Protocol: \r\n", false},
		{"a second accept", "Sec-WebSocket-Accept: x\r\n", false},
	} {
		o := ws.DialOptions{Options: compressing, Subprotocols: []string{"chat", "talk"}}
		conn, _, err := dialScript(o, func(nc *wstest.Wire, head string) {
			_, _ = io.WriteString(nc, head+v.fields+"\r\n")
			nc.Close()
		})
		if v.passes != (err == nil) {
			t.Errorf("%s: %v", v.name, err)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// relay is a proxy that connects every client to target, whatever it asks for.
type relay struct {
	l       net.Listener
	serving sync.WaitGroup
	asked   atomic.Int64
}

// newRelay starts a relay. accept does a proxy's part of the opening.
func newRelay(t *testing.T, l net.Listener, target string, accept func(nc net.Conn) error) *relay {
	t.Helper()
	r := &relay{l: l}
	r.serving.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			r.serving.Go(func() {
				defer in.Close()
				if accept(in) != nil {
					return
				}
				r.asked.Add(1)
				out, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer out.Close()
				back := make(chan struct{})
				go func() { io.Copy(in, out); in.Close(); close(back) }()
				io.Copy(out, in)
				out.Close()
				<-back
			})
		}
	})
	t.Cleanup(func() { l.Close(); r.serving.Wait() })
	return r
}

// acceptCONNECT answers the request of an HTTP client, read byte by byte so that
// nothing behind it is taken.
func acceptCONNECT(nc net.Conn) error {
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b...) {
		if _, err := nc.Read(b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
	return err
}

// acceptSOCKS answers a SOCKS5 client without a password (RFC 1928).
func acceptSOCKS(nc net.Conn) error {
	b := make([]byte, 300)
	if _, err := io.ReadFull(nc, b[:2]); err != nil {
		return err
	}
	if _, err := io.ReadFull(nc, b[:b[1]]); err != nil {
		return err
	}
	nc.Write([]byte{5, 0})
	if _, err := io.ReadFull(nc, b[:5]); err != nil {
		return err
	}
	rest := map[byte]int{1: 4 - 1, 3: int(b[4]), 4: 16 - 1}[b[3]] + 2
	if _, err := io.ReadFull(nc, b[:rest]); err != nil {
		return err
	}
	_, err := nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return err
}

// The certificate must be for the host of the URL, over every way to get there.
// Another host at the other end sees neither request nor credentials.
func TestCertificateOfAnotherHost(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "https://wrong.test/", http.StatusFound)
			return
		}
		echo(nil).ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()

	listen := func(secure bool) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			l = tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates})
		}
		return l
	}
	viaHTTP := newRelay(t, listen(false), address, acceptCONNECT)
	viaHTTPS := newRelay(t, listen(true), address, acceptCONNECT)
	viaSOCKS := newRelay(t, listen(false), address, acceptSOCKS)
	for _, way := range []struct {
		name  string
		proxy string
		relay *relay
	}{
		{"directly", "", nil},
		{"through an HTTP proxy", "http://" + viaHTTP.l.Addr().String(), viaHTTP},
		{"through an HTTPS proxy", "https://" + viaHTTPS.l.Addr().String(), viaHTTPS},
		{"through a SOCKS5 proxy", "socks5://" + viaSOCKS.l.Addr().String(), viaSOCKS},
	} {
		o := &ws.DialOptions{TLSConfig: roots(s), ProxyTLSConfig: roots(s), Proxy: noProxy}
		if way.proxy == "" {
			o.NetDial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		} else {
			o.Proxy = through(t, way.proxy)
		}
		requests.Store(0)
		echoes(t, dial(t, "wss://example.com/", o)) // the name that the certificate is for
		if requests.Swap(0) != 1 || way.relay != nil && way.relay.asked.Load() != 1 {
			t.Errorf("%s: the right host was not reached that way", way.name)
		}
		for _, host := range []string{"wrong.test", "example.com.wrong.test", "wrong-example.com", "localhost", "127.0.0.2", "[::2]"} {
			if err := dialError("wss://ada:secret@"+host+"/", o); !isHostnameError(err) {
				t.Errorf("%s to %s: %v", way.name, host, err)
			}
		}
		if n := requests.Load(); n != 0 {
			t.Errorf("%s: %d requests reached another host", way.name, n)
		}
		if err := dialError("wss://example.com/redirect", o); !isHostnameError(err) {
			t.Errorf("%s, after a redirect: %v", way.name, err)
		}
	}

	// And the certificate of the proxy itself.
	_, port, _ := net.SplitHostPort(viaHTTPS.l.Addr().String())
	asked := viaHTTPS.asked.Load()
	o := &ws.DialOptions{TLSConfig: roots(s), ProxyTLSConfig: roots(s), Proxy: through(t, "https://ada:secret@localhost:"+port)}
	if err := dialError("wss://example.com/", o); !isHostnameError(err) || viaHTTPS.asked.Load() != asked {
		t.Errorf("a proxy's certificate for another host: %v", err)
	}
}

// dialError dials and leaves nothing open, should that succeed.
func dialError(target string, o *ws.DialOptions) error {
	conn, _, err := ws.Dial(background, target, o)
	if conn != nil {
		conn.CloseNow()
	}
	return err
}

func isHostnameError(err error) bool {
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}

// careless is a jar that returns cookies as it was told them.
type careless []*http.Cookie

func (careless) SetCookies(*url.URL, []*http.Cookie) {}
func (c careless) Cookies(*url.URL) []*http.Cookie   { return c }

// CR, LF and NUL in whatever a caller may have taken from a stranger: nothing is
// sent that has one, neither to the server nor to a proxy in front of it.
func TestNothingIsInjected(t *testing.T) {
	log.SetOutput(io.Discard) // net/http says there what it took out of a cookie
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	const evil = "\r\nEvil: yes\r\n\r\nGET /smuggled HTTP/1.1"
	breaks := []string{"\r\nEvil: yes", "\nEvil: yes", "\rEvil: yes", "\x00Evil: yes", evil}
	for _, b := range breaks {
		for name, v := range map[string]struct {
			url string
			o   ws.DialOptions
		}{
			"subprotocol":       {"ws://app.example/", ws.DialOptions{Subprotocols: []string{"chat" + b}}},
			"second one":        {"ws://app.example/", ws.DialOptions{Subprotocols: []string{"chat", b}}},
			"field value":       {"ws://app.example/", ws.DialOptions{Header: http.Header{"X-Name": {"a" + b}}}},
			"field name":        {"ws://app.example/", ws.DialOptions{Header: http.Header{"X-Name" + b: {"a"}}}},
			"credentials":       {"ws://app.example/", ws.DialOptions{Header: http.Header{"Authorization": {"Bearer x" + b}}}},
			"origin":            {"ws://app.example/", ws.DialOptions{Header: http.Header{"Origin": {"http://a" + b}}}},
			"cookie field":      {"ws://app.example/", ws.DialOptions{Header: http.Header{"Cookie": {"a=b" + b}}}},
			"cookie value":      {"ws://app.example/", ws.DialOptions{Jar: careless{{Name: "a", Value: "b" + b}}}},
			"cookie name":       {"ws://app.example/", ws.DialOptions{Jar: careless{{Name: "a" + b, Value: "b"}}}},
			"path":              {"ws://app.example/chat" + b, ws.DialOptions{}},
			"query":             {"ws://app.example/?q=" + b, ws.DialOptions{}},
			"host":              {"ws://app.example" + b + "/", ws.DialOptions{}},
			"port":              {"ws://app.example:80" + b + "/", ws.DialOptions{}},
			"user":              {"ws://ada" + b + "@app.example/", ws.DialOptions{}},
			"encoded path":      {"ws://app.example/" + percent(b), ws.DialOptions{}},
			"encoded query":     {"ws://app.example/?q=" + percent(b), ws.DialOptions{}},
			"encoded host":      {"ws://app.example" + percent(b) + "/", ws.DialOptions{}},
			"encoded zone":      {"ws://[fe80::1%25" + percent(b) + "]/", ws.DialOptions{}},
			"encoded user":      {"ws://ada" + percent(b) + ":secret" + percent(b) + "@app.example/", ws.DialOptions{}},
			"Host as a field":   {"ws://app.example/", ws.DialOptions{Header: http.Header{"Host": {"evil.example"}}}},
			"a field of ours":   {"ws://app.example/", ws.DialOptions{Header: http.Header{"Sec-Websocket-Key": {"mine"}}}},
			"Transfer-Encoding": {"ws://app.example/", ws.DialOptions{Header: http.Header{"Transfer-Encoding": {"chunked"}}}},
		} {
			for _, proxy := range []string{"", "http://ada" + percent(b) + ":x" + percent(b) + "@proxy.example:3128"} {
				checkInjection(t, fmt.Sprintf("%s with %.8q, proxy %.12q", name, b, proxy), v.url, v.o, proxy)
			}
		}
	}
}

// percent is s with every byte percent-encoded.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// checkInjection dials and looks at what was sent, if anything was.
func checkInjection(t *testing.T, name, target string, o ws.DialOptions, proxy string) {
	t.Helper()
	o.Proxy = noProxy
	if proxy != "" {
		o.Proxy = through(t, proxy)
	}
	var sent bytes.Buffer
	var server sync.WaitGroup
	o.NetDial = func(context.Context, string, string) (net.Conn, error) {
		near, far := wstest.Pipe(nil)
		server.Go(func() {
			defer far.Close()
			tee := bufio.NewReader(io.TeeReader(far, &sent))
			if proxy != "" {
				if r, err := http.ReadRequest(tee); err != nil || r.Method != "CONNECT" {
					return
				}
				io.WriteString(far, "HTTP/1.1 200 OK\r\n\r\n")
			}
			if _, err := http.ReadRequest(tee); err == nil {
				io.WriteString(far, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			}
		})
		return near, nil
	}
	conn, _, err := ws.Dial(background, target, &o)
	if err == nil {
		conn.CloseNow()
		t.Fatalf("%s: connected to a server that refuses", name)
	}
	server.Wait()
	for _, line := range strings.Split(sent.String(), "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || strings.HasPrefix(line, "Evil") || strings.HasPrefix(line, "GET /smuggled") ||
			strings.HasPrefix(line, "Transfer-Encoding") || strings.HasPrefix(line, "Host: evil") {
			t.Errorf("%s: the line %q was sent", name, line)
		}
	}
	// Each refusal came before anything was sent to the server.
	if ends := strings.Count(sent.String(), "\r\n\r\n"); ends > 2 || proxy == "" && ends > 1 {
		t.Errorf("%s: %d heads were sent:\n%s", name, ends, &sent)
	}
}
