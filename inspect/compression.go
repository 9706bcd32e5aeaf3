package inspect

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Below so many bytes of messages nothing is said about compression: they say little.
const judgedBytesMin = 256

var inflateOptions = deflate.Options{MessageBytesMax: messageBytesMax}.WithDefaults()

// compress turns compression on, as it was agreed.
func (s *session) compress(p deflate.Params) {
	s.report.Compression = &Compression{p.ServerNoContextTakeover, p.ClientNoContextTakeover, p.ServerMaxWindowBits, p.ClientMaxWindowBits}
	s.inflater = deflate.NewInflater(p.FromServer(), &inflateOptions)
	s.deflater = deflate.NewDeflater(p.FromClient(), nil)
}

// judgeCompression says what was agreed.
func (in *inspector) judgeCompression(s *session, agreed bool) {
	if in.options.NoCompression {
		return
	}
	if !agreed {
		in.found("compression-declined", "The server declined permessage-deflate, so messages are not compressed.",
			"If messages are long and alike, as JSON is, turn compression on at the server: it often saves more than half.")
		return
	}
	c := s.report.Compression
	in.found("compression-ok", fmt.Sprintf("permessage-deflate was agreed: the server refers back up to %s, the client up to %s.", window(c.ServerMaxWindowBits), window(c.ClientMaxWindowBits)), "")
	if c.ServerNoContextTakeover {
		in.found("compression-no-takeover", "The server compresses every message on its own (server_no_context_takeover), which saves its memory and makes short messages that are alike several times longer.",
			"Allow context takeover if memory for each connection permits.")
	}
}

func window(bits int) string {
	if bits < 10 {
		return count(1<<bits, "byte")
	}
	return fmt.Sprintf("%d KiB", 1<<bits>>10)
}

// data takes a frame of a message.
func (s *session) data(h *wire.Header) {
	if h.Opcode != wire.Continuation {
		s.op, s.message, s.onWire, s.cut = h.Opcode, nil, 0, false
		s.compressed = h.RSV&wire.RSV1 != 0
	}
	s.onWire += h.Length
	s.cut = s.cut || h.Length > int64(len(s.payload)) || len(s.message)+len(s.payload) > messageBytesMax
	switch {
	case s.compressed && s.inflater != nil && !s.cut:
		message, err := s.inflater.Append(s.message, s.payload, h.Fin)
		if err != nil {
			if err == deflate.ErrTooBig || err == deflate.ErrRatio {
				s.cut, s.inflater = true, nil // longer than is looked at: no fault of the server
				break
			}
			s.fault("compression-broken", "A compressed message of the server cannot be inflated: "+printable(err.Error(), quotedBytesMax)+".")
			return
		}
		s.message = message
	case s.compressed:
		s.inflater = nil // it has missed something, and later messages may refer to it
	case !s.cut:
		s.message = append(s.message, s.payload...)
	}
	if h.Fin {
		s.whole()
	}
}

// whole takes a message that is complete.
func (s *session) whole() {
	if s.op == wire.Text && !s.cut && (!s.compressed || s.inflater != nil) && !utf8.Valid(s.message) {
		s.fault("frame-utf8", "The server sent a text message that is not UTF-8 (RFC 6455 §8.1).")
		return
	}
	s.op = wire.Continuation
	t := s.traffic
	t.Messages++
	t.WireBytes += s.onWire
	if s.compressed {
		t.Compressed++
	}
	if s.cut || s.compressed && s.inflater == nil {
		t.Bytes += s.onWire
		t.Estimate += s.onWire
		return
	}
	t.Bytes += int64(len(s.message))
	t.Estimate += int64(min(len(s.estimate.Append(nil, s.message)), len(s.message)))
	if s.sample != "" && string(s.message) == s.sample {
		s.sampleAt, s.sampleLen = time.Now(), s.onWire
		s.sample = ""
	}
}

// judgeTraffic says what compression saves, by what the server sent by itself.
func (s *session) judgeTraffic() {
	t := &s.report.Unprompted.Traffic
	if t.Bytes < judgedBytesMin {
		return
	}
	saves := func(n int64) float64 { return 100 - 100*float64(n)/float64(t.Bytes) }
	switch {
	case t.Compressed > 0:
		s.in.found("compression-benefit", fmt.Sprintf("What the server sent came compressed: %d bytes in %d, %.0f %% less.", t.Bytes, t.WireBytes, saves(t.WireBytes)), "")
	case s.report.Compression != nil:
		s.in.found("compression-unused", fmt.Sprintf("Compression was agreed, and the server sent %d bytes without it; it would save about %.0f %%.", t.Bytes, saves(t.Estimate)),
			"Look whether the server compresses only longer messages, or has to be told to for each.")
	case saves(t.Estimate) >= 20:
		s.in.found("compression-benefit", fmt.Sprintf("Compression would save about %.0f %% of what the server sends: %d bytes would be %d.", saves(t.Estimate), t.Bytes, t.Estimate), "Turn permessage-deflate on at the server.")
	}
}
