package wstest

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/godwit-io/godwit/ws/wire"
)

// Peer is the other side of a WebSocket under test, which sends exactly the
// bytes it is told to, right or wrong, and reports what it receives frame by
// frame. Its methods end the test (Fatalf) instead of returning errors. It is not
// safe for concurrent use, but one goroutine may send while another receives.
type Peer struct {
	t    testing.TB
	nc   net.Conn
	mask bool
	got  []byte
}

// NewPeer returns a peer that talks over nc. As a client it masks its frames, with
// a fixed key. The maker of nc closes it, with Hangup for example.
func NewPeer(t testing.TB, nc net.Conn, client bool) *Peer { return &Peer{t: t, nc: nc, mask: client} }

// Frame is a frame as the peer received it, unmasked.
type Frame struct {
	Header  wire.Header
	Payload string // unmasked; still compressed if RSV1 is set
}

// String shows the frame in one line: `text "hello"`, `close 1000 "bye"`. A
// fragment that is not the last ends in "…".
func (f Frame) String() string {
	s := fmt.Sprintf("%s %q", f.Header.Opcode, f.Payload)
	if f.Header.Opcode == wire.Close {
		code, reason, err := wire.ParseClose([]byte(f.Payload))
		s = fmt.Sprintf("close %d %q", code, reason)
		if err != nil {
			s = fmt.Sprintf("close with %v", err)
		}
	}
	if !f.Header.Fin {
		s += "…"
	}
	return s
}

// Raw sends b as it is.
func (p *Peer) Raw(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("peer: %v", err)
	}
}

// Send sends one frame, masked if the peer is a client.
func (p *Peer) Send(fin bool, op wire.Opcode, payload string) {
	p.t.Helper()
	if p.mask {
		p.Raw(wire.AppendMaskedFrame(nil, fin, op, [4]byte{0x37, 0xfa, 0x21, 0x3d}, []byte(payload)))
	} else {
		p.Raw(wire.AppendFrame(nil, fin, op, []byte(payload)))
	}
}

// Text sends a text message.
func (p *Peer) Text(s string) { p.t.Helper(); p.Send(true, wire.Text, s) }

// Close sends a close frame.
func (p *Peer) Close(code wire.CloseCode, reason string) {
	p.t.Helper()
	p.Send(true, wire.Close, string(wire.AppendClose(nil, code, reason)))
}

// Receive waits for a whole frame. It returns io.EOF at the end of the stream
// and any other error as it came.
func (p *Peer) Receive() (Frame, error) {
	for {
		h, n, err := wire.ParseHeader(p.got)
		if err != nil {
			return Frame{}, err
		}
		if n > 0 && int64(len(p.got)-n) >= h.Length {
			payload := p.got[n : n+int(h.Length)]
			wire.Mask(payload, h.Mask, 0)
			p.got = p.got[n+int(h.Length):]
			return Frame{h, string(payload)}, nil
		}
		var b [4096]byte
		m, err := p.nc.Read(b[:])
		p.got = append(p.got, b[:m]...)
		if m == 0 && err != nil {
			if err == io.EOF && len(p.got) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return Frame{}, err
		}
	}
}

// Want receives a frame and compares it, as String shows it, with want.
func (p *Peer) Want(want string) Frame {
	p.t.Helper()
	f, err := p.Receive()
	if err != nil {
		p.t.Fatalf("peer: want %s, got %v", want, err)
	}
	if f.String() != want {
		p.t.Fatalf("peer: got %s, want %s", f, want)
	}
	if f.Header.Masked == p.mask {
		p.t.Fatalf("peer: %s: masked is %v", f, f.Header.Masked)
	}
	return f
}

// WantEnd checks that the stream ends here.
func (p *Peer) WantEnd() {
	p.t.Helper()
	if f, err := p.Receive(); err != io.EOF {
		p.t.Fatalf("peer: want the end of the stream, got %v, %v", f, err)
	}
}

// Hangup closes the transport without a word.
func (p *Peer) Hangup() { p.nc.Close() }
