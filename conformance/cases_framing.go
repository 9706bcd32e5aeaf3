package conformance

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// framingCases are about what every frame has: an opcode, a mask or none, and
// bytes that arrive as they were sent.
func framingCases() []Case {
	list := []Case{
		{ID: "text", Checks: "a text message is echoed as a text message", Section: "RFC 6455 §5.6", roles: both,
			play: script(echoes(text("hello")))},
		{ID: "binary", Checks: "a binary message is echoed as a binary message", Section: "RFC 6455 §5.6", roles: both,
			play: script(echoes(binaryOf([]byte("hello"))))},
		{ID: "text-empty", Checks: "an empty text message is a message", Section: "RFC 6455 §5.6", roles: both,
			play: script(echoes(text("")))},
		{ID: "binary-empty", Checks: "an empty binary message is a message", Section: "RFC 6455 §5.6", roles: both,
			play: script(echoes(binaryOf(nil)))},
		{ID: "binary-all-bytes", Checks: "every byte value passes through a binary message", Section: "RFC 6455 §5.6", roles: both,
			play: script(echoes(binaryOf(allBytes())))},
		{ID: "text-control-characters", Checks: "text may contain every character of ASCII, NUL included", Section: "RFC 6455 §8.1", roles: both,
			play: script(echoes(text(string(allBytes()[:128]))))},
		{ID: "text-multilingual", Checks: "text of several scripts passes through unchanged", Section: "RFC 6455 §8.1", roles: both,
			play: script(echoes(text("Ἀρχιμήδης grüßt 阿基米德 🐦 עברית ไทย")))},
		{ID: "types-alternate", Checks: "each message keeps its own type when text and binary alternate", Section: "RFC 6455 §5.6", roles: both,
			play: script(alternating(10)...)},
		{ID: "one-after-the-other", Checks: "a hundred messages, each sent after the last came back, keep working", Section: "RFC 6455 §6", roles: both,
			play: script(inTurn(100)...)},
		{ID: "early-frame", Checks: "a frame that arrives together with the server's response is not lost", Section: "RFC 6455 §4.1", roles: Client,
			play: func(s *session) {
				s.openWith(terms{early: []frame{text("early")}})
				s.take(wantsText("early"), echoes(text("later")))
				s.goodbye()
			}},
		{ID: "early-frames-large", Checks: "64 KiB of frames that arrive together with the server's response are not lost", Section: "RFC 6455 §4.1", roles: Client,
			play: func(s *session) {
				big := pattern(64 << 10)
				s.openWith(terms{early: []frame{text("early"), text(big)}})
				s.take(wantsText("early"), wantsText(big))
				s.goodbye()
			}},
		{ID: "too-early", Checks: "a frame that a client sends before the response, which it must not, is refused or understood but not lost", Section: "RFC 6455 §4.1", roles: Server,
			play: tooEarly},
	}
	for _, n := range []int{2, 3, 10, 100, 1000} {
		frames := make([]frame, n)
		wants := make([]step, n)
		for i := range frames {
			frames[i] = text(fmt.Sprint("message ", i))
			wants[i] = wantsText(string(frames[i].payload))
		}
		list = append(list, Case{ID: fmt.Sprintf("together-%d", n), Section: "RFC 6455 §5.4", roles: both,
			Checks: fmt.Sprintf("%d messages in one write come back whole and in order", n),
			play:   script(append([]step{sends(frames...)}, wants...)...)})
	}
	list = append(list, maskCases()...)
	return append(list, freshCases()...)
}

// tooEarly sends a frame with the request. A client must wait for the response
// (RFC 6455 §4.1), so refusing it is right, and so is not minding.
func tooEarly(s *session) {
	h, err := s.ask(func(o *opening) { o.rest = string(s.encode(text("early"))) })
	switch {
	case s.over:
		return
	case h == nil:
		s.inform("the server ends the connection (%s)", describeEnd(err))
		return
	case !isSwitching(h):
		s.inform("the server refuses it: %s", quoted(h.start))
		return
	}
	s.acceptResponse(h, terms{})
	s.take(sends(text("later")))
	for !s.over {
		switch a := s.next(0); {
		case a.kind == aPing, a.kind == aPong:
			continue
		case a.kind == aMessage && string(a.payload) == "early":
			s.take(wantsText("later"))
		case a.kind == aMessage && string(a.payload) == "later":
			s.nonStrict("the early frame was lost without a word")
		case a.kind == aClose:
			s.nonStrict("the server opened the WebSocket and closed it with %s: what followed was misread", describeCode(a.code))
		default:
			s.fail("%s came", &a)
		}
		break
	}
	s.goodbye()
}

// maskCases are about masking as such: of what must be masked, what must not,
// and keys that are special.
func maskCases() []Case {
	var list []Case
	for _, c := range []struct {
		name  string
		frame frame
	}{
		{"text", text("not masked right")},
		{"text-empty", text("")},
		{"binary", binaryOf([]byte{1, 2, 3})},
		{"ping", ping("not masked right")},
		{"pong", pong("not masked right")},
		{"close", closing(wire.CloseNormal, "")},
		{"close-empty", closingRaw("")},
	} {
		list = append(list,
			Case{ID: "unmasked-" + c.name, Section: "RFC 6455 §5.1", roles: Server,
				Checks: "a server closes the connection upon a " + c.name + " frame that is not masked",
				play:   script(sends(c.frame.withWrongMask()), wantsMaskFault())},
			Case{ID: "masked-" + c.name, Section: "RFC 6455 §5.1", roles: Client,
				Checks: "a client closes the connection upon a " + c.name + " frame that is masked",
				play:   script(sends(c.frame.withWrongMask()), wantsMaskFault())},
			Case{ID: "wrong-mask-later-" + c.name, Section: "RFC 6455 §5.1", roles: both,
				Checks: "masking is checked on every frame, here a " + c.name + " frame after a good message",
				play:   script(echoes(text("good")), sends(c.frame.withWrongMask()), wantsMaskFault())},
		)
	}
	list = append(list, Case{ID: "wrong-mask-fragment", Section: "RFC 6455 §5.1", roles: both,
		Checks: "masking is checked on continuation frames too",
		play:   script(sends(text("good, ").more(), cont("bad").withWrongMask()), wantsMaskFault())})

	for _, key := range [][4]byte{{}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1}, {1, 0, 0, 0}, {0x80, 0, 0x80, 0}, {'h', 'e', 'l', 'l'}, {0x12, 0x34, 0x56, 0x78}} {
		list = append(list, Case{ID: fmt.Sprintf("mask-key-%x", key), Section: "RFC 6455 §5.3", roles: Server,
			Checks: fmt.Sprintf("a server unmasks with whatever key the frame has, here %x", key),
			play:   script(echoes(text("hello, masked world").withKey(key)), echoes(text("").withKey(key)))})
	}
	list = append(list, Case{ID: "mask-key-repeated", Section: "RFC 6455 §5.3", roles: Server,
		Checks: "a server reads frames that share a key; a client should not send them, and the server cannot know",
		play: script(echoes(text("one").withKey([4]byte{1, 2, 3, 4})), echoes(text("two").withKey([4]byte{1, 2, 3, 4})),
			echoes(text("three").withKey([4]byte{1, 2, 3, 4})))})
	// The key starts anew with every frame, so the length of one must not turn
	// the key of the next; and words, halves and single bytes are unmasked apart.
	for n := 1; n <= 33; n++ {
		s := pattern(n)
		list = append(list, Case{ID: fmt.Sprintf("mask-length-%d", n), Section: "RFC 6455 §5.3", roles: both,
			Checks: fmt.Sprintf("two messages of %s in a row are unmasked from their first byte to their last", byteCount(n)),
			play:   script(sends(text(s), binaryOf([]byte(s))), wantsText(s), wantsMessage(wire.Binary, s))})
	}
	return list
}

// freshCases judge the masks that a client chooses.
func freshCases() []Case {
	const messages = 200
	return []Case{
		{ID: "mask-fresh", Section: "RFC 6455 §5.3", roles: Client,
			Checks: "a client draws a new mask for every frame",
			play: script(append(inTurn(messages), func(s *session) {
				different := map[[4]byte]bool{}
				for _, k := range s.keys {
					different[k] = true
				}
				if missing := len(s.keys) - len(different); missing > 1 {
					s.fail("of %d masks %d had been used before on the same connection", len(s.keys), missing)
				}
			})...)},
		{ID: "mask-random", Section: "RFC 6455 §5.3", roles: Client,
			Checks: "the masks of a client look random: every bit is set about half of the time",
			play: script(append(inTurn(messages), func(s *session) {
				var set [32]int
				ones := 0
				for _, k := range s.keys {
					w := uint32(k[0])<<24 | uint32(k[1])<<16 | uint32(k[2])<<8 | uint32(k[3])
					ones += bits.OnesCount32(w)
					for b := range set {
						set[b] += int(w >> b & 1)
					}
				}
				// 200 throws of a coin fall outside 100±50 once in 10^12 times.
				if n := len(s.keys); slices.Min(set[:]) < n/4 || slices.Max(set[:]) > n-n/4 {
					s.fail("over %d masks one of the 32 bits is set only %d times, another %d times", n, slices.Min(set[:]), slices.Max(set[:]))
				}
			})...)},
		{ID: "mask-counting", Section: "RFC 6455 §5.3", roles: Client,
			Checks: "the next mask of a client does not follow from the last by adding something",
			play: script(append(inTurn(messages), func(s *session) {
				steps := map[uint32]int{}
				for i := 1; i < len(s.keys); i++ {
					steps[word(s.keys[i])-word(s.keys[i-1])]++
				}
				for step, n := range steps {
					if n > 3 {
						s.fail("%d of %d masks are the one before plus %d", n, len(s.keys), int32(step))
						return
					}
				}
			})...)},
	}
}

func word(k [4]byte) uint32 {
	return uint32(k[0])<<24 | uint32(k[1])<<16 | uint32(k[2])<<8 | uint32(k[3])
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// inTurn sends n messages, each after the one before came back.
func inTurn(n int) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = echoes(text(fmt.Sprint("message ", i, strings.Repeat(".", i))))
	}
	return steps
}

func alternating(n int) []step {
	steps := make([]step, n)
	for i := range steps {
		op := wire.Text
		if i%2 == 1 {
			op = wire.Binary
		}
		steps[i] = echoes(message(op, fmt.Sprint("message ", i)))
	}
	return steps
}
