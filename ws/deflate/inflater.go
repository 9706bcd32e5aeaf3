package deflate

import (
	"math"
	"slices"
)

// Inflater decompresses the messages of one connection, one after the other.
//
// Between messages it holds nothing but the end of what it inflated, and that
// only if the peer may refer back to it; within a message also the decoder's
// state, about 8 KiB that are shared by all connections otherwise. It never
// holds a message, compressed or not.
//
// An Inflater is not safe for concurrent use.
type Inflater struct {
	options *Options
	decoder *decoder // nil between messages
	window  window   // stays empty without context takeover
	in, out int64    // bytes of the message under way
	budget  int64    // out may grow to this before the limits are looked at
	err     error

	windowBits uint8
	takeover   bool
}

// NewInflater returns an Inflater for messages that come from the direction d.
// The options must come from Options.WithDefaults and not change; nil means the
// defaults.
func NewInflater(d Direction, o *Options) *Inflater {
	f := new(Inflater)
	f.Init(d, o)
	return f
}

// Init does what NewInflater does, in place, for an owner that embeds the Inflater.
func (f *Inflater) Init(d Direction, o *Options) {
	if o == nil {
		o = &defaultOptions
	}
	*f = Inflater{options: o, windowBits: uint8(windowBits(d.WindowBits)), takeover: !d.NoContextTakeover}
}

// blockTail is what a sender takes off the end of a message, because every
// message ends with it (RFC 7692 §7.2.1).
const blockTail = "\x00\x00\xff\xff"

// Next inflates from the front of src, the next part of a message's compressed
// payload, into dst. last says that the message ends with src. It returns how
// many bytes it wrote to dst and how many of src it used.
//
// When more is set, dst was too short: there is at least one more byte to come.
// Call again with the rest of src, even if that is nothing, the same last,
// and room in dst. When it is not set, all of src was used, and after last the
// message is complete; the next call begins the next one. The parts may be cut
// anywhere, and dst may have any size from 1.
//
// The limits are checked before a byte is written: a message of exactly
// Options.MessageBytesMax passes. The error is a *Error that says how to fail
// the connection; further calls return it again. What was written to dst
// before it is part of a message that is not to be delivered.
//
// dst and src must not overlap. dst beyond n may have been overwritten.
func (f *Inflater) Next(dst, src []byte, last bool) (n, used int, more bool, err error) {
	if f.err != nil {
		return 0, 0, false, f.err
	}
	d := f.decoder
	if d == nil {
		d = f.begin()
	}
	win := &f.window
	if !f.takeover {
		win = &d.window // memory for this message only
	}
	for {
		in := src[used:]
		if d.ending {
			in = tailBytes[d.tail:]
		}
		room := int(min(int64(len(dst)), int64(n)+f.budget-f.out))
		start, k, st := n, 0, needInput
		n, k, st = d.run(dst[:room], n, in, win, 1<<f.windowBits)
		f.out += int64(n - start)
		if d.ending {
			d.tail += k
		} else {
			used += k
			f.in += int64(k)
		}

		switch st {
		case needInput:
			switch {
			case !last:
				win.write(dst[:n], 1<<f.windowBits)
				return n, used, false, nil
			case !d.ending && !d.endsHere():
				d.ending = true // RFC 7692 §7.2.2: the tail comes back
				continue
			case d.ending && !d.ended():
				return n, used, false, f.fail(ErrEnd)
			}
			f.end()
			if f.takeover {
				win.write(dst[:n], 1<<f.windowBits)
			}
			return n, used, false, nil
		case needRoom:
			if f.out < f.budget {
				win.write(dst[:n], 1<<f.windowBits)
				return n, used, true, nil
			}
			if err := f.extend(); err != nil {
				return n, used, false, f.fail(err)
			}
		case tooFar:
			return n, used, false, f.fail(ErrDistance)
		default:
			return n, used, false, f.fail(ErrCorrupt)
		}
	}
}

var tailBytes = []byte(blockTail)

// Append does what Next does and appends to dst, which grows as bytes come out:
// to at most about twice the message, or four times src.
func (f *Inflater) Append(dst, src []byte, last bool) ([]byte, error) {
	for {
		if free := cap(dst) - len(dst); free < len(src) || free == 0 {
			dst = slices.Grow(dst, max(64, 3*len(src)))
		}
		n, used, more, err := f.Next(dst[len(dst):cap(dst)], src, last)
		dst, src = dst[:len(dst)+n], src[used:]
		if err != nil || !more {
			return dst, err
		}
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, len(dst))
		}
	}
}

// Idle reports whether no message is under way.
func (f *Inflater) Idle() bool { return f.decoder == nil }

func (f *Inflater) begin() *decoder {
	d := decoders.Get().(*decoder)
	d.reset()
	f.decoder = d
	f.in, f.out = 0, 0
	f.budget = min(f.options.MessageBytesMax, f.options.RatioFloorBytes)
	return d
}

func (f *Inflater) end() {
	decoders.Put(f.decoder)
	f.decoder = nil
}

func (f *Inflater) fail(err error) error {
	f.end()
	f.window = window{}
	f.err = err
	return err
}

// extend is called when a byte is to be written beyond the budget. It raises
// the budget to what the limits allow after the input that was used so far.
//
// That input is counted in bits and not in what has arrived, so that the same
// message fails at the same byte in whatever parts it comes.
func (f *Inflater) extend() error {
	o := f.options
	if f.out >= o.MessageBytesMax {
		return ErrTooBig
	}
	allowed := int64(math.MaxInt64)
	if in := (8*f.in - int64(f.decoder.nbits) + 7) / 8; in <= math.MaxInt64/o.RatioMax {
		allowed = in * o.RatioMax
	}
	if f.out >= allowed {
		return ErrRatio
	}
	f.budget = min(o.MessageBytesMax, allowed)
	return nil
}
