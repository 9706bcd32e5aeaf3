package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// step is one line of a case's script: something to send, or something that must
// come back.
type step func(*session)

const (
	// probeAfter is how long a fault may go unanswered before a ping asks whether
	// the peer has noticed it.
	probeAfter = 400 * time.Millisecond

	// patience is how long something may take that should happen at once, where
	// its not happening is not a failure.
	patience = time.Second
)

// patience is the constant, or more where a longer Timeout says that the peer is
// slow.
func (s *session) patience() time.Duration { return max(patience, s.suite.options.Timeout/5) }

// script is a case that opens a connection, takes the steps and says goodbye.
func script(steps ...step) func(*session) {
	return func(s *session) {
		s.open()
		s.take(steps...)
		s.goodbye()
	}
}

func (s *session) take(steps ...step) {
	for _, do := range steps {
		if s.over {
			return
		}
		do(s)
	}
}

// --- sending ---

// sends sends frames in one write.
func sends(frames ...frame) step { return func(s *session) { s.send(frames...) } }

// sendsIn sends frames in writes of size bytes.
func sendsIn(size int, frames ...frame) step { return func(s *session) { s.sendIn(size, frames...) } }

// sendsSplit sends frames in two writes, the first of n bytes.
func sendsSplit(n int, frames ...frame) step {
	return func(s *session) {
		var b []byte
		for _, f := range frames {
			b = append(b, s.encode(f)...)
		}
		n := min(n, len(b))
		s.log.remark("in two writes, the first of %d bytes", n)
		s.write(b[:n], 0)
		s.write(b[n:], 0)
	}
}

func pauses(d time.Duration) step { return func(s *session) { s.pause(d) } }

// --- what must come back ---

// echoes sends one message in one frame and wants it back.
func echoes(f frame) step {
	return func(s *session) { s.take(sends(f), wantsMessage(f.op, string(f.payload))) }
}

// wantsText wants a text message.
func wantsText(payload string) step { return wantsMessage(wire.Text, payload) }

// wantsMessage wants a message, as the next thing but for pings and pongs.
func wantsMessage(op wire.Opcode, payload string) step {
	return func(s *session) { s.awaitMessage(op, []byte(payload)) }
}

// awaitMessage reports whether the message came.
func (s *session) awaitMessage(op wire.Opcode, payload []byte) bool {
	for {
		a := s.next(0)
		switch a.kind {
		case aPing, aPong:
			continue
		case aMistake:
			return false
		case aMessage:
			if a.op == op && bytes.Equal(a.payload, payload) {
				return true
			}
			s.fail("%s came back instead of %s", &a, &arrival{kind: aMessage, op: op, payload: payload})
			if a.op == op && len(a.payload) > payloadBytesMax {
				s.log.remark("the payloads differ from byte %d on", firstDifference(a.payload, payload))
			}
			return false
		case aSilence:
			s.fail("%s did not come back in time", &arrival{kind: aMessage, op: op, payload: payload})
			return false
		}
		s.fail("%s came instead of %s", &a, &arrival{kind: aMessage, op: op, payload: payload})
		return false
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// wantsPong wants the answer to the newest of some pings. Pongs to older ones
// may come before it, in their order (RFC 6455 §5.5.3).
func wantsPong(payloads ...string) step {
	return func(s *session) {
		newest := payloads[len(payloads)-1]
		left := payloads // cases are shared: the closure's own stays as it is
		for {
			a := s.next(0)
			switch a.kind {
			case aMistake:
				return
			case aPing:
				continue
			case aPong:
				i := slices.Index(left, string(a.payload))
				if i < 0 {
					if len(a.payload) == 0 {
						continue // an unsolicited one, as a heartbeat
					}
					s.fail("%s answers no ping that was sent", &a)
					return
				}
				if left = left[i+1:]; len(left) == 0 {
					return
				}
				continue
			case aSilence:
				s.fail("the pong %s did not come", orEmpty(showPayload([]byte(newest))))
				return
			}
			s.fail("%s came instead of the pong %s", &a, orEmpty(showPayload([]byte(newest))))
			return
		}
	}
}

// wantsFault wants the peer to fail the connection with codes[0]. The other
// codes are as good. Everything else that ends the connection is not strict;
// carrying on is a failure.
func wantsFault(codes ...wire.CloseCode) step {
	return func(s *session) { s.awaitFault(true, NonStrict, codes) }
}

// wantsFaultInFrame is wantsFault inside a frame, where no ping can be sent to
// learn whether the peer carries on.
func wantsFaultInFrame(codes ...wire.CloseCode) step {
	return func(s *session) { s.awaitFault(false, NonStrict, codes) }
}

// wantsMaskFault is wantsFault for a frame that is masked and must not be, or the
// other way round: then the close frame is optional (RFC 6455 §5.1).
func wantsMaskFault() step {
	return func(s *session) { s.awaitFault(true, Informational, []wire.CloseCode{wire.CloseProtocolError}) }
}

const probe = "still there?"

// awaitFault waits for the peer to fail the connection. silent is the verdict for
// doing so without a close frame.
func (s *session) awaitFault(mayProbe bool, silent Verdict, codes []wire.CloseCode) {
	limit := time.Duration(0)
	if mayProbe {
		limit = probeAfter
	}
	for {
		a := s.next(limit)
		switch a.kind {
		case aMistake:
			return
		case aPing:
			continue
		case aPong:
			if string(a.payload) == probe {
				s.fail("the peer took no notice: it answered a ping afterwards")
				return
			}
			continue
		case aMessage:
			s.fail("%s came instead of a close frame with %s", &a, describeCode(codes[0]))
			return
		case aSilence:
			if limit > 0 {
				limit = 0
				s.send(ping(probe))
				continue
			}
			s.fail("the connection was not failed: nothing came in time")
			return
		}
		s.judgeFaultOr(&a, silent, codes)
		return
	}
}

// judgeFault judges the way in which the peer failed the connection.
func (s *session) judgeFault(a *arrival, codes []wire.CloseCode) {
	s.judgeFaultOr(a, NonStrict, codes)
}

// judgeFaultOr is judgeFault with the verdict for an end without a close frame.
func (s *session) judgeFaultOr(a *arrival, silent Verdict, codes []wire.CloseCode) {
	switch {
	case a.kind == anEnd:
		s.judge(silent, "the connection ended without a close frame (%s); %s would tell the peer why", describeEnd(a.err), describeCodes(codes))
	case !slices.Contains(codes, a.code):
		s.nonStrict("the connection was failed with %s where %s is called for", describeCode(a.code), describeCodes(codes))
	}
}

func describeCodes(codes []wire.CloseCode) string {
	names := make([]string, len(codes))
	for i, c := range codes {
		names[i] = c.String()
	}
	return strings.Join(names, " or ")
}

// wantsClose wants an orderly close frame with one of codes in answer to the
// suite's. Messages sent before may be echoed first.
func wantsClose(codes ...wire.CloseCode) step {
	return func(s *session) {
		for {
			a := s.next(0)
			switch a.kind {
			case aMistake:
				return
			case aPing, aPong:
				continue
			case aClose:
				if !slices.Contains(codes, a.code) {
					s.nonStrict("the close frame was answered with %s; typically the code received is sent back, %s", describeCode(a.code), describeCodes(codes))
				}
				return
			}
			s.fail("%s came instead of the answer to the close frame", &a)
			return
		}
	}
}

// wantsEnd wants the peer to end the connection.
func wantsEnd() step {
	return func(s *session) {
		for {
			a := s.next(0)
			switch a.kind {
			case anEnd, aMistake:
				return
			case aPing:
				continue
			case aSilence:
				s.fail("the peer left the connection open")
				return
			}
			s.fail("%s came instead of the end of the connection", &a)
			return
		}
	}
}

// wantsNothing wants nothing to arrive for d, except pings.
func wantsNothing(d time.Duration) step {
	return func(s *session) {
		until := time.Now().Add(d)
		for {
			left := time.Until(until)
			if left <= 0 {
				return
			}
			a := s.next(left)
			switch a.kind {
			case aSilence, aMistake:
				return
			case aPing:
				continue
			}
			s.fail("%s came, and nothing should", &a)
			return
		}
	}
}

// --- the end ---

// goodbye ends a case in good order. What the case is about has been seen, so
// only things that nobody asked for count.
func (s *session) goodbye() {
	if s.conn == nil || s.over || s.ended {
		return
	}
	if !s.closeSent {
		code := wire.CloseNormal
		s.send(closing(code, ""))
	}
	for !s.over {
		if s.role == Client && s.closeGot {
			return // the server ends the connection (RFC 6455 §7.1.1)
		}
		a := s.next(patience)
		switch a.kind {
		case aPing, aPong, aClose:
			continue
		case aMessage:
			s.fail("%s came, which nobody asked for", &a)
		}
		return
	}
}

// parts splits s into pieces of n bytes.
func parts(s string, n int) []string {
	var list []string
	for len(s) > n {
		list = append(list, s[:n])
		s = s[n:]
	}
	return append(list, s)
}

// fragments is a message in frames, one for each part.
func fragmentsOf(op wire.Opcode, parts ...string) []frame {
	frames := make([]frame, len(parts))
	for i, p := range parts {
		frames[i] = frame{fin: i == len(parts)-1, op: wire.Continuation, payload: []byte(p)}
	}
	frames[0].op = op
	return frames
}

// byteCount is n in words.
func byteCount(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprint(n, " bytes")
}

// patternBytes is after how many bytes pattern repeats: a prime, so that it is
// never a whole number of fragments.
const patternBytes = 1<<20 - 3

// patternOnce is made once, since a peer waits while a case makes its payload.
var patternOnce = sync.OnceValue(func() string {
	b := make([]byte, 0, patternBytes+16)
	for i := int64(0); len(b) < patternBytes; i++ {
		b = append(strconv.AppendInt(b, i, 16), '.')
	}
	return string(b[:patternBytes])
})

// pattern is n bytes of ASCII that do not repeat within a MiB, so that a part
// that is missing or moved is noticed.
func pattern(n int) string {
	once := patternOnce()
	if n <= len(once) {
		return once[:n]
	}
	return strings.Repeat(once, n/len(once)+1)[:n]
}
