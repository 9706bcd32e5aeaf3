package conformance

import (
	"strings"
	"time"
)

// opensWith changes the request and wants the handshake to succeed.
func opensWith(edit func(*opening), subs []string) func(*session) {
	return func(s *session) {
		h, err := s.ask(edit)
		if s.over {
			return
		}
		if h == nil {
			s.fail("no response came: %s", describeEnd(err))
			return
		}
		if err != nil {
			s.fail("%s", err)
			return
		}
		s.acceptResponse(h, terms{subs: subs})
		s.take(echoes(text("open")))
		s.goodbye()
	}
}

// opensWithRare is opensWith for a request that is right and so rare that to refuse it
// does no harm.
func opensWithRare(edit func(*opening)) func(*session) {
	return func(s *session) {
		h, err := s.ask(edit)
		switch {
		case s.over:
		case err == nil && isSwitching(h):
			s.acceptResponse(h, terms{})
			s.take(echoes(text("open")))
			s.goodbye()
		case h == nil:
			s.nonStrict("the connection ended without a response (%s)", describeEnd(err))
		default:
			s.nonStrict("the server refuses it: %s", quoted(h.start))
		}
	}
}

// refusedRequest changes the request and wants it refused with one of statuses.
// accepted is the verdict if it is not.
func refusedRequest(edit func(*session, *opening), accepted Verdict, statuses ...int) func(*session) {
	return func(s *session) {
		h, err := s.ask(func(o *opening) { edit(s, o) })
		switch {
		case s.over:
		case s.ctx.Err() != nil:
			s.fail("no answer came in time")
		case h != nil && isSwitching(h):
			s.judge(accepted, "the server accepts it")
		default:
			s.refused(h, err, statuses...)
		}
	}
}

func isSwitching(h *head) bool {
	code, _, _, err := h.status()
	return err == nil && code == 101
}

// ask connects, sends a request that edit has changed and reads the response.
// h is nil if there was none.
func (s *session) ask(edit func(*opening)) (h *head, err error) {
	if s.over || !s.dial() {
		return nil, nil
	}
	o := s.newRequest()
	edit(o)
	if key := strings.TrimSpace(o.get("Sec-WebSocket-Key")); key != "" {
		s.key = key
	}
	s.writeOpening(o, terms{})
	return readHead(s.br, s.log)
}

// listenRaw lets what is read next end soon, without a reader of frames.
func (s *session) listenRaw() { s.conn.SetReadDeadline(time.Now().Add(patience)) }
