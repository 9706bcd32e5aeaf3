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
	"github.com/godwit-io/godwit/ws"
)

// rawOn dials a venue.
func rawOn(t *testing.T, v *venue) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(v.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// A client that does not read its stream is cut after WriteTimeout on a loop, too, and
// a publisher does not wait for it.
func TestStreamThatIsNotReadIsCutOnLoops(t *testing.T) {
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		t.Run(accept, func(t *testing.T) {
			h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: 1 << 20}}) // it is slow, and loses nothing
			ended := make(chan End, 1)
			v := serveOnOneLoop(t, h, Options{
				Logger: quiet(), WriteTimeout: 50 * time.Millisecond,
				Observer: &Observer{Ended: func(_ string, end End) { ended <- end }},
			})
			defer v.close()
			conn := rawOn(t, v)
			_ = conn.SetReadBuffer(4 << 10)
			fmt.Fprintf(conn, "GET /channels/chat HTTP/1.1\r\nHost: test\r\nAccept: %s\r\n\r\n", accept)
			response, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatal(response, err)
			}
			payload := []byte(strings.Repeat("x", 60<<10))
			for { // more than the buffers of both kernels take, until it is noticed
				if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: payload}); err != nil {
					t.Fatal(err)
				}
				select {
				case end := <-ended:
					if end != EndSlow {
						t.Errorf("ended as %q", end)
					}
					return
				default:
				}
			}
		})
	}
}

// A client that reads late on a loop gets everything that the history holds, in order.
func TestStreamThatIsReadLateOnLoops(t *testing.T) {
	const published = 900 // below what a history holds, above what a queue does
	h := newHub(t, nil, nil)
	v := serveOnOneLoop(t, h, Options{Logger: quiet()})
	defer v.close()
	conn := rawOn(t, v)
	io.WriteString(conn, "GET /channels/chat HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n")
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(response.Body)
	for line := ""; line != "event: position\n"; {
		if line, err = events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	padding := strings.Repeat("x", 20<<10) // of all, more than the buffers of both kernels take
	for i := range published {
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: fmt.Append(nil, i, padding)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < published; {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if strings.HasPrefix(line, "event: gap") {
			t.Fatalf("a gap after %d", i)
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || !strings.HasSuffix(line, "x\n") {
			continue
		}
		if !strings.HasPrefix(data, fmt.Sprint(i, padding[:5])) {
			t.Fatalf("number %d is %.40q", i, data)
		}
		i++
	}
}

// What loops answer to requests that are not as they should be, and on connections
// that go on.
func TestRequestsOnLoops(t *testing.T) {
	v := serveOnOneLoop(t, newHub(t, nil, nil), Options{Logger: quiet(), BodyBytesMax: 10})
	defer v.close()
	const post = "POST /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\n"
	for _, c := range []struct {
		about, send string
		isHalf      bool // the client ends its side right behind the request
		want        []string
	}{
		{"too much is announced", post + "Content-Length: 1000000\r\n\r\n", false, []string{"HTTP/1.1 413 ", "Connection: close", "body-too-large"}},
		{"a byte too many", post + "Content-Length: 11\r\n\r\nabcdefghijk", false, []string{"HTTP/1.1 413 ", "Connection: close", "body-too-large"}},
		{"half of the connection is closed", post + "Content-Length: 2\r\n\r\nhi", true, []string{"HTTP/1.1 201 ", `{"position":"`}},
		{"two requests at once", post + "Content-Length: 2\r\n\r\nhi" + post + "Connection: close\r\nContent-Length: 2\r\n\r\nho", false, []string{"HTTP/1.1 201 ", `"}` + "\nHTTP/1.1 201 "}},
		{"a read with content", "GET /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi", false, []string{"HTTP/1.1 400 ", "unexpected-body", "Connection: close"}},
		{"HEAD of a stream", "HEAD /channels/chat HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n", false, []string{"HTTP/1.1 200 ", "text/event-stream", "no-transform"}},
		{"HEAD of a page", "HEAD /channels/chat HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", false, []string{"HTTP/1.1 200 ", "Content-Length: "}},
		{"a preflight", "OPTIONS /channels/chat HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: http://test\r\nAccess-Control-Request-Method: POST\r\n\r\n", false,
			[]string{"HTTP/1.1 204 ", "Access-Control-Allow-Origin: http://test", "Allow: GET, HEAD, POST, OPTIONS"}},
		{"another method", "PUT /channels/chat HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", false, []string{"HTTP/1.1 405 ", "Allow: ", "method-not-allowed"}},
		{"presence", "GET /presence/chat HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", false, []string{"HTTP/1.1 200 ", `"count":0`, "Vary: Origin"}},
		{"a page of a foreign origin asks for a stream", "GET /channels/chat HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: http://evil\r\nAccept: text/event-stream\r\n\r\n", false,
			[]string{"HTTP/1.1 403 ", "origin-not-allowed"}},
		{"chunks, which net/http reads", post + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false, []string{"HTTP/1.1 201 "}},
	} {
		conn := rawOn(t, v)
		if _, err := io.WriteString(conn, c.send); err != nil {
			t.Fatal(err)
		}
		if c.isHalf {
			_ = conn.CloseWrite()
		}
		got, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(got), want) {
				t.Errorf("%s: no %q in %q", c.about, want, got)
			}
		}
		if strings.HasPrefix(c.about, "HEAD") && !strings.HasSuffix(string(got), "\r\n\r\n") {
			t.Errorf("%s: there is content: %q", c.about, got)
		}
	}
}

// A publication whose encoding is longer than any fixed bound on waiting data is sent
// also behind others that wait, on a stream and on a WebSocket: a publication taken
// from a session is never refused by the connection.
func TestHugePublicationsOnLoops(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves 180 MB")
	}
	const size = 14 << 20 // six times as long as JSON
	h := newHub(t, nil, &hub.Options{PublicationBytesMax: size, QueueBytesMax: 8 * size})
	v := serveOnOneLoop(t, h, Options{Logger: quiet()})
	defer v.close()
	for _, text := range []string{strings.Repeat("a", 200<<10), strings.Repeat("\x01", size)} {
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	conn := rawOn(t, v)
	io.WriteString(conn, "GET /channels/chat?last=2 HTTP/1.1\r\nHost: test\r\nAccept: application/x-ndjson\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	for _, want := range []int{2, 200 << 10, 6 * size} {
		if line, err := lines.ReadString('\n'); err != nil || len(line) < want {
			t.Fatalf("%d bytes, want %d: %v", len(line), want, err)
		}
	}
	socket, _, err := ws.Dial(t.Context(), v.url+"/channels/chat?envelope=1&last=2", &ws.DialOptions{Options: ws.Options{MessageBytesMax: 8 * size}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	for _, want := range []int{200 << 10, 6 * size} {
		if _, p, err := socket.Read(t.Context()); err != nil || len(p) < want {
			t.Fatalf("%d bytes, want %d: %v", len(p), want, err)
		}
	}
}
