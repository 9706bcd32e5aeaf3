package drivertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// peer is the other side of a connection.
type peer struct {
	*wstest.Peer
	s           *scene
	nc          net.Conn
	br          *bufio.Reader // of nc
	extensions  string        // agreed on
	subprotocol string
}

func (s *scene) newPeer(nc net.Conn, r *bufio.Reader) *peer {
	return &peer{Peer: wstest.NewPeer(s.T, readAhead{nc, r}, !s.d.Client), s: s, nc: nc, br: r}
}

// readAhead is a connection of which some was read.
type readAhead struct {
	net.Conn
	r *bufio.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.r.Read(p) }

// wantCode receives a close frame with the code, whatever its reason.
func (p *peer) wantCode(code wire.CloseCode) {
	p.s.Helper()
	f, err := p.Receive()
	if err != nil || !strings.HasPrefix(f.String(), fmt.Sprintf("close %d ", code)) {
		p.s.Fatalf("peer: got %.200v, %v; want close %d", f, err, code)
	}
}

// wantOver checks that the connection is over behind an orderly close.
//
// RFC 6455 §7.1.1: the server ends the transport first, so that it is the server
// that holds TIME_WAIT. A client waits for that.
func (p *peer) wantOver() {
	p.s.Helper()
	if !p.s.d.Client {
		p.WantEnd()
		p.Hangup()
		return
	}
	if p.s.d.Virtual {
		_ = p.nc.SetReadDeadline(time.Now().Add(p.s.unit))
		if f, err := p.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			p.s.Fatalf("peer: got %v, %v from a client that has to wait", f, err)
		}
	}
	p.Hangup()
}

// jam is more than the transport takes while the peer does not read.
func (s *scene) jam() int {
	if s.d.Virtual {
		return 1 << 20
	}
	return 16 << 20
}

// wantsByte waits until something has arrived, and does not take it.
func (p *peer) wantsByte() {
	p.s.Helper()
	if _, err := p.br.Peek(1); err != nil {
		p.s.Fatal(err)
	}
}

// wantLarge receives a binary frame of size bytes, whatever they are, and keeps
// nothing of it. Nothing may have been received before but wantLarge's.
func (p *peer) wantLarge(size int) {
	p.s.Helper()
	var head []byte
	for {
		b, err := p.br.ReadByte()
		if err != nil {
			p.s.Fatal(err)
		}
		head = append(head, b)
		h, n, err := wire.ParseHeader(head)
		if err != nil || n > 0 && (h.Opcode != wire.Binary || !h.Fin || h.Length != int64(size)) {
			p.s.Fatalf("peer: got %+v, %v; want a binary frame of %d bytes", h, err, size)
		}
		if n == 0 {
			continue
		}
		if n, err := p.br.Discard(size); err != nil {
			p.s.Fatalf("peer: %d bytes of %d, %v", n, size, err)
		}
		return
	}
}

// finish ends the peer's direction alone.
func (p *peer) finish() {
	p.s.Helper()
	if err := p.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.s.Fatal(err)
	}
}

// bye closes in good order.
func (p *peer) bye() {
	p.s.Helper()
	p.Close(1000, "")
	p.Want(`close 1000 ""`)
	p.wantOver()
}

// leave is bye, and the end that the application sees with it.
func (p *peer) leave() {
	p.s.Helper()
	p.bye()
	p.s.ends(1000, 1000)
	p.s.hearsNoMore()
}

// frame is one as the peer sends it.
func (p *peer) frame(fin bool, op wire.Opcode, payload string) []byte {
	return frame(fin, op, payload).encode(!p.s.d.Client)
}

func isUnexpectedEOF(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
