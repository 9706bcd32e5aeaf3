package http1

import (
	"errors"
	"fmt"
	"io"
)

// The limits of a response.
const (
	HeadBytesMax    = 64 << 10 // of a head, and of the trailer
	ChunkLineMax    = 4 << 10  // of the line before a chunk
	contentBytesMax = 1 << 50
)

// Kind says what Next has found.
type Kind uint8

const (
	More    Kind = iota // nothing: it needs more bytes, and has taken all there were
	Head                // a head is complete
	Content             // a piece of the content
	End                 // the response is complete
)

// ErrMalformed is in the chain of every error about what the bytes are.
var ErrMalformed = errors.New("malformed response")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Reader takes the responses of one connection apart. Its zero value is at the
// beginning of the first. It is for one goroutine.
type Reader struct {
	response Response
	state    state
	left     int64  // of the content, or of the chunk
	line     int    // bytes of the line, or of the trailer, so far
	began    bool   // the size of a chunk has a digit, or a line of the trailer a byte
	head     []byte // the beginning of a head that came in pieces
}

type state uint8

const (
	inHead state = iota
	inContent
	inRest // content until the connection ends
	inSize // of a chunk
	inExtension
	inChunk
	behindChunk // its line end
	inTrailer
	atEnd
)

// Response returns the response that Next is at. Its text is valid until the
// next call of Next.
func (r *Reader) Response() *Response { return &r.response }

// Idle reports whether no response has begun.
func (r *Reader) Idle() bool { return r.state == inHead && len(r.head) == 0 }

// Next returns the next thing in b, and how many bytes it has taken. Content is a
// part of b. A response with a status of 100 to 199, but not 101, is passed over.
// Behind an error nothing can be read.
func (r *Reader) Next(b []byte) (kind Kind, content []byte, n int, err error) {
	for n < len(b) || r.state == atEnd {
		switch r.state {
		case inHead:
			took, done, err := r.takeHead(b[n:])
			n += took
			switch {
			case err != nil:
				return More, nil, n, err
			case !done:
				return More, nil, n, nil
			case r.state == inHead: // it was an interim one
			default:
				return Head, nil, n, nil
			}
		case inContent, inChunk:
			content = b[n:][:min(r.left, int64(len(b)-n))]
			n += len(content)
			if r.left -= int64(len(content)); r.left == 0 {
				if r.state == inChunk {
					r.state = behindChunk
				} else {
					r.state = atEnd
				}
			}
			return Content, content, n, nil
		case inRest:
			return Content, b[n:], len(b), nil
		case atEnd:
			r.state = inHead
			return End, nil, n, nil
		default:
			took, err := r.takeFraming(b[n:])
			n += took
			if err != nil {
				return More, nil, n, err
			}
		}
	}
	return More, nil, n, nil
}

// takeHead takes what b has of a head, and reports whether it is complete.
func (r *Reader) takeHead(b []byte) (n int, done bool, err error) {
	had := len(r.head)
	whole := b
	if had > 0 {
		r.head = append(r.head, b[:min(len(b), HeadBytesMax+1-had)]...)
		whole = r.head
	}
	end := endOfHead(whole, max(0, had-3)) // it may be split
	switch {
	case end > HeadBytesMax, end == 0 && len(whole) > HeadBytesMax:
		return 0, false, malformed("a head of more than %d bytes", HeadBytesMax)
	case end == 0:
		if had == 0 {
			r.head = append(r.head, b...)
		}
		return len(b), false, nil
	}
	return end - had, true, r.begin(whole[:end])
}

// begin begins with the bytes behind a head.
func (r *Reader) begin(head []byte) error {
	f, err := r.response.parse(head)
	if err != nil {
		return err
	}
	r.head = r.head[:0]
	switch status := r.response.Status; {
	case status < 200 && status != 101:
	case status == 204, status == 304:
		r.state = atEnd
	case f.chunked:
		r.beginSize()
	case status == 101, f.coded, f.length < 0:
		r.state, r.response.Close = inRest, true
	case f.length == 0:
		r.state = atEnd
	default:
		r.state, r.left = inContent, f.length
	}
	return nil
}

// takeFraming takes a byte, or several, of the framing around the chunks.
func (r *Reader) takeFraming(b []byte) (n int, err error) {
	for n < len(b) {
		c := b[n]
		n++
		if r.line++; r.line > HeadBytesMax || r.state != inTrailer && r.line > ChunkLineMax {
			return n, malformed("a line of more than %d bytes around the chunks", r.line-1)
		}
		switch r.state {
		case inSize:
			switch digit := hexDigit(c); {
			case digit >= 0:
				if r.left = r.left<<4 | int64(digit); r.left > contentBytesMax {
					return n, malformed("a chunk that is too large")
				}
				r.began = true
			case !r.began:
				return n, malformed("a chunk without a size: %q", c)
			case c == '\n':
				r.beginChunk()
				return n, nil
			case c == '\r', c == ';', c == ' ', c == '\t':
				r.state = inExtension
			default:
				return n, malformed("%q in the size of a chunk", c)
			}
		case inExtension:
			if c == '\n' {
				r.beginChunk()
				return n, nil
			}
		case behindChunk:
			switch {
			case c == '\n':
				r.beginSize()
			case c != '\r' || r.line > 1:
				return n, malformed("%q behind a chunk instead of a line end", c)
			}
		case inTrailer:
			switch {
			case c == '\n' && !r.began:
				r.state = atEnd
				return n, nil
			case c == '\n':
				r.began = false
			case c != '\r':
				r.began = true
			}
		}
	}
	return n, nil
}

func (r *Reader) beginSize() { r.state, r.left, r.line, r.began = inSize, 0, 0, false }

func (r *Reader) beginChunk() {
	r.line, r.began = 0, false
	if r.state = inChunk; r.left == 0 {
		r.state = inTrailer
	}
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// Close says what the end of the connection means at this place: nil when a
// response was complete with it, io.EOF when none had begun, and otherwise
// io.ErrUnexpectedEOF.
func (r *Reader) Close() error {
	switch {
	case r.state == inRest:
		return nil
	case r.Idle():
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}
