package conformance

import (
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// limitCases send much. No limit is prescribed (RFC 6455 §10.4), so a peer may
// take it or refuse it with 1009; it must not do anything else.
func limitCases() []Case {
	const section = "RFC 6455 §10.4"
	var list []Case
	add := func(id, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: both, slow: true, play: play})
	}
	for _, c := range []struct {
		name  string
		bytes int
	}{{"256-KiB", 256 << 10}, {"1-MiB", 1 << 20}, {"1-MiB-plus-1", 1<<20 + 1}, {"4-MiB", 4 << 20}, {"16-MiB", 16 << 20}} {
		add("message-"+c.name, "a message of "+c.name+" is echoed, or refused with 1009", func(s *session) {
			payload := pattern(c.bytes)
			s.open()
			s.take(sends(message(wire.Binary, payload)), wantsEchoOrLimit(wire.Binary, payload))
			s.goodbye()
		})
		add("fragmented-"+c.name, "a message of "+c.name+" in fragments of 64 KiB is echoed, or refused with 1009", func(s *session) {
			payload := pattern(c.bytes)
			s.open()
			s.take(sends(fragmentsOf(wire.Text, parts(payload, 64<<10)...)...), wantsEchoOrLimit(wire.Text, payload))
			s.goodbye()
		})
	}
	for _, n := range []int{1000, 10_000, 100_000} {
		add(fmt.Sprintf("fragments-%d", n), fmt.Sprintf("a message of %d fragments of one byte is echoed, or refused with 1009 or 1008", n), func(s *session) {
			payload := pattern(n)
			s.open()
			s.take(sends(fragmentsOf(wire.Binary, parts(payload, 1)...)...), wantsEchoOrLimit(wire.Binary, payload, wire.ClosePolicyViolation))
			s.goodbye()
		})
		add(fmt.Sprintf("fragments-empty-%d", n), fmt.Sprintf("a message of %d empty fragments is echoed, or refused with 1009 or 1008", n), func(s *session) {
			frames := append([]frame{text("a").more()}, repeat(cont("").more(), n)...)
			s.open()
			s.take(sends(append(frames, cont("z"))...), wantsEchoOrLimit(wire.Text, "az", wire.ClosePolicyViolation))
			s.goodbye()
		})
	}
	add("after-refusal", "a peer that refuses a long message with 1009 does so before the whole of it has arrived", func(s *session) {
		s.open()
		if s.over {
			return
		}
		b := s.encode(message(wire.Binary, "").withClaim(256 << 20))
		s.write(b, 0)
		s.write([]byte(strings.Repeat("x", 64<<10)), 0)
		switch a := s.next(s.patience()); a.kind {
		case aSilence:
			s.inform("nothing came within %v: the peer waits for a message of 256 MiB", s.patience())
		case aMessage, aPong, aPing:
			s.fail("%s came back for a message that had not arrived", &a)
		case aClose, anEnd:
			s.judgeFault(&a, []wire.CloseCode{wire.CloseMessageTooBig})
			s.goodbye()
		}
	})
	return list
}

// wantsEchoOrLimit accepts a message back, and a close frame with 1009 or one of
// codes.
func wantsEchoOrLimit(op wire.Opcode, payload string, codes ...wire.CloseCode) step {
	codes = append([]wire.CloseCode{wire.CloseMessageTooBig}, codes...)
	return func(s *session) {
		for {
			a := s.next(0)
			switch {
			case a.kind == aMistake:
			case a.kind == aPing || a.kind == aPong:
				continue
			case a.kind == aMessage && a.op == op && string(a.payload) == payload:
			case a.kind == aMessage:
				s.fail("%s came back instead of the message that was sent", &a)
			case a.kind == aSilence:
				s.fail("nothing came in time")
			default:
				s.judgeFault(&a, codes)
			}
			return
		}
	}
}
