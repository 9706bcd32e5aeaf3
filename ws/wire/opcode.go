package wire

import "strconv"

// Opcode says what a frame carries (RFC 6455 §5.2, §11.8).
type Opcode uint8

// The opcodes in use. 0x3 to 0x7 and 0xB to 0xF are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// IsControl reports whether o is a control opcode, reserved ones included.
func (o Opcode) IsControl() bool { return o&0x8 != 0 }

// IsReserved reports whether o has no meaning yet, so that a frame that
// carries it is a protocol error.
func (o Opcode) IsReserved() bool { return o&0x7 > 2 }

// String returns the name of o, such as "text" or "reserved opcode 0x3".
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved opcode 0x" + strconv.FormatUint(uint64(o), 16)
}
