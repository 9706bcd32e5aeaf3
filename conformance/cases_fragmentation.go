package conformance

import (
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

func fragmentationCases() []Case {
	var list []Case
	add := func(id, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: "RFC 6455 §5.4", roles: both, play: play})
	}
	refused := func(frames ...frame) func(*session) {
		return script(sends(frames...), wantsFault(wire.CloseProtocolError))
	}
	for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
		t := op.String()
		whole := func(parts ...string) func(*session) {
			return script(sends(fragmentsOf(op, parts...)...), wantsMessage(op, strings.Join(parts, "")))
		}
		add(t+"-two", "a "+t+" message in two fragments is echoed whole", whole("first, ", "second"))
		add(t+"-three", "a "+t+" message in three fragments is echoed whole", whole("first, ", "second, ", "third"))
		add(t+"-hundred", "a "+t+" message in a hundred fragments of one byte is echoed whole", whole(parts(pattern(100), 1)...))
		add(t+"-thousand", "a "+t+" message in a thousand fragments is echoed whole", whole(parts(pattern(10_000), 10)...))
		add(t+"-empty-first", "the first fragment of a "+t+" message may be empty", whole("", "payload"))
		add(t+"-empty-middle", "a fragment in the middle of a "+t+" message may be empty", whole("pay", "", "load"))
		add(t+"-empty-last", "the last fragment of a "+t+" message may be empty", whole("payload", ""))
		add(t+"-empty-all", "a "+t+" message of three empty fragments is an empty message", whole("", "", ""))
		add(t+"-apart", "a "+t+" message is echoed whole when its fragments arrive one by one", func(s *session) {
			s.open()
			for _, f := range fragmentsOf(op, "first, ", "second, ", "third") {
				s.take(sends(f), func(s *session) { s.pause(probeAfter / 20) })
			}
			s.take(wantsMessage(op, "first, second, third"))
			s.goodbye()
		})
		add(t+"-bytewise", "a "+t+" message in three fragments that arrives byte by byte is echoed whole",
			script(sendsIn(1, fragmentsOf(op, "first, ", "second, ", "third")...), wantsMessage(op, "first, second, third")))
		add(t+"-large", "a "+t+" message of 16 fragments of 4096 bytes is echoed whole", whole(parts(pattern(64<<10), 4096)...))
		add(t+"-twice", "two fragmented "+t+" messages in a row are kept apart", script(
			sends(append(fragmentsOf(op, "a", "b"), fragmentsOf(op, "c", "d")...)...), wantsMessage(op, "ab"), wantsMessage(op, "cd")))
		add(t+"-then-whole", "a whole message after a fragmented "+t+" message is one of its own", script(
			sends(append(fragmentsOf(op, "a", "b"), text("whole"))...), wantsMessage(op, "ab"), wantsText("whole")))
		add(t+"-all-controls", "pings and pongs between all fragments of a "+t+" message do not disturb it", script(
			sends(message(op, "a").more(), ping("1"), cont("b").more(), pong("2"), ping("3"), cont("c").more(), pong(""), cont("d")),
			func(s *session) { s.awaitMessage(op, []byte("abcd")) }))

		add(t+"-interleaved-text", "a text message may not begin before a "+t+" message has ended", refused(message(op, "a").more(), text("b")))
		add(t+"-interleaved-binary", "a binary message may not begin before a "+t+" message has ended", refused(message(op, "a").more(), message(wire.Binary, "b")))
		add(t+"-interleaved-fragment", "a fragmented message may not begin before a "+t+" message has ended", refused(message(op, "a").more(), text("b").more()))
		add(t+"-interleaved-empty", "an empty message may not begin before a "+t+" message has ended", refused(message(op, "").more(), text("")))
		add(t+"-interleaved-late", "a message may not begin after the second fragment of a "+t+" message either", refused(message(op, "a").more(), cont("b").more(), message(op, "c")))
	}

	add("orphan", "a continuation frame with no message to continue is refused", refused(cont("orphan")))
	add("orphan-empty", "an empty continuation frame with no message to continue is refused", refused(cont("")))
	add("orphan-more", "a continuation frame without FIN and with no message to continue is refused", refused(cont("orphan").more()))
	add("orphan-later", "a continuation frame after a message that has ended is refused",
		script(echoes(text("whole")), sends(cont("orphan")), wantsFault(wire.CloseProtocolError)))
	add("orphan-after-fragmented", "a continuation frame after a fragmented message that has ended is refused",
		script(sends(fragmentsOf(wire.Text, "a", "b")...), wantsText("ab"), sends(cont("orphan")), wantsFault(wire.CloseProtocolError)))
	add("orphan-after-ping", "a continuation frame after a ping is refused",
		script(sends(ping("p"), cont("orphan")), wantsFault(wire.CloseProtocolError)))
	add("orphan-together", "a continuation frame with no message to continue ends the connection: a good frame after it is not echoed",
		refused(cont("orphan"), text("must not come back")))
	add("orphan-before-message", "a continuation frame that begins, and text that ends, are no message", refused(cont("a").more(), text("b")))
	for _, n := range []int{1, 2, 5, 13} {
		add(fmt.Sprintf("mixed-in-%d", n), fmt.Sprintf("fragments, pings and whole messages that arrive %d bytes at a time come apart right", n), script(
			sendsIn(n, text("one ").more(), ping("p"), cont("").more(), cont("two"), message(wire.Binary, "three"), text("four").more(), cont("")),
			wantsText("one two"), wantsMessage(wire.Binary, "three"), wantsText("four")))
	}
	return list
}
