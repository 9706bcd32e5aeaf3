package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// A client that does not read is cut after WriteTimeout, on every carrier, and
// publications do not wait for it.
func TestClientThatDoesNotReadIsCut(t *testing.T) {
	const stream = "GET /channels/chat HTTP/1.1\r\nHost: test\r\nAccept: "
	for name, request := range map[string]string{
		"sse":    stream + "text/event-stream\r\n\r\n",
		"ndjson": stream + "application/x-ndjson\r\n\r\n",
		"websocket": stream + "*/*\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, siteOptions{
				transport: Options{WriteTimeout: 50 * time.Millisecond},
				hub:       hub.Options{Retention: hub.Retention{Count: 1 << 20}}, // it is slow, and loses nothing
			})
			conn := s.dial().(*net.TCPConn)
			_ = conn.SetReadBuffer(4 << 10)
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
			if err != nil || response.StatusCode >= 400 {
				t.Fatal(response, err)
			}
			// More than the buffers of both kernels take, until it is noticed.
			payload := strings.Repeat("x", 60<<10)
			for cut := false; !cut; {
				s.publish("chat", hub.Text, payload)
				var end End
				if end, cut = s.ended.take(); cut && end != EndSlow {
					t.Errorf("ended as %q", end)
				}
			}
			s.expectGone()
		})
	}
}

// A page is as large as a client asks for; a client that does not take it is cut too.
func TestPageThatIsNotReadIsCut(t *testing.T) {
	delivered := func(_ string, n, bytes int, _ time.Duration) {
		t.Errorf("%d publications of %d bytes were delivered to a client that did not read", n, bytes)
	}
	s := newSite(t, siteOptions{transport: Options{
		WriteTimeout: 50 * time.Millisecond,
		PageBytesMax: 32 << 20,
		Observer:     &Observer{Delivered: delivered},
	}})
	for range 400 { // more than the buffers of both kernels take
		s.publish("chat", hub.Text, strings.Repeat("x", 60<<10))
	}
	conn := s.dial().(*net.TCPConn)
	_ = conn.SetReadBuffer(4 << 10)
	if _, err := io.WriteString(conn, "GET /channels/chat?limit=1000 HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-s.handled
}

// exchange sends raw bytes and returns what comes back until the server closes.
func (s *site) exchange(send string) string {
	s.t.Helper()
	conn := s.dial()
	if _, err := io.WriteString(conn, send); err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

func TestBodies(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{BodyBytesMax: 10, BodyTimeout: 100 * time.Millisecond}})
	const post = "POST /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\n"
	for _, test := range []struct {
		about, request string
		want           []string
	}{
		{"announced over the limit, and never sent", post + "Content-Length: 1000000000\r\n\r\n", []string{"413", "Connection: close", "body-too-large"}},
		{"announced over the limit, and asking first", post + "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n", []string{"HTTP/1.1 413"}},
		{"asking first", post + "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", []string{"HTTP/1.1 100 Continue", "HTTP/1.1 201"}},
		{"over the limit in chunks", post + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n", []string{"413", "Connection: close"}},
		{"up to the limit in chunks", post + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n4\r\nghij\r\n0\r\n\r\n", []string{"201", `{"position":"`}},
		{"stalls", post + "Content-Length: 5\r\n\r\nab", []string{"408", "Connection: close", "body-timeout"}},
		{"malformed chunks", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", []string{"400", "Connection: close", "broken-body"}},
	} {
		got := s.exchange(test.request)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: answered %q, want %q in it", test.about, got, want)
			}
		}
	}
	if _, body := s.do("GET", "/channels/chat", nil, ""); strings.Count(body, `"data"`) != 2 {
		t.Errorf("published: %s", body)
	}
	s.expectGone()
}

// slowBroker takes its time to publish.
type slowBroker struct {
	hub.Broker
	takes time.Duration
}

func (b *slowBroker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	time.AfterFunc(b.takes, func() { b.Broker.Publish(m, r, to, ticket) })
}

// BodyTimeout is for the body, not for what is done with it.
func TestBodyTimeoutIsLifted(t *testing.T) {
	const timeout = 50 * time.Millisecond
	for _, http2 := range []bool{false, true} {
		s := newSite(t, siteOptions{
			transport: Options{BodyTimeout: timeout},
			broker:    &slowBroker{newBroker(), 4 * timeout},
			http2:     http2,
		})
		if r, body := s.do("POST", "/channels/chat", nil, "x"); r.StatusCode != 201 {
			t.Errorf("%s: answered %s: %s", r.Proto, r.Status, body)
		}
	}
}

// What common clients send that is no fault of theirs.
func TestLenientRequests(t *testing.T) {
	s := newSite(t, siteOptions{})
	const end = " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
	for _, test := range []struct{ about, request, want string }{
		{"several gateways send chunks with a GET", "GET /channels/chat" + end + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200"},
		{"but not with content", "GET /channels/chat" + end + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "unexpected-body"},
		{"Python's requests have no type", "POST /channels/chat" + end + "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 201"},
		{"a byte order mark before JSON", "POST /channels/chat" + end + "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n\ufeff[1]\n", "HTTP/1.1 201"},
		{"a form with a file", "POST /channels/chat" + end + "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1\r\n\r\nx", "several parts"},
		{"an address that is not ours to judge", "GET /channels/chat?utm=a;b&c=100%" + end + "\r\n", "HTTP/1.1 200"},
	} {
		if got := s.exchange(test.request); !strings.Contains(got, test.want) {
			t.Errorf("%s: answered %q, want %q in it", test.about, got, test.want)
		}
	}
	if _, body := s.do("GET", "/channels/chat", nil, ""); !strings.Contains(body, `"data":"hello"`) || !strings.Contains(body, `"data":[1]`) {
		t.Errorf("published: %s", body)
	}
}

// A request that is refused does not keep its goroutine until its body has come.
func TestRefusedBodyIsNotAwaited(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{BodyTimeout: 50 * time.Millisecond}})
	for _, request := range []string{
		"PUT /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n",
		"GET /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n",
		"POST /channels/a//b HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n",
		"POST /channels/chat HTTP/1.1\r\nHost: test\r\nOrigin: https://evil.net\r\nContent-Length: 5\r\n\r\n",
		"POST /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /presence/chat HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		if got := s.exchange(request); !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("%q is answered %q", request, got)
		}
	}
}

// Frames right behind a handshake that fails must not be taken for a request.
func TestRefusedUpgradeIsClosed(t *testing.T) {
	s := newSite(t, siteOptions{})
	const smuggled = "POST /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx"
	const upgrade = "HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, request := range []string{
		"GET /channels/a//b " + upgrade + "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET /channels/chat?since=x " + upgrade + "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET /channels/chat?last=x " + upgrade + "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET /channels/chat " + upgrade + "Sec-WebSocket-Version: 8\r\n\r\n",
		"GET /channels/chat " + upgrade + "Sec-WebSocket-Version: 13\r\nOrigin: https://evil.net\r\n\r\n",
	} {
		if got := s.exchange(request + smuggled); strings.Count(got, "HTTP/1.1") != 1 || !strings.Contains(got, "Connection: close") {
			t.Errorf("%q is answered %q", request, got)
		}
	}
	if _, body := s.do("GET", "/channels/chat", nil, ""); !strings.Contains(body, `"publications":[]`) {
		t.Errorf("published: %s", body)
	}
}

// Frames right behind a handshake that succeeds are messages.
func TestEarlyFrames(t *testing.T) {
	s := newSite(t, siteOptions{})
	conn := s.dial()
	request := []byte("GET /channels/chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	request = wire.AppendMaskedFrame(request, true, wire.Text, [4]byte{1, 2, 3, 4}, []byte("early"))
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	want := string(wire.AppendFrame(nil, true, wire.Text, []byte("early")))
	readUntil(t, in, want)
	conn.Close()
	s.expectEnd(EndClient)
	s.expectGone()
}

func TestObserver(t *testing.T) {
	type report struct {
		transport string
		n, bytes  int
		live      bool
	}
	delivered := make(chan report, 100)
	published := make(chan report, 100)
	s := newSite(t, siteOptions{hub: hub.Options{Observer: &hub.Observer{
		Published: func(transport string, bytes int, took time.Duration) {
			if transport != "" { // by the hub: no client's doing
				published <- report{transport, 1, bytes, took >= 0}
			}
		},
	}}, transport: Options{Observer: &Observer{
		Delivered: func(transport string, n, bytes int, latency time.Duration) {
			delivered <- report{transport, n, bytes, latency >= 0}
		},
	}}})
	expect := func(from chan report, want report) {
		t.Helper()
		if got := <-from; got != want {
			t.Errorf("reported %+v, want %+v", got, want)
		}
	}
	s.publish("chat", hub.Text, "old")
	s.do("POST", "/channels/chat", fields{"Idempotency-Key", "k"}, "12345")
	expect(published, report{Post, 1, 5, true})
	s.do("POST", "/channels/chat", fields{"Idempotency-Key", "k"}, "12345")

	// Two that were there before the client: no latency is reported.
	_, body := s.do("GET", "/channels/chat?last=2", nil, "")
	items := strings.Index(body, "],") - strings.Index(body, "[") - len("[")
	expect(delivered, report{Page, 2, items, false})

	c := s.socket("/channels/chat")
	c.send(text, "1234")
	expect(published, report{WebSocket, 1, 4, true})
	expect(delivered, report{WebSocket, 1, 2 + 4, true})
	_ = c.conn.CloseNow()
	s.expectEnd(EndClient)

	stream := s.open("/channels/chat", fields{"Accept", "text/event-stream"})
	at := s.publish("chat", hub.Text, "1234")
	expect(delivered, report{SSE, 1, len(fmt.Sprintf("id: %s\ndata: 1234\n\n", at)), true})
	stream.Body.Close()
	s.expectEnd(EndClient)
	if len(published) != 0 || len(delivered) != 0 {
		t.Errorf("%d and %d more reports", len(published), len(delivered))
	}
}
