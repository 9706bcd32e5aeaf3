package packet

import "bytes"

// Decoder puts packets together from the messages of one Engine.IO session. The zero
// value reads protocol 5 with the default limits. It is for one goroutine at a time.
//
// It keeps what of a packet has come until its attachments are there, as much as
// PacketBytesMax.
type Decoder struct {
	limits  Limits
	names   names
	waiting Packet // lacks missing attachments
	missing int
	size    int
}

// NewDecoder returns a Decoder with limits. The error is an *OptionError.
func NewDecoder(limits Limits) (*Decoder, error) {
	limits, err := limits.WithDefaults()
	if err != nil {
		return nil, err
	}
	return &Decoder{limits: limits}, nil
}

// Text decodes a text message, without the digit 4. ok says that p is complete. Otherwise
// its attachments follow. What p refers to is a part of message if it has no attachments,
// and the caller's otherwise.
func (d *Decoder) Text(message []byte) (p Packet, ok bool, err error) {
	if d.missing > 0 {
		return Packet{}, false, ErrUnexpectedText
	}
	namespaceBytesMax, packetBytesMax := d.limits.NamespaceBytesMax, d.limits.PacketBytesMax
	if namespaceBytesMax == 0 {
		namespaceBytesMax, packetBytesMax = DefaultNamespaceBytesMax, DefaultPacketBytesMax
	}
	if d.limits.Legacy {
		namespaceBytesMax = max(namespaceBytesMax, namespaceBytesMax+legacyQueryBytesMax) // no overflow
	}
	if len(message) > packetBytesMax {
		return Packet{}, false, ErrTooLarge
	}
	p, attachments, err := parse(message, namespaceBytesMax, &d.names)
	if err != nil || attachments == 0 {
		return p, err == nil, err
	}
	// What clients send has a place for each attachment, but what has less is whole, too.
	if _, err := placeholders(p.Args, attachments); err != nil {
		return Packet{}, false, err
	}
	p.Args = bytes.Clone(p.Args)
	d.waiting, d.missing, d.size = p, attachments, len(message)
	return Packet{}, false, nil
}

// Binary takes a binary message, which it copies. ok says that p is complete, and all of it
// is the caller's.
func (d *Decoder) Binary(message []byte) (p Packet, ok bool, err error) {
	if d.missing == 0 {
		return Packet{}, false, ErrUnexpectedBinary
	}
	packetBytesMax := d.limits.PacketBytesMax
	if packetBytesMax == 0 {
		packetBytesMax = DefaultPacketBytesMax
	}
	if d.size += len(message); d.size > packetBytesMax {
		return Packet{}, false, ErrTooLarge
	}
	d.waiting.Attachments = append(d.waiting.Attachments, append(make([]byte, 0, len(message)), message...))
	if d.missing--; d.missing > 0 {
		return Packet{}, false, nil
	}
	p, d.waiting, d.size = d.waiting, Packet{}, 0
	return p, true, nil
}
