package conformance_test

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"

	"github.com/godwit-io/godwit/ws/handshake"
)

func (m *mini) inflate(p []byte) ([]byte, error) {
	if m.peerNoTakeover {
		m.history = nil
	}
	in := bytes.NewReader(append(p, "\x00\x00\xff\xff"...))
	var out []byte
	for in.Len() > 0 {
		dict := slices.Concat(m.history, out)
		r := flate.NewReaderDict(in, dict[max(0, len(dict)-1<<15):])
		b, err := io.ReadAll(io.LimitReader(r, miniBytesMax+1))
		out = append(out, b...)
		if len(out) > miniBytesMax {
			return out, nil
		}
		if err != nil && !(err == io.ErrUnexpectedEOF && in.Len() == 0 && (endsClean(p) || m.truncatesInflated)) {
			return nil, err
		}
	}
	m.history = slices.Concat(m.history, out)
	m.history = m.history[max(0, len(m.history)-1<<15):]
	return out, nil
}

// endsClean reports whether the blocks of p, with the tail, end where it does: an
// end in the middle of a block is the other reason for an unexpected end.
func endsClean(p []byte) bool {
	r := flate.NewReaderDict(bytes.NewReader(append(slices.Clone(p), "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)), make([]byte, 1<<15))
	_, err := io.Copy(io.Discard, r)
	return err == nil
}

func (m *mini) deflated(p []byte) []byte {
	m.out.Reset()
	anew := m.ownAlone && !m.ignoresNoTakeover
	switch {
	case m.bits < 15 && !m.ignoresBits:
		// A reference never reaches back past what was begun with.
		for len(p) > 0 {
			n := min(len(p), 1<<m.bits)
			w, _ := flate.NewWriter(&m.out, flate.BestCompression)
			w.Write(p[:n])
			w.Flush()
			p = p[n:]
		}
	case m.writer == nil:
		m.writer, _ = flate.NewWriter(&m.out, flate.BestCompression)
	case anew:
		m.writer.Reset(&m.out)
	}
	if m.writer != nil {
		m.writer.Write(p)
		m.writer.Flush()
	}
	b := bytes.TrimSuffix(m.out.Bytes(), []byte("\x00\x00\xff\xff"))
	if len(b) == 0 {
		b = []byte{0}
	}
	return slices.Clone(b)
}

// negotiate accepts the first offer that mini can keep to.
func (m *mini) negotiate(offers []handshake.Extension) string {
offers:
	for _, e := range offers {
		if e.Name != "permessage-deflate" {
			continue
		}
		answer := e.Name
		seen := map[string]bool{}
		alone, peerAlone, bits := false, false, 15
		for _, p := range e.Params {
			n := slices.Index([]string{"8", "9", "10", "11", "12", "13", "14", "15"}, p.Value) + 8
			switch {
			case m.anyParams:
			case seen[p.Name]:
				continue offers
			case p.Name == "server_no_context_takeover" && !p.HasValue:
				alone = true
				answer += "; " + p.Name
			case p.Name == "client_no_context_takeover" && !p.HasValue:
				peerAlone = true
				answer += "; " + p.Name
			case p.Name == "server_max_window_bits" && n >= 8:
				bits = n
				answer += "; " + p.Name + "=" + p.Value
			case p.Name == "client_max_window_bits" && (n >= 8 || !p.HasValue):
			default:
				continue offers
			}
			seen[p.Name] = true
		}
		if m.answersUnofferedBits {
			answer += "; client_max_window_bits=10"
		}
		m.compress, m.ownAlone, m.peerNoTakeover, m.bits = true, alone, peerAlone, bits
		return "Sec-WebSocket-Extensions: " + answer + "\r\n"
	}
	return ""
}
