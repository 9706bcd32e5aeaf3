package httphead

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// readHead reads a head in the chunks that next cuts.
func readHead(b []byte, next func(rest int) int) (h *Head, n int, err error) {
	var cut Cut
	for end := 0; end < len(b) && n == 0 && err == nil; {
		end += next(len(b) - end)
		n, err = cut.Next(b[:end:end], BytesMax)
	}
	if err != nil || n == 0 {
		return nil, 0, err
	}
	h = New()
	return h, n, h.Parse(b[cut.Start:n])
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
		if h.Method != "GET" || h.Host != "user" || h.Path != "/a?b" || h.Major != 1 || h.Minor != 1 {
			t.Errorf("%+v", h)
		}
		if h.Get("UPGRADE") != "WebSocket" || h.Get("origin") != "a" || h.Get("none") != "" {
			t.Errorf("%q", h.Fields)
		}
		if want := []Field{{"Host", "x:80"}, {"upgrade", "WebSocket"}, {"X-Empty", ""}, {"X-Bytes", "€"}, {"Origin", "a"}, {"ORIGIN", "b"}}; !slices.Equal(h.Fields, want) {
			t.Errorf("%q", h.Fields)
		}
	}
}

var badHeads = []struct {
	name, head string
	want       error
}{
	{"TLS", "\x16\x03\x01\x02\x00", ErrStart},
	{"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", ErrStart},
	{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", ErrLineEnd},
	{"LF first", "GET / HTTP/1.1\r\nHost: x\r\n\n", ErrLineEnd},
	{"two spaces", "GET  / HTTP/1.1\r\n\r\n", ErrRequest},
	{"space behind", "GET / HTTP/1.1 \r\n\r\n", ErrRequest},
	{"no version", "GET /\r\n\r\n", ErrRequest},
	{"version of three digits", "GET / HTTP/1.10\r\n\r\n", ErrRequest},
	{"method that is no token", "G@T / HTTP/1.1\r\n\r\n", ErrRequest},
	{"CR in the target", "GET /\ra HTTP/1.1\r\n\r\n", ErrRequest},
	{"target past ASCII", "GET /\xff HTTP/1.1\r\n\r\n", ErrRequest},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", ErrName},
	{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", ErrName},
	{"no name", "GET / HTTP/1.1\r\n: x\r\n\r\n", ErrName},
	{"folded line", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", ErrName},
	{"NUL in a value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", ErrValue},
	{"CR in a value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", ErrValue},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", ErrHost},
	{"one byte too many", sizedHead(BytesMax + 1), ErrTooLarge},
	{"too large and without an end", sizedHead(BytesMax + 1)[:BytesMax+1], ErrTooLarge},
	{"one field too many", manyFields(FieldsMax + 1), ErrTooLarge},
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
		"bytes at the limit": sizedHead(BytesMax), "fields at the limit": manyFields(FieldsMax),
		"empty line before": "\r\nGET / HTTP/1.1\r\n\r\n", "HTTP/1.0": "GET / HTTP/1.0\r\n\r\n", "preface": "PRI * HTTP/2.0\r\n\r\n",
	} {
		if _, n, err := readHead([]byte(good), whole); err != nil || n != len(good) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}
