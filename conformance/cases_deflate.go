package conformance

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

func deflateCases() []Case {
	list := append(compressedCases(), takeoverCases()...)
	list = append(list, vectorCases()...)
	list = append(list, corruptCases()...)
	list = append(list, bombCases()...)
	list = append(list, offerCases()...)
	return append(list, answerCases()...)
}

// compressing is script on a connection with permessage-deflate, offered as
// browsers do, and no parameters but those that the peer wants.
func compressing(steps ...step) func(*session) {
	return compressingOn("client_max_window_bits", "", steps...)
}

// compressingOn is compressing with parameters: those that the suite offers to a
// server, and those that it answers a client with.
func compressingOn(offer, answer string, steps ...step) func(*session) {
	return func(s *session) {
		t := terms{offer: withParams(offer)}
		if s.role == Client {
			var missing string
			if t.answer, missing = s.answerTo(answer); missing != "" {
				s.unsupported("%s", missing)
				return
			}
		}
		s.openWith(t)
		if s.over {
			return
		}
		if s.agreed == nil {
			s.unsupported("the server declines %s", t.offer)
			return
		}
		s.take(steps...)
		s.goodbye()
	}
}

func withParams(params string) string {
	if params == "" {
		return deflateName
	}
	return deflateName + "; " + params
}

// answerTo returns an answer to the client's offer that has params and what the
// offer demands, or what the offer lacks.
func (s *session) answerTo(params string) (answer, missing string) {
	offers, err := handshake.ParseExtensions(s.request.fields["Sec-Websocket-Extensions"])
	if err != nil {
		return "", "the client's offer is malformed"
	}
	wanted, err := handshake.ParseExtensions([]string{withParams(params)})
	if err != nil {
		return "", err.Error()
	}
	w, err := parseDeflate(wanted[0], false)
	if err != nil {
		return "", err.Error()
	}
	missing = "the client does not offer permessage-deflate"
	for _, e := range offers {
		if e.Name != deflateName {
			continue
		}
		o, err := parseDeflate(e, true)
		switch {
		case err != nil:
			missing = "the client's offer: " + err.Error()
			continue
		case w.client.bitsGiven && !o.client.bitsGiven:
			missing = "the client does not offer client_max_window_bits"
			continue
		}
		answer = withParams(params)
		if o.client.noTakeover && !w.client.noTakeover {
			answer += "; client_no_context_takeover" // need not be repeated, and mostly is
		}
		if o.server.noTakeover && !w.server.noTakeover {
			answer += "; server_no_context_takeover"
		}
		if o.server.bitsGiven && !w.server.bitsGiven {
			answer += fmt.Sprintf("; server_max_window_bits=%d", o.server.bits)
		} else if w.server.bits > o.server.bits {
			missing = "the client offers a smaller server_max_window_bits"
			continue
		}
		return answer, ""
	}
	return "", missing
}

// sendsCompressed compresses a message and sends it in n fragments.
func sendsCompressed(op wire.Opcode, payload string, n int) step {
	return func(s *session) {
		s.send(compressedIn(op, string(s.agreed.compress([]byte(payload))), n)...)
	}
}

// compressedIn is a compressed message in n fragments; the first has RSV1.
func compressedIn(op wire.Opcode, payload string, n int) []frame {
	size := (len(payload) + n - 1) / n
	frames := fragmentsOf(op, parts(payload, max(size, 1))...)
	frames[0] = frames[0].withRSV(wire.RSV1)
	return frames
}

// echoesCompressed sends a compressed message and wants it back.
func echoesCompressed(op wire.Opcode, payload string) step {
	return func(s *session) { s.take(sendsCompressed(op, payload, 1), wantsMessage(op, payload)) }
}

// inflated is a compressed frame with a payload that was made by hand.
func inflated(payload string) frame { return text(payload).withRSV(wire.RSV1) }

// compressedCases are about compressed messages as such.
func compressedCases() []Case {
	var list []Case
	add := func(id, section, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: both, play: play})
	}
	for _, n := range []int{0, 1, 2, 100, 125, 126, 1000, 65535, 65536, 200_000} {
		for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
			add(fmt.Sprintf("%s-%d", op, n), "RFC 7692 §7.2", fmt.Sprintf("a compressed %s message of %s is echoed", op, byteCount(n)),
				compressing(echoesCompressed(op, pattern(n))))
		}
	}
	add("random", "RFC 7692 §7.2", "a compressed message that compression makes longer is echoed", compressing(func(s *session) {
		b := make([]byte, 50_000)
		for i := range b {
			b[i] = byte(s.random.Uint32())
		}
		s.take(echoesCompressed(wire.Binary, string(b)))
	}))
	add("repetitive", "RFC 7692 §7.2", "60 KB of one letter are echoed, or refused with 1009",
		compressing(sendsCompressed(wire.Text, strings.Repeat("a", 60_000), 1), wantsEchoOrLimit(wire.Text, strings.Repeat("a", 60_000))))
	add("multilingual", "RFC 7692 §7.2", "compressed text with characters of every length is echoed",
		compressing(echoesCompressed(wire.Text, mixedText(20_000))))
	add("not-compressed", "RFC 7692 §6.1", "a message that is not compressed is echoed though compression was agreed on",
		compressing(echoes(text("plain")), echoes(binaryOf([]byte("plain")))))
	add("mixed", "RFC 7692 §6.1", "compressed messages and others alternate", compressing(
		echoesCompressed(wire.Text, "one one one"), echoes(text("two")), echoesCompressed(wire.Binary, "one one three"), echoes(binaryOf(nil)), echoesCompressed(wire.Text, "one one one")))
	for _, n := range []int{2, 3, 10, 1000} {
		add(fmt.Sprintf("fragments-%d", n), "RFC 7692 §6.1", fmt.Sprintf("a compressed message in %d fragments is echoed", n),
			compressing(sendsCompressed(wire.Text, pattern(5000), n), wantsText(pattern(5000))))
	}
	add("fragments-empty", "RFC 7692 §6.1", "a compressed message with empty fragments, also the first and the last, is echoed", compressing(func(s *session) {
		p := string(s.agreed.compress([]byte("hello, hello")))
		frames := fragmentsOf(wire.Text, "", p[:2], "", p[2:], "")
		frames[0] = frames[0].withRSV(wire.RSV1)
		s.take(sends(frames...), wantsText("hello, hello"))
	}))
	add("fragments-ping", "RFC 7692 §6.1", "a ping between the fragments of a compressed message is answered and not compressed", compressing(func(s *session) {
		frames := compressedIn(wire.Text, string(s.agreed.compress([]byte("hello, hello"))), 2)
		s.take(sends(frames[0], ping("p"), frames[1]), wantsBoth("p", wire.Text, "hello, hello"))
	}))
	add("bytewise", "RFC 7692 §6.1", "a compressed message that arrives byte by byte is echoed", compressing(func(s *session) {
		s.sendIn(1, compressedIn(wire.Text, string(s.agreed.compress([]byte(pattern(300)))), 3)...)
	}, wantsText(pattern(300))))

	for _, c := range []struct {
		id, section, what string
		frames            []frame
	}{
		{"rsv1-ping", "RFC 7692 §6", "RSV1 on a ping", []frame{ping("p").withRSV(wire.RSV1)}},
		{"rsv1-pong", "RFC 7692 §6", "RSV1 on a pong", []frame{pong("p").withRSV(wire.RSV1)}},
		{"rsv1-close", "RFC 7692 §6", "RSV1 on a close frame", []frame{closing(wire.CloseNormal, "").withRSV(wire.RSV1)}},
		{"rsv1-continuation", "RFC 7692 §6.1", "RSV1 on the second fragment of a message that is not compressed", []frame{text("a").more(), cont("\x00").withRSV(wire.RSV1)}},
		{"rsv1-continuation-compressed", "RFC 7692 §6.1", "RSV1 on the second fragment of a compressed message", []frame{inflated("\xf2\x48\xcd").more(), cont("\xc9\xc9\x07\x00").withRSV(wire.RSV1)}},
		{"rsv1-orphan", "RFC 6455 §5.4", "RSV1 on a continuation frame with no message to continue", []frame{cont("\x00").withRSV(wire.RSV1)}},
		{"rsv2", "RFC 6455 §5.2", "RSV2", []frame{text("a").withRSV(wire.RSV2)}},
		{"rsv3", "RFC 6455 §5.2", "RSV3", []frame{text("a").withRSV(wire.RSV3)}},
		{"rsv-all", "RFC 6455 §5.2", "all reserved bits", []frame{inflated("\xf2\x48\xcd\xc9\xc9\x07\x00").withRSV(7)}},
	} {
		add(c.id, c.section, c.what+" is refused though compression was agreed on",
			compressing(sends(c.frames...), wantsFault(wire.CloseProtocolError)))
	}
	for _, b := range badText {
		if strings.HasPrefix(b.name, "overlong-") || strings.HasPrefix(b.name, "lead-") || strings.HasPrefix(b.name, "cut-") {
			continue
		}
		add("utf8-"+b.name, "RFC 6455 §8.1", "compressed text with "+b.what+" is refused with 1007",
			compressing(sendsCompressed(wire.Text, "ok "+b.s, 1), wantsFault(wire.CloseInvalidPayload)))
	}
	add("utf8-fragmented", "RFC 6455 §8.1", "compressed bad text in fragments is refused with 1007",
		compressing(sendsCompressed(wire.Text, "ok \xed\xa0\x80", 4), wantsFault(wire.CloseInvalidPayload)))
	add("utf8-binary", "RFC 6455 §5.6", "compressed binary that is not UTF-8 is echoed",
		compressing(echoesCompressed(wire.Binary, "ok \xff\xfe")))
	return list
}

// takeoverCases are about what one message may refer to of those before it.
func takeoverCases() []Case {
	var list []Case
	add := func(id, section, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: both, play: play})
	}
	same := func(n int) []step {
		steps := make([]step, n)
		for i := range steps {
			steps[i] = echoesCompressed(wire.Text, pattern(3000))
		}
		return steps
	}
	add("takeover-same", "RFC 7692 §7.1.1", "the same message ten times, each referring to the last if that was agreed on, is echoed", compressing(same(10)...))
	add("takeover-drift", "RFC 7692 §7.1.1", "200 messages that slide through the window are echoed", compressing(func(s *session) {
		all := pattern(300_000)
		for i := range 200 {
			s.take(echoesCompressed(wire.Text, all[i*700:i*700+2000]))
		}
	}))
	add("takeover-plain-between", "RFC 7692 §7.2.2", "a message that is not compressed does not become part of the window", compressing(
		echoesCompressed(wire.Text, pattern(500)), echoes(text(strings.Repeat("z", 500))), echoesCompressed(wire.Text, pattern(500))))
	add("takeover-anew", "RFC 7692 §7.1.1", "a sender may begin anew with each message though takeover was agreed on", compressing(func(s *session) {
		for range 5 {
			s.agreed.writer = nil
			s.take(echoesCompressed(wire.Text, pattern(3000)))
		}
	}))
	add("takeover-none-server", "RFC 7692 §7.1.1.1", "with server_no_context_takeover the server's messages stand alone",
		compressingOn("server_no_context_takeover", "server_no_context_takeover", same(5)...))
	add("takeover-none-client", "RFC 7692 §7.1.1.2", "with client_no_context_takeover the client's messages stand alone",
		compressingOn("client_no_context_takeover", "client_no_context_takeover", same(5)...))
	add("takeover-none", "RFC 7692 §7.1.1", "without context takeover on either side all messages stand alone",
		compressingOn("server_no_context_takeover; client_no_context_takeover", "server_no_context_takeover; client_no_context_takeover", same(5)...))

	// Bits that come again at distances beyond every smaller window.
	far := func(bits int) string {
		var b strings.Builder
		unit := pattern(150)
		for i := range 12 {
			b.WriteString(unit)
			b.WriteString(strings.Repeat(fmt.Sprint("<", i, ">"), 40<<min(i, 7)/4))
		}
		return b.String()[:min(b.Len(), 4<<bits+4096)]
	}
	for bits := 8; bits <= 15; bits++ {
		add(fmt.Sprintf("window-server-%d", bits), "RFC 7692 §7.1.2.1", fmt.Sprintf("with server_max_window_bits=%d the server refers back by at most %d bytes", bits, 1<<bits),
			compressingOn(fmt.Sprintf("server_max_window_bits=%d", bits), fmt.Sprintf("server_max_window_bits=%d", bits),
				takesWindow, echoesCompressed(wire.Text, far(bits)), echoesCompressed(wire.Text, far(bits)), saysHowFar))
		add(fmt.Sprintf("window-client-%d", bits), "RFC 7692 §7.1.2.2", fmt.Sprintf("with client_max_window_bits=%d the client refers back by at most %d bytes", bits, 1<<bits),
			compressingOn(fmt.Sprintf("client_max_window_bits=%d", bits), fmt.Sprintf("client_max_window_bits=%d", bits),
				takesWindow, echoesCompressed(wire.Text, far(bits)), echoesCompressed(wire.Text, far(bits)), saysHowFar))
	}
	add("window-both-9", "RFC 7692 §7.1.2", "windows of 512 bytes in both directions are kept to",
		compressingOn("server_max_window_bits=9; client_max_window_bits=9", "server_max_window_bits=9; client_max_window_bits=9",
			takesWindow, echoesCompressed(wire.Text, far(9)), echoesCompressed(wire.Text, far(12)), saysHowFar))
	return list
}

// takesWindow sends a message that is not compressed. A client that cannot do
// with the window it was told must fail the connection (RFC 7692 §7).
func takesWindow(s *session) {
	if s.role == Server {
		return // it has chosen the window itself
	}
	s.send(text("agreed"))
	for !s.over {
		switch a := s.next(0); {
		case a.kind == aPing, a.kind == aPong:
			continue
		case a.kind == aMessage && string(a.payload) == "agreed":
		case a.kind == aClose, a.kind == anEnd:
			s.unsupported("the client fails the connection: it does not have a window of that size")
		default:
			s.fail("%s came instead of the message", &a)
		}
		return
	}
}

// saysHowFar adds to the log what the peer made of its window.
func saysHowFar(s *session) {
	s.log.remark("the peer referred back by at most %d bytes", s.agreed.far)
}

// vectorCases are payloads made by hand: those of RFC 7692 §7.2.3, and symbols
// at the edges of what DEFLATE has.
func vectorCases() []Case {
	var list []Case
	add := func(id, section, checks, want string, payloads ...string) {
		list = append(list, Case{ID: "vector-" + id, Checks: checks + " is understood", Section: section, roles: both, play: compressing(func(s *session) {
			if len(want) > 32768 && s.agreed.own().bits < 15 {
				s.unsupported("the peer wants a smaller window")
				return
			}
			for _, p := range payloads {
				s.take(sends(inflated(p)), wantsText(want))
			}
		})})
	}
	add("hello", "RFC 7692 §7.2.3.1", "a message in one block, as in the specification", "Hello", "\xf2\x48\xcd\xc9\xc9\x07\x00")
	add("stored", "RFC 7692 §7.2.3.3", "a block without compression, as in the specification", "Hello", "\x00\x05\x00\xfa\xffHello\x00")
	add("final", "RFC 7692 §7.2.3.4", "a block with BFINAL, as in the specification", "Hello", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")
	add("final-twice", "RFC 7692 §7.2.3.4", "a message after one whose block had BFINAL", "Hello", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00")
	add("two-blocks", "RFC 7692 §7.2.3.5", "a message in two blocks, as in the specification", "Hello", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")
	add("empty", "RFC 7692 §7.2.3.6", "an empty message, as in the specification", "", "\x00")
	add("empty-fixed", "RFC 7692 §7.2.3.6", "an empty block with the fixed codes", "", "\x02\x00")
	add("stored-many", "RFC 1951 §3.2.4", "a thousand empty blocks before the text", "Hello", strings.Repeat("\x00\x00\x00\xff\xff", 1000)+"\xf2\x48\xcd\xc9\xc9\x07\x00")
	add("longest-match", "RFC 1951 §3.2.5", "the longest match there is, of 258 bytes", strings.Repeat("a", 259), new(bitWriter).fixed(false).literal("a").match(258, 1).end().message())
	add("longest-match-other", "RFC 1951 §3.2.5", "a match of 257 bytes, the most with extra bits", strings.Repeat("ab", 130)[:259], new(bitWriter).fixed(false).literal("ab").match(257, 2).end().message())
	add("farthest-match", "RFC 1951 §3.2.5", "the farthest match there is, by 32768 bytes", pattern(32768)+pattern(258), new(bitWriter).stored(pattern(32768)).fixed(false).match(258, 32768).end().message())
	add("far-match", "RFC 1951 §3.2.5", "a match by 32767 bytes", pattern(32768)+pattern(259)[1:], new(bitWriter).stored(pattern(32768)).fixed(false).match(258, 32767).end().message())
	list = append(list,
		Case{ID: "vector-shared-window", Section: "RFC 7692 §7.2.3.2", roles: both,
			Checks: "a message that refers to the one before it, as in the specification, is understood",
			play: compressing(func(s *session) {
				if s.agreed.own().noTakeover {
					s.unsupported("the peer wants no context takeover")
					return
				}
				s.take(sends(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00")), wantsText("Hello"), sends(inflated("\xf2\x00\x11\x00\x00")), wantsText("Hello"))
			})},
		Case{ID: "vector-farthest-takeover", Section: "RFC 7692 §7.1.1", roles: both,
			Checks: "a message that refers by 32768 bytes into the one before it is understood",
			play: compressing(func(s *session) {
				if s.agreed.own().noTakeover || s.agreed.own().bits < 15 {
					s.unsupported("the peer wants no context takeover, or a smaller window")
					return
				}
				s.take(sends(inflated(new(bitWriter).stored(pattern(32768)).message())), wantsText(pattern(32768)),
					sends(inflated(new(bitWriter).fixed(false).match(200, 32768).end().message())), wantsText(pattern(200)))
			})},
		Case{ID: "vector-fragments", Section: "RFC 7692 §7.2.3.1", roles: both,
			Checks: "a compressed message in two fragments, as in the specification, is understood",
			play:   compressing(sends(inflated("\xf2\x48\xcd").more(), cont("\xc9\xc9\x07\x00")), wantsText("Hello"))})
	return list
}

// corruptCases send what no inflater may accept.
func corruptCases() []Case {
	oversubscribed := new(bitWriter).block(false, 2).bits(0, 5).bits(0, 5).bits(15, 4)
	for range 19 {
		oversubscribed.bits(1, 3)
	}
	// The first code length is to repeat the one before it, and there is none.
	repeats := new(bitWriter).block(false, 2).bits(0, 5).bits(0, 5).bits(0, 4).bits(1, 3).bits(0, 3).bits(0, 3).bits(1, 3).bits(1, 1).bits(0, 2)
	var list []Case
	for _, c := range []struct {
		id, what, payload string
	}{
		{"block-type", "a block of the reserved type", "\x06\x00"},
		{"block-type-final", "a final block of the reserved type", "\x07\x00"},
		{"stored-complement", "a stored block whose length and complement do not match", "\x00\x05\x00\x00\x00Hello\x00"},
		{"stored-short", "a stored block with less than it announces", "\x00\x64\x00\x9b\xffHe"},
		{"plain", "text that was never compressed", "Hello, this is not compressed"},
		{"distance-beyond", "a reference to before the beginning", new(bitWriter).fixed(false).literal("abc").match(3, 4).end().message()},
		{"distance-first", "a reference before there is anything", new(bitWriter).fixed(false).match(3, 1).end().message()},
		{"distance-far", "a reference by 32768 bytes in a message of three", new(bitWriter).fixed(false).literal("abc").match(3, 32768).end().message()},
		{"distance-symbol", "a distance symbol that is not defined", new(bitWriter).fixed(false).literal("abc").symbol(257).code(30, 5).end().message()},
		{"length-symbol", "a length symbol that is not defined", new(bitWriter).fixed(false).literal("abc").symbol(286).code(0, 5).end().message()},
		{"code-oversubscribed", "a Huffman code with more codes than fit", oversubscribed.message()},
		{"code-repeats-nothing", "code lengths that repeat what is not there", repeats.message()},
		{"ones", "nothing but ones", strings.Repeat("\xff", 100)},
	} {
		list = append(list, Case{ID: "corrupt-" + c.id, Section: "RFC 7692 §7.2.2", roles: both,
			Checks: "compressed data with " + c.what + " fail the connection",
			play:   compressing(sends(inflated(c.payload)), wantsFault(wire.CloseInvalidPayload, wire.CloseProtocolError))},
			Case{ID: "corrupt-later-" + c.id, Section: "RFC 7692 §7.2.2", roles: both,
				Checks: "compressed data with " + c.what + ", in the second fragment of a binary message, fail the connection",
				play: compressing(sends(message(wire.Binary, new(bitWriter).stored("").string()).withRSV(wire.RSV1).more(), cont(c.payload)),
					wantsFault(wire.CloseInvalidPayload, wire.CloseProtocolError))})
	}
	return append(list, Case{ID: "corrupt-no-block", Section: "RFC 7692 §7.2.2", roles: both,
		Checks: "what becomes of a compressed message without even a block is open: inflaters disagree",
		play: compressing(sends(inflated("")), func(s *session) {
			switch a := s.next(0); a.kind {
			case aMessage:
				s.inform("it is taken for an empty message")
			case aClose:
				s.inform("the connection is failed with %s", describeCode(a.code))
			case anEnd:
				s.inform("the connection ends without a close frame")
			case aSilence:
				s.fail("nothing came in time")
			}
		})})
}

// string returns the whole bytes so far.
func (w *bitWriter) string() string { return string(w.b) }

// bomb is 64 MiB of zeros, compressed. Once there are zeros to refer to, each MiB
// looks like the one before it, so two of them are compressed and the second is
// repeated.
var bomb = sync.OnceValue(func() string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	zeros := make([]byte, 1<<20)
	w.Write(zeros)
	w.Flush()
	first := b.Len()
	w.Write(zeros)
	w.Flush()
	all := b.String()
	return strings.TrimSuffix(all[:first]+strings.Repeat(all[first:], 63), deflateTail)
})

// bombCases inflate to far more than they are.
func bombCases() []Case {
	var list []Case
	for _, c := range []struct {
		id, what  string
		fragments int
	}{{"whole", "in one frame", 1}, {"fragmented", "in a hundred fragments", 100}} {
		list = append(list, Case{ID: "bomb-" + c.id, Section: "RFC 6455 §10.4", roles: both, slow: true,
			Checks: "64 KiB that inflate to 64 MiB, " + c.what + ", are refused with 1009",
			play: compressing(func(s *session) {
				s.rawDeflate = true
				s.send(compressedIn(wire.Binary, bomb(), c.fragments)...)
				s.awaitBomb()
			})})
	}
	return append(list, Case{ID: "bomb-many-blocks", Section: "RFC 6455 §10.4", roles: both, slow: true,
		Checks: "500 KB of empty blocks do not keep the peer busy for long",
		play: compressing(sends(inflated(strings.Repeat("\x00\x00\x00\xff\xff", 100_000)+"\xf2\x48\xcd\xc9\xc9\x07\x00")),
			wantsEchoOrLimit(wire.Text, "Hello"))})
}

func (s *session) awaitBomb() {
	for !s.over {
		a := s.next(0)
		switch a.kind {
		case aPing, aPong:
			continue
		case aMessage:
			s.inform("the peer inflates and echoes 64 MiB: its limit, if it has one, is higher")
		case aSilence:
			s.fail("nothing came in time")
		case aClose, anEnd:
			s.judgeFault(&a, []wire.CloseCode{wire.CloseMessageTooBig})
		}
		return
	}
}
