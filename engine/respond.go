package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// AppendField appends a field of a response, as Exchange.Respond and Begin take
// them. It returns dst as it was, and an error that wraps ErrField, when a value
// could break out of its line or the name is one that the engine sets itself.
//
//	fields, err := engine.AppendField(nil, "Content-Type", "application/json")
//	fields, err = engine.AppendField(fields, "Cache-Control", "no-store")
//
// Fields that are the same for all responses are best made once.
func AppendField(dst []byte, name, value string) ([]byte, error) {
	if !httpsyntax.IsFieldValue(value) {
		return dst, fmt.Errorf("%w: %.100q is not a value without control characters", ErrField, value)
	}
	before := len(dst)
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	dst = append(dst, "\r\n"...)
	if err := checkFields(dst[before:]); err != nil {
		return dst[:before], err
	}
	return dst, nil
}

// ownFields are those that the engine sets: they say where a response ends.
var ownFields = [...]string{"Content-Length", "Transfer-Encoding", "Connection", "Date", "Trailer", "Upgrade", "Keep-Alive"}

// checkFields returns an error if fields are not well-formed, or not the
// application's to set.
func checkFields(fields []byte) error {
	for len(fields) > 0 {
		end := bytes.IndexByte(fields, '\n')
		if end < 1 || fields[end-1] != '\r' {
			return fmt.Errorf("%w: a line does not end with CR LF: %.100q", ErrField, fields)
		}
		line := fields[:end-1]
		fields = fields[end+1:]
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || !isToken(line[:colon]) || !isFieldValue(line[colon+1:]) {
			return fmt.Errorf("%w: %.100q is not a name, a colon and a value without control characters", ErrField, line)
		}
		for _, own := range ownFields {
			if len(own) == colon && httpsyntax.EqualFold(string(line[:colon]), own) {
				return fmt.Errorf("%w: %s is set by the engine", ErrField, own)
			}
		}
	}
	return nil
}

func isToken(p []byte) bool {
	for _, c := range p {
		if !httpsyntax.IsTokenByte(c) {
			return false
		}
	}
	return len(p) > 0
}

func isFieldValue(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// AppendChunk appends data as one chunk of a streamed response (RFC 9112 §7.1), for
// Exchange.WriteChunks. Empty data appends nothing, as an empty chunk would end the
// response.
func AppendChunk(dst []byte, data ...[]byte) []byte {
	size := 0
	for _, p := range data {
		size += len(p)
	}
	if size == 0 {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(size), 16)
	dst = append(dst, "\r\n"...)
	for _, p := range data {
		dst = append(dst, p...)
	}
	return append(dst, "\r\n"...)
}

const lastChunk = "0\r\n\r\n"

// Respond answers with a complete response: its status, from 200 to 599, its
// fields as AppendField makes them, and its content. Content-Length, Date and
// Connection are added; nil fields are none. The answer to HEAD has the fields and
// no content. Respond copies fields and body.
//
// The connection serves the next request, unless the client or CloseAfter said
// otherwise. An opening handshake that waits is refused.
//
// It returns ErrStatus, ErrField or ErrNoContent when the response is not in order,
// ErrResponseBegun after Begin, and ErrExchangeOver; then nothing was sent. Nil
// means that the response will be sent if the client stays.
func (x Exchange) Respond(status int, fields, body []byte) error {
	if err := checkResponse(status, fields); err != nil {
		return err
	}
	return x.respond(status, fields, body)
}

// PreparedHead is the status and the fields of responses, checked once for all of them.
type PreparedHead struct {
	status int
	fields []byte
}

// PrepareHead returns the head of responses with a status and fields, which it copies. The
// errors are those of Respond.
func PrepareHead(status int, fields []byte) (*PreparedHead, error) {
	if err := checkResponse(status, fields); err != nil {
		return nil, err
	}
	return &PreparedHead{status, bytes.Clone(fields)}, nil
}

// RespondPrepared is Respond with a head that was checked before: for frequent responses
// that differ only in their content.
func (x Exchange) RespondPrepared(h *PreparedHead, body []byte) error {
	return x.respond(h.status, h.fields, body)
}

// respond is Respond with a status and fields that are in order.
func (x Exchange) respond(status int, fields, body []byte) error {
	if isBodiless(status) && len(body) > 0 {
		return ErrNoContent
	}
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	if err := e.mayBegin(ok); err != nil {
		c.mu.Unlock()
		return err
	}
	o := c.box()
	before := len(o.Bytes)
	o.Bytes = c.loop.server.appendResponse(o.Bytes, status, fields, e.last)
	if !isBodiless(status) {
		o.Bytes = append(o.Bytes, "Content-Length: "...)
		o.Bytes = strconv.AppendInt(o.Bytes, int64(len(body)), 10)
		o.Bytes = append(o.Bytes, "\r\n"...)
	}
	o.Bytes = append(o.Bytes, "\r\n"...)
	if !e.headOnly {
		o.Bytes = append(o.Bytes, body...)
	}
	c.queued += len(o.Bytes) - before
	e.phase = phaseDone
	c.unlockAndSend()
	return nil
}

// Begin begins a response that is streamed: Write and WriteChunks write its content,
// until End. Like everything that is written, it leaves when the callback under way
// returns, or else in the loop's next turn. The errors are those of Respond.
//
// The engine sets no time limit for a stream. On Linux a client whose network has
// gone is noticed within about a minute, by TCP_USER_TIMEOUT when something was
// written and by probes otherwise; elsewhere it takes as long as the listener's
// keepalive.
func (x Exchange) Begin(status int, fields []byte) error {
	if err := checkResponse(status, fields); err != nil {
		return err
	}
	if isBodiless(status) {
		return ErrNoContent
	}
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	err := e.mayBegin(ok)
	if err == nil && e.pending != nil {
		err = ErrHandshakeWaits
	}
	if err != nil {
		c.mu.Unlock()
		return err
	}
	o := c.box()
	before := len(o.Bytes)
	o.Bytes = c.loop.server.appendResponse(o.Bytes, status, fields, e.last)
	o.Bytes = append(o.Bytes, "Transfer-Encoding: chunked\r\n\r\n"...)
	c.queued += len(o.Bytes) - before
	e.phase = phaseStream
	if c.fd >= 0 {
		keepAlive(c.fd)
	}
	c.unlockAndSend()
	return nil
}

// Write sends data as one chunk of a response that has begun. It does not keep data,
// and does not wait: bytes that the network does not take are queued, see Buffered
// and OnDrain.
//
// It returns ErrNotBegun before Begin, ErrExchangeOver, and ErrQueueFull when more
// than Options.QueueBytesMax would wait; then nothing was written, and OnDrain will
// be called. Nil means that the data will be sent if the client stays.
func (x Exchange) Write(data ...[]byte) error {
	size := 0
	for _, p := range data {
		size += len(p)
	}
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	err := c.mayAppend(e, ok, size+chunkOverhead)
	if err == nil && !e.headOnly && size > 0 {
		o := c.box()
		before := len(o.Bytes)
		o.Bytes = AppendChunk(o.Bytes, data...)
		o.Mark()
		c.queued += len(o.Bytes) - before
	}
	c.unlockAndSend()
	return err
}

// chunkOverhead is the most that AppendChunk adds.
const chunkOverhead = 20

// WriteChunks sends chunks made by AppendChunk, one or more whole ones in each
// element: the way to encode something once and send it to many. Their form is the
// caller's responsibility. The errors are those of Write.
func (x Exchange) WriteChunks(encoded ...[]byte) error {
	size := 0
	for _, p := range encoded {
		size += len(p)
	}
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	err := c.mayAppend(e, ok, size)
	if err == nil && !e.headOnly && size > 0 {
		o := c.box()
		for _, p := range encoded {
			o.Bytes = append(o.Bytes, p...)
			o.Mark()
		}
		c.queued += size
	}
	c.unlockAndSend()
	return err
}

// End completes a response that has begun. It returns ErrNotBegun or
// ErrExchangeOver.
func (x Exchange) End() error {
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	err := c.mayAppend(e, ok, 0)
	if err == nil {
		c.endStream(e)
	}
	c.unlockAndSend()
	return err
}

// endStream completes a response that has begun; mu is held.
func (c *Conn) endStream(e *exchange) {
	if !e.headOnly {
		o := c.box()
		o.Bytes = append(o.Bytes, lastChunk...)
		c.queued += len(lastChunk)
	}
	e.phase = phaseDone
}

// mayBegin returns nil, or why a response may not begin; mu is held.
func (e *exchange) mayBegin(open bool) error {
	switch {
	case !open || e.phase == phaseDone || e.phase == phaseUpgrade:
		return ErrExchangeOver
	case e.phase == phaseStream:
		return ErrResponseBegun
	}
	return nil
}

// mayAppend returns nil, or why size bytes may not be added to a response; mu is held.
func (c *Conn) mayAppend(e *exchange, open bool, size int) error {
	switch {
	case !open || e.phase == phaseDone || e.phase == phaseUpgrade:
		return ErrExchangeOver
	case e.phase != phaseStream:
		return ErrNotBegun
	case c.queued > 0 && c.queued+size > c.settings.QueueBytesMax:
		c.flags |= owesDrain
		return ErrQueueFull
	}
	return nil
}

func checkResponse(status int, fields []byte) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("%w, and %d is not", ErrStatus, status)
	}
	return checkFields(fields)
}

// isBodiless reports whether a response of status has no content (RFC 9110 §6.4.1).
func isBodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// appendResponse appends the head of a response, without the field that says how long
// its content is and the empty line.
func (s *Server) appendResponse(dst []byte, status int, fields []byte, last bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(dst, "\r\nDate: "...)
	dst = s.appendDate(dst)
	dst = append(dst, "\r\n"...)
	dst = append(dst, fields...)
	if last {
		dst = append(dst, "Connection: close\r\n"...)
	}
	return dst
}

// dateText is the Date field of one second (RFC 9110 §6.6.1). from and until say which it
// is on the clock that nobody sets, as that is asked for less: a clock that is set is
// seen after a second.
type dateText struct {
	from, until time.Duration // since dateEpoch
	text        [len(http.TimeFormat)]byte
}

var dateEpoch = time.Now()

func (s *Server) appendDate(dst []byte) []byte {
	at := time.Since(dateEpoch)
	d := s.date.Load()
	if d == nil || at < d.from || at >= d.until {
		now := time.Now()
		d = &dateText{from: at, until: at + time.Second - time.Duration(now.Nanosecond())}
		now.UTC().AppendFormat(d.text[:0], http.TimeFormat)
		s.date.Store(d)
	}
	return append(dst, d.text[:]...)
}
