package session

import (
	"encoding/binary"
	"slices"

	"github.com/godwit-io/godwit/engineio/internal/packet"
)

// queue is the packets that wait for a poll, one after another in one piece of memory:
//
//	type (and 0x80: binary) │ length, uvarint │ data
type queue struct {
	b         []byte
	bytes     int // of the data of messages
	messages  int
	hasBinary bool
}

const binaryFlag = 0x80

// keptBytes is the largest memory that a queue keeps for its next packets.
const keptBytes = 4 << 10

func (q *queue) isEmpty() bool { return len(q.b) == 0 }

func (q *queue) add(p packet.Packet) {
	head := byte(p.Type)
	if p.Binary {
		head |= binaryFlag
		q.hasBinary = true
	}
	if p.Type == packet.Message {
		q.messages++
		q.bytes += len(p.Data)
	}
	q.b = slices.Grow(q.b, 1+binary.MaxVarintLen32+len(p.Data))
	q.b = binary.AppendUvarint(append(q.b, head), uint64(len(p.Data)))
	q.b = append(q.b, p.Data...)
}

// all calls f with each packet.
func (q *queue) all(f func(packet.Packet)) {
	for b := q.b; len(b) > 0; {
		length, n := binary.Uvarint(b[1:])
		end := 1 + n + int(length)
		f(packet.Packet{Type: packet.Type(b[0] &^ binaryFlag), Binary: b[0]&binaryFlag != 0, Data: b[1+n : end]})
		b = b[end:]
	}
}

func (q *queue) clear() {
	kept := q.b[:0]
	if cap(kept) > keptBytes {
		kept = nil
	}
	*q = queue{b: kept}
}
