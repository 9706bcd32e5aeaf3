package conformance

import (
	"fmt"

	"github.com/godwit-io/godwit/ws/wire"
)

// reservedCases set reserved bits that no extension has given a meaning.
func reservedCases() []Case {
	var list []Case
	for rsv := uint8(1); rsv <= 7; rsv++ {
		bits := fmt.Sprintf("%03b", rsv)
		for _, c := range []struct {
			name   string
			frames []frame // the last one gets the bits
		}{
			{"text", []frame{text("reserved")}},
			{"text-empty", []frame{text("")}},
			{"binary", []frame{binaryOf([]byte{1, 2, 3})}},
			{"ping", []frame{ping("reserved")}},
			{"pong", []frame{pong("reserved")}},
			{"close", []frame{closing(wire.CloseNormal, "reserved")}},
			{"fragment", []frame{text("reserved").more()}},
			{"continuation", []frame{text("good, ").more(), cont("reserved")}},
		} {
			last := len(c.frames) - 1
			c.frames[last] = c.frames[last].withRSV(rsv)
			list = append(list, Case{ID: c.name + "-" + bits, Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("a %s frame with the reserved bits %s and no extension is refused", c.name, bits),
				play:   script(sends(c.frames...), wantsFault(wire.CloseProtocolError))})
		}
		list = append(list,
			Case{ID: "later-" + bits, Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("the reserved bits %s are refused after a good message too", bits),
				play:   script(echoes(text("good")), sends(text("reserved").withRSV(rsv)), wantsFault(wire.CloseProtocolError))},
			Case{ID: "bytewise-" + bits, Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("the reserved bits %s are refused in a frame that arrives byte by byte", bits),
				play:   script(sendsIn(1, text("reserved").withRSV(rsv)), wantsFault(wire.CloseProtocolError))})
	}
	list = append(list,
		Case{ID: "header-only", Section: "RFC 6455 §5.2", roles: both,
			Checks: "reserved bits are refused though the payload that was announced has not arrived",
			play:   failsInFrame(text(pattern(1000)).withRSV(wire.RSV2), 1000, wire.CloseProtocolError)},
		Case{ID: "together", Section: "RFC 6455 §5.2", roles: both,
			Checks: "reserved bits end the connection: a good frame that follows in the same write is not echoed",
			play: script(sends(text("reserved").withRSV(wire.RSV3), text("must not come back")),
				wantsFault(wire.CloseProtocolError))})
	return list
}

// opcodeCases send opcodes that mean nothing.
func opcodeCases() []Case {
	var list []Case
	for op := wire.Opcode(0x3); op <= 0xF; op++ {
		if !op.IsReserved() {
			continue
		}
		bad := func(s string) frame { return message(op, s) }
		for _, c := range []struct {
			name, what string
			play       func(*session)
		}{
			{"empty", "without payload is refused", script(sends(bad("")), wantsFault(wire.CloseProtocolError))},
			{"payload", "with a payload is refused", script(sends(bad("payload")), wantsFault(wire.CloseProtocolError))},
			{"fragment", "without FIN is refused", script(sends(bad("payload").more()), wantsFault(wire.CloseProtocolError))},
			{"later", "is refused after a good message too", script(echoes(text("good")), sends(bad("payload")), wantsFault(wire.CloseProtocolError))},
			{"in-message", "between two fragments of a message is refused",
				script(sends(text("good, ").more(), bad("payload"), cont("good")), wantsFault(wire.CloseProtocolError))},
			{"together", "ends the connection: a good frame that follows in the same write is not echoed",
				script(sends(bad(""), text("must not come back")), wantsFault(wire.CloseProtocolError))},
			{"bytewise", "is refused when it arrives byte by byte", script(sendsIn(1, bad("payload")), wantsFault(wire.CloseProtocolError))},
		} {
			list = append(list, Case{ID: fmt.Sprintf("%x-%s", uint8(op), c.name), Section: "RFC 6455 §5.2", roles: both,
				Checks: fmt.Sprintf("a frame with the reserved opcode 0x%X %s", uint8(op), c.what), play: c.play})
		}
	}
	return list
}
