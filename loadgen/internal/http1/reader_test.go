package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// read takes b apart in pieces of the given sizes, in turn, and writes down what
// it finds.
func read(b []byte, sizes ...int) string {
	var out strings.Builder
	var r Reader
	content := []byte{}
	for i := 0; len(b) > 0; i++ {
		piece := b[:min(len(b), max(1, sizes[i%len(sizes)]))]
		b = b[len(piece):]
		for rest := piece; ; {
			kind, some, n, err := r.Next(rest)
			rest = rest[n:]
			switch {
			case err != nil:
				fmt.Fprintf(&out, "%q\nerror\n", content)
				return out.String()
			case kind == Head:
				p := r.Response()
				fmt.Fprintf(&out, "%d %q %q %q %q %v\n", p.Status, p.Reason, p.ContentType, p.ContentEncoding, p.Location, p.Close)
			case kind == Content:
				content = append(content, some...)
			case kind == End:
				fmt.Fprintf(&out, "%q\n", content)
				content = content[:0]
			}
			if kind == More {
				break
			}
		}
	}
	fmt.Fprintf(&out, "%q %v\n", content, r.Close())
	return out.String()
}

var responses = map[string]struct{ text, want string }{
	"length":       {"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello", "201 \"Created\" \"text/plain\" \"\" \"\" false\n\"hello\"\n\"\" EOF\n"},
	"two":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"ok\"\n204 \"No Content\" \"\" \"\" \"\" false\n\"\"\n\"\" EOF\n"},
	"chunked":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"hello, world!!!\"\n\"\" EOF\n"},
	"line feeds":   {"HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\nContent-Encoding: br\n\n3 \nabc\n0\n\n", "200 \"OK\" \"\" \"br\" \"\" false\n\"abc\"\n\"\" EOF\n"},
	"until close":  {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n", "200 \"OK\" \"text/event-stream\" \"\" \"\" true\n\"data: x\\n\\n\" <nil>\n"},
	"coded":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabcd", "200 \"OK\" \"\" \"\" \"\" true\n\"abcd\" <nil>\n"},
	"both":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"x\"\n\"\" EOF\n"},
	"interim":      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 \"\" \"\" \"\" \"\" false\n\"\"\n\"\" EOF\n"},
	"redirect":     {"HTTP/1.1 307 Temporary Redirect\r\nLocation:  /there \r\nConnection: keep-alive, Close\r\nContent-Length: 0, 0\r\n\r\n", "307 \"Temporary Redirect\" \"\" \"\" \"/there\" true\n\"\"\n\"\" EOF\n"},
	"old":          {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 \"OK\" \"\" \"\" \"\" true\n\"x\"\n\"\" EOF\n"},
	"old, kept":    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx", "200 \"OK\" \"\" \"\" \"\" false\n\"x\"\n\"\" EOF\n"},
	"old, coded":   {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "\"\"\nerror\n"},
	"switched":     {"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n\x81\x00", "101 \"Switching Protocols\" \"\" \"\" \"\" true\n\"\\x81\\x00\" <nil>\n"},
	"cut head":     {"HTTP/1.1 200 OK\r\nContent-Le", "\"\" unexpected EOF\n"},
	"cut content":  {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "200 \"OK\" \"\" \"\" \"\" false\n\"ab\" unexpected EOF\n"},
	"cut chunks":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"ab\" unexpected EOF\n"},
	"no HTTP":      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "\"\"\nerror\n"},
	"HTTP/2":       {"HTTP/2.0 200 OK\r\n\r\n", "\"\"\nerror\n"},
	"status":       {"HTTP/1.1 2x0 OK\r\n\r\n", "\"\"\nerror\n"},
	"low status":   {"HTTP/1.1 099 OK\r\n\r\n", "\"\"\nerror\n"},
	"no field":     {"HTTP/1.1 200 OK\r\nnothing\r\n\r\n", "\"\"\nerror\n"},
	"two lengths":  {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "\"\"\nerror\n"},
	"length list":  {"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n", "\"\"\nerror\n"},
	"bad length":   {"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n", "\"\"\nerror\n"},
	"no length":    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "\"\"\nerror\n"},
	"huge length":  {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "\"\"\nerror\n"},
	"no size":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"\"\nerror\n"},
	"bad size":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1x\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"\"\nerror\n"},
	"huge chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "200 \"OK\" \"\" \"\" \"\" false\n\"\"\nerror\n"},
	"behind chunk": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "200 \"OK\" \"\" \"\" \"\" false\n\"a\"\nerror\n"},
}

// Every response is what it should be, however its bytes are cut.
func TestReader(t *testing.T) {
	for name, c := range responses {
		for _, sizes := range [][]int{{1 << 20}, {1}, {2}, {3}, {1, 7}, {16, 1}} {
			if got := read([]byte(c.text), sizes...); got != c.want {
				t.Errorf("%s in pieces of %v:\n%s\nwant\n%s", name, sizes, got, c.want)
			}
		}
		for i := range len(c.text) {
			if got := read([]byte(c.text), i, 1<<20); i > 0 && got != c.want {
				t.Errorf("%s cut at %d:\n%s\nwant\n%s", name, i, got, c.want)
			}
		}
	}
}

// Each limit: a length at it passes, and one byte more does not.
func TestLimits(t *testing.T) {
	head := func(n int) string {
		const begin, end = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", "\r\n\r\n"
		return begin + strings.Repeat("x", n-len(begin)-len(end)) + end
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	line := func(n int) string { return chunked + "1;" + strings.Repeat("x", n-3) + "\nx\n0\n\n" }
	trailer := func(n int) string { return chunked + "0\n" + strings.Repeat("x: y\n", (n-1)/5) + "\n" }
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"head":           {head(HeadBytesMax), true},
		"longer head":    {head(HeadBytesMax + 1), false},
		"line":           {line(ChunkLineMax), true},
		"longer line":    {line(ChunkLineMax + 1), false},
		"trailer":        {trailer(HeadBytesMax), true},
		"longer trailer": {trailer(HeadBytesMax + 10), false},
	} {
		for _, size := range []int{1 << 20, 1000, 1} {
			if got := read([]byte(c.text), size); strings.HasSuffix(got, "error\n") == c.ok {
				t.Errorf("%s in pieces of %d: %.100s", name, size, got)
			}
		}
	}
	var r Reader
	if _, _, _, err := r.Next([]byte("nonsense\r\n\r\n")); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("%v", err)
	}
}

// A response that comes in one piece costs no memory.
func TestAllocResponse(t *testing.T) {
	var r Reader
	b := []byte("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello")
	if n := testing.AllocsPerRun(100, func() {
		for rest := b; len(rest) > 0; {
			_, _, took, err := r.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[took:]
		}
		if kind, _, _, _ := r.Next(nil); kind != End {
			t.Fatal("no end")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzReader holds it to three things: how the bytes are cut makes no
// difference, it takes all there is, and where net/http understands a response it
// is the same one.
func FuzzReader(f *testing.F) {
	for _, c := range responses {
		f.Add([]byte(c.text), uint8(1), uint8(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, one, other uint8) {
		whole := read(b, 1<<20)
		if got := read(b, int(one), int(other)); got != whole {
			t.Fatalf("%q in pieces of %d and %d:\n%s\nin one:\n%s", b, one, other, got, whole)
		}
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil || response.StatusCode < 200 || strings.HasSuffix(whole, "error\n") {
			return
		}
		content, err := io.ReadAll(response.Body)
		if err != nil {
			return
		}
		if want := fmt.Sprintf("%d ", response.StatusCode); !strings.HasPrefix(whole, want) {
			t.Fatalf("%q\n%s\nand for net/http %s", b, whole, want)
		}
		if _, rest, _ := strings.Cut(whole, "\n"); !strings.HasPrefix(rest, fmt.Sprintf("%q", content)) {
			t.Fatalf("%q\n%s\nand for net/http %q", b, whole, content)
		}
	})
}
