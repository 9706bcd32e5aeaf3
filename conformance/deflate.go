package conformance

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"strconv"

	"github.com/godwit-io/godwit/ws/handshake"
)

const deflateName = "permessage-deflate"

// deflate is permessage-deflate as agreed on for a connection (RFC 7692 §7).
type deflate struct {
	client, server direction // what each side sends
	sendsAsServer  bool      // the suite is the server
	remark         string    // how the agreement is not strict

	writer  *flate.Writer
	out     bytes.Buffer
	history []byte // the end of what the peer sent, inflated
	far     int    // the farthest distance that the peer has referred back
}

// direction is the agreement on what one side sends.
type direction struct {
	noTakeover bool
	bits       int // of the window, 8 to 15
	bitsGiven  bool
}

func (d *deflate) own() *direction {
	if d.sendsAsServer {
		return &d.server
	}
	return &d.client
}

func (d *deflate) peer() *direction {
	if d.sendsAsServer {
		return &d.client
	}
	return &d.server
}

// parseDeflate reads the parameters of one permessage-deflate element by the
// rules of RFC 7692 §7.1. flagBits allows client_max_window_bits without a
// value, as in an offer.
func parseDeflate(e handshake.Extension, flagBits bool) (*deflate, error) {
	d := &deflate{client: direction{bits: 15}, server: direction{bits: 15}}
	seen := map[string]bool{}
	for _, p := range e.Params {
		if seen[p.Name] {
			return nil, fmt.Errorf("parameter %s is given twice (RFC 7692 §7.1)", quoted(p.Name))
		}
		seen[p.Name] = true
		side := &d.server
		switch p.Name {
		case "client_no_context_takeover", "client_max_window_bits":
			side = &d.client
		}
		switch p.Name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.HasValue {
				return nil, fmt.Errorf("parameter %s has a value (RFC 7692 §7.1.1)", p.Name)
			}
			side.noTakeover = true
		case "server_max_window_bits", "client_max_window_bits":
			side.bitsGiven = true
			if !p.HasValue && flagBits && side == &d.client {
				continue
			}
			bits, err := strconv.Atoi(p.Value)
			if err != nil || bits < 8 || bits > 15 || strconv.Itoa(bits) != p.Value {
				return nil, fmt.Errorf("parameter %s has the value %s and must have one from 8 to 15 (RFC 7692 §7.1.2)", p.Name, quoted(p.Value))
			}
			side.bits = bits
		default:
			return nil, fmt.Errorf("parameter %s is not defined (RFC 7692 §7.1)", quoted(p.Name))
		}
	}
	return d, nil
}

// agreeTo reads the extensions that a server accepted.
func agreeTo(accepted []handshake.Extension) (*deflate, error) {
	if len(accepted) != 1 || accepted[0].Name != deflateName {
		return nil, errors.New("one permessage-deflate at most can be accepted")
	}
	return parseDeflate(accepted[0], false)
}

// agree holds what a server accepted against the offer (RFC 7692 §7.1): it must
// answer one of the elements offered.
func agree(offer string, accepted []handshake.Extension) (*deflate, error) {
	d, err := agreeTo(accepted)
	if err != nil {
		return nil, fmt.Errorf("the server's Sec-WebSocket-Extensions: %w", err)
	}
	offers, err := handshake.ParseExtensions([]string{offer})
	if err != nil {
		return nil, fmt.Errorf("the server accepted a malformed offer: %w", err)
	}
	err = errors.New("the server accepted permessage-deflate, which was not offered")
	for _, e := range offers {
		if e.Name != deflateName {
			continue
		}
		var o *deflate
		if o, err = parseDeflate(e, true); err != nil {
			err = fmt.Errorf("the server accepted an offer that it must decline: %w", err)
			continue
		}
		if err = answers(d, o); err != nil {
			continue
		}
		if o.server.bitsGiven && !d.server.bitsGiven {
			d.remark = "server_max_window_bits=15 was offered and the server does not answer it, though nothing depends on it (RFC 7692 §7.1.2.1)"
		}
		// The value in an offer is a promise, whatever the server makes of it.
		d.client.bits = min(d.client.bits, o.client.bits)
		return d, nil
	}
	return nil, err
}

// answers reports why d is no answer to the offer o.
func answers(d, o *deflate) error {
	switch {
	case o.server.noTakeover && !d.server.noTakeover:
		return errors.New("server_no_context_takeover was offered and the server does not repeat it (RFC 7692 §7.1.1.1)")
	case o.server.bitsGiven && !d.server.bitsGiven && o.server.bits < 15:
		return errors.New("server_max_window_bits was offered and the server does not answer it (RFC 7692 §7.1.2.1)")
	case o.server.bitsGiven && d.server.bits > o.server.bits:
		return fmt.Errorf("server_max_window_bits=%d was offered and the server answers with %d (RFC 7692 §7.1.2.1)", o.server.bits, d.server.bits)
	case d.client.bitsGiven && !o.client.bitsGiven:
		return errors.New("client_max_window_bits was not offered and the server sends it (RFC 7692 §7.1.2.2)")
	}
	return nil
}

// deflateTail is what ends a flushed block, and is left out of a message
// (RFC 7692 §7.2.1).
const deflateTail = "\x00\x00\xff\xff"

// compress returns a message compressed within the suite's own direction.
func (d *deflate) compress(p []byte) []byte {
	own := d.own()
	d.out.Reset()
	if own.bits < 15 {
		// The standard library has one window, of 2^15. Starting anew after every
		// 2^bits bytes refers back by less than that.
		for _, part := range parts(string(p), 1<<own.bits) {
			d.flush([]byte(part), true)
		}
	} else {
		d.flush(p, own.noTakeover)
	}
	return bytes.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte(deflateTail)))
}

func (d *deflate) flush(p []byte, anew bool) {
	if d.writer == nil {
		d.writer, _ = flate.NewWriter(&d.out, flate.DefaultCompression)
	} else if anew {
		d.writer.Reset(&d.out)
	}
	d.writer.Write(p)
	d.writer.Flush()
}

// inflate returns a message of the peer, and checks that it keeps to the window
// and the takeover that were agreed on.
func (d *deflate) inflate(p []byte) ([]byte, error) {
	peer := d.peer()
	if peer.noTakeover {
		d.history = nil
	}
	in := inflater{src: append(bytes.Clone(p), deflateTail...), history: d.history, window: 1 << peer.bits}
	out, err := in.run()
	if err != nil {
		return nil, err
	}
	d.far = max(d.far, in.far)
	d.history = append(d.history, out...)
	d.history = d.history[max(0, len(d.history)-1<<15):]
	return out, nil
}
