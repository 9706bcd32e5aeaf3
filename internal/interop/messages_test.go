package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// everyByte is one of each.
var everyByte = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// messages are sent in both directions, one after another.
var messages = []struct {
	name   string
	binary bool
	data   string
}{
	{"a word", false, "hello"},
	{"no text", false, ""},
	{"no bytes", true, ""},
	{"every byte", true, everyByte},
	{"what is no UTF-8, as bytes", true, "\xc0\xaf\xed\xa0\x80\xff"},
	{"NUL", false, "\x00"},
	{"first and last of every length of UTF-8", false, "\x01\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"},
	{"a byte order mark", false, "\ufefftext"},
	{"noncharacters and the replacement character", false, "\ufffe\ufffd\ufdd0"},
	{"scripts", false, "Uferschnepfe, γλάρος, кулик, 斑尾塍鷸, 🐦"},
	{"the longest one-byte length", false, strings.Repeat("a", 125)},
	{"the shortest two-byte length", false, strings.Repeat("b", 126)},
	{"the longest two-byte length", true, strings.Repeat("c", 65535)},
	{"the shortest eight-byte length", true, strings.Repeat("d", 65536)},
	{"1 MiB of bytes", true, strings.Repeat(everyByte, 4096)},
	{"1 MiB of text", false, strings.Repeat("Godwit 🐦 ", 1<<20/12)},
}

func testMessages(t *testing.T, p *peer, r role) {
	for _, compressed := range []bool{false, true} {
		var o setting
		if compressed {
			o.peer.Deflate = new(params)
			o.ws.Compression = compression(o.peer.Deflate)
		}
		n, f := connect(t, p, r, o)
		for _, m := range messages {
			t.Run(fmt.Sprintf("%s, compressed %t", m.name, compressed), func(t *testing.T) {
				n.send(t, m.binary, m.data)
				f.wantsMessage(t, m.binary, m.data)
				f.send(m.binary, m.data)
				n.wantsMessage(t, m.binary, m.data)
			})
		}
	}
}

func testFragments(t *testing.T, p *peer, r role) {
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("compressed %t", compressed), func(t *testing.T) {
			o := setting{tapped: true}
			if compressed {
				o.peer.Deflate = new(params)
				o.ws.Compression = compression(o.peer.Deflate)
			}
			n, f := connect(t, p, r, o)
			for _, binary := range []bool{false, true} {
				// Godwit's parts are cut wherever its writer cuts them, here within
				// characters of three bytes, with a ping between.
				text := strings.Repeat("鷸", 7001)
				w, err := n.Writer(background, messageType(binary))
				if err != nil {
					t.Fatal(err)
				}
				for part := range slices.Chunk([]byte(text), 5000) {
					if _, err := w.Write(part); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := n.Ping(background); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if f.traits.tellsPings {
					f.wants(t, "ping")
				}
				f.wantsMessage(t, binary, text)

				parts := []string{"God", "", "w", "it 🐦", strings.Repeat("x", 70_000), "."}
				if f.traits.utf8Parts {
					parts = append(parts, "\xf0\x9f", "\x90", "\xa6")
				}
				f.send(binary, parts...)
				n.wantsMessage(t, binary, strings.Join(parts, ""))

				in, out := n.tap.frames(t)
				want := len(parts)
				if f.traits.emptyLastFrame {
					want++
				}
				wantFragments(t, "the peer's", in, want, compressed)
				wantFragments(t, "godwit's", out, 5, compressed)
				n.tap.forget()
			}
		})
	}
}

// wantFragments checks the frames of the one message there is.
func wantFragments(t *testing.T, whose string, frames []wire.Header, atLeast int, compressed bool) {
	t.Helper()
	frames = slices.DeleteFunc(frames, func(h wire.Header) bool { return h.Opcode.IsControl() })
	if len(frames) < atLeast {
		t.Fatalf("%s message has %d frames, want at least %d", whose, len(frames), atLeast)
	}
	for i, h := range frames {
		if h.Fin != (i == len(frames)-1) || (h.Opcode == wire.Continuation) != (i > 0) || (h.RSV == wire.RSV1) != (compressed && i == 0) {
			t.Errorf("%s frame %d is %+v", whose, i, h)
		}
	}
}

func testPings(t *testing.T, p *peer, r role) {
	n, f := connect(t, p, r, setting{})
	for range 3 {
		rtt, err := n.Ping(background)
		if err != nil || rtt <= 0 || n.Latency() != rtt {
			t.Fatalf("Ping = %v, %v; Latency = %v", rtt, err, n.Latency())
		}
		if f.traits.tellsPings {
			f.wants(t, "ping")
		}
	}
	for _, data := range []string{"", "x", "Godwit", everyByte[:125]} {
		f.do(command{Do: "ping", Data: []byte(data)})
		if ev := f.wants(t, "pong"); string(ev.Data) != data {
			t.Errorf("the peer's ping %s was answered with %s", brief(data), brief(string(ev.Data)))
		}
	}
}

// testManyMessages sends messages both ways at once and misses none.
func testManyMessages(t *testing.T, p *peer, r role) {
	const count = 2000
	for _, compressed := range []bool{false, true} {
		var o setting
		if compressed {
			o.peer.Deflate = new(params)
			o.ws.Compression = compression(o.peer.Deflate)
		}
		n, f := connect(t, p, r, o)
		text := func(from string, i int) string { return fmt.Sprintf("%s %d %s", from, i, strings.Repeat("ab", i%300)) }
		sent := make(chan error, 1)
		go func() {
			for i := range count {
				if err := n.Write(background, ws.MessageText, []byte(text("godwit", i))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range count {
			f.send(false, text("peer", i))
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for i := range count {
			n.wantsMessage(t, false, text("peer", i))
			f.wantsMessage(t, false, text("godwit", i))
		}
	}
}
