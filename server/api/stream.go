package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// stream is POST batch in lines: one publication in, one outcome out, in order, while
// the request is still being sent.
//
//	reader ── free ──► slot ── BeginPublish ──► pending ──► writer
//	          ◄───────────────────────────────────────────────┘
//
// There are StreamPendingMax slots, so a client that does not take its outcomes is
// read no further. The stream has a session in the hub, without channels: it ends with
// the hub and with the token of the caller, and a caller that manages sessions sees it.
func (c *call) stream() *fault {
	s := &stream{
		call: c, control: http.NewResponseController(c.w), out: bufio.NewWriterSize(c.w, 32<<10),
		free: make(chan *slot, c.o.StreamPendingMax), pending: make(chan *slot, c.o.StreamPendingMax),
		woken: make(chan struct{}, 1), over: make(chan struct{}),
	}
	for range c.o.StreamPendingMax {
		s.free <- &slot{done: make(chan struct{}, 1)}
	}
	session, err := c.o.Hub.ConnectAs(c.id, edge, s.wake)
	if err != nil {
		return c.faultOf(err)
	}
	defer session.Close()
	if err := s.begin(); err != nil {
		return gone()
	}
	var others sync.WaitGroup
	others.Go(s.writeLoop)
	others.Go(func() { s.watchLoop(session) })
	s.read()
	close(s.pending)
	close(s.over)
	others.Wait()
	return nil
}

type stream struct {
	*call
	control *http.ResponseController
	out     *bufio.Writer
	free    chan *slot
	pending chan *slot // in the order of the lines
	woken   chan struct{}
	over    chan struct{} // closed when nothing is read any more

	mu      sync.Mutex // guards what follows, and the deadline of reading
	stopped error      // why nothing is to be read any more
}

// slot is a line that has no outcome yet, or whose outcome was not written.
type slot struct {
	done      chan struct{} // capacity 1; gets one when the rest is set
	published hub.Published
	fault     *fault
	isEnd     bool // it is about the stream: nothing comes after it
}

// Published implements hub.Completer.
func (s *slot) Published(_ uint64, p hub.Published) {
	s.published = p
	s.done <- struct{}{}
}

// wake is that of the session.
func (s *stream) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// begin sends the head of the answer, so that a client that waits for it can go on.
func (s *stream) begin() error {
	// Where this is not needed, as with HTTP/2, or not possible, it is not an error.
	_ = s.control.EnableFullDuplex()
	if s.r.Header.Get("Expect") != "" {
		s.w.WriteHeader(http.StatusContinue) // after the head of the answer it would be too late
	}
	h := s.w.Header()
	h.Set("Content-Type", linesType)
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // proxies collect an answer before they pass it on
	s.boundWrite()
	s.w.WriteHeader(http.StatusOK)
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (s *stream) boundWrite() { _ = s.control.SetWriteDeadline(time.Now().Add(s.o.BodyTimeout)) }

// boundRead gives the next line its time, none for 0, unless the stream was stopped.
func (s *stream) boundRead(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped == nil {
		var at time.Time
		if d > 0 {
			at = time.Now().Add(d)
		}
		_ = s.control.SetReadDeadline(at)
	}
	return s.stopped
}

// stop has reading end.
func (s *stream) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped == nil {
		s.stopped = why
		_ = s.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// watchLoop stops the stream when its session ends.
func (s *stream) watchLoop(session *hub.Session) {
	for {
		if _, err := session.Take(nil); err != nil {
			s.stop(err)
			return
		}
		select {
		case <-s.woken:
		case <-s.over:
			return
		}
	}
}

// errGone stops a stream whose client takes no outcomes any more.
var errGone = errors.New("api: the client has gone")

// read reads lines until there are no more.
func (s *stream) read() {
	lines := bufio.NewReaderSize(s.r.Body, 32<<10)
	var long []byte
	for number := 1; ; {
		line, err := s.line(lines, &long)
		if len(bytes.TrimSpace(line)) > 0 && (err == nil || err == io.EOF) { // the last one may have no end
			slot := <-s.free
			slot.fault, slot.isEnd = nil, false
			m, f := readPublication(line, "line "+strconv.Itoa(number), fieldsOfPublication)
			if f == nil {
				f = s.call.begin(m, slot, 0)
			}
			if f != nil {
				slot.fault = f
				slot.done <- struct{}{}
			}
			s.pending <- slot
		}
		if err != nil {
			_ = s.boundRead(0)
			if f := s.endOf(err, number); f != nil {
				slot := <-s.free
				slot.fault, slot.isEnd = f, true
				slot.done <- struct{}{}
				s.pending <- slot
			}
			return
		}
		number++
	}
}

// errLine is the error of a line that is too long.
var errLine = errors.New("api: the line is too long")

// line reads a line without its end, and what is before the end of the body if that
// is no line. long is memory for one that does not fit into the buffer.
func (s *stream) line(lines *bufio.Reader, long *[]byte) ([]byte, error) {
	if err := s.boundRead(s.o.StreamIdleTimeout); err != nil {
		return nil, err
	}
	line, err := lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		*long = (*long)[:0]
		for err == bufio.ErrBufferFull && len(*long) <= s.o.BodyBytesMax { // or else the rest does not matter
			*long = append(*long, line...)
			line, err = lines.ReadSlice('\n')
		}
		*long = append(*long, line...)
		line = *long
	}
	if line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")); len(line) > s.o.BodyBytesMax {
		return nil, errLine
	}
	return line, err
}

// endOf is what the client is told of the end of a stream, nil if it has ended it.
func (s *stream) endOf(err error, number int) *fault {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	var ended *hub.Ended
	switch {
	case errors.As(stopped, &ended):
		return &fault{refusal: &access.Refusal{Cause: access.Denied, Reason: ended.Reason}}
	case stopped == errGone, err == io.EOF:
		return nil
	case stopped != nil:
		return s.faultOf(stopped)
	case err == errLine:
		return tooLong("line "+strconv.Itoa(number), s.o.BodyBytesMax)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault{problem: transport.ProblemBodyTimeout,
			detail: "there was no whole line within " + s.o.StreamIdleTimeout.String() + "; send an empty one to keep the stream"}
	}
	return &fault{problem: transport.ProblemBodyBroken, detail: "the body ended early or is not framed as its header says"}
}

// writeLoop writes outcomes, in order and several at a time, until there are no more.
func (s *stream) writeLoop() {
	var line []byte
	failed := false
	flush := func() {
		if failed || s.out.Buffered() == 0 {
			return
		}
		s.boundWrite()
		err := s.out.Flush()
		if err == nil {
			if err = s.control.Flush(); errors.Is(err, http.ErrNotSupported) {
				err = nil
			}
		}
		if err != nil {
			failed = true
			s.stop(errGone)
		}
	}
	defer flush()
	for {
		var next *slot
		var ok bool
		select {
		case next, ok = <-s.pending:
		default:
			flush()
			next, ok = <-s.pending
		}
		if !ok {
			return
		}
		select {
		case <-next.done:
		default:
			flush()
			<-next.done // the hub answers in a bounded time
		}
		if !failed {
			line = s.appendOutcome(line[:0], next)
			if s.out.Available() < len(line) {
				flush()
			}
			_, _ = s.out.Write(line) // an error comes back with the next flush
		}
		s.free <- next
	}
}

func (s *stream) appendOutcome(dst []byte, next *slot) []byte {
	f := next.fault
	if f == nil && next.published.Err != nil {
		f = s.faultOf(next.published.Err)
	}
	dst = appendResult(dst, &next.published, f)
	if next.isEnd {
		dst = append(dst[:len(dst)-1], `,"end":true}`...)
	}
	return append(dst, '\n')
}
