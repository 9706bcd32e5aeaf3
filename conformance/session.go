package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// session is one case being played. All of it but the reader runs in one
// goroutine.
type session struct {
	ctx     context.Context
	role    Role // of the peer
	suite   *suite
	log     *recorder
	random  *rand.Rand // the same in every run
	verdict Verdict
	details []string
	over    bool // the verdict is final; steps that follow are skipped

	conn   net.Conn
	br     *bufio.Reader
	inbox  *inbox
	reader chan struct{} // closed when the reader has ended
	stop   func() bool

	key       string // the Sec-WebSocket-Key of this connection
	agreed    *deflate
	sub       string // the subprotocol agreed on
	request   *head  // of the client, when a client is judged
	closeSent bool
	closeGot  bool
	ended     bool

	// What the peer is sending.
	messageOp  wire.Opcode // Continuation between messages
	message    []byte
	compressed bool
	lastKey    [4]byte
	keys       [][4]byte
	rawDeflate bool // compressed messages are not inflated
	dry        bool // the reader is not started by open
}

// suite is what the sessions of a run share.
type suite struct {
	role    Role
	options Options

	// A server under test, and whether it has stopped accepting connections.
	target  *target
	gone    atomic.Bool
	secrets *strings.Replacer // of requests, nil for none

	// A client under test.
	fresh *freshness
}

func newSession(ctx context.Context, s *suite, c *Case) *session {
	seed := fnv.New64a()
	io.WriteString(seed, c.ID)
	return &session{
		ctx:    ctx,
		role:   s.role,
		suite:  s,
		log:    newRecorder(s.secrets),
		random: rand.New(rand.NewPCG(seed.Sum64(), s.options.Seed)),
	}
}

// attach makes conn the session's connection. The end of the context ends
// whatever is blocked on it.
func (s *session) attach(conn net.Conn, br *bufio.Reader) {
	if br == nil {
		br = bufio.NewReaderSize(conn, 16<<10)
	}
	s.conn, s.br = conn, br
	s.inbox = newInbox()
	s.reader = nil
	s.stop = context.AfterFunc(s.ctx, func() { conn.SetDeadline(longAgo) })
	s.closeSent, s.closeGot, s.ended = false, false, false
	s.messageOp, s.message, s.compressed = 0, nil, false
	s.agreed = nil
}

var longAgo = time.Unix(1, 0)

// listen starts the reader.
func (s *session) listen() {
	s.reader = make(chan struct{})
	go func(conn net.Conn, br *bufio.Reader, inbox *inbox, log *recorder, done chan struct{}) {
		defer close(done)
		receive(br, inbox, log, func() { conn.SetWriteDeadline(time.Now().Add(patience)) })
	}(s.conn, s.br, s.inbox, s.log, s.reader)
}

// detach closes the connection and waits for the reader.
func (s *session) detach() {
	if s.conn == nil {
		return
	}
	s.stop()
	s.conn.Close()
	s.inbox.close()
	if s.reader != nil {
		<-s.reader
	}
	s.conn = nil
}

// --- verdicts ---

func (s *session) judge(v Verdict, format string, args ...any) {
	if s.over {
		return
	}
	if v > s.verdict {
		s.verdict = v
	}
	detail := fmt.Sprintf(format, args...)
	s.details = append(s.details, detail)
	s.log.remark("%s: %s", v, detail)
	s.over = v == Fail || v == Unsupported
}

func (s *session) fail(format string, args ...any)        { s.judge(Fail, format, args...) }
func (s *session) nonStrict(format string, args ...any)   { s.judge(NonStrict, format, args...) }
func (s *session) inform(format string, args ...any)      { s.judge(Informational, format, args...) }
func (s *session) unsupported(format string, args ...any) { s.judge(Unsupported, format, args...) }

func (s *session) detail() string { return strings.Join(s.details, "; ") }

// --- sending ---

// send sends frames in one write. That the peer has gone is noticed when reading.
func (s *session) send(frames ...frame) { s.sendIn(0, frames...) }

// sendIn sends frames in writes of size bytes, or in one if size is 0.
func (s *session) sendIn(size int, frames ...frame) {
	if s.over {
		return
	}
	if len(frames) == 1 {
		s.write(s.encode(frames[0]), size)
		return
	}
	total := 0
	for _, f := range frames {
		total += wire.HeaderBytesMax + len(f.payload)
	}
	b := make([]byte, 0, total)
	for _, f := range frames {
		b = append(b, s.encode(f)...)
	}
	s.write(b, size)
}

// encode returns the bytes of a frame, and logs it as sent.
func (s *session) encode(f frame) []byte {
	masked := (s.role == Server) != f.wrongMask
	var key [4]byte
	if f.key != nil {
		key = *f.key
	} else if masked {
		for key == [4]byte{} {
			key = [4]byte{byte(s.random.Uint32()), byte(s.random.Uint32()), byte(s.random.Uint32()), byte(s.random.Uint32())}
		}
	}
	b, n := f.encode(masked, key)
	h, length := f.header(masked, key)
	s.log.add(Entry{From: "suite", Frame: describeFrame(h, length, b[:n], f.payload)})
	if f.op == wire.Close && f.fin && f.rsv == 0 && !f.wrongMask {
		s.closeSent = true
	}
	return b
}

// write writes b, in parts of size bytes if size is not 0.
func (s *session) write(b []byte, size int) {
	if s.over {
		return
	}
	if size > 0 && size < len(b) {
		s.log.remark("in %d writes of %d bytes", (len(b)+size-1)/size, size)
	}
	for len(b) > 0 {
		n := len(b)
		if size > 0 {
			n = min(n, size)
		}
		if _, err := s.conn.Write(b[:n]); err != nil {
			s.log.remark("writing ended: %s", describeEnd(err))
			return
		}
		b = b[n:]
	}
}

// shutdown says that nothing more will be sent, without a close frame.
func (s *session) shutdown() {
	s.log.sent("end of the stream")
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// reset ends the connection with a TCP reset, where there is one.
func (s *session) reset() {
	s.log.sent("reset of the connection")
	nc := s.conn
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	nc.Close()
}

// pause waits for d, or until the case has run out of time.
func (s *session) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}

// describeEnd says in a few words how a connection ended.
func describeEnd(err error) string {
	switch {
	case err == io.EOF:
		return "end of the stream"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset of the connection"
	case errors.Is(err, net.ErrClosed):
		return "closed by the suite"
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "the suite's time was up"
	}
	return visible(err.Error())
}

// visible makes text of the system or the peer fit for a detail: in ASCII, and
// not too long.
func visible(s string) string {
	const max = 300
	if len(s) > max {
		s = s[:max] + "..."
	}
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
