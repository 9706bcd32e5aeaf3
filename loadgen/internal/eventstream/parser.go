package eventstream

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// ErrTooLong says that an event, or a line, is longer than Parser.BytesMax.
var ErrTooLong = errors.New("an event that is too long")

// Event is one event. Its bytes are valid until the next call of Next.
type Event struct {
	Name []byte // empty: message
	Data []byte // its lines joined with line feeds
}

// Parser takes one stream apart. It is for one goroutine.
type Parser struct {
	// BytesMax is the most that a line, and the data of an event, may have. It
	// must be above zero.
	BytesMax int

	// LastID is the id that the last event has had, or an earlier one if it had none: what
	// a client sends as Last-Event-ID. It is valid until the next call of Next.
	LastID []byte

	// Retry is how long the server wants a client to wait before it comes back, 0 if it
	// has not said so.
	Retry time.Duration

	id      []byte // of the event that arrives, which counts when it is whole
	line    []byte // the beginning of a line that came in pieces
	name    []byte
	data    []byte // of the event, if it is copied
	whole   []byte // of the event, if it is in the bytes of this call
	has     bool   // there is data
	skip    bool   // a line feed that comes now ends no line: a carriage return has
	started bool
}

// Next returns the next event in b, and how many bytes it has taken. Without one
// it has taken all of b.
func (p *Parser) Next(b []byte) (e Event, n int, ok bool, err error) {
	for n < len(b) {
		line, took, whole, err := p.cut(b[n:])
		n += took
		switch {
		case err != nil:
			return Event{}, n, false, err
		case !whole:
			continue
		case len(line) > 0:
			if err := p.field(line); err != nil {
				return Event{}, n, false, err
			}
		case p.has:
			p.LastID = append(p.LastID[:0], p.id...)
			e = Event{Name: p.name, Data: p.data}
			if p.whole != nil {
				e.Data = p.whole
			}
			p.name, p.data, p.whole, p.has = p.name[:0], p.data[:0], nil, false
			p.line = p.line[:0]
			return e, n, true, nil
		default:
			p.LastID = append(p.LastID[:0], p.id...)
			p.name = p.name[:0] // an event without data is none
		}
		p.line = p.line[:0]
	}
	p.keep()
	return Event{}, n, false, nil
}

// cut takes the next line of b, without its end, as far as it is there.
func (p *Parser) cut(b []byte) (line []byte, n int, whole bool, err error) {
	if p.skip {
		p.skip = false
		if b[0] == '\n' {
			return nil, 1, false, nil
		}
	}
	end := bytes.IndexByte(b, '\n')
	n, whole = end+1, end >= 0
	if !whole {
		end, n = len(b), len(b)
	}
	if i := bytes.IndexByte(b[:end], '\r'); i >= 0 {
		end, n, whole = i, i+1, true
		p.skip = true
	}
	line = b[:end]
	if len(line)+len(p.line) > p.BytesMax {
		return nil, n, false, ErrTooLong
	}
	if len(p.line) > 0 || !whole {
		p.line = append(p.line, line...)
		line = p.line
	}
	if whole && !p.started {
		p.started = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line, n, whole, nil
}

// field takes a line that is not empty. It may be in p.line, which is used again.
func (p *Parser) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "event":
		p.name = append(p.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id = append(p.id[:0], value...)
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			p.Retry = time.Duration(ms) * time.Millisecond
		}
	case "data":
		if len(p.data)+len(p.whole)+len(value) >= p.BytesMax {
			return ErrTooLong
		}
		if !p.has && len(p.line) == 0 {
			p.whole = value // nil, if there is no colon, is as good as empty
		} else {
			p.keep()
			if p.has {
				p.data = append(p.data, '\n')
			}
			p.data = append(p.data, value...)
		}
		p.has = true
	}
	return nil
}

// keep copies fields that are in the bytes of this call only.
func (p *Parser) keep() {
	if p.whole != nil {
		p.data = append(p.data[:0], p.whole...)
		p.whole = nil
	}
}
