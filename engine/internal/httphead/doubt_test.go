package httphead

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

var doubtful = []struct {
	name, head string
	want       Doubt
}{
	{"GET", "GET /a%2Fb?c=%zz HTTP/1.1\r\nHost: x:80\r\nConnection: keep-alive\r\n\r\n", None},
	{"POST", "POST / HTTP/1.1\r\nHost: [::1]:80\r\ncontent-length: 0012\r\n\r\n", None},
	{"fields that mean nothing here", "GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nX-Upgrade: y\r\nKeep-Alive: 5\r\n\r\n", None},
	{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", Version},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", Version},
	{"preface", "PRI * HTTP/2.0\r\n\r\n", Version},
	{"absolute form", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"authority", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"fragment", "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"percent alone", "GET /% HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"percent without a number", "GET /%2g HTTP/1.1\r\nHost: x\r\n\r\n", Target},
	{"no host", "GET / HTTP/1.1\r\n\r\n", Host},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Host},
	{"host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", Host},
	{"two hosts in one", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", Host},
	{"length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Length},
	{"length as a list", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", Length},
	{"length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", Length},
	{"length in hexadecimal", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n", Length},
	{"empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", Length},
	{"length past 18 digits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n", Length},
	{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", Coding},
	{"chunked and a length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", Coding},
	{"identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", Coding},
	{"trailer", "POST / HTTP/1.1\r\nHost: x\r\nTrailer: X\r\nContent-Length: 1\r\n\r\n", Coding},
	{"expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", Expectation},
	{"upgrade", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n", Upgrade},
}

func TestDoubt(t *testing.T) {
	for _, tt := range doubtful {
		h, _, err := readHead([]byte(tt.head), whole)
		if err != nil || h.Doubt() != tt.want {
			t.Errorf("%s: %v %v, want %v", tt.name, h.Doubt(), err, tt.want)
		}
		if tt.want != None && (h.Doubt().String() == "" || strings.ContainsAny(h.Doubt().String(), "\r\n")) {
			t.Errorf("%s: %q does not fit a response", tt.name, h.Doubt())
		}
	}
	h, _, _ := readHead([]byte(doubtful[1].head), whole)
	if h.ContentLength != 12 {
		t.Errorf("ContentLength is %d", h.ContentLength)
	}
}

func TestClose(t *testing.T) {
	for value, want := range map[string]bool{"close": true, "keep-alive, Close": true, "": false, "closed": false, "x,\tclose ,y": true, "keep-alive": false} {
		h, _, err := readHead([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: "+value+"\r\n\r\n"), whole)
		if err != nil || h.Close != want {
			t.Errorf("%q: %v %v", value, h.Close, err)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := []byte("POST /channels/news HTTP/1.1\r\nHost: x\r\nUser-Agent: curl\r\nAccept: */*\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	h := New()
	if got := testing.AllocsPerRun(100, func() {
		if h.Parse(b) != nil || h.Doubt() != None || h.Get("content-type") != "text/plain" {
			t.Error("it is not understood")
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkParse(b *testing.B) {
	p := []byte("POST /channels/news HTTP/1.1\r\nHost: x\r\nUser-Agent: curl\r\nAccept: */*\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	h := New()
	for b.Loop() {
		_ = h.Parse(p)
	}
}

// FuzzHead: any chunking gives the same, and a head that is understood completely is the
// same request for net/http, to the last byte of its content.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET /x?y=z HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"), uint8(3))
	f.Add([]byte("POST /x HTTP/1.1\r\nHost: z\r\nContent-Length: 3\r\n\r\nabcGET"), uint8(1))
	f.Add([]byte("POST //x/../%41;a=b?%zz HTTP/1.1\r\nHost: z\r\nPragma: no-cache\r\nConnection: a, close\r\n\r\n"), uint8(1))
	for _, tt := range badHeads {
		if len(tt.head) < 1000 {
			f.Add([]byte(tt.head), uint8(2))
		}
	}
	for _, tt := range doubtful {
		f.Add([]byte(tt.head), uint8(5))
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
		if h2.Method != h.Method || h2.Host != h.Host || h2.Doubt() != h.Doubt() || !slices.Equal(h.Fields, h2.Fields) {
			t.Fatalf("whole: %+v, in chunks: %+v", h, h2)
		}
		if h.Doubt() != None || h.ContentLength > 1<<20 {
			return
		}
		agree(t, h, bytes.TrimPrefix(b[:n], []byte("\r\n")), b[n:])
	})
}

// agree has net/http read the request again.
func agree(t *testing.T, h *Head, head, behind []byte) {
	stream := append(bytes.Clone(head), behind...)
	if missing := int(h.ContentLength) - len(behind); missing > 0 {
		stream = append(stream, make([]byte, missing)...)
	}
	from := bytes.NewReader(stream)
	buffered := bufio.NewReader(from)
	r, err := http.ReadRequest(buffered)
	if err != nil {
		t.Fatalf("%q is understood, and net/http says %v", head, err)
	}
	content, err := io.ReadAll(r.Body)
	used := len(stream) - from.Len() - buffered.Buffered()
	if err != nil || len(content) != int(h.ContentLength) || used != len(head)+len(content) {
		t.Fatalf("net/http: %d of content, %d used, %v; here: %+v", len(content), used, err, h)
	}
	if r.Method != h.Method || r.RequestURI != h.Target || r.Host != h.Host || r.Close != h.Close {
		t.Fatalf("net/http: %s %q %q %v, here: %+v", r.Method, r.RequestURI, r.Host, r.Close, h)
	}
	fields := http.Header{}
	for _, f := range h.Fields {
		if !strings.EqualFold(f.Name, "Host") {
			fields.Add(f.Name, f.Value)
		}
	}
	if _, ok := fields["Cache-Control"]; !ok {
		r.Header.Del("Cache-Control") // net/http makes it of Pragma
	}
	for name, values := range fields {
		if !slices.Equal(values, r.Header[name]) {
			t.Fatalf("%s is %q for net/http and %q here", name, r.Header[name], values)
		}
	}
	if len(fields) != len(r.Header) {
		t.Fatalf("net/http has %v, here it is %v", r.Header, fields)
	}
}
