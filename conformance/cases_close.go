package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// closeCases are about the closing handshake and its codes.
func closeCases() []Case {
	var list []Case
	add := func(id, section, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: both, play: play})
	}
	for _, code := range []wire.CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
		3000, 3001, 3500, 3998, 3999, 4000, 4001, 4410, 4998, 4999} {
		add(fmt.Sprintf("code-%d", code), "RFC 6455 §7.4", fmt.Sprintf("close code %s is valid and answered with a close frame", code),
			script(sends(closing(code, "")), wantsClose(code), ends()))
	}
	for _, code := range []wire.CloseCode{1000, 1001, 3000, 4000} {
		add(fmt.Sprintf("code-%d-reason", code), "RFC 6455 §5.5.1", fmt.Sprintf("close code %d with a reason is answered with a close frame", code),
			script(sends(closing(code, "see you, κόσμε")), wantsClose(code), ends()))
	}
	for _, c := range []struct {
		code wire.CloseCode
		what string
	}{
		{0, "0, which is in the range that is not used"}, {1, "1, which is in the range that is not used"}, {100, "100, which is in the range that is not used"},
		{999, "999, which is in the range that is not used"},
		{1004, "1004, which is reserved"}, {1005, "1005, which only reports that there was none"},
		{1006, "1006, which only reports that the connection was lost"}, {1015, "1015, which only reports a TLS failure"},
		{1016, "1016, which is reserved for the protocol"}, {1100, "1100, which is reserved for the protocol"},
		{1999, "1999, which is reserved for the protocol"}, {2000, "2000, which is reserved for the protocol"}, {2999, "2999, which is reserved for the protocol"},
	} {
		add(fmt.Sprintf("bad-code-%d", c.code), "RFC 6455 §7.4", "a close frame with code "+c.what+" is refused with 1002",
			script(sends(closing(c.code, "")), wantsFault(wire.CloseProtocolError)))
		if c.code == 1005 || c.code == 1006 || c.code == 2999 {
			add(fmt.Sprintf("bad-code-%d-reason", c.code), "RFC 6455 §7.4", "a close frame with a reason and code "+c.what+" is refused with 1002",
				script(sends(closing(c.code, "reason")), wantsFault(wire.CloseProtocolError)))
		}
	}
	for _, code := range []wire.CloseCode{5000, 10000, 32768, 65535} {
		add(fmt.Sprintf("undefined-code-%d", code), "RFC 6455 §7.4.2", fmt.Sprintf("close code %d, for which there is no rule, ends the connection", code),
			undefinedCode(code))
	}

	add("empty", "RFC 6455 §5.5.1", "a close frame without a code is answered with a close frame",
		script(sends(closingRaw("")), wantsClose(wire.CloseNoStatus, wire.CloseNormal), ends()))
	add("one-byte", "RFC 6455 §5.5.1", "a close frame of one byte is refused with 1002: a code has two",
		script(sends(closingRaw("\x03")), wantsFault(wire.CloseProtocolError)))
	for _, n := range []int{1, 2, 100, 122, 123} {
		add(fmt.Sprintf("reason-%d", n), "RFC 6455 §5.5.1", fmt.Sprintf("a reason of %s fits into a close frame", byteCount(n)),
			script(sends(closing(wire.CloseNormal, pattern(n))), wantsClose(wire.CloseNormal), ends()))
	}
	add("reason-124", "RFC 6455 §5.5", "a reason of 124 bytes makes a control frame of 126, which is refused with 1002",
		script(sends(closing(wire.CloseNormal, pattern(124))), wantsFault(wire.CloseProtocolError)))
	add("reason-multilingual", "RFC 6455 §5.5.1", "a reason may have characters of any length",
		script(sends(closing(wire.CloseNormal, strings.Repeat("🐦", 30))), wantsClose(wire.CloseNormal), ends()))
	for _, b := range badText {
		add("reason-bad-"+b.name, "RFC 6455 §5.5.1", "a reason with "+b.what+" is refused: it must be UTF-8",
			script(sends(closing(wire.CloseNormal, "ok "+b.s)), wantsFault(wire.CloseInvalidPayload, wire.CloseProtocolError)))
	}
	add("bytewise", "RFC 6455 §5.5.1", "a close frame that arrives byte by byte is answered once it is whole",
		script(sendsIn(1, closing(wire.CloseNormal, pattern(123))), wantsClose(wire.CloseNormal), ends()))
	list = append(list, Case{ID: "with-opening", Section: "RFC 6455 §7.1.2", roles: Client,
		Checks: "a close frame that arrives together with the server's response is answered", play: func(s *session) {
			s.openWith(terms{early: []frame{closing(wire.CloseNormal, "")}})
			s.take(wantsClose(wire.CloseNormal))
		}})
	add("after-message", "RFC 6455 §5.5.1", "a message and a close frame in one write end in good order: nothing follows the answer",
		script(sends(text("last words"), closing(wire.CloseNormal, "")), mayEcho("last words", wire.CloseNormal), ends()))
	add("after-large-message", "RFC 6455 §5.5.1", "200,000 bytes and a close frame end in good order",
		script(sends(text(pattern(200_000)), closing(wire.CloseNormal, "")), mayEcho(pattern(200_000), wire.CloseNormal), ends()))
	add("then-text", "RFC 6455 §5.5.1", "text after a close frame is not echoed",
		script(sends(closing(wire.CloseNormal, ""), text("too late")), wantsClose(wire.CloseNormal), ends()))
	add("then-binary", "RFC 6455 §5.5.1", "a binary message after a close frame is not echoed",
		script(sends(closing(wire.CloseNormal, ""), binaryOf([]byte("too late"))), wantsClose(wire.CloseNormal), ends()))
	add("then-close", "RFC 6455 §5.5.1", "a second close frame is not answered",
		script(sends(closing(wire.CloseNormal, ""), closing(wire.CloseGoingAway, "")), wantsClose(wire.CloseNormal), ends()))
	add("then-fault", "RFC 6455 §5.5.1", "what follows a close frame does not count, faults included",
		script(sends(closing(wire.CloseNormal, ""), message(0xF, "reserved")), wantsClose(wire.CloseNormal), ends()))
	add("in-message", "RFC 6455 §5.4", "a close frame between fragments closes; the message is not echoed",
		script(sends(text("never ").more(), closing(wire.CloseNormal, ""), cont("ended")), wantsClose(wire.CloseNormal), ends()))
	add("in-message-waiting", "RFC 6455 §5.4", "a close frame inside a message is answered without waiting for its end",
		script(sends(binaryOf([]byte("never ended")).more(), closing(wire.CloseNormal, "")), wantsClose(wire.CloseNormal), ends()))
	return append(list, endCases()...)
}

// endCases are about the end of the transport.
func endCases() []Case {
	var list []Case
	for _, c := range []struct {
		name, what string
		frames     []frame
		code       wire.CloseCode
	}{
		{"opcode", "a reserved opcode", []frame{message(0x3, "")}, wire.CloseProtocolError},
		{"utf8", "bad text", []frame{text("\xff")}, wire.CloseInvalidPayload},
		{"orphan", "an orphaned continuation frame", []frame{cont("")}, wire.CloseProtocolError},
		{"close-code", "a bad close code", []frame{closing(1005, "")}, wire.CloseProtocolError},
	} {
		list = append(list, Case{ID: "end-after-" + c.name, Section: "RFC 6455 §7.1.7", roles: Server,
			Checks: "after " + c.what + " the server ends the transport by itself, without waiting for an answer for long",
			play:   script(sends(c.frames...), wantsFault(c.code), wantsEnd())})
	}
	for _, c := range []struct {
		name, what string
		do         step
	}{
		{"idle", "between messages", func(s *session) {}},
		{"in-message", "in the middle of a message", sends(text("never ended").more())},
		{"in-frame", "in the middle of a frame", sendsPart(text("never ended"), 8)},
		{"in-header", "in the middle of a frame's header", sendsPart(text(pattern(1000)), 3)},
	} {
		list = append(list, Case{ID: "eof-" + c.name, Section: "RFC 6455 §7.1.5", roles: both,
			Checks: "when the stream ends " + c.what + " without a close frame the peer ends its side too",
			play: func(s *session) {
				s.open()
				s.take(echoes(text("alive")), c.do)
				if s.over {
					return
				}
				s.shutdown()
				s.take(endsSomehow())
			}})
	}
	return append(list,
		Case{ID: "no-answer", Section: "RFC 6455 §7.1.7", roles: Server, slow: true,
			Checks: "a server that failed the connection ends the transport though the client goes on sending",
			play: func(s *session) {
				s.open()
				s.take(sends(message(0xB, "")), wantsFault(wire.CloseProtocolError))
				for !s.over && !s.ended {
					s.send(text("still sending"))
					if a := s.next(50 * time.Millisecond); a.kind == aMessage || a.kind == aPong {
						s.fail("%s came after the connection had failed", &a)
					}
					if s.ctx.Err() != nil {
						s.fail("the server left the transport open")
					}
				}
			}})
}

func sendsPart(f frame, n int) step {
	return func(s *session) {
		b := s.encode(f)
		s.log.remark("only the first %d bytes of it", n)
		s.write(b[:n], 0)
	}
}

// ends wants a server to end the transport. A client waits for the server to do
// so (RFC 6455 §7.1.1).
func ends() step {
	return func(s *session) {
		if s.role == Server {
			s.take(wantsEnd())
		}
	}
}

// endsSomehow wants the end, with or without a close frame before it.
func endsSomehow() step {
	return func(s *session) {
		for {
			a := s.next(0)
			switch a.kind {
			case aMistake, anEnd:
				return
			case aPing, aPong, aClose:
				continue
			case aSilence:
				s.fail("the peer left the connection open")
				return
			}
			s.fail("%s came instead of the end of the connection", &a)
			return
		}
	}
}

// mayEcho wants the answer to a close frame, and allows the echo of a message
// that was sent before it.
func mayEcho(payload string, code wire.CloseCode) step {
	return func(s *session) {
		a := s.next(0)
		for a.kind == aPing || a.kind == aPong {
			a = s.next(0)
		}
		switch {
		case a.kind == aMistake:
		case a.kind == aMessage && string(a.payload) == payload:
			s.take(wantsClose(code))
		case a.kind == aClose:
			if a.code != code {
				s.nonStrict("the close frame was answered with %s; typically the code received is sent back", describeCode(a.code))
			}
		default:
			s.fail("%s came instead of the message or the answer to the close frame", &a)
		}
	}
}

// undefinedCode tells which way the peer goes.
func undefinedCode(code wire.CloseCode) func(*session) {
	return func(s *session) {
		s.open()
		s.take(sends(closing(code, "")))
		for !s.over {
			switch a := s.next(0); a.kind {
			case aPing, aPong:
				continue
			case aMistake:
				return
			case aClose:
				s.inform("the peer answers with %s", describeCode(a.code))
			case anEnd:
				s.inform("the peer ends the connection without a close frame")
			default:
				s.fail("%s came instead of the end of the connection", &a)
			}
			break
		}
		s.goodbye()
	}
}
