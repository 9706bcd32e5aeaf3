package conformance

import (
	"fmt"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// lengthCases are about the three forms of a frame's length and their edges.
func lengthCases() []Case {
	var list []Case
	for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 129, 254, 255, 256, 257, 1023, 1024, 4095, 4096, 4097,
		16383, 16384, 32767, 32768, 65534, 65535, 65536, 65537, 131071, 131072, 200_000} {
		for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
			f := message(op, pattern(n))
			list = append(list, Case{ID: fmt.Sprintf("%s-%d", op, n), Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("a %s message of %s is echoed", op, byteCount(n)), play: script(echoes(f))})
			if n == 0 {
				continue
			}
			for _, size := range []int{997, 64 << 10} {
				if n <= size/8 || n < 126 && size != 997 {
					continue
				}
				list = append(list, Case{ID: fmt.Sprintf("%s-%d-in-%d", op, n, size), Section: "RFC 6455 §5.2", roles: both,
					Checks: fmt.Sprintf("a %s message of %s that arrives %d bytes at a time is echoed", op, byteCount(n), size),
					play:   script(sendsIn(size, f), wantsMessage(op, pattern(n)))})
			}
			if n <= 256 {
				list = append(list, Case{ID: fmt.Sprintf("%s-%d-bytewise", op, n), Section: "RFC 6455 §5.2", roles: both,
					Checks: fmt.Sprintf("a %s message of %s that arrives byte by byte is echoed", op, byteCount(n)),
					play:   script(sendsIn(1, f), wantsMessage(op, pattern(n)))})
			}
		}
	}
	list = append(list, longFormCases()...)
	list = append(list, hugeCases()...)
	return append(list, controlLengthCases()...)
}

// longFormCases send a length in more bytes than it needs.
func longFormCases() []Case {
	var list []Case
	for _, c := range []struct{ width, length int }{
		{2, 0}, {2, 1}, {2, 64}, {2, 125},
		{8, 0}, {8, 1}, {8, 125}, {8, 126}, {8, 1000}, {8, 65535},
	} {
		for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
			f := message(op, pattern(c.length)).withWidth(c.width)
			list = append(list, Case{ID: fmt.Sprintf("long-form-%d-%s-%d", c.width, op, c.length), Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("a %s frame of %s whose length is written in %d bytes is refused, since the minimal number must be used", op, byteCount(c.length), c.width),
				play:   longForm(f)})
		}
	}
	return list
}

// longForm wants a fault. Taking the frame harms nobody at once, though it lets
// intermediaries disagree, so it is not strict.
func longForm(f frame) func(*session) {
	return func(s *session) {
		s.open()
		s.take(sends(f))
		for !s.over {
			switch a := s.next(0); a.kind {
			case aPing, aPong:
				continue
			case aMistake:
				return
			case aSilence:
				s.fail("nothing came in time: the frame was neither refused nor echoed")
			case aMessage:
				if string(a.payload) != string(f.payload) {
					s.fail("%s came back: the length was misread", &a)
					return
				}
				s.nonStrict("the frame was taken and echoed; the minimal number of bytes must be used for a length")
				s.goodbye()
			default:
				s.judgeFault(&a, []wire.CloseCode{wire.CloseProtocolError})
				s.goodbye()
			}
			return
		}
	}
}

// hugeCases announce what nobody will send.
func hugeCases() []Case {
	var list []Case
	for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
		for _, c := range []struct {
			name   string
			length uint64
		}{{"2-63", 1 << 63}, {"2-63-plus-1", 1<<63 + 1}, {"2-64-minus-1", 1<<64 - 1}, {"top-bit-and-5", 1<<63 | 5}} {
			f := message(op, "")
			f.claim = c.length
			list = append(list, Case{ID: fmt.Sprintf("top-bit-%s-%s", op, c.name), Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("a %s frame whose length has its most significant bit set, %#x, is refused", op, c.length),
				play:   script(sends(f.withWidth(8)), wantsFaultInFrame(wire.CloseProtocolError, wire.CloseMessageTooBig))})
		}
		for _, c := range []struct {
			name   string
			length uint64
		}{{"2-63-minus-1", 1<<63 - 1}, {"2-62", 1 << 62}, {"2-40", 1 << 40}, {"2-32", 1 << 32}, {"2-31", 1 << 31}, {"2-31-minus-1", 1<<31 - 1}, {"2-30", 1 << 30}} {
			f := message(op, "x").withClaim(c.length)
			list = append(list, Case{ID: fmt.Sprintf("announced-%s-%s", op, c.name), Section: "RFC 6455 §10.4", roles: both,
				Checks: fmt.Sprintf("a %s frame that announces %#x bytes, of which one arrives, is refused with 1009 or waited for", op, c.length),
				play:   announced(f)})
		}
	}
	return list
}

// announced accepts a refusal at once. Waiting for the payload is no fault if
// the peer is prepared for messages of that size.
func announced(f frame) func(*session) {
	return func(s *session) {
		s.open()
		s.take(sends(f))
		until := time.Now().Add(s.patience())
		for !s.over {
			switch a := s.next(max(time.Until(until), time.Millisecond)); a.kind {
			case aPing, aPong:
				continue
			case aMistake:
			case aSilence:
				s.inform("the peer waits for the payload: whether it has set memory aside cannot be seen from here")
			case aMessage:
				s.fail("%s came back for a message of which one byte had arrived", &a)
			default:
				s.judgeFault(&a, []wire.CloseCode{wire.CloseMessageTooBig, wire.CloseProtocolError})
				s.goodbye()
			}
			return
		}
	}
}

// controlLengthCases pass the limit of control frames.
func controlLengthCases() []Case {
	var list []Case
	for _, op := range []wire.Opcode{wire.Ping, wire.Pong, wire.Close} {
		for _, n := range []int{126, 127, 1000, 65536} {
			payload := pattern(n)
			if op == wire.Close {
				payload = "\x03\xe8" + payload[2:]
			}
			list = append(list, Case{ID: fmt.Sprintf("control-%s-%d", op, n), Section: "RFC 6455 §5.5", roles: both,
				Checks: fmt.Sprintf("a %s frame of %d bytes is refused: control frames have at most 125", op, n),
				play:   script(sends(message(op, payload)), wantsFault(wire.CloseProtocolError))})
		}
		f := message(op, "\x03\xe8")
		list = append(list, Case{ID: fmt.Sprintf("control-%s-long-form", op), Section: "RFC 6455 §5.2", roles: both,
			Checks: fmt.Sprintf("a %s frame with an extended length is refused: lengths up to 125, which are all it may have, need none", op),
			play:   longFormControl(f.withWidth(2))})
	}
	return list
}

// longFormControl is longForm for a control frame. A ping behind it tells
// whether it was taken.
func longFormControl(f frame) func(*session) {
	return func(s *session) {
		s.open()
		s.send(f)
		if f.op != wire.Close {
			s.send(ping(probe))
		}
		for !s.over {
			switch a := s.next(0); a.kind {
			case aPing:
				continue
			case aPong:
				if string(a.payload) != probe {
					continue
				}
				s.nonStrict("the frame was taken; the minimal number of bytes must be used for a length")
				s.goodbye()
			case aMistake:
			case aSilence:
				s.fail("nothing came in time")
			case aMessage:
				s.fail("%s came, which nobody asked for", &a)
			default:
				s.judgeFault(&a, []wire.CloseCode{wire.CloseProtocolError})
				s.goodbye()
			}
			return
		}
	}
}
