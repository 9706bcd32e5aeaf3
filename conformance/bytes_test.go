package conformance

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/wire"
)

// TestFrameEncoding reads back every form of frame that the suite sends.
func TestFrameEncoding(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70_000} {
		for _, masked := range []bool{false, true} {
			f := binaryOf([]byte(pattern(n))).withRSV(wire.RSV2)
			b, size := f.encode(masked, [4]byte{1, 2, 3, 4})
			h, used, err := wire.ParseHeader(b)
			if err != nil || used != size || h.Length != int64(n) || h.Masked != masked || h.RSV != wire.RSV2 || !h.Fin || h.Opcode != wire.Binary {
				t.Fatalf("%d bytes, masked %v: %+v, %d of %d, %v", n, masked, h, used, size, err)
			}
			got, _, payload, err := readFrame(bufio.NewReader(bytes.NewReader(b)))
			if err != nil || got != h || string(payload) != pattern(n) {
				t.Fatalf("%d bytes, masked %v: read back %+v %.20q, %v", n, masked, got, payload, err)
			}
		}
	}
	for _, c := range []struct {
		frame frame
		want  string
	}{
		{text("ab").withWidth(2), "\x81\x7e\x00\x02ab"},
		{text("ab").withWidth(8), "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02ab"},
		{text("").withWidth(8).withClaim(1<<63 | 5), "\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x05"},
		{text("a").withClaim(1 << 20), "\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00a"},
		{closing(1005, "r"), "\x88\x03\x03\xedr"},
		{cont("").more().withRSV(7), "\x70\x00"},
	} {
		if b, _ := c.frame.encode(false, [4]byte{}); string(b) != c.want {
			t.Errorf("%+v is % x and should be % x", c.frame, b, c.want)
		}
	}
}

// TestReadFrameBounds announces much and sends little.
func TestReadFrameBounds(t *testing.T) {
	for b, want := range map[string]string{
		"":                                     "EOF",
		"\x82":                                 "unexpected EOF",
		"\x82\x05ab":                           "unexpected EOF",
		"\x82\x7e\x00\x01a":                    "shortest form",
		"\x82\x7f\xff":                         "most significant bit",
		"\x82\x7f" + strings.Repeat("\x7f", 8): "that anyone asked for",
	} {
		_, _, payload, err := readFrame(bufio.NewReader(strings.NewReader(b)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: the error is %v and should say %q", b, err, want)
		}
		if cap(payload) > 64<<10 {
			t.Errorf("% x: %d bytes were set aside", b, cap(payload))
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, frames := range [][]frame{{text("hello"), ping("p")}, {binaryOf(make([]byte, 300))}, {closing(1000, "bye")}, {text("").withWidth(8)}} {
		var b []byte
		for _, fr := range frames {
			one, _ := fr.encode(true, [4]byte{1, 2, 3, 4})
			b = append(b, one...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		br := bufio.NewReader(bytes.NewReader(b))
		total := 0
		for {
			h, raw, payload, err := readFrame(br)
			total += len(raw) + len(payload)
			if err != nil {
				break
			}
			if int64(len(payload)) != h.Length {
				t.Fatalf("%d bytes of payload where %d were announced", len(payload), h.Length)
			}
			// The bytes that were read are those that stood there.
			again, n := frame{fin: h.Fin, rsv: h.RSV, op: h.Opcode, payload: payload}.encode(h.Masked, h.Mask)
			if n != len(raw) || !bytes.Equal(again, b[total-len(again):total]) {
				t.Fatalf("% x was read as %+v", b, h)
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes were read out of %d", total, len(b))
		}
	})
}

func FuzzParseHead(f *testing.F) {
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nA:\t b \r\n\r\n")
	f.Add("HTTP/1.1 200 OK\n\n")
	f.Add("\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\n: x\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		h, err := readHead(bufio.NewReader(strings.NewReader(raw)), newRecorder(nil))
		if err != nil {
			return
		}
		if !strings.HasPrefix(raw, h.raw) || !strings.HasSuffix(h.raw, "\r\n\r\n") || strings.Count(h.raw, "\r\n") != strings.Count(h.raw, "\n") {
			t.Fatalf("%q was read as a head out of %q", h.raw, raw)
		}
		for name, values := range h.fields {
			for _, v := range values {
				if strings.ContainsAny(name+v, "\r\n\x00") || strings.Trim(v, " \t") != v {
					t.Fatalf("field %q: %q", name, v)
				}
			}
		}
		h.status()
		requestURI(h)
	})
}

// inflateAll is the standard library's answer to inflater.
func inflateAll(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	var out []byte
	for in.Len() > 0 {
		r := flate.NewReaderDict(in, out[max(0, len(out)-1<<15):])
		p, err := io.ReadAll(r)
		out = append(out, p...)
		if err == io.ErrUnexpectedEOF && in.Len() == 0 {
			return out, err
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func TestInflater(t *testing.T) {
	for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.HuffmanOnly} {
		for _, p := range []string{"", "a", pattern(100), pattern(100_000), strings.Repeat("abc", 50_000), mixedText(40_000)} {
			var b bytes.Buffer
			w, err := flate.NewWriter(&b, level)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte(p))
			w.Flush()
			in := inflater{src: b.Bytes(), window: 1 << 15}
			out, err := in.run()
			if err != nil || string(out) != p {
				t.Errorf("level %d, %d bytes: %d came out, %v", level, len(p), len(out), err)
			}
			if in.far > 1<<15 || len(p) == 150_000 && level == flate.BestCompression && in.far == 0 {
				t.Errorf("level %d: the farthest reference is %d", level, in.far)
			}
		}
	}
}

// TestInflaterWindow reads a reference at the edge of every window, and one past it.
func TestInflaterWindow(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		n := 1 << bits
		for _, history := range []bool{false, true} {
			for past := range 2 {
				w := new(bitWriter)
				in := inflater{window: n}
				if history {
					in.history = []byte(pattern(n + 1))
				} else {
					w.stored(pattern(n + 1))
				}
				if n+past > 1<<15 {
					continue // there is no such distance
				}
				in.src = []byte(w.fixed(false).match(3, n+past).end().message() + deflateTail)
				_, err := in.run()
				if (err != nil) != (past == 1) || in.far != n+past {
					t.Errorf("window of %d, distance %d: far is %d, %v", n, n+past, in.far, err)
				}
			}
		}
	}
}

func FuzzInflater(f *testing.F) {
	for _, p := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", "\x00\x05\x00\xfa\xffHello\x00\x00\x00\xff\xff", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00\x00\xff\xff"} {
		f.Add([]byte(p))
	}
	for _, p := range []string{pattern(2000), mixedText(3000)} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestCompression)
		w.Write([]byte(p))
		w.Flush()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		in := inflater{src: b, window: 1 << 15}
		out, err := in.run()
		want, wantErr := inflateAll(b)
		if err == nil {
			// The standard library calls the end after a block that is not final
			// unexpected; here it is the end of a message.
			if wantErr != nil && wantErr != io.ErrUnexpectedEOF || !bytes.Equal(out, want) {
				t.Fatalf("% x: %d bytes came out, and the standard library says %d, %v", b, len(out), len(want), wantErr)
			}
			return
		}
		if wantErr == nil {
			t.Fatalf("% x: %v, and the standard library reads %d bytes", b, err, len(want))
		}
	})
}
