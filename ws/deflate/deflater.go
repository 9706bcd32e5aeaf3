package deflate

import "sync"

// Deflater compresses the messages of one connection, one after the other, in
// the order they are sent.
//
// With context takeover it keeps the end of what was sent and an index of it:
// 4<<Options.HistoryBits bytes at most, and no more than what was sent so far
// has needed. Without context takeover it keeps nothing between messages.
//
// A Deflater is not safe for concurrent use.
type Deflater struct {
	options  *Options
	history  *history // with context takeover from the first message on, else only within one
	encoder  *encoder // within a message that is written in parts, else nil
	bits     uint8    // of the window
	takeover bool
}

// NewDeflater returns a Deflater for messages that go in the direction dir. The
// options must come from Options.WithDefaults and not change; nil means the
// defaults.
func NewDeflater(dir Direction, o *Options) *Deflater {
	d := new(Deflater)
	d.Init(dir, o)
	return d
}

// Init does what NewDeflater does, in place, for an owner that embeds the Deflater.
func (d *Deflater) Init(dir Direction, o *Options) {
	if o == nil {
		o = &defaultOptions
	}
	bits := windowBits(dir.WindowBits)
	if !dir.NoContextTakeover {
		bits = min(bits, o.HistoryBits)
	}
	*d = Deflater{options: o, bits: uint8(bits), takeover: !dir.NoContextTakeover}
}

// Append appends the compressed form of a whole message to dst: the payload of
// its frames, the first of which has RSV1 set (RFC 7692 §6). Data that does not
// compress is stored, and takes a few bytes more than it is long.
//
// dst and payload must not overlap; payload is only read.
func (d *Deflater) Append(dst, payload []byte) []byte {
	return d.AppendPart(dst, payload, true)
}

// TryAppend does what Append does if it is of use. ok is false when payload is
// shorter than Options.ThresholdBytes or does not get shorter: then nothing was
// appended and the message is to be sent as it is, with RSV1 clear, which any
// message may be (RFC 7692 §6).
func (d *Deflater) TryAppend(dst, payload []byte) (out []byte, ok bool) {
	if len(payload) < d.threshold() {
		return dst, false
	}
	start := len(dst)
	dst = d.Append(dst, payload)
	if len(dst)-start >= len(payload) {
		if d.takeover {
			d.history.truncate(len(payload)) // the peer will not have it either
		}
		return dst[:start], false
	}
	return dst, true
}

func (d *Deflater) threshold() int {
	switch n := d.options.ThresholdBytes; {
	case n != 0:
		return n
	case d.takeover:
		return DefaultTakeoverThresholdBytes
	}
	return DefaultThresholdBytes
}

// AppendPart appends the compressed form of the next part of a message. What it
// appends for one part is the payload of one frame or several, and the peer can
// inflate all of the part when it has them. last says that the message ends
// with part, which may be empty; until then no other message may begin.
func (d *Deflater) AppendPart(dst, part []byte, last bool) []byte {
	e := d.encoder
	if e == nil {
		e = d.begin(len(part), last)
	}
	dst = e.append(dst, part, d.history, d.options.Level)
	if last {
		d.end(e)
		return dst
	}
	d.encoder = e
	return append(dst, blockTail...)
}

func (d *Deflater) begin(n int, whole bool) *encoder {
	e := encoders.Get().(*encoder)
	e.reset()
	switch {
	case !d.takeover:
		d.history = histories.Get().(*history)
		d.history.window = 1 << d.bits
		if !whole {
			n = d.history.window // there is more to come
		}
		d.history.restart(n)
	case d.history == nil:
		d.history = &history{window: 1 << d.bits}
	}
	return e
}

func (d *Deflater) end(e *encoder) {
	encoders.Put(e)
	d.encoder = nil
	if !d.takeover {
		histories.Put(d.history)
		d.history = nil
	}
}

// Learn takes note of a message that was sent compressed by other means than
// this Deflater: the peer may be referred to it, and has moved its window on. It
// must be called for every such message, between others, and for none that was
// sent uncompressed. Without context takeover there is nothing to note.
func (d *Deflater) Learn(payload []byte) {
	if !d.takeover {
		return
	}
	if d.history == nil {
		d.history = &history{window: 1 << d.bits}
	}
	d.history.learn(payload)
}

// Append appends the compressed form of a message on its own to dst, to be sent
// on any connection whose direction has at least dir's window: it refers to
// nothing before it. Where there is context takeover, the connection's Deflater
// must be told (see Deflater.Learn). The options must come from
// Options.WithDefaults; nil means the defaults. It is safe for concurrent use.
func Append(dst, payload []byte, dir Direction, o *Options) []byte {
	var d Deflater
	d.Init(Direction{NoContextTakeover: true, WindowBits: dir.WindowBits}, o)
	return d.Append(dst, payload)
}

var (
	encoders  = sync.Pool{New: func() any { return new(encoder) }}
	histories = sync.Pool{New: func() any { return new(history) }}
)

// append writes p as blocks and an empty stored block without its tail, after
// which dst ends at a byte.
func (e *encoder) append(dst, p []byte, h *history, level Level) []byte {
	for len(p) > 0 {
		n := h.add(p)
		p = p[n:]
		start := len(h.buf) - n
		e.startBlock()
		h.tokenize(e, start, level)
		dst = e.appendBlock(dst, h.buf[start:], level)
	}
	return e.sync(dst)
}
