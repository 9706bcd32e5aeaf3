package engineio

import (
	"slices"

	"github.com/godwit-io/godwit/ws/wire"
)

// AppendMessage appends a message to dst as Socket.WritePackets takes it: an Engine.IO
// packet in a WebSocket frame. A text must be valid UTF-8, which is not checked.
func AppendMessage(dst []byte, typ MessageType, data []byte) []byte {
	if typ == MessageBinary {
		return wire.AppendFrame(dst, true, wire.Binary, data)
	}
	dst = slices.Grow(dst, wire.HeaderBytesMax+1+len(data))
	dst = wire.AppendHeader(dst, wire.Header{Fin: true, Opcode: wire.Text, Length: int64(len(data)) + 1})
	dst = append(dst, '4')
	return append(dst, data...)
}
