package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/godwit-io/godwit/ws/wire"
)

const (
	// frameBytesMax is the longest frame that is read. No case asks for as much.
	frameBytesMax = 64 << 20

	// inboxBytesMax is how much may wait to be looked at before the reader
	// stops reading. It is more than any case makes a peer send.
	inboxBytesMax = 128 << 20
)

// received is a frame of the peer, or the end of what it sends.
type received struct {
	header  wire.Header
	payload []byte // unmasked
	err     error
}

// inbox holds what has been received and not been looked at. The reader must
// not wait for the case, which may be waiting for the peer to read.
type inbox struct {
	mu     sync.Mutex // guards the fields below
	room   sync.Cond  // signalled when there is room, or when closed
	list   []received
	bytes  int
	closed bool

	wake chan struct{} // has an element when the list may have become longer
}

func newInbox() *inbox {
	b := &inbox{wake: make(chan struct{}, 1)}
	b.room.L = &b.mu
	return b
}

// put adds r, waiting for room. It reports false once the inbox is closed.
func (b *inbox) put(r received) bool {
	b.mu.Lock()
	for b.bytes > inboxBytesMax && !b.closed {
		b.room.Wait()
	}
	open := !b.closed
	if open {
		b.list = append(b.list, r)
		b.bytes += len(r.payload)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return open
}

func (b *inbox) take() (r received, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == 0 {
		return received{}, false
	}
	r = b.list[0]
	b.list = b.list[1:]
	b.bytes -= len(r.payload)
	b.room.Signal()
	return r, true
}

func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.room.Signal()
}

// errFrame is in the chain of an error that the bytes of a frame are at fault for.
var errFrame = errors.New("not a frame")

// receive reads frames until the connection ends. It calls closing when a close
// frame came: its sender may not read any more.
func receive(br *bufio.Reader, b *inbox, log *recorder, closing func()) {
	for {
		h, raw, payload, err := readFrame(br)
		if err != nil {
			log.got("%s", describeEnd(err))
			b.put(received{err: err})
			return
		}
		log.add(Entry{From: "peer", Frame: describeFrame(h, uint64(h.Length), raw, payload)})
		if h.Opcode == wire.Close {
			closing()
		}
		if !b.put(received{header: h, payload: payload}) {
			return
		}
	}
}

// readFrame reads one frame. raw is its header.
func readFrame(br *bufio.Reader) (h wire.Header, raw, payload []byte, err error) {
	raw = make([]byte, 0, wire.HeaderBytesMax)
	for {
		c, err := br.ReadByte()
		if err != nil {
			if err == io.EOF && len(raw) > 0 {
				err = fmt.Errorf("in the header of a frame, after % x: %w", raw, io.ErrUnexpectedEOF)
			}
			return h, raw, nil, err
		}
		raw = append(raw, c)
		var n int
		if h, n, err = wire.ParseHeader(raw); err != nil {
			return h, raw, nil, fmt.Errorf("%w: % x: %w", errFrame, raw, err)
		}
		if n > 0 {
			break
		}
	}
	if h.Length > frameBytesMax {
		return h, raw, nil, fmt.Errorf("%w that anyone asked for: it announces %d bytes", errFrame, h.Length)
	}
	// An announced length is not believed with memory.
	payload = make([]byte, 0, min(h.Length, 64<<10))
	for int64(len(payload)) < h.Length {
		if len(payload) == cap(payload) {
			payload = append(payload, 0)[:len(payload)]
		}
		n, err := br.Read(payload[len(payload):min(int64(cap(payload)), h.Length)])
		payload = payload[:len(payload)+n]
		if err != nil {
			if err == io.EOF {
				err = fmt.Errorf("in a frame of %d bytes, after %d: %w", h.Length, len(payload), io.ErrUnexpectedEOF)
			}
			return h, raw, payload, err
		}
	}
	if h.Masked {
		wire.Mask(payload, h.Mask, 0)
	}
	return h, raw, payload, nil
}
