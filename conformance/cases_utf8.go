package conformance

import (
	"fmt"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// goodText are sequences at the edges of what UTF-8 can encode.
var goodText = []struct{ name, what, s string }{
	{"least-1", "U+0000, the least of one byte", "\x00"},
	{"most-1", "U+007F, the most of one byte", "\x7f"},
	{"least-2", "U+0080, the least of two bytes", "\xc2\x80"},
	{"most-2", "U+07FF, the most of two bytes", "\xdf\xbf"},
	{"least-3", "U+0800, the least of three bytes", "\xe0\xa0\x80"},
	{"e0-most", "U+0FFF, the most that begins with E0", "\xe0\xbf\xbf"},
	{"e1-least", "U+1000, the least that begins with E1", "\xe1\x80\x80"},
	{"ec-most", "U+CFFF, the most that begins with EC", "\xec\xbf\xbf"},
	{"before-surrogates", "U+D7FF, the last before the surrogates", "\xed\x9f\xbf"},
	{"after-surrogates", "U+E000, the first after the surrogates", "\xee\x80\x80"},
	{"bom", "U+FEFF, the byte order mark, which is text like any other", "\xef\xbb\xbf"},
	{"replacement", "U+FFFD, the replacement character", "\xef\xbf\xbd"},
	{"noncharacter", "U+FFFE, which is no character and may be interchanged all the same", "\xef\xbf\xbe"},
	{"most-3", "U+FFFF, the most of three bytes", "\xef\xbf\xbf"},
	{"least-4", "U+10000, the least of four bytes", "\xf0\x90\x80\x80"},
	{"f0-most", "U+3FFFF, the most that begins with F0", "\xf0\xbf\xbf\xbf"},
	{"f1-least", "U+40000, the least that begins with F1", "\xf1\x80\x80\x80"},
	{"f3-most", "U+FFFFF, the most that begins with F3", "\xf3\xbf\xbf\xbf"},
	{"f4-least", "U+100000, the least that begins with F4", "\xf4\x80\x80\x80"},
	{"most-4", "U+10FFFF, the most there is", "\xf4\x8f\xbf\xbf"},
	{"greek", "a word of two-byte characters", "κόσμε"},
	{"emoji-joined", "an emoji of several characters joined", "👩‍👩‍👧‍👦"},
}

// badText are sequences that are not UTF-8. bad is how many bytes it takes to
// see that, or 0 if only the end of the message shows it.
var badText = []struct {
	name, what, s string
	bad           int
}{
	{"lone-80", "a continuation byte, 80, by itself", "\x80", 1},
	{"lone-bf", "a continuation byte, BF, by itself", "\xbf", 1},
	{"lone-pair", "two continuation bytes by themselves", "\x80\xbf", 1},
	{"extra-after-2", "a continuation byte too many after two bytes", "\xc2\x80\x80", 3},
	{"extra-after-3", "a continuation byte too many after three bytes", "\xe2\x82\xac\xac", 4},
	{"extra-after-4", "a continuation byte too many after four bytes", "\xf0\x9f\x90\xa6\x80", 5},
	{"overlong-c0-80", "U+0000 in two bytes", "\xc0\x80", 1},
	{"overlong-c0-af", "a slash in two bytes", "\xc0\xaf", 1},
	{"overlong-c1-bf", "U+007F in two bytes", "\xc1\xbf", 1},
	{"overlong-e0-80-80", "U+0000 in three bytes", "\xe0\x80\x80", 2},
	{"overlong-e0-80-af", "a slash in three bytes", "\xe0\x80\xaf", 2},
	{"overlong-e0-9f-bf", "U+07FF in three bytes", "\xe0\x9f\xbf", 2},
	{"overlong-f0-80-80-80", "U+0000 in four bytes", "\xf0\x80\x80\x80", 2},
	{"overlong-f0-80-80-af", "a slash in four bytes", "\xf0\x80\x80\xaf", 2},
	{"overlong-f0-8f-bf-bf", "U+FFFF in four bytes", "\xf0\x8f\xbf\xbf", 2},
	{"surrogate-first", "U+D800, the first surrogate", "\xed\xa0\x80", 2},
	{"surrogate-high-last", "U+DBFF, the last high surrogate", "\xed\xaf\xbf", 2},
	{"surrogate-low-first", "U+DC00, the first low surrogate", "\xed\xb0\x80", 2},
	{"surrogate-last", "U+DFFF, the last surrogate", "\xed\xbf\xbf", 2},
	{"surrogate-pair", "a pair of surrogates, as CESU-8 has it", "\xed\xa0\xbd\xed\xb0\xa6", 2},
	{"above-110000", "U+110000, the first past the end", "\xf4\x90\x80\x80", 2},
	{"above-13ffff", "U+13FFFF, the most that begins with F4", "\xf4\xbf\xbf\xbf", 2},
	{"lead-f5", "F5, which begins nothing", "\xf5\x80\x80\x80", 1},
	{"lead-f7", "F7, which begins nothing", "\xf7\xbf\xbf\xbf", 1},
	{"lead-f8", "F8, which began five bytes once", "\xf8\x88\x80\x80\x80", 1},
	{"lead-fc", "FC, which began six bytes once", "\xfc\x84\x80\x80\x80\x80", 1},
	{"byte-fe", "FE, which is never part of UTF-8", "\xfe", 1},
	{"byte-ff", "FF, which is never part of UTF-8", "\xff", 1},
	{"cut-2-ascii", "the first of two bytes, then a letter", "\xc3a", 2},
	{"cut-3-ascii", "the first of three bytes, then a letter", "\xe2a", 2},
	{"cut-3-late-ascii", "two of three bytes, then a letter", "\xe2\x82a", 3},
	{"cut-4-ascii", "the first of four bytes, then a letter", "\xf0a", 2},
	{"cut-4-late-ascii", "three of four bytes, then a letter", "\xf0\x9f\x90a", 4},
	{"cut-by-lead", "the first of three bytes, then the first of two", "\xe2\xc3\xa9", 2},
	{"latin-1", "text in Latin-1", "caf\xe9 noir", 5},
	{"end-in-2", "the first of two bytes and nothing more", "\xc3", 0},
	{"end-in-3-first", "the first of three bytes and nothing more", "\xe2", 0},
	{"end-in-3-second", "two of three bytes and nothing more", "\xe2\x82", 0},
	{"end-in-4-first", "the first of four bytes and nothing more", "\xf0", 0},
	{"end-in-4-second", "two of four bytes and nothing more", "\xf0\x9f", 0},
	{"end-in-4-third", "three of four bytes and nothing more", "\xf0\x9f\x90", 0},
}

// utf8Cases send every sequence whole, in fragments split at every byte, and at
// a distance from the beginning that moves it across the words and blocks that
// fast validators read at once.
func utf8Cases() []Case {
	const section = "RFC 6455 §8.1"
	var list []Case
	for _, g := range goodText {
		list = append(list,
			Case{ID: "good-" + g.name, Section: section, roles: both,
				Checks: "text with " + g.what + " is echoed", play: script(echoes(text("a" + g.s + "z")))},
			Case{ID: "good-" + g.name + "-alone", Section: section, roles: both,
				Checks: "text of nothing but " + g.what + " is echoed", play: script(echoes(text(g.s)))},
		)
		if len(g.s) > 1 {
			list = append(list, Case{ID: "good-" + g.name + "-fragmented", Section: section, roles: both,
				Checks: "text with " + g.what + " is echoed when every byte is a fragment of its own",
				play:   script(sends(fragmentsOf(wire.Text, parts("a"+g.s+"z", 1)...)...), wantsText("a"+g.s+"z"))})
		}
	}
	for _, b := range badText {
		list = append(list,
			Case{ID: "bad-" + b.name, Section: section, roles: both,
				Checks: "text with " + b.what + " is refused with 1007",
				play:   script(sends(text("ok "+b.s)), wantsFault(wire.CloseInvalidPayload))},
			Case{ID: "bad-" + b.name + "-far", Section: section, roles: both,
				Checks: "text with " + b.what + " after 61 bytes is refused with 1007",
				play:   script(sends(text(pattern(61)+b.s)), wantsFault(wire.CloseInvalidPayload))},
			Case{ID: "bad-" + b.name + "-fragmented", Section: section, roles: both,
				Checks: "text with " + b.what + ", every byte a fragment of its own, is refused with 1007",
				play:   script(sends(fragmentsOf(wire.Text, parts("ok "+b.s, 1)...)...), wantsFault(wire.CloseInvalidPayload))},
			Case{ID: "binary-" + b.name, Section: "RFC 6455 §5.6", roles: both,
				Checks: "a binary message with " + b.what + " is echoed: only text must be UTF-8",
				play:   script(echoes(binaryOf([]byte("ok " + b.s))))},
		)
		if b.bad == 0 {
			continue
		}
		list = append(list, Case{ID: "bad-" + b.name + "-early", Section: section, roles: both,
			Checks: "text with " + b.what + " is refused with the fragment that shows it, before the message ends",
			play:   failsEarly("ok "+b.s[:b.bad], b.s[b.bad:]+" and more")})
	}
	return append(list, utf8FrameCases()...)
}

// utf8FrameCases are about where validation looks.
func utf8FrameCases() []Case {
	const section = "RFC 6455 §8.1"
	long := pattern(1000)
	list := []Case{
		{ID: "within-frame-early", Section: section, roles: both,
			Checks: "a bad byte is noticed before the frame that it is in has arrived",
			play:   failsInFrame(text("ok \xff"+pattern(100)), 100, wire.CloseInvalidPayload)},
		{ID: "within-long-frame-early", Section: section, roles: both,
			Checks: "a bad byte is noticed before the 64 KiB frame that it is in has arrived",
			play:   failsInFrame(text(pattern(1000)+"\xc0\x80"+pattern(64<<10)), 64<<10, wire.CloseInvalidPayload)},
		{ID: "state-is-reset", Section: section, roles: both,
			Checks: "validation begins anew with each message: binary that ends within a character does not spoil the text after it",
			play:   script(echoes(binaryOf([]byte("\xe2\x82"))), echoes(text("ok")), echoes(binaryOf([]byte("\xac"))))},
		{ID: "not-across-messages", Section: section, roles: both,
			Checks: "a character may not begin in one message and end in the next",
			play:   script(sends(text("\xe2\x82"), text("\xac")), wantsFault(wire.CloseInvalidPayload))},
		{ID: "across-ping", Section: section, roles: both,
			Checks: "a character split over two fragments is whole though a ping came between",
			play:   script(sends(text("a\xe2\x82").more(), ping("\xff"), cont("\xacz")), wantsBoth("\xff", wire.Text, "a€z"))},
		{ID: "across-empty-fragments", Section: section, roles: both,
			Checks: "a character split over fragments is whole though empty ones came between",
			play:   script(sends(fragmentsOf(wire.Text, "a\xf0", "", "\x9f", "", "", "\x90\xa6", "")...), wantsText("a🐦"))},
		{ID: "end-by-empty-fragment", Section: section, roles: both,
			Checks: "a message that ends within a character is refused with 1007 also if its last fragment is empty",
			play:   script(sends(fragmentsOf(wire.Text, "a\xe2\x82", "")...), wantsFault(wire.CloseInvalidPayload))},
		{ID: "bytewise-good", Section: section, roles: both,
			Checks: "characters of every length that arrive byte by byte are echoed",
			play:   script(sendsIn(1, text("aé€🐦")), wantsText("aé€🐦"))},
		{ID: "bytewise-bad", Section: section, roles: both,
			Checks: "bad text that arrives byte by byte is refused with 1007",
			play:   script(sendsIn(1, text("aé€\xf0\x9f\x90")), wantsFault(wire.CloseInvalidPayload))},
		{ID: "large-mixed", Section: section, roles: both,
			Checks: "64 KiB of text with characters of every length at every alignment are echoed",
			play:   script(echoes(text(mixedText(64<<10))), sendsIn(1001, text(mixedText(64<<10))), wantsText(mixedText(64<<10)))},
		{ID: "good-then-bad", Section: section, roles: both,
			Checks: "bad text after good messages is refused with 1007",
			play:   script(echoes(text("one")), echoes(text("two")), sends(text("\xff")), wantsFault(wire.CloseInvalidPayload))},
		{ID: "bad-then-good", Section: section, roles: both,
			Checks: "bad text ends the connection: good text that follows in the same write is not echoed",
			play:   script(sends(text("\xff"), text("must not come back")), wantsFault(wire.CloseInvalidPayload))},
	}
	for _, at := range []int{7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 999} {
		list = append(list, Case{ID: fmt.Sprintf("bad-byte-at-%d", at), Section: section, roles: both,
			Checks: fmt.Sprintf("of 1000 bytes of text the one at offset %d is bad, and 1007 follows", at),
			play:   script(sends(text(long[:at]+"\x80"+long[at+1:])), wantsFault(wire.CloseInvalidPayload))})
	}
	return list
}

// failsEarly sends a fragment with bad text and holds the rest of the message
// back. A peer that answers a ping has not noticed; a peer that notices when the
// message is complete is late.
func failsEarly(bad, rest string) func(*session) {
	return func(s *session) {
		s.open()
		s.take(sends(text(bad).more(), ping(probe)))
		for !s.over {
			switch a := s.next(0); a.kind {
			case aMistake:
				return
			case aPing:
				continue
			case aPong:
				s.log.remark("late so far: the ping was answered")
				s.take(sends(cont(rest)), wantsFault(wire.CloseInvalidPayload))
				if !s.over {
					s.nonStrict("the bad byte was noticed only when the message was complete")
				}
			case aSilence:
				s.fail("nothing came in time")
			case aMessage:
				s.fail("%s came back for a message that had not ended", &a)
			default:
				s.judgeFault(&a, []wire.CloseCode{wire.CloseInvalidPayload})
			}
			break
		}
		s.goodbye()
	}
}

// failsInFrame sends a frame that shows its fault before its last held bytes,
// and holds those back. A peer that notices when the frame is complete is late.
func failsInFrame(f frame, held int, code wire.CloseCode) func(*session) {
	return func(s *session) {
		s.open()
		if s.over {
			return
		}
		b := s.encode(f)
		s.log.remark("all but the last %d bytes are sent", held)
		s.write(b[:len(b)-held], 0)
		until := time.Now().Add(s.patience())
		for !s.over {
			switch a := s.next(max(time.Until(until), time.Millisecond)); a.kind {
			case aMistake:
				return
			case aPing, aPong:
				continue
			case aSilence:
				s.log.remark("the rest is sent")
				s.write(b[len(b)-held:], 0)
				s.take(wantsFault(code))
				if !s.over {
					s.nonStrict("the fault was noticed only when the frame was complete")
				}
			case aMessage:
				s.fail("%s came back for a message that had not ended", &a)
			default:
				s.judgeFault(&a, []wire.CloseCode{code})
			}
			break
		}
		s.goodbye()
	}
}

// mixedText is n bytes or a few less of characters of one to four bytes, whose
// alignment drifts.
func mixedText(n int) string {
	unit := "aé€🐦 κόσμε, 你好 ab🦆c "
	b := make([]byte, 0, n)
	for len(b)+2*len(unit) < n {
		b = append(b, unit...)
		b = append(b, "abcdefg"[:len(b)%7]...)
	}
	return string(b)
}
