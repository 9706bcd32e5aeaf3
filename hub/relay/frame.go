package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
	"github.com/godwit-io/godwit/hub/membroker"
)

// Version is that of what goes over the connection. Both sides have to speak the same.
const Version = 1

// A frame is its length in four bytes, the type, and what the type says. A number is
// never used again for something else.
const (
	// To the process that has the histories.
	framePublish = 1 // ticket retention message
	frameListen  = 2 // call channel
	frameMute    = 3 // call channel
	frameHistory = 4 // call channel query
	frameClear   = 5 // call channel
	frameList    = 6 // call after limit
	frameHealth  = 7 // call

	frameListenPattern = 8 // call pattern
	frameMutePattern   = 9 // call pattern

	// From it.
	framePublished = 16 // ticket error position duplicate
	frameReply     = 17 // call error, and the answer
	framePart      = 18 // call { publication }…: of a page whose frameReply follows
	frameDeliver   = 19 // channel epoch publication
	frameLost      = 20 // channel
)

const (
	// frameBytesMax is how long a frame may be: a publication and a little.
	frameBytesMax = 1 << 30

	// partBytes is how much of a page goes in one frame, if that is more than a
	// publication.
	partBytes = 256 << 10

	readBytes = 64 << 10
)

var errFrame = errors.New("relay: the other process has sent something malformed")

// frameReader reads frames.
type frameReader struct {
	r *bufio.Reader
	b []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBytes)}
}

// next reads a frame. The fields are valid until the next call. Memory grows with the
// bytes that have arrived, and not with the announced length.
func (r *frameReader) next() (kind byte, f pubcodec.Fields, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return 0, f, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n == 0 || n > frameBytesMax {
		return 0, f, errFrame
	}
	left := int(n - 1)
	r.b = r.b[:0]
	if cap(r.b) > 4*readBytes && left < readBytes {
		r.b = nil // a large one was there
	}
	for len(r.b) < left {
		have := len(r.b)
		step := min(left-have, max(have, readBytes))
		r.b = append(r.b, make([]byte, step)...)
		if _, err := io.ReadFull(r.r, r.b[have:]); err != nil {
			return 0, f, err
		}
	}
	return head[4], pubcodec.Fields{B: r.b}, nil
}

// beginFrame appends the head of a frame, to be ended by endFrame.
func beginFrame(dst []byte, kind byte) []byte { return append(dst, 0, 0, 0, 0, kind) }

// endFrame ends the frame that begins at start.
func endFrame(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// remoteErrors are the errors that mean something to a hub, by their number.
var remoteErrors = []error{1: hub.ErrClosed, 2: hub.ErrTooManyChannels, 3: hub.ErrListLimit, 4: hub.ErrNotSupported, 5: hub.ErrUnanswered}

// otherError is the number of an error whose text follows.
const otherError = 255

// appendError appends an error, nil as 0.
func appendError(dst []byte, err error) []byte {
	if err == nil {
		return append(dst, 0)
	}
	if errors.Is(err, membroker.ErrFrozen) {
		err = hub.ErrUnanswered
	}
	for number, known := range remoteErrors {
		if known != nil && errors.Is(err, known) {
			return append(dst, byte(number))
		}
	}
	return pubcodec.AppendString(append(dst, otherError), err.Error())
}

// takeError takes what appendError has appended. A text that is malformed is noticed
// by f.
func takeError(f *pubcodec.Fields) error {
	number := f.Byte()
	switch {
	case number == 0:
		return nil
	case number == otherError:
		return errors.New(f.String())
	case int(number) < len(remoteErrors):
		return remoteErrors[number]
	}
	f.Err = errFrame
	return nil
}
