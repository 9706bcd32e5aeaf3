package conformance

import (
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

func pingCases() []Case {
	list := []Case{
		{ID: "empty", Checks: "a ping without payload is answered with a pong without payload", Section: "RFC 6455 §5.5.2", roles: both,
			play: script(sends(ping("")), wantsEmptyPong())},
		{ID: "bytes-not-utf8", Checks: "the payload of a ping is bytes and need not be text", Section: "RFC 6455 §5.5.2", roles: both,
			play: script(sends(ping("\x00\xff\xfe\xfd\xc0\x80\x00")), wantsPong("\x00\xff\xfe\xfd\xc0\x80\x00"))},
		{ID: "between-messages", Checks: "a ping between two messages is answered, and both messages are echoed", Section: "RFC 6455 §5.5.2", roles: both,
			play: script(echoes(text("one")), sends(ping("p")), wantsPong("p"), echoes(text("two")))},
		{ID: "with-opening", Checks: "a ping that arrives together with the server's response is answered", Section: "RFC 6455 §5.5.2", roles: Client,
			play: func(s *session) {
				s.openWith(terms{early: []frame{ping("early")}})
				s.take(wantsPong("early"))
				s.goodbye()
			}},
		{ID: "bytewise", Checks: "a ping that arrives byte by byte is answered once it is whole", Section: "RFC 6455 §5.5.2", roles: both,
			play: script(sendsIn(1, ping(pattern(125))), wantsPong(pattern(125)))},
		{ID: "fragmented", Checks: "a ping must not be fragmented", Section: "RFC 6455 §5.5", roles: both,
			play: script(sends(ping("p").more()), wantsFault(wire.CloseProtocolError))},
		{ID: "fragmented-continued", Checks: "a ping and a continuation frame do not make a message", Section: "RFC 6455 §5.5", roles: both,
			play: script(sends(ping("p").more(), cont("q")), wantsFault(wire.CloseProtocolError))},
		{ID: "pong-fragmented", Checks: "a pong must not be fragmented", Section: "RFC 6455 §5.5", roles: both,
			play: script(sends(pong("p").more()), wantsFault(wire.CloseProtocolError))},
		{ID: "close-fragmented", Checks: "a close frame must not be fragmented", Section: "RFC 6455 §5.5", roles: both,
			play: script(sends(closing(wire.CloseNormal, "").more()), wantsFault(wire.CloseProtocolError))},

		{ID: "pong-unsolicited", Checks: "a pong that nobody asked for is ignored", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(pong("unasked")), echoes(text("next")))},
		{ID: "pong-unsolicited-empty", Checks: "an empty pong that nobody asked for is ignored", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(pong("")), echoes(text("next")))},
		{ID: "pong-unsolicited-then-ping", Checks: "a pong that nobody asked for is not answered, and the ping after it is", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(pong("unasked"), ping("asked")), wantsPong("asked"))},
		{ID: "pong-full", Checks: "an unsolicited pong may have 125 bytes", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(pong(pattern(125))), echoes(text("next")))},
		{ID: "pongs-many", Checks: "a thousand unsolicited pongs are ignored", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(repeat(pong("unasked"), 1000)...), echoes(text("next")))},

		{ID: "in-message", Checks: "a ping between two fragments of a message is answered, and the message is echoed whole", Section: "RFC 6455 §5.4", roles: both,
			play: script(sends(text("first ").more(), ping("p"), cont("second")), wantsBoth("p", wire.Text, "first second"))},
		{ID: "in-message-waiting", Checks: "a ping inside a message is answered before the message is complete", Section: "RFC 6455 §5.5.2", roles: both,
			play: script(sends(text("first ").more(), ping("p")), wantsPong("p"), sends(cont("second")), wantsText("first second"))},
		{ID: "in-message-each", Checks: "pings after each of ten fragments are answered, the newest one at the latest", Section: "RFC 6455 §5.4", roles: both,
			play: func(s *session) {
				s.open()
				s.send(frame{op: wire.Binary})
				var whole strings.Builder
				for i := range 10 {
					p := fmt.Sprint("ping ", i)
					s.take(sends(cont(p).more(), ping(p)), wantsPong(p))
					whole.WriteString(p)
				}
				s.take(sends(cont("")), wantsMessage(wire.Binary, whole.String()))
				s.goodbye()
			}},
		{ID: "pong-in-message", Checks: "a pong between two fragments is ignored", Section: "RFC 6455 §5.4", roles: both,
			play: script(sends(text("first ").more(), pong("p"), cont("second")), wantsText("first second"))},
		{ID: "same-payload-as-message", Checks: "a ping with the payload of a message is answered with a pong, not with a message", Section: "RFC 6455 §5.5.3", roles: both,
			play: script(sends(ping("same"), text("same")), wantsBoth("same", wire.Text, "same"))},
		{ID: "after-close", Checks: "a ping after a close frame is not answered", Section: "RFC 6455 §5.5.1", roles: both,
			play: func(s *session) {
				s.open()
				s.take(sends(closing(wire.CloseNormal, ""), ping("too late")))
				s.take(wantsCloseWithoutPong("too late"))
			}},
	}
	for _, n := range []int{1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 100, 124, 125} {
		list = append(list, Case{ID: fmt.Sprintf("payload-%d", n), Section: "RFC 6455 §5.5.3", roles: both,
			Checks: fmt.Sprintf("a ping of %s is answered with the same bytes", byteCount(n)),
			play:   script(sends(ping(pattern(n))), wantsPong(pattern(n)))})
	}
	for _, n := range []int{2, 3, 10, 100, 1000} {
		frames, payloads := make([]frame, n), make([]string, n)
		for i := range frames {
			payloads[i] = fmt.Sprint("ping ", i)
			frames[i] = ping(payloads[i])
		}
		list = append(list, Case{ID: fmt.Sprintf("together-%d", n), Section: "RFC 6455 §5.5.3", roles: both,
			Checks: fmt.Sprintf("of %d pings in one write the last is answered, and the others in order or not at all", n),
			play:   script(sends(frames...), wantsPongOrLimit(payloads...))})
		if n > 10 {
			continue
		}
		list = append(list, Case{ID: fmt.Sprintf("together-%d-bytewise", n), Section: "RFC 6455 §5.5.3", roles: both,
			Checks: fmt.Sprintf("of %d pings that arrive byte by byte the last is answered, and the others in order or not at all", n),
			play:   script(sendsIn(1, frames...), wantsPong(payloads...))})
	}
	return list
}

// pingsEasy is how many pings at once nobody may take for an attack.
const pingsEasy = 10

// wantsPongOrLimit is wantsPong for more pings than a peer must put up with: it
// may end the connection instead.
func wantsPongOrLimit(payloads ...string) step {
	if len(payloads) <= pingsEasy {
		return wantsPong(payloads...)
	}
	return func(s *session) {
		newest := payloads[len(payloads)-1]
		for {
			a := s.next(0)
			switch {
			case a.kind == aMistake, a.kind == aPong && string(a.payload) == newest:
			case a.kind == aPing, a.kind == aPong:
				continue
			case a.kind == aClose && (a.code == wire.ClosePolicyViolation || a.code == wire.CloseMessageTooBig):
				s.inform("the peer closes with %s", describeCode(a.code))
				s.goodbye()
				s.over = true
			case a.kind == aClose || a.kind == anEnd:
				s.nonStrict("%s came: the peer takes so many pings for an attack, without saying so in a close frame with 1008", &a)
				s.over = true
			default:
				s.fail("%s came instead of the pong %q", &a, newest)
			}
			return
		}
	}
}

func repeat(f frame, n int) []frame {
	frames := make([]frame, n)
	for i := range frames {
		frames[i] = f
	}
	return frames
}

// wantsEmptyPong wants a pong without payload.
func wantsEmptyPong() step {
	return func(s *session) {
		for {
			a := s.next(0)
			switch a.kind {
			case aMistake, aPong:
				if len(a.payload) > 0 {
					s.fail("%s came for a ping without payload", &a)
				}
				return
			case aPing:
				continue
			}
			s.fail("%s came instead of an empty pong", &a)
			return
		}
	}
}

// wantsBoth wants a pong, and messages in their order. The pong may overtake the
// echo of what came before, and may be behind that of what came with the ping.
func wantsBoth(payload string, op wire.Opcode, bodies ...string) step {
	return func(s *session) {
		ponged, left := false, bodies
		for !ponged || len(left) > 0 {
			a := s.next(0)
			switch {
			case a.kind == aMistake:
				return
			case a.kind == aPing:
			case a.kind == aPong && !ponged && string(a.payload) == payload:
				ponged = true
			case a.kind == aMessage && len(left) > 0 && a.op == op && string(a.payload) == left[0]:
				left = left[1:]
			default:
				s.fail("%s came where %s expected", &a, describeWanted(payload, ponged, op, left))
				return
			}
		}
	}
}

// describeWanted names what wantsBoth still waits for.
func describeWanted(payload string, ponged bool, op wire.Opcode, bodies []string) string {
	pong := fmt.Sprintf("the pong %q", payload)
	if len(bodies) == 0 {
		return pong + " was"
	}
	message := fmt.Sprintf("the %s message %s", op, orEmpty(showPayload([]byte(bodies[0]))))
	if ponged {
		return message + " was"
	}
	return pong + " and " + message + " were"
}

// wantsCloseWithoutPong wants the answer to a close frame and no pong payload.
func wantsCloseWithoutPong(payload string) step {
	return func(s *session) {
		for {
			a := s.next(0)
			switch a.kind {
			case aMistake, aClose:
				if a.kind == aClose && s.role == Server {
					s.take(wantsEnd())
				}
				return
			case anEnd:
				s.nonStrict("the close frame was not answered (%s)", describeEnd(a.err))
				return
			case aPing:
				continue
			case aPong:
				if string(a.payload) != payload {
					continue
				}
			}
			s.fail("%s came after the close frame", &a)
			return
		}
	}
}
