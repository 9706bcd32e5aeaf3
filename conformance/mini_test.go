package conformance_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// faults are what mini can be told to do wrong.
type faults struct {
	// Frames.
	noUTF8, lateUTF8          bool // text is not validated, or only when it is whole
	anyMask                   bool // masked or not does not matter
	anyRSV, anyOpcode         bool // reserved bits and opcodes are ignored
	anyControl                bool // control frames of any length, fragmented too
	anyOrder                  bool // continuation frames and new messages in any order
	anyLength                 bool // lengths need not be minimal
	noPong, emptyPong         bool // pings are not answered, or without their payload
	allPongsLate              bool // pings inside a message are answered after it
	pongsLast                 bool // pings are answered when all that has come is
	swapTypes, dropLast       bool // text comes back as binary; the last byte of 126 is lost
	echoAfterClose            bool
	anyCloseCode              bool // close codes and reasons are echoed unseen
	closeWith                 wire.CloseCode
	failWith                  wire.CloseCode // instead of the right code
	failSilently, neverFails  bool           // without a close frame; not at all
	staysOpen                 bool           // the transport is left open after closing
	maskOut                   bool           // masks as a server
	fixedMask, zeroMask, bare bool           // as a client: one mask for ever, none that hides, none
	splitText                 bool           // the echo's first fragment has no successor

	// The opening handshake.
	wrongAccept, noUpgrade, wrongStatus bool
	unofferedSub, unofferedExtension    bool
	anyRequest                          bool // everything is accepted
	dropEarly                           bool // bytes behind the request are lost
	anyResponse                         bool // as a client
	sameKey                             bool // as a client
	tellsNoVersion                      bool

	// permessage-deflate.
	deflate                         bool // it is spoken
	ignoresBits, ignoresNoTakeover  bool // agreed to and not kept to
	answersUnofferedBits, anyParams bool
	truncatesInflated               bool
}

// mini is a small echo peer of its own: its passes show that the suite is fair,
// and its faults show that the suite can fail.
type mini struct {
	faults
	client bool
	conn   net.Conn
	br     *bufio.Reader

	compress                  bool
	peerNoTakeover, ownAlone  bool
	bits                      int
	history                   []byte
	writer                    *flate.Writer
	out                       bytes.Buffer
	op                        wire.Opcode
	message                   []byte
	compressed, closed, ended bool
	text                      wire.UTF8
	latePongs                 [][]byte
}

// miniBytesMax is the longest message mini takes: more than the library, and less
// than the suite sends.
const miniBytesMax = 6 << 20

// failure is a fault of the peer.
type failure struct{ code wire.CloseCode }

func (f failure) Error() string { return f.code.String() }

// run echoes until the connection ends.
func (m *mini) run() {
	defer m.conn.Close()
	for {
		err := m.frame()
		var f failure
		switch {
		case errors.As(err, &f):
			if m.neverFails {
				continue
			}
			code := f.code
			if m.failWith != 0 {
				code = m.failWith
			}
			if !m.failSilently {
				m.send(true, 0, wire.Close, wire.AppendClose(nil, code, ""))
			}
			m.hangUp()
			return
		case err != nil:
			return
		case m.ended:
			m.hangUp()
			return
		case m.pongsLast && m.br.Buffered() == 0:
			m.sendLatePongs()
		}
	}
}

func (m *mini) sendLatePongs() {
	for _, p := range m.latePongs {
		m.send(true, 0, wire.Pong, p)
	}
	m.latePongs = nil
}

// hangUp ends the connection so that what was sent arrives.
func (m *mini) hangUp() {
	if !m.staysOpen {
		m.conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	io.Copy(io.Discard, m.br)
}

func (m *mini) send(fin bool, rsv uint8, op wire.Opcode, payload []byte) {
	h := wire.Header{Fin: fin, RSV: rsv, Opcode: op, Masked: (m.client && !m.bare) || m.maskOut, Length: int64(len(payload))}
	switch {
	case !h.Masked || m.zeroMask:
	case m.fixedMask:
		h.Mask = [4]byte{1, 2, 3, 4}
	default:
		key := handshakeRandom()
		h.Mask = [4]byte(key[:4])
	}
	b := wire.AppendHeader(nil, h)
	n := len(b)
	b = append(b, payload...)
	wire.Mask(b[n:], h.Mask, 0)
	m.conn.Write(b)
}

// frame reads one frame and does what it asks for.
func (m *mini) frame() error {
	var raw [wire.HeaderBytesMax]byte
	n := 0
	var h wire.Header
	for size := 0; size == 0; {
		if n == len(raw) {
			return io.ErrUnexpectedEOF
		}
		c, err := m.br.ReadByte()
		if err != nil {
			return err
		}
		raw[n] = c
		n++
		if h, size, err = m.header(raw[:n]); err != nil {
			return failure{wire.CloseProtocolError}
		}
		if n == 2 {
			if err := m.judge(raw[0], raw[1]); err != nil {
				return err
			}
		}
	}
	if h.Length+int64(len(m.message)) > miniBytesMax {
		return failure{wire.CloseMessageTooBig}
	}
	// Read in parts, so that bad text is seen before the frame is whole.
	payload := make([]byte, 0, min(h.Length, 1<<16))
	if h.Opcode.IsReserved() && !m.anyOpcode {
		return failure{wire.CloseProtocolError}
	}
	if !h.Opcode.IsControl() && h.Opcode != wire.Continuation {
		m.op, m.message, m.compressed = h.Opcode, nil, h.RSV&wire.RSV1 != 0
		m.text.Reset()
	}
	for int64(len(payload)) < h.Length {
		part := make([]byte, min(h.Length-int64(len(payload)), 4096))
		k, err := m.br.Read(part)
		if err != nil {
			return err
		}
		if h.Masked {
			wire.Mask(part[:k], h.Mask, len(payload))
		}
		if !h.Opcode.IsControl() && m.checksText() && !m.lateUTF8 && !m.text.Write(part[:k]) {
			return failure{wire.CloseInvalidPayload}
		}
		payload = append(payload, part[:k]...)
	}
	if h.Opcode.IsControl() {
		return m.control(h, payload)
	}
	return m.data(h, payload)
}

func (m *mini) checksText() bool { return m.op == wire.Text && !m.compressed && !m.noUTF8 }

// header is wire.ParseHeader, which refuses lengths that are not minimal.
func (m *mini) header(b []byte) (wire.Header, int, error) {
	h, n, err := wire.ParseHeader(b)
	if err != wire.ErrLengthNotMinimal || !m.anyLength {
		return h, n, err
	}
	size, length := 4, int64(0)
	if b[1]&0x7F == 127 {
		size = 10
	}
	for _, c := range b[2:size] {
		length = length<<8 | int64(c)
	}
	h = wire.Header{Fin: b[0]&0x80 != 0, RSV: b[0] >> 4 & 7, Opcode: wire.Opcode(b[0] & 0xF), Masked: b[1]&0x80 != 0, Length: length}
	if h.Masked {
		if len(b) < size+4 {
			return h, 0, nil
		}
		h.Mask = [4]byte(b[size:])
		size += 4
	}
	return h, size, nil
}

func (m *mini) judge(b0, b1 byte) error {
	bad := failure{wire.CloseProtocolError}
	op, rsv := wire.Opcode(b0&0xF), b0>>4&7
	allowed := uint8(0)
	if m.compress && (op == wire.Text || op == wire.Binary) {
		allowed = wire.RSV1
	}
	switch {
	case rsv&^allowed != 0 && !m.anyRSV, op.IsReserved() && !m.anyOpcode, (b1&0x80 != 0) == m.client && !m.anyMask:
		return bad
	case op.IsControl():
		if (b0&0x80 == 0 || b1&0x7F > 125) && !m.anyControl {
			return bad
		}
	case !m.anyOrder && (op == wire.Continuation) != (m.op != 0):
		return bad
	}
	return nil
}

func (m *mini) control(h wire.Header, p []byte) error {
	switch h.Opcode {
	case wire.Ping:
		if m.noPong || m.closed {
			return nil
		}
		if m.pongsLast || m.allPongsLate && m.op != 0 {
			m.latePongs = append(m.latePongs, p)
			return nil
		}
		if m.emptyPong {
			p = nil
		}
		m.send(true, 0, wire.Pong, p[:min(len(p), wire.ControlPayloadBytesMax)])
	case wire.Close:
		if m.closed {
			return nil
		}
		code, _, err := wire.ParseClose(p)
		if !m.anyCloseCode {
			switch err {
			case wire.ErrCloseReason:
				return failure{wire.CloseInvalidPayload}
			case wire.ErrCloseLength, wire.ErrCloseCode:
				return failure{wire.CloseProtocolError}
			}
			p = wire.AppendClose(nil, code, "")
		}
		if m.closeWith != 0 {
			p = wire.AppendClose(nil, m.closeWith, "")
		}
		m.send(true, 0, wire.Close, p[:min(len(p), wire.ControlPayloadBytesMax)])
		m.closed = true
		m.ended = !m.echoAfterClose
	}
	return nil
}

func (m *mini) data(h wire.Header, p []byte) error {
	m.message = append(m.message, p...)
	if !h.Fin {
		return nil
	}
	message, op := m.message, m.op
	m.message, m.op = nil, 0
	rsv := uint8(0)
	if m.compressed {
		var err error
		if message, err = m.inflate(message); err != nil {
			return failure{wire.CloseInvalidPayload}
		}
		if len(message) > miniBytesMax {
			return failure{wire.CloseMessageTooBig}
		}
	}
	if op == wire.Text && !m.noUTF8 && !utf8.Valid(message) {
		return failure{wire.CloseInvalidPayload}
	}
	if m.swapTypes {
		op = wire.Binary
	}
	if m.dropLast && len(message) == 126 {
		message = message[:125]
	}
	if m.compressed {
		message, rsv = m.deflated(message), wire.RSV1
	}
	if op != wire.Text && op != wire.Binary {
		op = wire.Binary
	}
	m.send(!m.splitText || op != wire.Text, rsv, op, message)
	if !m.pongsLast {
		m.sendLatePongs()
	}
	return nil
}

// accept answers a request, and echoes.
func (m *mini) accept(conn net.Conn) {
	m.conn, m.br, m.bits = conn, bufio.NewReaderSize(conn, 64<<10), 15
	r, err := http.ReadRequest(m.br)
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		m.hangUp()
		conn.Close()
		return
	}
	if m.dropEarly {
		m.br.Discard(m.br.Buffered())
	}
	accepted, fault := handshake.Check(&handshake.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Host: r.Host, Content: r.ContentLength != 0, Header: r.Header,
	}, nil)
	if fault != nil && !m.anyRequest {
		b := "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
		if !m.tellsNoVersion {
			b += "Sec-WebSocket-Version: 13\r\n"
		}
		io.WriteString(conn, b+"\r\n")
		m.hangUp()
		conn.Close()
		return
	}
	var b strings.Builder
	if m.wrongStatus {
		b.WriteString("HTTP/1.1 200 OK\r\n")
	} else {
		b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	}
	if !m.noUpgrade {
		b.WriteString("Upgrade: websocket\r\n")
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	if m.wrongAccept {
		key += "x"
	}
	b.WriteString("Connection: Upgrade\r\nSec-WebSocket-Accept: " + handshake.AcceptKey(key) + "\r\n")
	if m.unofferedSub {
		b.WriteString("Sec-WebSocket-Protocol: surprise\r\n")
	}
	if m.unofferedExtension {
		b.WriteString("Sec-WebSocket-Extensions: x-surprise\r\n")
	}
	if m.deflate {
		b.WriteString(m.negotiate(accepted.Extensions))
	}
	b.WriteString("\r\n")
	io.WriteString(conn, b.String())
	m.run()
}

// connect opens a WebSocket as a client, and echoes.
func (m *mini) connect(conn net.Conn, host, uri string) error {
	defer conn.Close()
	m.client, m.conn, m.br, m.bits = true, conn, bufio.NewReader(conn), 15
	o := &handshake.Offer{Host: host, RequestURI: uri, Key: handshake.NewKey(handshakeRandom())}
	if m.sameKey {
		o.Key = handshake.NewKey([16]byte{1, 2, 3})
	}
	request, err := handshake.AppendRequest(nil, o)
	if err != nil {
		return err
	}
	conn.Write(request)
	r, err := http.ReadResponse(m.br, nil)
	if err != nil {
		return err
	}
	if _, err = handshake.CheckResponse(r.StatusCode, r.ProtoMajor, r.ProtoMinor, r.Header, o); err != nil && !m.anyResponse {
		return err
	}
	if m.dropEarly {
		m.br.Discard(m.br.Buffered())
	}
	m.run()
	return nil
}
