// Package wire encodes and decodes WebSocket frames as bytes (RFC 6455 §5).
//
// It holds what both directions and every driver agree on: the frame header,
// masking, close codes and incremental UTF-8 validation. It knows nothing of
// connections: there is no state machine, no I/O, no clock and no lock here.
//
// A frame on the wire:
//
//	 byte 0          byte 1            0, 2 or 8 bytes  0 or 4 bytes
//	+-+---+------+  +-+------------+  +--------------+  +----------+  +---------
//	|F|RSV|opcode|  |M| length (7) |  | longer length|  | mask key |  | payload
//	+-+---+------+  +-+------------+  +--------------+  +----------+  +---------
//	 1  3    4       1     7
//
// Functions append to the caller's memory or look into it, and keep nothing of
// it. They are safe for concurrent use. UTF8 is the one type with a state.
package wire
