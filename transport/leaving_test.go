package transport

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// tardyGuard is a testGuard that decides at once, a moment later, or later than the client
// waits.
type tardyGuard struct {
	testGuard
	pending sync.WaitGroup
}

// soon calls f now or within two milliseconds, in another goroutine.
func (g *tardyGuard) soon(f func()) {
	g.pending.Add(1)
	time.AfterFunc(rand.N(2*time.Millisecond), func() {
		defer g.pending.Done()
		f()
	})
}

func (g *tardyGuard) Identify(r *Request, done func(*Client, error)) {
	if rand.N(2) == 0 {
		g.testGuard.Identify(r, done)
		return
	}
	g.testGuard.Identify(r, func(c *Client, err error) { g.soon(func() { done(c, err) }) })
}

func (g *tardyGuard) Authorize(c *Client, act *Act, later func(error)) (bool, error) {
	decided, err := g.testGuard.Authorize(c, act, later)
	if rand.N(2) == 0 {
		return decided, err
	}
	g.soon(func() { later(err) })
	return false, nil
}

// A client that was let in leaves once, wherever its request or connection ends: at any
// byte of its input, whatever the Guard has decided by then.
func TestEverybodyLeaves(t *testing.T) {
	t.Parallel() // requests that are never complete are waited for
	clients := 400
	if testing.Short() {
		clients = 60
	}
	const (
		who       = "Host: test\r\nUser: ann\r\nGrants: subscribe mine publish mine history mine\r\n"
		handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		message   = "\x81\x82\x00\x00\x00\x00hi"
	)
	chat := func(method, path, fields, content string) string {
		return method + " " + ChannelsPath + path + " HTTP/1.1\r\n" + who + fields + "\r\n" + content
	}
	texts := []string{
		chat("GET", "mine", handshake, message+message),
		chat("GET", "mine", handshake, message+"\x88\x80\x00\x00\x00\x00"),
		chat("GET", "other", handshake, message),
		chat("GET", "other", handshake+"Origin: http://test\r\n", message),
		chat("GET", "mine", strings.Replace(handshake, "13", "12", 1), ""),
		chat("GET", "mine", handshake+"Origin: http://elsewhere\r\n", ""),
		chat("GET", "mine", "Accept: text/event-stream\r\n", ""),
		chat("GET", "mine", "Accept: application/x-ndjson\r\n", ""),
		chat("GET", "mine", "Prefer: wait=1\r\n", ""),
		chat("HEAD", "mine", "Accept: text/event-stream\r\n", ""),
		chat("GET", "mine", "", "") + chat("GET", "other", "", "") + chat("GET", "mine", "Accept: text/event-stream\r\n", ""),
		chat("POST", "mine", "Content-Length: 5\r\n", "hello") + chat("POST", "other", "Content-Length: 5\r\n", "hello"),
		chat("POST", "mine", "Content-Length: 500\r\n", "too short"),
		chat("POST", "mine", "Content-Length: 5000000\r\n", "too long"),
		chat("POST", "mine", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nnonsense\r\n"),
		chat("POST", "mine", "Transfer-Encoding: chunked\r\n", "2000\r\n"+strings.Repeat("x", 0x2000)+"\r\n0\r\n\r\n"),
	}
	for _, c := range carriers {
		if c.isVirtual || c.name == "HTTP2" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			guard := &tardyGuard{}
			h := newHub(t, nil, nil)
			v := c.serve(t, h, Options{Logger: quiet(), Guard: guard, BodyBytesMax: 4096, BodyTimeout: 20 * time.Millisecond})
			defer guard.pending.Wait() // nobody asks any more then
			defer v.close()
			defer func() { _ = h.Shutdown(t.Context()) }()
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					for i := range clients / 4 {
						text := texts[(worker+i)%len(texts)]
						if rand.N(3) > 0 {
							text = text[:rand.N(len(text)+1)]
						}
						if err := visitBriefly(v, text); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			guard.expectNobody(t)
			if got := h.Stats(); got.Subscriptions != 0 || len(got.Sessions) != 0 {
				t.Errorf("left over: %+v", got)
			}
		})
	}
}

// visitBriefly sends text and leaves: at once, when something has come, or after a moment.
func visitBriefly(v *venue, text string) error {
	nc, err := net.Dial("tcp", strings.TrimPrefix(v.url, "http://"))
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, text); err != nil {
		return nil // it was refused before
	}
	switch rand.N(4) {
	case 0:
		return nil
	case 1:
		_ = nc.(*net.TCPConn).CloseWrite()
	case 2:
		_ = nc.(*net.TCPConn).SetLinger(0)
	}
	_ = nc.SetReadDeadline(time.Now().Add(rand.N(5 * time.Millisecond)))
	_, _ = io.Copy(io.Discard, nc)
	return nil
}

// The same for POSTs over HTTP/2 whose body is refused.
func TestEverybodyLeavesHTTP2(t *testing.T) {
	guard := &tardyGuard{}
	h := newHub(t, nil, nil)
	v := serveHTTP2(t, h, Options{Logger: quiet(), Guard: guard, BodyBytesMax: 4096})
	defer guard.pending.Wait()
	defer v.close()
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, length := range []int{10, 5000, 500_000} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", v.url+ChannelsPath+"mine", strings.NewReader(strings.Repeat("x", length)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"User": {"ann"}, "Grants": {"publish mine"}}
		response, err := v.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if want := map[bool]int{true: 201, false: 413}[length < 4096]; response.StatusCode != want {
			t.Errorf("%d bytes: %s, want %d", length, response.Status, want)
		}
	}
	guard.expectNobody(t)
}
