package drivertest

import (
	"bytes"

	"github.com/godwit-io/godwit/ws/wire"
)

// part is something that a peer sends, in the form of its role.
type part struct {
	h       wire.Header
	payload string
	length  int64  // announced, if it is not the payload's
	raw     []byte // instead: a frame's beginning as bytes, but for the bit that says that it is masked
	other   bool   // in the form of the other role
}

func frame(fin bool, op wire.Opcode, payload string) part {
	return part{h: wire.Header{Fin: fin, Opcode: op}, payload: payload}
}

func marked(rsv uint8, fin bool, op wire.Opcode, payload string) part {
	return part{h: wire.Header{Fin: fin, RSV: rsv, Opcode: op}, payload: payload}
}

func says(s string) part { return frame(true, wire.Text, s) }

func closes(code wire.CloseCode, reason string) part {
	return frame(true, wire.Close, string(wire.AppendClose(nil, code, reason)))
}

// announces is a frame of which no more than payload comes.
func announces(fin bool, op wire.Opcode, length int64, payload string) part {
	a := frame(fin, op, payload)
	a.length = length
	return a
}

func begins(b ...byte) part { return part{raw: b} }

// encode returns the bytes of a, masked if mask is set and it says nothing else.
func (a part) encode(mask bool) []byte {
	mask = mask != a.other
	if a.raw != nil {
		b := bytes.Clone(a.raw)
		if len(b) > 1 && mask {
			b[1] |= 0x80
		}
		return b
	}
	h := a.h
	if h.Length = a.length; h.Length == 0 {
		h.Length = int64(len(a.payload))
	}
	payload := []byte(a.payload)
	if mask {
		h.Masked, h.Mask = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
		wire.Mask(payload, h.Mask, 0)
	}
	return append(wire.AppendHeader(nil, h), payload...)
}
