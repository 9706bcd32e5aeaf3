package engine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// readHead reads a head in the chunks that next cuts.
func readHead(b []byte, next func(rest int) int) (h *head, n int, err error) {
	var cut headCut
	for end := 0; end < len(b) && n == 0 && err == nil; {
		end += next(len(b) - end)
		n, err = cut.next(b[:end:end])
	}
	if err != nil || n == 0 {
		return nil, 0, err
	}
	h = newHead()
	return h, n, h.parse(b[cut.start:n])
}

func whole(rest int) int { return rest }
func bytewise(int) int   { return 1 }

func TestHead(t *testing.T) {
	request := "GET http://user/a?b HTTP/1.1\r\nHost: x:80\r\nupgrade:\t WebSocket \r\nX-Empty:\r\nX-Bytes: \xe2\x82\xac\r\nOrigin: a\r\nORIGIN: b\r\n\r\nbehind"
	for name, cut := range map[string]func(int) int{"whole": whole, "bytewise": bytewise} {
		h, n, err := readHead([]byte(request), cut)
		if err != nil || n != len(request)-len("behind") {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		if h.method != "GET" || h.host != "user" || h.path != "/a?b" || h.major != 1 || h.minor != 1 {
			t.Errorf("%+v", h)
		}
		if got := fmt.Sprint(h.known["Upgrade"], h.known["Origin"], len(h.known["Connection"])); got != "[WebSocket] [a b] 0" {
			t.Error(got)
		}
		if want := []headField{{"Host", "x:80"}, {"upgrade", "WebSocket"}, {"X-Empty", ""}, {"X-Bytes", "€"}, {"Origin", "a"}, {"ORIGIN", "b"}}; !slices.Equal(h.fields, want) {
			t.Errorf("%q", h.fields)
		}
	}
}

var badHeads = []struct {
	name, head string
	want       error
}{
	{"TLS", "\x16\x03\x01\x02\x00", errHeadStart},
	{"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", errHeadStart},
	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", errHeadLineEnd},
	{"LF first", "GET / HTTP/1.1\r\nHost: x\r\n\n", errHeadLineEnd},
	{"two spaces", "GET  / HTTP/1.1\r\n\r\n", errHeadRequest},
	{"space behind", "GET / HTTP/1.1 \r\n\r\n", errHeadRequest},
	{"no version", "GET /\r\n\r\n", errHeadRequest},
	{"version of three digits", "GET / HTTP/1.10\r\n\r\n", errHeadRequest},
	{"method that is no token", "G@T / HTTP/1.1\r\n\r\n", errHeadRequest},
	{"CR in the target", "GET /\ra HTTP/1.1\r\n\r\n", errHeadRequest},
	{"target past ASCII", "GET /\xff HTTP/1.1\r\n\r\n", errHeadRequest},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", errHeadName},
	{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", errHeadName},
	{"no name", "GET / HTTP/1.1\r\n: x\r\n\r\n", errHeadName},
	{"folded line", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", errHeadName},
	{"NUL in a value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", errHeadValue},
	{"CR in a value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", errHeadValue},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", errHeadHost},
	{"one byte too many", sizedHead(headBytesMax + 1), errHeadTooLarge},
	{"too large and without an end", sizedHead(headBytesMax + 1)[:headBytesMax+1], errHeadTooLarge},
	{"one field too many", manyFields(headFieldsMax + 1), errHeadTooLarge},
}

// sizedHead is a head of n bytes.
func sizedHead(n int) string {
	const start, end = "GET / HTTP/1.1\r\nX: ", "\r\n\r\n"
	return start + strings.Repeat("x", n-len(start)-len(end)) + end
}

func manyFields(n int) string {
	return "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", n) + "\r\n"
}

func TestBadHeads(t *testing.T) {
	for _, tt := range badHeads {
		for name, cut := range map[string]func(int) int{"whole": whole, "bytewise": bytewise} {
			if _, _, err := readHead([]byte(tt.head), cut); !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: %v, want %v", tt.name, name, err, tt.want)
			}
		}
	}
	for name, good := range map[string]string{
		"bytes at the limit": sizedHead(headBytesMax), "fields at the limit": manyFields(headFieldsMax),
		"empty line before": "\r\nGET / HTTP/1.1\r\n\r\n", "HTTP/1.0": "GET / HTTP/1.0\r\n\r\n", "preface": "PRI * HTTP/2.0\r\n\r\n",
	} {
		if _, n, err := readHead([]byte(good), whole); err != nil || n != len(good) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// FuzzHead: any chunking gives the same, and what is accepted is understood by
// net/http in the same way.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET /x?y=z HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"), uint8(3))
	f.Add([]byte("GET http://x/y HTTP/1.1\r\nHost: z\r\n\r\nbehind"), uint8(1))
	for _, tt := range badHeads {
		if len(tt.head) < 1000 {
			f.Add([]byte(tt.head), uint8(2))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, chunk uint8) {
		b = bytes.Clone(b)
		h, n, err := readHead(b, whole)
		h2, n2, err2 := readHead(b, func(rest int) int { return min(rest, int(chunk)+1) })
		if n != n2 && err == nil && err2 == nil || err == nil != (err2 == nil) {
			t.Fatalf("whole: %d %v, in chunks: %d %v", n, err, n2, err2)
		}
		if err != nil || h == nil {
			return
		}
		if h2.method != h.method || h2.host != h.host || !slices.Equal(h.fields, h2.fields) {
			t.Fatalf("whole: %+v, in chunks: %+v", h, h2)
		}
		if h.method != "GET" || h.major != 1 || h.minor != 1 || h.target[0] != '/' {
			return // never an opening handshake that is in order; net/http has rules of its own for them
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(b[:n], []byte("\r\n")))))
		if err != nil {
			return // it knows more that is wrong, of URLs and of content
		}
		if r.Method != h.method || r.RequestURI != h.target || r.Host != h.host {
			t.Fatalf("net/http: %s %q %q, here: %+v", r.Method, r.RequestURI, r.Host, h)
		}
		for name, values := range h.known {
			if name != "Content-Length" && name != "Transfer-Encoding" && !slices.Equal(values, r.Header[name]) {
				t.Fatalf("%s is %q for net/http and %q here", name, r.Header[name], values)
			}
		}
	})
}
