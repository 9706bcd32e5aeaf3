package packet

import (
	"bytes"
	"math"
)

// names keeps the last namespace and event name, so that packets like the one before
// allocate neither.
type names struct{ namespace, event string }

func keep(last *string, b []byte) string {
	if *last != string(b) {
		*last = string(b)
	}
	return *last
}

// Parse decodes the text of a packet, without the digit 4 that makes it a message of
// Engine.IO. attachments is how many follow. Data and Args of the packet are parts of b.
//
// Namespaces are not judged, except that they begin with a slash and are no longer than
// DefaultNamespaceBytesMax. The error is one of ErrType, ErrNamespace, ErrAttachments, ErrID,
// ErrData and ErrEventName.
func Parse(b []byte) (p Packet, attachments int, err error) {
	return parse(b, DefaultNamespaceBytesMax, &names{})
}

func parse(b []byte, namespaceBytesMax int, n *names) (p Packet, attachments int, err error) {
	if len(b) == 0 || b[0] < '0' || b[0] > '6' {
		return Packet{}, 0, ErrType
	}
	p.Type, b = Type(b[0]-'0'), b[1:]

	if p.Type == binaryEvent || p.Type == binaryAck {
		p.Type -= binaryEvent - Event
		digits := skipDigits(b, 0)
		if digits == 0 || digits == len(b) || b[digits] != '-' {
			return Packet{}, 0, ErrAttachments
		}
		count, ok := parseUint(b[:digits])
		if !ok || count == 0 || count > AttachmentsMax {
			return Packet{}, 0, ErrAttachments
		}
		attachments, b = int(count), b[digits+1:]
	}

	p.Namespace = Main
	if len(b) > 0 && b[0] == '/' {
		end, rest := len(b), len(b)
		if comma := bytes.IndexByte(b, ','); comma >= 0 {
			end, rest = comma, comma+1
		}
		if end > namespaceBytesMax {
			return Packet{}, 0, ErrNamespace
		}
		if end > 1 {
			p.Namespace = keep(&n.namespace, b[:end])
		}
		b = b[rest:]
	}

	if digits := skipDigits(b, 0); digits > 0 {
		var ok bool
		if p.ID, ok = parseUint(b[:digits]); !ok || p.Type != Event && p.Type != Ack {
			return Packet{}, 0, ErrID
		}
		p.HasID, b = true, b[digits:]
	}
	if p.Type == Ack && !p.HasID {
		return Packet{}, 0, ErrID
	}
	if err := p.parseData(b, n); err != nil {
		return Packet{}, 0, err
	}
	return p, attachments, nil
}

// parseData reads the JSON of a packet, which is what its type has.
func (p *Packet) parseData(b []byte, n *names) error {
	b = trimSpace(b[skipSpace(b, 0):])
	if len(b) == 0 {
		if p.Type == Connect || p.Type == Disconnect {
			return nil
		}
		return ErrData
	}
	switch p.Type {
	case Connect:
		if b[0] != '{' {
			return ErrData
		}
	case ConnectError:
		if b[0] != '{' && b[0] != '"' {
			return ErrData
		}
	case Event, Ack:
		if b[0] != '[' {
			return ErrData
		}
	default: // a DISCONNECT says nothing
		return ErrData
	}
	if skipValue(b, 0, 0, nil) != len(b) {
		return ErrData
	}
	switch p.Type {
	case Event:
		return p.parseEvent(b[1:len(b)-1], n)
	case Ack:
		p.Args = trimSpace(b[1+skipSpace(b[1:len(b)-1], 0) : len(b)-1])
	default:
		p.Data = b
	}
	return nil
}

// parseEvent takes the name off the elements of an event, which are valid.
func (p *Packet) parseEvent(elements []byte, n *names) error {
	i := skipSpace(elements, 0)
	if i == len(elements) || elements[i] != '"' && elements[i] != '-' && !isDigit(elements[i]) {
		return ErrEventName
	}
	end := skipValue(elements, i, 0, nil)
	name := elements[i:end]
	switch {
	case name[0] != '"': // a number is its digits
		p.Event = keep(&n.event, name)
	case bytes.IndexByte(name, '\\') < 0:
		p.Event = keep(&n.event, name[1:len(name)-1])
	default:
		text, ok := unquote(name)
		if !ok {
			return ErrEventName
		}
		p.Event = text
	}
	if name[0] == '"' && IsReserved(p.Event) {
		return ErrEventName
	}
	if end = skipSpace(elements, end); end < len(elements) {
		end = skipSpace(elements, end+1) // the comma
	}
	p.Args = trimSpace(elements[end:])
	return nil
}

// parseUint reads decimal digits. It reports false for a number of more than 64 bits.
func parseUint(digits []byte) (uint64, bool) {
	var v uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if v > (math.MaxUint64-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}
