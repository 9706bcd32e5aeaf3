package packet

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Separator stands between the packets of a payload of version 4.
const Separator = 0x1E

// Encoding is how a payload has its packets.
type Encoding uint8

// The encodings.
const (
	V4       Encoding = iota
	V3Text            // lengths are UTF-16 units
	V3Octets          // lengths are bytes
)

// lengthDigitsMax bounds a length, to less than what an int has everywhere.
const lengthDigitsMax = 9

// Parse reads the first packet of a payload, and says how many bytes it takes with what
// stands around it. The packet is as in ParseText and ParseBinary. A payload has at least
// one packet.
func (e Encoding) Parse(b []byte) (p Packet, n int, err error) {
	if len(b) == 0 {
		return Packet{}, 0, ErrNoPackets
	}
	switch e {
	case V3Text:
		return parseCounted(b)
	case V3Octets:
		return parseOctets(b)
	}
	one, rest, separated := bytes.Cut(b, []byte{Separator})
	if separated && len(rest) == 0 {
		return Packet{}, 0, ErrType // an empty packet is last
	}
	if p, err = parseValid(one, 4); err != nil {
		return Packet{}, 0, err
	}
	return p, len(b) - len(rest), nil
}

func parseValid(b []byte, version int) (Packet, error) {
	if !utf8.Valid(b) {
		return Packet{}, ErrNotUTF8
	}
	return ParseText(b, version)
}

func parseCounted(b []byte) (Packet, int, error) {
	units, n := 0, 0
	for ; n < len(b) && b[n] != ':'; n++ {
		if b[n] < '0' || b[n] > '9' || n == lengthDigitsMax {
			return Packet{}, 0, ErrLength
		}
		units = units*10 + int(b[n]-'0')
	}
	if n == 0 || n == len(b) {
		return Packet{}, 0, ErrLength
	}
	n++
	end := n
	for ; units > 0; units-- {
		if end == len(b) {
			return Packet{}, 0, ErrLength
		}
		r, size := utf8.DecodeRune(b[end:])
		if r == utf8.RuneError && size == 1 {
			return Packet{}, 0, ErrNotUTF8
		}
		if r > 0xFFFF { // two units
			if units--; units == 0 {
				return Packet{}, 0, ErrLength
			}
		}
		end += size
	}
	p, err := ParseText(b[n:end], 3)
	if err != nil {
		return Packet{}, 0, err
	}
	return p, end, nil
}

func parseOctets(b []byte) (Packet, int, error) {
	isBinary := b[0]
	if isBinary > 1 {
		return Packet{}, 0, ErrLength
	}
	length, n := 0, 1
	for ; n < len(b) && b[n] != 0xFF; n++ {
		if b[n] > 9 || n > lengthDigitsMax {
			return Packet{}, 0, ErrLength
		}
		length = length*10 + int(b[n])
	}
	if n == 1 || n == len(b) || length > len(b)-n-1 {
		return Packet{}, 0, ErrLength
	}
	n++
	parse := parseValid
	if isBinary == 1 {
		parse = ParseBinary
	}
	p, err := parse(b[n:n+length], 3)
	if err != nil {
		return Packet{}, 0, err
	}
	return p, n + length, nil
}

// Append appends p to the payload in dst, which is empty before the first packet.
func (e Encoding) Append(dst []byte, p Packet) []byte {
	switch e {
	case V3Text:
		units := TextLen(p, 3)
		if !p.Binary {
			units = 1 + unitsOf(p.Data)
		}
		dst = strconv.AppendInt(dst, int64(units), 10)
		return AppendText(append(dst, ':'), p, 3)
	case V3Octets:
		var isBinary byte
		if p.Binary {
			isBinary = 1
		}
		dst = append(dst, isBinary)
		var digits [20]byte
		for _, d := range strconv.AppendInt(digits[:0], int64(1+len(p.Data)), 10) {
			dst = append(dst, d-'0')
		}
		dst = append(dst, 0xFF)
		if p.Binary {
			return AppendBinary(dst, p, 3)
		}
		return AppendText(dst, p, 3)
	}
	if len(dst) > 0 {
		dst = append(dst, Separator)
	}
	return AppendText(dst, p, 4)
}

// unitsOf is how many UTF-16 units a valid text has.
func unitsOf(b []byte) int {
	n := 0
	for _, c := range b {
		switch {
		case c >= 0xF0:
			n += 2
		case c < 0x80 || c >= 0xC0:
			n++
		}
	}
	return n
}
