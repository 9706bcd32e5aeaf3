package frames

import (
	"encoding/json"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// Errors of what clients send.
var (
	ErrBroken  = errors.New("frames: not JSON, or not UTF-8")
	ErrPayload = errors.New("frames: no messages, or JSON that is no array of strings")
	ErrTooMany = errors.New("frames: more messages at once than MessagesMax")
)

// MessagesMax is how many messages may come at once. Clients send at once what their page has
// sent while they were busy.
const MessagesMax = 1 << 16

// Batch is the messages that a client has sent at once. The zero value is empty.
type Batch struct {
	text []byte // of all, one behind the other
	ends []int
}

// Len is how many messages there are.
func (b *Batch) Len() int { return len(b.ends) }

// Bytes is how many bytes the messages have, and what else they cost.
func (b *Batch) Bytes() int { return len(b.text) + 8*len(b.ends) }

// At returns a message, which is valid UTF-8 and lives as long as b is not reset.
func (b *Batch) At(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.text[start:b.ends[i]:b.ends[i]]
}

// Longest is how long the longest message is.
func (b *Batch) Longest() (n int) {
	start := 0
	for _, end := range b.ends {
		n = max(n, end-start)
		start = end
	}
	return n
}

// Reset makes b empty, and keeps its memory.
func (b *Batch) Reset() { b.text, b.ends = b.text[:0], b.ends[:0] }

// Cap is how much memory b keeps, in bytes.
func (b *Batch) Cap() int { return cap(b.text) + 8*cap(b.ends) }

// ParseMessages appends the messages of a request to b: a JSON array of strings. A lone
// surrogate becomes U+FFFD. It returns ErrPayload for nothing and for JSON of another
// kind, ErrBroken for bytes that are no JSON or not UTF-8, and ErrTooMany; b is as it was then.
func ParseMessages(b *Batch, data []byte) error {
	p := parser{data: data}
	p.space()
	if p.at == len(data) {
		return ErrPayload
	}
	return b.add(&p, p.array)
}

// ParseFrame appends the messages of a message of a WebSocket to b: a JSON array of
// strings, or one string. Nothing at all is no message. Errors are ParseMessages's.
func ParseFrame(b *Batch, data []byte) error {
	p := parser{data: data}
	p.space()
	if p.at == len(data) {
		return nil
	}
	if data[p.at] == '"' {
		return b.add(&p, p.text)
	}
	return b.add(&p, p.array)
}

// add appends what read finds, and nothing if it fails.
func (b *Batch) add(p *parser, read func(*Batch) bool) error {
	text, ends := len(b.text), len(b.ends)
	if read(b) && len(b.ends)-ends <= MessagesMax {
		if p.space(); p.at == len(p.data) {
			return nil
		}
	}
	isTooMany := len(b.ends)-ends > MessagesMax
	b.text, b.ends = b.text[:text], b.ends[:ends]
	if isTooMany {
		return ErrTooMany
	}
	if utf8.Valid(p.data) && json.Valid(p.data) {
		return ErrPayload
	}
	return ErrBroken
}

// parser reads JSON.
type parser struct {
	data []byte
	at   int
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next reports whether c comes next, behind space, and skips it.
func (p *parser) next(c byte) bool {
	if p.space(); p.at < len(p.data) && p.data[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) array(b *Batch) bool {
	if !p.next('[') {
		return false
	}
	if p.next(']') {
		return true
	}
	for n := 0; ; n++ {
		if n > MessagesMax || !p.text(b) {
			return false
		}
		if p.next(']') {
			return true
		}
		if !p.next(',') {
			return false
		}
	}
}

// text reads a string.
func (p *parser) text(b *Batch) bool {
	if !p.next('"') {
		return false
	}
	for start := p.at; p.at < len(p.data); {
		c := p.data[p.at]
		switch {
		case c == '"':
			b.text = append(b.text, p.data[start:p.at]...)
			b.ends = append(b.ends, len(b.text))
			p.at++
			return true
		case c < ' ':
			return false
		case c == '\\':
			b.text = append(b.text, p.data[start:p.at]...)
			if !p.escape(b) {
				return false
			}
			start = p.at
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, size := utf8.DecodeRune(p.data[p.at:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			p.at += size
		}
	}
	return false
}

// escape reads an escape; its backslash comes next.
func (p *parser) escape(b *Batch) bool {
	if p.at+1 >= len(p.data) {
		return false
	}
	c := p.data[p.at+1]
	if c == 'u' {
		unit, ok := p.unit(p.at)
		if !ok {
			return false
		}
		p.at += 6
		r := rune(unit)
		if utf16.IsSurrogate(r) {
			low, ok := p.unit(p.at)
			if r = utf16.DecodeRune(r, rune(low)); ok && r != utf8.RuneError {
				p.at += 6
			} else {
				r = utf8.RuneError
			}
		}
		b.text = utf8.AppendRune(b.text, r)
		return true
	}
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	default:
		return false
	}
	b.text = append(b.text, c)
	p.at += 2
	return true
}

// unit reads \uxxxx at a place.
func (p *parser) unit(at int) (unit uint16, ok bool) {
	if at+6 > len(p.data) || p.data[at] != '\\' || p.data[at+1] != 'u' {
		return 0, false
	}
	for _, c := range p.data[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | uint16(c)
	}
	return unit, true
}
