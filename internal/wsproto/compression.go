package wsproto

import (
	"errors"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// compression is what a connection with permessage-deflate has besides.
type compression struct {
	inflater deflate.Inflater
	deflater deflate.Deflater
	scratch  []byte // where inflated payloads go, the driver's
	more     bool   // the inflater has more to give
	unmasked int64  // bytes not used yet that are unmasked already
}

// Compress turns on permessage-deflate as it was agreed on in the handshake. It
// is called before the first Next. o comes from deflate.Options.WithDefaults, as
// driver.Options.Compression does once it is resolved.
func (c *Conn) Compress(agreed deflate.Params, o *deflate.Options) {
	incoming, outgoing := agreed.FromClient(), agreed.FromServer()
	if c.config.Role == Client {
		incoming, outgoing = outgoing, incoming
	}
	c.z = &compression{}
	c.z.inflater.Init(incoming, o)
	c.z.deflater.Init(outgoing, o)
}

// Compressed reports whether messages may be compressed. A driver then gives
// the Conn memory with SetScratch before it calls Next.
func (c *Conn) Compressed() bool { return c.z != nil }

// SetScratch says where inflated payloads are put, part by part. It must not be
// empty while Pending or while a message is being decoded, and stays the
// driver's: between its calls of Next it may take it away.
func (c *Conn) SetScratch(b []byte) { c.z.scratch = b }

// Pending reports whether Next has an event to give without more bytes.
func (c *Conn) Pending() bool { return c.z != nil && c.z.more }

// readCompressed hands on what can be inflated of a data frame. The bytes that
// were not used are unmasked already when they are given again.
func (c *Conn) readCompressed(p []byte, now Time) (ev Event, used int, ok bool) {
	z := c.z
	avail := min(int64(len(p)), c.left)
	c.unmask(p[min(z.unmasked, avail):avail])
	ends := c.fin && avail == c.left // the message ends with these bytes
	if avail == 0 && !ends && !z.more {
		if c.left == 0 {
			c.inFrame = false // an empty fragment says nothing
		}
		return Event{}, 0, false
	}
	n, used, more, err := z.inflater.Next(z.scratch, p[:avail], ends)
	if err != nil {
		// What came out before the fault may have had one itself, and then that
		// is the first, however the bytes were cut.
		if c.messageOp == wire.Text && !c.utf8.Write(z.scratch[:n]) {
			return c.fail(faultUTF8, now), len(p), true
		}
		return c.fail(deflateFault(err), now), len(p), true
	}
	z.more = more
	z.unmasked = avail - int64(used)
	c.left -= int64(used)
	last := ends && !more
	if c.left == 0 && !more {
		c.inFrame = false
	}
	payload := z.scratch[:n]
	if c.messageOp == wire.Text && !(c.utf8.Write(payload) && (!last || c.utf8.Done())) {
		return c.fail(faultUTF8, now), len(p), true
	}
	if n == 0 && !last {
		return Event{}, used, false
	}
	ev = Event{Kind: Data, Op: c.messageOp, First: !c.begun, Last: last, Payload: payload}
	c.begun = true
	c.spoken = now
	if last {
		c.messageOp = wire.Continuation
	}
	return ev, used, true
}

func deflateFault(err error) *Fault {
	if e, ok := errors.AsType[*deflate.Error](err); ok {
		return &Fault{e.Code, e.Reason}
	}
	return &Fault{wire.CloseInvalidPayload, "compressed message is corrupt"}
}

// appendCompressed appends a whole message compressed, if that makes it shorter.
func (c *Conn) appendCompressed(dst []byte, op wire.Opcode, payload []byte) ([]byte, bool) {
	// The header's length is known afterwards, so room is left for the longest,
	// and what was compressed moves up to the one it gets.
	start := len(dst)
	dst = append(dst, make([]byte, wire.HeaderBytesMax)...)
	dst, ok := c.z.deflater.TryAppend(dst, payload)
	if !ok {
		return dst[:start], false
	}
	return c.closeGap(dst, start, true, wire.RSV1, op), true
}

// appendCompressedPart appends a frame of a message that is compressed in parts.
func (c *Conn) appendCompressedPart(dst []byte, first, last bool, op wire.Opcode, payload []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, wire.HeaderBytesMax)...)
	dst = c.z.deflater.AppendPart(dst, payload, last)
	rsv := wire.RSV1
	if !first {
		rsv, op = 0, wire.Continuation
	}
	return c.closeGap(dst, start, last, rsv, op)
}

// closeGap puts the header in front of the payload that begins HeaderBytesMax
// behind start, and masks it for a client.
func (c *Conn) closeGap(dst []byte, start int, fin bool, rsv uint8, op wire.Opcode) []byte {
	payload := dst[start+wire.HeaderBytesMax:]
	h := wire.Header{Fin: fin, RSV: rsv, Opcode: op, Length: int64(len(payload))}
	if c.config.Role == Client {
		h.Masked = true
		c.config.Rand(h.Mask[:])
		wire.Mask(payload, h.Mask, 0)
	}
	if c.config.Observe != nil {
		c.config.Observe(true, h)
	}
	out := wire.AppendHeader(dst[:start], h)
	return append(out, payload...) // overlaps, forwards: append moves
}

// Learn is called for every compressed message that a driver sends and that was
// compressed elsewhere, see deflate.Deflater.Learn.
func (c *Conn) Learn(payload []byte) { c.z.deflater.Learn(payload) }
