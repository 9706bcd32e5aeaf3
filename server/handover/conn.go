package handover

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// Version is that of the conversation.
const Version = 1

// Kind is what a frame says. A number is never used again for something else.
type Kind byte

// The kinds of frames.
const (
	Hello   Kind = 1 // what follows is a Greeting
	Loaded  Kind = 2
	Go      Kind = 3
	Serving Kind = 4
	Failed  Kind = 5 // what follows is why
	End     Kind = 6 // of the sections

	sectionBegin Kind = 16
	sectionData  Kind = 17
	sectionEnd   Kind = 18
)

const (
	// FrameBytesMax is how long what a frame says may be.
	FrameBytesMax = 1 << 20

	// sectionBytes is how much of a section goes in a frame.
	sectionBytes = 256 << 10

	bufferBytes = 64 << 10
)

// Errors of what comes from the other process.
var (
	ErrFrame    = errors.New("handover: the other process has sent something malformed")
	ErrChecksum = errors.New("handover: a checksum is wrong")
)

// FailedError is what the other process says when it has failed.
type FailedError struct{ Reason string }

func (e *FailedError) Error() string { return "the other process has failed: " + e.Reason }

// Conn is one end of the conversation. Its methods are called one after another, except
// Close and SetDeadline.
type Conn struct {
	conn *net.UnixConn
	r    *bufio.Reader
	b    []byte // of the frame that was received
	out  []byte
}

// New returns the end at conn, which it owns.
func New(conn *net.UnixConn) *Conn {
	return &Conn{conn: conn, r: bufio.NewReaderSize(conn, bufferBytes)}
}

// SetDeadline is when what is sent and received has to be through. The zero time is
// never.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// headBytes are those of a frame's length, checksum and kind:
//
//	┌────────┬──────────────────────┬──────┬───────────┐
//	│ length │ CRC-32C of the rest  │ kind │ what it   │
//	│        │                      │      │ says      │
//	└────────┴──────────────────────┴──────┴───────────┘
const headBytes = 4 + 4 + 1

// Send sends a frame.
func (c *Conn) Send(kind Kind, says []byte) error {
	if len(says) > FrameBytesMax {
		return fmt.Errorf("handover: %d bytes do not fit into a frame", len(says))
	}
	c.out = append(c.out[:0], make([]byte, 8)...)
	c.out = append(c.out, byte(kind))
	c.out = append(c.out, says...)
	binary.BigEndian.PutUint32(c.out, uint32(1+len(says)))
	binary.BigEndian.PutUint32(c.out[4:], crc32.Checksum(c.out[8:], castagnoli))
	_, err := c.conn.Write(c.out)
	return err
}

// Receive returns the next frame. What it says is valid until the next call. The error is
// a *FailedError if that is what the other process says.
func (c *Conn) Receive() (Kind, []byte, error) {
	kind, says, err := c.receive()
	if err == nil && kind == Failed {
		err = &FailedError{string(says)}
	}
	return kind, says, err
}

func (c *Conn) receive() (Kind, []byte, error) {
	var head [headBytes - 1]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > 1+FrameBytesMax {
		return 0, nil, ErrFrame
	}
	if cap(c.b) < int(n) {
		c.b = make([]byte, n)
	}
	c.b = c.b[:n]
	if _, err := io.ReadFull(c.r, c.b); err != nil {
		return 0, nil, err
	}
	if crc32.Checksum(c.b, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return 0, nil, ErrChecksum
	}
	return Kind(c.b[0]), c.b[1:], nil
}

// Expect receives a frame of a kind, and returns what it says.
func (c *Conn) Expect(kind Kind) ([]byte, error) {
	got, says, err := c.Receive()
	if err == nil && got != kind {
		err = ErrFrame
	}
	return says, err
}

// Stream is what comes and goes over the connection when the conversation is over. The
// Conn is not used any more.
func (c *Conn) Stream() io.ReadWriteCloser {
	return struct {
		io.Reader
		io.WriteCloser
	}{c.r, c.conn}
}
