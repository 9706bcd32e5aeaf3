package drivertest

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// The examples of RFC 7692 §7.2.3.
const (
	hello       = "\xf2\x48\xcd\xc9\xc9\x07\x00"     // one block
	helloAgain  = "\xf2\x00\x11\x00\x00"             // refers to the message before
	helloStored = "\x00\x05\x00\xfa\xff\x48ello\x00" // not compressed
	helloFinal  = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00" // with BFINAL set
	helloBlocks = "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"
)

func compressed(op wire.Opcode, p string) part { return marked(wire.RSV1, true, op, p) }

// onItsOwn is a message compressed without what was before it.
func onItsOwn(s string) string { return string((&compressor{}).message([]byte(s))) }

func compressedMessages() []conversation {
	long := strings.Repeat("abcdefghij", 100)
	return []conversation{
		{name: "one block", send: []part{compressed(wire.Text, hello)}, heard: []string{`text "Hello"`}},
		{name: "takeover", send: []part{compressed(wire.Text, hello), compressed(wire.Text, helloAgain)}, heard: []string{`text "Hello"`, `text "Hello"`}},
		{name: "plain messages between", send: []part{compressed(wire.Text, hello), says("plain"), frame(false, wire.Binary, "in "), frame(true, wire.Continuation, "parts"), compressed(wire.Text, helloAgain)},
			heard: []string{`text "Hello"`, `text "plain"`, `binary "in parts"`, `text "Hello"`}},
		{name: "a stored block", send: []part{compressed(wire.Binary, helloStored)}, heard: []string{`binary "Hello"`}},
		{name: "a final block", send: []part{compressed(wire.Text, helloFinal)}, heard: []string{`text "Hello"`}},
		{name: "two blocks", send: []part{compressed(wire.Text, helloBlocks)}, heard: []string{`text "Hello"`}},
		{name: "fragments", send: []part{marked(wire.RSV1, false, wire.Text, hello[:3]), frame(true, wire.Continuation, hello[3:])}, heard: []string{`text "Hello"`}},
		{name: "fragments, empty ones and a ping", send: []part{marked(wire.RSV1, false, wire.Text, ""), frame(false, wire.Continuation, hello[:3]), frame(true, wire.Ping, "p"),
			frame(false, wire.Continuation, hello[3:]), frame(true, wire.Continuation, "")}, heard: []string{`text "Hello"`}, told: []string{`pong "p"`}},
		{name: "empty", send: []part{compressed(wire.Binary, "\x00"), compressed(wire.Text, "\x02\x00")}, heard: []string{`binary ""`, `text ""`}},
		{name: "the limit, inflated", send: []part{compressed(wire.Text, onItsOwn(long))}, heard: []string{quoted("text", long)}},
		{name: "the limit, not compressed", send: []part{says(long)}, heard: []string{quoted("text", long)}},
		{name: "characters across fragments", send: []part{marked(wire.RSV1, false, wire.Text, onItsOwn("€€€")[:2]), frame(true, wire.Continuation, onItsOwn("€€€")[2:])}, heard: []string{`text "€€€"`}},
		{name: "a close frame behind it", send: []part{compressed(wire.Text, hello), closes(4000, "x")}, heard: []string{`text "Hello"`}, told: []string{`close 4000 ""`}, end: `4000 "x", sent 4000`},
	}
}

func compressedFaults() []conversation {
	long := strings.Repeat("abcdefghij", 100)
	return conversationsOf([]fault{
		{"inflated over the limit", []part{compressed(wire.Text, onItsOwn(long+"x"))}, 1009, "inflated message longer than the limit"},
		{"a bomb", []part{compressed(wire.Binary, onItsOwn(strings.Repeat("\x00", 1<<16)))}, 1009, "inflated message longer than the limit"},
		{"plain over the limit", []part{says(long + "x")}, 1009, tooLong},
		{"a frame longer than any that could inflate to the limit", []part{{h: wire.Header{Fin: true, RSV: wire.RSV1, Opcode: wire.Text}, length: 100_000}}, 1009, tooLong},
		{"corrupt", []part{compressed(wire.Binary, "\xff\xff\xff\xff")}, 1007, ""},
		{"a reference to nothing", []part{compressed(wire.Binary, helloAgain[:1]+"\x41\x00\x00")}, 1007, ""},
		{"a stored block of the wrong length", []part{compressed(wire.Binary, "\x00\x05\x00\xfa\xfeHello\x00")}, 1007, ""},
		{"not UTF-8", []part{compressed(wire.Text, onItsOwn("a\xff"))}, 1007, badText},
		{"a character that the end cuts", []part{compressed(wire.Text, onItsOwn("\xe2\x82"))}, 1007, badText},
		{"RSV1 of a continuation", []part{frame(false, wire.Text, "a"), begins(0xc0, 0x00)}, 1002, reservedBits},
		{"RSV1 of a continuation of a compressed message", []part{marked(wire.RSV1, false, wire.Text, hello), begins(0xc0, 0x00)}, 1002, reservedBits},
		{"RSV1 of a ping", []part{begins(0xc9, 0x00)}, 1002, reservedBits},
		{"RSV1 of a close frame", []part{begins(0xc8, 0x00)}, 1002, reservedBits},
		{"RSV2 of a compressed message", []part{begins(0xe1, 0x00)}, 1002, reservedBits},
	})
}

func compressionRows() []row {
	limits := Options{MessageBytesMax: 1000, FragmentsMax: 10, Compression: &deflate.Options{}}
	deflating := func(s *scene) func(behind []byte) *peer {
		return func(behind []byte) *peer {
			return s.upgrade(behind, "Sec-WebSocket-Extensions: permessage-deflate")
		}
	}
	rows := []row{
		{"compression/messages", 0, func(s *scene) { s.options = limits; s.converseAll(compressedMessages(), deflating(s)) }},
		{"compression/faults", 0, func(s *scene) { s.options = limits; s.converseAll(compressedFaults(), deflating(s)) }},
		{"compression/declined", 0, compressionDeclined},
		{"compression/every way of writing", 0, compressesEveryWay},
	}
	for _, v := range [][2]string{
		{"takeover", ""}, {"no takeover from it", "; OWN_no_context_takeover"}, {"no takeover to it", "; OTHER_no_context_takeover"},
		{"no takeover", "; OWN_no_context_takeover; OTHER_no_context_takeover"}, {"a window of 8 bits", "; OWN_max_window_bits=8"},
		{"a window of 9 bits and no takeover", "; OWN_max_window_bits=9; OWN_no_context_takeover"},
	} {
		rows = append(rows, row{"compression/echoes with " + v[0], 0, func(s *scene) { echoesCompressed(s, s.own(v[1])) }})
	}
	return rows
}

// own replaces OWN by the driver's role, and OTHER by the suite's.
func (s *scene) own(parameters string) string {
	if s.d.Client {
		return strings.NewReplacer("OWN", "client", "OTHER", "server").Replace(parameters)
	}
	return strings.NewReplacer("OWN", "server", "OTHER", "client").Replace(parameters)
}

// A peer that does not want compression gets plain messages, and takes no others.
func compressionDeclined(s *scene) {
	s.message = s.echo
	fields := []string{"Sec-WebSocket-Extensions: permessage-deflate"}
	if s.d.Client {
		fields = nil // it has not offered, and so nothing may be accepted
	}
	p, _ := s.meet(fields...)
	if !s.d.Client && p.extensions != "" {
		s.Errorf("it agrees to %q", p.extensions)
	}
	long := strings.Repeat("the same again, ", 100)
	p.Text(long)
	p.Want(quoted("text", long))
	p.Raw(compressed(wire.Text, hello).encode(!s.d.Client))
	p.wantCode(1002)
	p.Hangup()
	s.ends(1006, 1002)
}

// echoesCompressed has messages of all kinds compressed both ways, each in
// fragments of several sizes, with what the parameters say about their context.
func echoesCompressed(s *scene, parameters string) {
	s.options.Compression, s.options.FragmentsMax = &deflate.Options{}, 20_000
	s.message = s.echo
	p, _ := s.meetDeflate(parameters)
	in, out := p.codecs()
	rnd := rand.New(rand.NewPCG(9, 9))
	noise := make([]byte, 50_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	shrunk := false
	for round := range 2 {
		for i, m := range [][]byte{
			nil, []byte("short"), []byte("short"), bytes.Repeat([]byte("the same again, "), 6000), noise,
			bytes.Repeat([]byte(`{"a":1},`), 100), make([]byte, 1<<20), []byte(strings.Repeat("ends with text €", 20)),
		} {
			input := p.fragments(out.message(m), []int{1 << 30, 1000, 77}[(i+round)%3])
			sent := spawn(func() error {
				_, err := p.nc.Write(input)
				return err
			})
			f, err := p.Receive()
			if err != nil {
				s.Fatal(err)
			}
			got := []byte(f.Payload)
			if f.Header.RSV&wire.RSV1 != 0 {
				if got, err = in.message(got); err != nil {
					s.Fatalf("round %d, message %d cannot be inflated: %v", round, i, err)
				}
				shrunk = true
			}
			if !bytes.Equal(got, m) {
				s.Fatalf("round %d, message %d: %d bytes came back as %d", round, i, len(m), len(got))
			}
			if len(f.Payload) > len(m) {
				s.Errorf("message %d of %d bytes is sent in %d", i, len(m), len(f.Payload))
			}
			if err := <-sent; err != nil {
				s.Fatal(err)
			}
		}
	}
	if !shrunk {
		s.Error("nothing was compressed")
	}
	p.leave()
}

// Messages compressed in advance, in a queue, and as they are written go between
// each other, and the peer inflates all of them.
func compressesEveryWay(s *scene) {
	s.options.Compression = &deflate.Options{}
	for _, parameters := range []string{"", "; OWN_no_context_takeover", "; OWN_max_window_bits=8"} {
		p, c := s.meetDeflate(s.own(parameters))
		in, _ := p.codecs()
		shared := strings.Repeat("prepared once, sent to many; ", 20)
		for i := range 5 {
			for name, m := range map[string]Message{"prepared": text(shared), "own": text(fmt.Sprintf("%s own %d", shared, i)), "queued": binary(shared + "queued")} {
				write := map[string]func(Message) error{"prepared": c.WritePrepared, "own": c.Write, "queued": c.Enqueue}[name]
				if err := write(m); err != nil {
					s.Fatal(err)
				}
				f, err := p.Receive()
				if err != nil || f.Header.RSV != wire.RSV1 || f.Header.Opcode != m.Op {
					s.Fatalf("%s: %v, %v", name, f, err)
				}
				if got, err := in.message([]byte(f.Payload)); err != nil || string(got) != string(m.Data) {
					s.Fatalf("%s: %.60q, %v", name, got, err)
				}
			}
		}
		p.leave()
	}
}

// fragments is a compressed message in frames of at most size bytes.
func (p *peer) fragments(payload []byte, size int) (b []byte) {
	op, rsv := wire.Binary, wire.RSV1
	for {
		n := min(size, len(payload))
		last := n == len(payload)
		b = append(b, marked(rsv, last, op, string(payload[:n])).encode(!p.s.d.Client)...)
		if payload = payload[n:]; last {
			return b
		}
		op, rsv = wire.Continuation, 0
	}
}

// codecs are the peer's ends of both directions, as was agreed.
func (p *peer) codecs() (in *decompressor, out *compressor) {
	from, to := "server", "client"
	if p.s.d.Client {
		from, to = to, from
	}
	in = &decompressor{window: 1 << 15, takeover: !strings.Contains(p.extensions, from+"_no_context_takeover")}
	var bits int
	if _, after, ok := strings.Cut(p.extensions, from+"_max_window_bits="); ok {
		_, _ = fmt.Sscan(after, &bits)
		in.window = 1 << bits
	}
	// The standard library's window is always of 15 bits, so to is not limited.
	return in, &compressor{takeover: !strings.Contains(p.extensions, to+"_no_context_takeover")}
}

// compressor makes the payloads of compressed messages (RFC 7692 §7.2.1).
type compressor struct {
	takeover bool
	w        *flate.Writer
	b        bytes.Buffer
}

func (c *compressor) message(p []byte) []byte {
	c.b.Reset()
	if c.w == nil || !c.takeover {
		c.w, _ = flate.NewWriter(&c.b, flate.BestSpeed) // the level is one
	}
	_, _ = c.w.Write(p) // into memory
	_ = c.w.Flush()
	return bytes.TrimSuffix(bytes.Clone(c.b.Bytes()), []byte("\x00\x00\xff\xff"))
}

// decompressor reads them, and remembers no more than was agreed.
type decompressor struct {
	takeover bool
	window   int
	before   []byte
}

func (d *decompressor) message(p []byte) ([]byte, error) {
	const end = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff" // of the message, and of everything
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(p), strings.NewReader(end)), d.before)
	message, err := io.ReadAll(r)
	if d.takeover {
		d.before = append(d.before, message...)
		d.before = bytes.Clone(d.before[max(0, len(d.before)-d.window):])
	}
	return message, err
}
