package redisbroker

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// A record is a message as it is stored and sent: kind and shape, flags, what the flags say as
// texts with their lengths before them, and the payload up to the end.
//
//	┌──────────────┬───────┬───────────┬───────┬──────┬─────┬─────────┬───────┬─────────┬─────────┐
//	│ kind + shape │ flags │ publisher │ event │ user │ key │ exclude │ trace │ expires │ payload │
//	└──────────────┴───────┴───────────┴───────┴──────┴─────┴─────────┴───────┴─────────┴─────────┘
const (
	hasPublisher = 1 << iota
	hasEvent
	hasUser
	hasKey
	hasExclude
	hasTrace
	hasExpires
	hasAttributes
)

const shapeShift = 2 // above the kind

var errRecord = errors.New("redisbroker: a publication that this version does not know")

// appendRecord appends m without its channel.
func appendRecord(dst []byte, m *hub.Message) []byte {
	a := m.Attributes
	first, flags := byte(m.Kind), byte(0)
	var texts [6]string
	texts[0] = m.Publisher
	if a != nil {
		flags |= hasAttributes
		first |= byte(a.Shape) << shapeShift
		texts = [6]string{m.Publisher, a.Event, a.User, a.Key, a.Exclude, a.Trace}
		if !a.Expires.IsZero() {
			flags |= hasExpires
		}
	}
	for i, text := range texts {
		if text != "" {
			flags |= hasPublisher << i
		}
	}
	dst = append(dst, first, flags)
	for _, text := range texts {
		if text != "" {
			dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
		}
	}
	if flags&hasExpires != 0 {
		dst = binary.AppendVarint(dst, a.Expires.UnixNano())
	}
	return append(dst, m.Data...)
}

// parseRecord fills in p with a record. The payload is a part of b.
func parseRecord(b []byte, p *hub.Publication) error {
	if len(b) < 2 {
		return errRecord
	}
	first, flags := b[0], b[1]
	b = b[2:]
	p.Kind = hub.Kind(first & (1<<shapeShift - 1))
	shape := hub.Shape(first >> shapeShift)
	if p.Kind > hub.JSON || flags&hasAttributes == 0 && (shape != 0 || flags&^hasPublisher != 0) {
		return errRecord
	}
	var texts [6]string
	for i := range texts {
		if flags&(hasPublisher<<i) == 0 {
			continue
		}
		n, size := binary.Uvarint(b)
		if size <= 0 || n == 0 || n > uint64(len(b)-size) {
			return errRecord
		}
		texts[i] = string(b[size : size+int(n)])
		b = b[size+int(n):]
	}
	p.Publisher = texts[0]
	if flags&hasAttributes != 0 {
		p.Attributes = &hub.Attributes{Event: texts[1], User: texts[2], Key: texts[3], Exclude: texts[4], Trace: texts[5], Shape: shape}
		if flags&hasExpires != 0 {
			n, size := binary.Varint(b)
			if size <= 0 {
				return errRecord
			}
			p.Attributes.Expires = time.Unix(0, n).UTC()
			b = b[size:]
		}
	}
	p.Data = b[:len(b):len(b)]
	return nil
}

// told is what a topic was told: "+OFFSET MILLISECONDS EPOCH RECORD", with '*' for the
// first publication of its stream.
type told struct {
	offset  uint64
	ms      int64
	epoch   string
	isFirst bool
	record  []byte
}

var errTold = errors.New("redisbroker: a message that this version does not know")

// parseTold takes a message of a topic apart. The record is a part of b.
func parseTold(b []byte) (t told, err error) {
	if len(b) == 0 || b[0] != '+' && b[0] != '*' {
		return t, errTold
	}
	t.isFirst = b[0] == '*'
	text := b[1:]
	var fields [3]string
	for i := range fields {
		end := 0
		for end < len(text) && text[end] != ' ' && end <= hub.EpochBytesMax {
			end++
		}
		if end == 0 || end == len(text) || text[end] != ' ' {
			return t, errTold
		}
		fields[i] = string(text[:end])
		text = text[end+1:]
	}
	if t.offset, err = strconv.ParseUint(fields[0], 10, 64); err != nil || t.offset == 0 {
		return t, errTold
	}
	if t.ms, err = strconv.ParseInt(fields[1], 10, 64); err != nil || t.ms < 0 {
		return t, errTold
	}
	t.epoch, t.record = fields[2], text
	return t, nil
}

// publication is t in a channel.
func (t *told) publication(channel string) (*hub.Publication, error) {
	p := &hub.Publication{Channel: channel, Position: hub.Position{Epoch: t.epoch, Offset: t.offset}, Time: time.UnixMilli(t.ms).UTC()}
	if !t.isFirst {
		p.Previous = t.offset - 1
	}
	return p, parseRecord(t.record, p)
}

// kept is how long an entry is kept: count newer ones, and an age in milliseconds.
type kept struct {
	isFirst bool // of its stream
	count   uint64
	ageMS   int64
}

// parseKept takes the name of an entry's field apart, such as "+100:3600000".
func parseKept(field string) (k kept, err error) {
	if field == "" || field[0] != '+' && field[0] != '*' {
		return k, errRecord
	}
	count, age, _ := strings.Cut(field[1:], ":")
	k.isFirst = field[0] == '*'
	if k.count, err = strconv.ParseUint(count, 10, 63); err != nil {
		return k, errRecord
	}
	if k.ageMS, err = strconv.ParseInt(age, 10, 64); err != nil || k.ageMS < 0 {
		return k, errRecord
	}
	return k, nil
}

// retentionOf is what scriptPublish is told of r.
func retentionOf(r hub.Retention) (count, ageMS int64) {
	if r.Count <= 0 || r.Age <= 0 {
		return 0, 0
	}
	return int64(min(r.Count, math.MaxInt32)), max(1, r.Age.Milliseconds())
}
