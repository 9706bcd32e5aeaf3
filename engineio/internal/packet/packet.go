package packet

import (
	"encoding/base64"
	"errors"
	"slices"
)

// Type is the type of a packet, the digit that it begins with.
type Type byte

// The types.
const (
	Open    Type = '0'
	Close   Type = '1'
	Ping    Type = '2'
	Pong    Type = '3'
	Message Type = '4'
	Upgrade Type = '5'
	Noop    Type = '6'
)

// Packet is one packet.
type Packet struct {
	Type   Type
	Binary bool   // Data are the bytes of a Message, and not text
	Data   []byte // what follows the type
}

// Errors of parsing.
var (
	ErrType      = errors.New("engineio: a packet does not begin with its type")
	ErrBase64    = errors.New("engineio: a binary packet is not base64")
	ErrNotUTF8   = errors.New("engineio: a text packet is not valid UTF-8")
	ErrLength    = errors.New("engineio: the length of a packet is missing, or wrong")
	ErrNoPackets = errors.New("engineio: a payload without packets")
)

// ParseText reads a packet from its text, which is valid UTF-8: of a text frame, or of a
// part of a payload. Data is a part of b, or new memory if b is base64.
func ParseText(b []byte, version int) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, ErrType
	}
	switch t := Type(b[0]); {
	case t >= Open && t <= Noop:
		return Packet{Type: t, Data: b[1:]}, nil
	case t != 'b':
		return Packet{}, ErrType
	}
	b = b[1:]
	if version == 3 { // the digit is there, too
		if len(b) == 0 || Type(b[0]) != Message {
			return Packet{}, ErrType
		}
		b = b[1:]
	}
	for range 2 { // what clients leave out, or do not
		if n := len(b) - 1; n >= 0 && b[n] == '=' {
			b = b[:n]
		}
	}
	data, err := base64.RawStdEncoding.AppendDecode(nil, b)
	if err != nil {
		return Packet{}, ErrBase64
	}
	return Packet{Type: Message, Binary: true, Data: data}, nil
}

// ParseBinary reads a packet from the bytes of a binary frame. Data is a part of b.
func ParseBinary(b []byte, version int) (Packet, error) {
	if version != 3 {
		return Packet{Type: Message, Binary: true, Data: b}, nil
	}
	if len(b) == 0 || b[0] != byte(Message-Open) {
		return Packet{}, ErrType // clients have the others as text
	}
	return Packet{Type: Message, Binary: true, Data: b[1:]}, nil
}

// AppendText appends the text of p.
func AppendText(dst []byte, p Packet, version int) []byte {
	if !p.Binary {
		dst = append(slices.Grow(dst, 1+len(p.Data)), byte(p.Type))
		return append(dst, p.Data...)
	}
	dst = append(dst, 'b')
	if version == 3 {
		dst = append(dst, byte(Message))
	}
	return base64.StdEncoding.AppendEncode(dst, p.Data)
}

// TextLen is how many bytes AppendText appends.
func TextLen(p Packet, version int) int {
	switch {
	case !p.Binary:
		return 1 + len(p.Data)
	case version == 3:
		return 2 + base64.StdEncoding.EncodedLen(len(p.Data))
	}
	return 1 + base64.StdEncoding.EncodedLen(len(p.Data))
}

// AppendBinary appends the bytes of a binary frame for p, a message of bytes.
func AppendBinary(dst []byte, p Packet, version int) []byte {
	if version == 3 {
		dst = append(dst, byte(Message-Open))
	}
	return append(dst, p.Data...)
}
