package wire

import "testing"

func TestOpcode(t *testing.T) {
	for o, want := range []struct {
		name              string
		control, reserved bool
	}{
		{"continuation", false, false}, {"text", false, false}, {"binary", false, false},
		{"reserved opcode 0x3", false, true}, {"reserved opcode 0x4", false, true}, {"reserved opcode 0x5", false, true},
		{"reserved opcode 0x6", false, true}, {"reserved opcode 0x7", false, true},
		{"close", true, false}, {"ping", true, false}, {"pong", true, false},
		{"reserved opcode 0xb", true, true}, {"reserved opcode 0xc", true, true}, {"reserved opcode 0xd", true, true},
		{"reserved opcode 0xe", true, true}, {"reserved opcode 0xf", true, true},
	} {
		op := Opcode(o)
		if op.String() != want.name || op.IsControl() != want.control || op.IsReserved() != want.reserved {
			t.Errorf("%#x: %q, control %v, reserved %v", o, op, op.IsControl(), op.IsReserved())
		}
	}
}
