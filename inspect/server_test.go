package inspect

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// peer is the server's side of one connection.
type peer struct {
	net.Conn
	br      *bufio.Reader
	request string
	header  http.Header
}

// key is the Sec-WebSocket-Key of the request.
func (p *peer) key() string { return p.header.Get("Sec-WebSocket-Key") }

func (p *peer) say(s string) { _, _ = p.Write([]byte(s)) }

// open answers 101, as it should be, with more fields.
func (p *peer) open(fields ...string) {
	more := ""
	for _, f := range fields {
		more += f + "\r\n"
	}
	p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		handshake.AcceptKey(p.key()) + "\r\n" + more + "\r\n")
}

// frame sends a frame as a server does.
func (p *peer) frame(op wire.Opcode, payload string) {
	_, _ = p.Write(wire.AppendFrame(nil, true, op, []byte(payload)))
}

// next reads a frame of the client; ok is false at the end.
func (p *peer) next() (op wire.Opcode, payload []byte, ok bool) {
	var raw []byte
	for {
		b, err := p.br.ReadByte()
		if err != nil {
			return 0, nil, false
		}
		raw = append(raw, b)
		h, n, _ := wire.ParseHeader(raw)
		if n == 0 {
			continue
		}
		payload = make([]byte, h.Length)
		for i := range payload {
			if payload[i], err = p.br.ReadByte(); err != nil {
				return 0, nil, false
			}
		}
		wire.Mask(payload, h.Mask, 0)
		return h.Opcode, payload, true
	}
}

// behave answers pings and the close, as it should be, until the end.
func (p *peer) behave() {
	for {
		op, payload, ok := p.next()
		switch {
		case !ok:
			return
		case op == wire.Ping:
			p.frame(wire.Pong, string(payload))
		case op == wire.Close:
			p.frame(wire.Close, string(payload))
			return
		}
	}
}

// idle reads until the client ends the connection.
func (p *peer) idle() {
	for {
		if _, err := p.br.ReadByte(); err != nil {
			return
		}
	}
}

// listen runs serve for each connection to a free port. With a config it speaks
// TLS. request is read first, unless raw is set.
func listen(t *testing.T, config *tls.Config, raw bool, serve func(p *peer)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(20 * time.Second))
				p := &peer{Conn: nc}
				if config != nil {
					p.Conn = tls.Server(nc, config)
				}
				p.br = bufio.NewReader(p.Conn)
				if !raw && !p.readRequest() {
					return
				}
				serve(p)
				if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
					_ = half.CloseWrite()
					nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
					p.idle() // so that the end is no reset
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	return ln.Addr().String()
}

// virtual makes every connection of o one in memory, served by serve, so that
// timeouts can be waited for in virtual time. It is for use in a synctest bubble.
func virtual(o *Options, raw bool, serve func(p *peer)) *Options {
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			p := &peer{Conn: far, br: bufio.NewReader(far)}
			if !raw && !p.readRequest() {
				return
			}
			serve(p)
		}()
		return near, nil
	}
	return named(o)
}

// readRequest reads the head of a request; ok is false if there is none.
func (p *peer) readRequest() (ok bool) {
	r, err := http.ReadRequest(p.br)
	if err != nil {
		return false
	}
	p.request, p.header = r.Method+" "+r.RequestURI, r.Header
	return true
}

// direct is the options of a test: no proxy, and a timeout that only a test in
// virtual time may reach.
func direct() *Options {
	return &Options{
		Timeout: 15 * time.Second, Listen: 200 * time.Millisecond, Pings: 2,
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
}

var (
	producedMu sync.Mutex
	produced   = map[string]bool{} // IDs of findings that tests have produced
)

// look inspects a target and checks what holds for every report.
func look(t *testing.T, target string, o *Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), target, o)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	producedMu.Lock()
	for _, f := range r.Findings {
		produced[f.ID] = true
	}
	producedMu.Unlock()
	checkReport(t, r)
	return r
}

// checkReport holds a report to what every report must be.
func checkReport(t *testing.T, r *Report) {
	t.Helper()
	var text strings.Builder
	if err := Print(&text, r, PrintOptions{Raw: true}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(text.String(), func(c rune) bool { return c != '\n' && !unicode.IsGraphic(c) }); i >= 0 {
		t.Errorf("the text holds %q", text.String()[i:min(len(text.String()), i+20)])
	}
	last := 0
	for _, f := range r.Findings {
		step := slices.Index(Steps, f.Step)
		if step < last {
			t.Errorf("%s is out of order", f.ID)
		}
		last = step
		if f.Means == "" || !strings.HasSuffix(f.Means, ".") || f.Grade >= Warning && !strings.HasSuffix(f.Do, ".") {
			t.Errorf("%s: %q, %q", f.ID, f.Means, f.Do)
		}
	}
	if r.Works != (r.Session != nil && r.Count(Error) == 0) || !strings.HasSuffix(r.Summary, ".") {
		t.Errorf("works %v: %q", r.Works, r.Summary)
	}
}

// wants fails unless the report has all of the findings.
func wants(t *testing.T, r *Report, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == id }) {
			var text strings.Builder
			_ = Print(&text, r, PrintOptions{Raw: true})
			t.Errorf("%s was not found:\n%s", id, text.String())
			return
		}
	}
}

func finding(r *Report, id string) Finding {
	for _, f := range r.Findings {
		if f.ID == id {
			return f
		}
	}
	return Finding{}
}
