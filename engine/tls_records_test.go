package engine_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// records speaks the record layer of TLS 1.3 itself, after a handshake of
// crypto/tls: a client that can do what crypto/tls does not offer.
type records struct {
	net.Conn
	plain   bytes.Buffer // decrypted application data
	send    direction
	receive direction
	updates int // KeyUpdates that arrived
	alert   []byte
}

// direction is one of the two (RFC 8446 §5.2, §5.3, §7.2).
type direction struct {
	t        *testing.T
	secret   []byte
	sequence uint64
}

const (
	alertRecord       = 21
	handshakeRecord   = 22
	applicationRecord = 23
)

func (d *direction) expand(label string, size int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	b, err := hkdf.Expand(sha256.New, d.secret, string(info), size)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *direction) update() {
	d.secret, d.sequence = d.expand("traffic upd", sha256.Size), 0
}

func (d *direction) aead() (cipher.AEAD, []byte) {
	block, err := aes.NewCipher(d.expand("key", 16))
	if err != nil {
		d.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		d.t.Fatal(err)
	}
	nonce := d.expand("iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, d.sequence) {
		nonce[4+i] ^= b
	}
	d.sequence++
	return aead, nonce
}

// seal appends a record.
func (d *direction) seal(dst []byte, typ byte, p []byte) []byte {
	aead, nonce := d.aead()
	inner := append(append([]byte(nil), p...), typ)
	head := []byte{applicationRecord, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+aead.Overhead()))
	return aead.Seal(append(dst, head...), nonce, inner, head)
}

// keyUpdate appends a KeyUpdate that asks for one (RFC 8446 §4.6.3).
func (d *direction) keyUpdate(dst []byte) []byte {
	dst = d.seal(dst, handshakeRecord, []byte{24, 0, 0, 1, 1})
	d.update()
	return dst
}

// Read decrypts.
func (r *records) Read(p []byte) (int, error) {
	for r.plain.Len() == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(r.Conn, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(r.Conn, body); err != nil {
			return 0, err
		}
		aead, nonce := r.receive.aead()
		inner, err := aead.Open(nil, nonce, body, head)
		if err != nil {
			return 0, err
		}
		inner = bytes.TrimRight(inner, "\x00")
		content := inner[:len(inner)-1]
		switch inner[len(inner)-1] {
		case applicationRecord:
			r.plain.Write(content)
		case alertRecord:
			r.alert = content
			return 0, io.EOF
		case handshakeRecord:
			if content[0] == 24 {
				r.updates++
				r.receive.update()
			}
		}
	}
	return r.plain.Read(p)
}

// Write encrypts.
func (r *records) Write(p []byte) (int, error) {
	_, err := r.Conn.Write(r.send.seal(nil, applicationRecord, p))
	return len(p), err
}

// upgradeRecords opens a WebSocket.
func upgradeRecords(t *testing.T, s *engine.Server) (*raw, *records) {
	t.Helper()
	r := connectRecords(t, s)
	c := rawConn(t, r)
	c.send(t, []byte(opening))
	c.switched(t)
	return c, r
}

func connectRecords(t *testing.T, s *engine.Server) *records {
	t.Helper()
	a := newAuthority(t)
	config := a.server(t)
	config.SessionTicketsDisabled = true
	nc, err := net.Dial("tcp", startTLS(t, s, config))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	client := a.client()
	client.ServerName, client.KeyLogWriter = "a.example", &log
	secure := tls.Client(nc, client)
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if secure.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		nc.Close()
		t.Skip("without AES in hardware another cipher is preferred, which this test does not speak")
	}
	r := &records{Conn: nc, send: direction{t: t}, receive: direction{t: t}}
	for line := range strings.Lines(log.String()) {
		fields := strings.Fields(line)
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		switch fields[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			r.send.secret = secret
		case "SERVER_TRAFFIC_SECRET_0":
			r.receive.secret = secret
		}
	}
	return r
}

// New keys on request, in the middle of a frame and between frames; the server
// answers with new keys of its own although it has nothing else to send.
func TestTLSKeyUpdate(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		c, r := upgradeRecords(t, s)
		frame := text("hello")
		for range 5 {
			b := r.send.seal(nil, applicationRecord, frame[:3])
			b = r.send.keyUpdate(b)
			b = r.send.seal(b, applicationRecord, frame[3:])
			if _, err := r.Conn.Write(b); err != nil {
				t.Fatal(err)
			}
			c.expect(t, wire.Text, "hello")
		}
		if r.updates != 5 {
			t.Errorf("%d answers", r.updates)
		}
		// One alone, a byte at a time.
		for _, b := range r.send.keyUpdate(nil) {
			if _, err := r.Conn.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		go func() { _, _ = r.Write(closing(1000)) }()
		c.closes(t, 1000)
		if r.updates != 6 {
			t.Errorf("%d answers", r.updates)
		}
		if !bytes.Equal(r.alert, []byte{1, 0}) {
			t.Errorf("the end was announced with %v, want close_notify", r.alert)
		}
	})
}

// A record that was tampered with ends the connection, with the alert for it.
func TestTLSTampering(t *testing.T) {
	n := newNotes()
	c, r := upgradeRecords(t, &engine.Server{Handler: n})
	next(t, n.open)
	b := r.send.seal(nil, applicationRecord, text("hello"))
	b[len(b)-1] ^= 1
	if _, err := r.Conn.Write(b); err != nil {
		t.Fatal(err)
	}
	c.ends(t)
	if !bytes.Equal(r.alert, []byte{2, 20}) {
		t.Errorf("the alert is %v, want bad_record_mac", r.alert)
	}
	if end := next(t, n.end); end.Err == nil || !strings.Contains(end.Err.Error(), "bad record MAC") {
		t.Errorf("%+v", end)
	}
	if len(n.message) > 0 {
		t.Errorf("%q was handed on", <-n.message)
	}
}

// Records without content, which cost more than they carry, are not taken for
// ever (crypto/tls has a limit on them).
func TestTLSEmptyRecords(t *testing.T) {
	n := newNotes()
	c, r := upgradeRecords(t, &engine.Server{Handler: n})
	var b []byte
	for range 100 {
		b = r.send.seal(b, applicationRecord, nil)
	}
	if _, err := r.Conn.Write(b); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(c.r) // a reset, mostly: the rest was not read
	if end := next(t, n.end); end.Err == nil || !strings.Contains(end.Err.Error(), "too many") {
		t.Errorf("%+v", end)
	}
}
