package inspect

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// spec is what an attempt asks for.
type spec struct {
	header       http.Header
	origin       string
	subprotocols []string
	extensions   string
	plain        bool // a GET that asks for no upgrade
	tlsVersion   uint16
	alpn         []string
}

// attempt is one handshake, as far as it came, and the facts it gave.
type attempt struct {
	target *target
	offer  handshake.Offer
	x      *Exchange
	stage  stage // that failed, or answered
	err    error // why it failed
	tls    *secured
	raw    []byte // what came, when it is not a whole head
	head   *head
	conn   net.Conn // open if the stage is answered; the caller closes it
	rest   []byte   // what came after the head
	sent   time.Time
	closed bool // the server ended the connection after its answer
}

// deflateOffer is what browsers offer: compression with a window of any size.
var deflateOffer = deflate.Offer(nil)

const deflateOfferText = "permessage-deflate; client_max_window_bits"

// spec is what the options ask for.
func (in *inspector) spec() spec {
	s := spec{header: in.header, origin: in.options.Origin, subprotocols: in.options.Subprotocols}
	if !in.options.NoCompression {
		s.extensions = deflateOfferText
	}
	return s
}

// attempt makes one handshake with t. It judges nothing.
func (in *inspector) attempt(ctx context.Context, t *target, s spec) *attempt {
	a := &attempt{target: t, x: &Exchange{URL: t.String()}, tls: new(secured)}
	if err := a.run(ctx, in, s); err != nil {
		a.err = err
		a.x.Error = explainError(err)
		if a.conn != nil {
			a.conn.Close()
			a.conn = nil
		}
	}
	return a
}

func (a *attempt) run(ctx context.Context, in *inspector, s spec) (err error) {
	t, x := a.target, a.x
	request, err := a.request(s)
	if err != nil {
		return err
	}
	p, err := in.chooseProxy(t)
	if err != nil {
		a.stage = atProxy
		return err
	}
	if p != nil {
		a.stage = atProxy
		x.Proxy = printable(redact.URL(p), 2*quotedBytesMax)
		a.conn, err = in.throughProxy(ctx, p, t, x)
	} else {
		a.conn, a.stage, err = in.connect(ctx, t.host(), t.port(), x)
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { a.conn.SetDeadline(longAgo) })
	defer stop()
	if t.secure() {
		a.stage = atTLS
		secure, facts, err := in.startTLS(ctx, a.conn, t, s, x)
		a.tls = facts
		if err != nil {
			return err
		}
		a.conn = secure
	}
	a.stage = atResponse
	x.Request = &Message{Lines: showLines(strings.Split(strings.TrimSuffix(string(request), "\r\n\r\n"), "\r\n"))}
	a.sent = time.Now()
	a.conn.SetDeadline(a.sent.Add(in.options.Timeout))
	if _, err := a.conn.Write(request); err != nil && errorKind(err) == timedOut {
		return err // otherwise the answer may have come before the end
	}
	if err := a.read(); err != nil {
		return err
	}
	a.stage = answered
	if a.head.status != 101 {
		a.readBody(in.options.Timeout)
	}
	a.conn.SetDeadline(time.Time{})
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// request is the head to send.
func (a *attempt) request(s spec) ([]byte, error) {
	t := a.target
	header := s.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if t.url.User != nil && header.Get("Authorization") == "" {
		password, _ := t.url.User.Password()
		r := http.Request{Header: header}
		r.SetBasicAuth(t.url.User.Username(), password)
	}
	if s.origin != "" {
		header.Del("Origin")
	}
	if header.Get("User-Agent") == "" {
		// Some firewalls refuse requests that have none.
		header.Set("User-Agent", "godwit-inspect")
	}
	var random [16]byte
	rand.Read(random[:])
	a.offer = handshake.Offer{
		Host: t.hostField(), RequestURI: t.url.RequestURI(), Key: handshake.NewKey(random), Origin: s.origin,
		Subprotocols: s.subprotocols, Extensions: s.extensions, Header: header,
	}
	b, err := handshake.AppendRequest(nil, &a.offer)
	if err != nil || !s.plain {
		return b, err
	}
	lines := strings.SplitAfter(string(b), "\r\n")
	kept := lines[:0]
	for _, line := range lines {
		switch name, _, _ := strings.Cut(strings.ToLower(line), ":"); {
		case name == "upgrade", strings.HasPrefix(name, "sec-websocket-"):
		case name == "connection":
			kept = append(kept, "Connection: close\r\n")
		default:
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, "")), nil
}

// Errors of reading a response.
var (
	errHeadTooLong = errors.New("the head of the response is longer than " + strconv.Itoa(headBytesMax) + " bytes")
	errNotHTTP     = errors.New("the answer is not HTTP")
	errHTTP2       = errors.New("the answer is HTTP/2")
)

// readHead reads until a head is whole, and returns its length with all that
// was read, which may be more. With an error, what was read is all there is.
// first, if not nil, is called when the first bytes come.
func readHead(r io.Reader, first func()) (raw []byte, n int, err error) {
	b := make([]byte, 4096)
	for {
		k, err := r.Read(b)
		if k > 0 && len(raw) == 0 && first != nil {
			first()
		}
		raw = append(raw, b[:k]...)
		switch {
		case !looksLikeHTTP(raw):
			if isHTTP2(raw) {
				return raw, 0, errHTTP2
			}
			if len(raw) > 0 {
				return raw, 0, errNotHTTP
			}
		default:
			if n := headEnd(raw); n > 0 && n <= headBytesMax {
				return raw, n, nil
			}
			if len(raw) > headBytesMax {
				return raw, 0, errHeadTooLong
			}
		}
		if err != nil {
			return raw, 0, err
		}
	}
}

// isHTTP2 recognises the SETTINGS or GOAWAY frame that an HTTP/2 server begins
// with: 3 bytes of length, a type of 4 or 7, and stream 0 (RFC 9113 §3.4, §4.1).
func isHTTP2(b []byte) bool {
	return len(b) >= 9 && b[0] == 0 && (b[3] == 4 || b[3] == 7) && string(b[5:9]) == "\x00\x00\x00\x00"
}

// read reads the head of the response, past interim ones.
func (a *attempt) read() error {
	a.x.Response = &Response{Fields: []Field{}}
	var pending []byte
	for range 10 {
		r := io.MultiReader(bytes.NewReader(pending), a.conn)
		raw, n, err := readHead(r, func() { a.x.Response.Took = time.Since(a.sent) })
		if err != nil {
			a.raw = raw
			a.x.Response.Lines = strings.Split(printableLines(string(raw), excerptBytesMax), "\n")
			if len(raw) == 0 {
				a.x.Response = nil
			}
			return err
		}
		h, err := parseHead(raw[:n])
		if err != nil {
			a.raw = raw
			a.x.Response.Lines = strings.Split(printableLines(string(raw), excerptBytesMax), "\n")
			return errNotHTTP
		}
		if h.status/100 == 1 && h.status != 101 { // RFC 9110 §15.2: more may come before the answer
			pending = raw[n:]
			continue
		}
		a.head, a.rest = h, raw[n:]
		a.x.Response.Status = h.status
		a.x.Response.Lines = showLines(h.lines)
		return nil
	}
	return errNotHTTP
}

// readBody reads what a refusal says: what comes within a second is enough.
func (a *attempt) readBody(timeout time.Duration) {
	a.conn.SetReadDeadline(time.Now().Add(min(timeout, time.Second)))
	var r io.Reader = io.LimitReader(io.MultiReader(bytes.NewReader(a.rest), a.conn), bodyBytesMax)
	if n, err := strconv.ParseUint(a.head.get("Content-Length"), 10, 31); err == nil {
		r = io.LimitReader(r, int64(n))
	}
	if codings := elements(a.head.values("Transfer-Encoding")); len(codings) > 0 && strings.EqualFold(codings[len(codings)-1], "chunked") {
		r = httputil.NewChunkedReader(r)
	}
	body, _ := io.ReadAll(r)
	if strings.EqualFold(a.head.get("Content-Encoding"), "gzip") {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(io.LimitReader(z, bodyBytesMax))
		}
	}
	a.x.Response.Body = printableLines(strings.TrimSpace(string(body)), excerptBytesMax)
	a.raw = body
}

// close ends the connection of an attempt that nobody uses further.
func (a *attempt) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// opened reports whether the answer opens a WebSocket by every rule.
func (a *attempt) opened() bool {
	if a.stage != answered || a.err != nil {
		return false
	}
	r, err := handshake.CheckResponse(a.head.status, a.head.major, a.head.minor, a.head.fields, &a.offer)
	if err == nil {
		_, _, err = deflate.CheckResponse(r.Extensions, a.offered())
	}
	return err == nil
}

// offered is the extension that was offered, the zero Extension for none.
func (a *attempt) offered() handshake.Extension {
	if a.offer.Extensions == "" {
		return handshake.Extension{}
	}
	return deflateOffer
}
