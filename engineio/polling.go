package engineio

import (
	"errors"
	"net/http"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// poll is a GET of a session.
type poll struct {
	socket *Socket
	fields []byte // of the answer, what the origin makes necessary
}

// OnBody waits for packets.
func (p *poll) OnBody(x httpcarrier.Exchange, _ []byte) {
	s := p.socket
	s.mu.Lock()
	var fx session.Effects
	now := s.server.now()
	s.session.Expire(now, &fx)
	s.apply(&fx)
	problem := s.poll(now, x, p.fields)
	s.unlock()
	if problem != nil {
		s.server.refuse(x, problem, p.fields)
	}
}

// poll makes x the poll that waits, or says why not; mu is held.
func (s *Socket) poll(now session.Time, x httpcarrier.Exchange, fields []byte) *problem {
	var fx session.Effects
	if s.polling == nil {
		return problemOf(s.session.Poll(now, &fx))
	}
	last, lastFields := s.polling.get, s.polling.fields
	s.polling.get, s.polling.fields = x, fields
	verdict := s.session.Poll(now, &fx)
	if verdict != session.Accepted {
		s.polling.get, s.polling.fields = last, lastFields
	}
	s.apply(&fx)
	return problemOf(verdict)
}

// OnTooLarge refuses a GET with content.
func (p *poll) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	p.socket.server.refuse(x, problemRequest, p.fields)
}

// OnWake does nothing: nobody asks for it.
func (p *poll) OnWake(httpcarrier.Exchange) {}

// OnDrain does nothing: nothing is streamed.
func (p *poll) OnDrain(httpcarrier.Exchange) {}

// OnEnd ends the session if the poll was given up, or its answer was not taken.
func (p *poll) OnEnd(x httpcarrier.Exchange, err error) {
	if err != nil {
		p.socket.pollLost(x)
	}
}

func (s *Socket) pollLost(x httpcarrier.Exchange) {
	s.mu.Lock()
	if s.polling != nil && s.polling.get == x {
		var fx session.Effects
		s.session.PollLost(&fx)
		s.apply(&fx)
	}
	s.unlock()
}

// post is a POST of a session.
type post struct {
	socket   *Socket
	fields   []byte
	octets   bool // its content is binary
	isLong   bool // it has more packets than are handed on at once
	exchange httpcarrier.Exchange
	isOver   bool // it was answered, or its session told
}

// begin says that the POST has come, or why it may not.
func (p *post) begin() *problem {
	s := p.socket
	s.mu.Lock()
	var fx session.Effects
	s.session.Expire(s.server.now(), &fx)
	verdict := s.session.Post(&fx)
	s.apply(&fx)
	s.unlock()
	return problemOf(verdict)
}

// OnBody takes the packets, or leaves that to the holder of the turn.
func (p *post) OnBody(x httpcarrier.Exchange, body []byte) {
	s := p.socket
	p.exchange = x
	s.mu.Lock()
	if s.inTurn || s.inbox != nil {
		s.put(item{post: p, data: body})
		s.unlock()
		return
	}
	s.inTurn = true
	s.mu.Unlock()
	if s.takePost(p, body) {
		s.leave()
	}
}

// packetsAtOnce is how many packets of a POST are handed on by an event loop; a goroutine
// does the rest.
const packetsAtOnce = 500

// takePost hands on the packets of a POST, and answers it. The caller has the turn, and
// has lost it if it returns false.
func (s *Socket) takePost(p *post, body []byte) (ok bool) {
	s.mu.Lock()
	encoding, valid := s.encoding(p.octets)
	var wrong *problem
	switch {
	case s.session.HasEnded():
		wrong = problemSID
	case s.polling == nil:
		wrong = problemRequest // it has moved to a WebSocket
	case !valid:
		wrong = problemRequest
		s.end(session.TransportError)
	}
	if wrong != nil {
		s.finishPost(p, wrong)
		s.mu.Unlock()
		return true
	}
	for count := 0; count == 0 || len(body) > 0; count++ {
		if count == packetsAtOnce && !p.isLong {
			p.isLong = true
			s.putBack(item{post: p, data: body})
			s.inTurn = false
			s.mu.Unlock()
			s.server.table.spawn(s.attend)
			return false
		}
		one, n, err := encoding.Parse(body)
		if err != nil {
			s.end(session.ParseError)
			s.finishPost(p, problemRequest)
			s.mu.Unlock()
			return true
		}
		body = body[n:]
		var fx session.Effects
		isMessage := s.session.Packet(s.server.now(), one, &fx)
		s.apply(&fx)
		if !isMessage {
			if s.session.HasEnded() {
				break
			}
			continue
		}
		s.mu.Unlock()
		typ := MessageText
		if one.Binary {
			typ = MessageBinary
		}
		if !s.deliver(typ, one.Data) {
			p.answer(problemRequest)
			return false
		}
		s.mu.Lock()
	}
	if s.paused && s.polling != nil && !s.session.HasEnded() {
		s.polling.post = p
	} else {
		s.finishPost(p, nil)
	}
	s.mu.Unlock()
	return true
}

// encoding returns the encoding of a POST, and whether it may have it; mu is held.
func (s *Socket) encoding(octets bool) (e packet.Encoding, valid bool) {
	switch {
	case s.session.Version() == 4:
		return packet.V4, !octets
	case octets:
		return packet.V3Octets, true
	}
	return packet.V3Text, true
}

// finishPost answers a POST; mu is held.
func (s *Socket) finishPost(p *post, problem *problem) {
	s.session.PostDone()
	p.isOver = true
	p.answer(problem)
}

func (p *post) answer(problem *problem) {
	if problem != nil {
		p.socket.server.refuse(p.exchange, problem, p.fields)
		return
	}
	// Browsers once offered text/plain as a download. An error is of a client that has gone.
	_ = p.exchange.Respond(http.StatusOK, html.with(p.fields), []byte("ok"))
}

// releasePost answers a POST that was held while reading was paused; mu is held.
func (s *Socket) releasePost() {
	if p := s.polling.post; p != nil {
		s.polling.post = nil
		s.finishPost(p, nil)
	}
}

// OnTooLarge ends the session.
func (p *post) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	p.exchange = x
	p.fail(session.TooLarge)
	_ = x.Respond(http.StatusRequestEntityTooLarge, html.with(p.fields), nil) // the client may have gone
}

// fail ends the session for what became of the request.
func (p *post) fail(reason session.Reason) {
	s := p.socket
	s.mu.Lock()
	if !p.isOver {
		p.isOver = true
		s.session.PostDone()
		if s.polling != nil {
			s.end(reason)
		}
	}
	s.unlock()
}

// OnWake does nothing: nobody asks for it.
func (p *post) OnWake(httpcarrier.Exchange) {}

// OnDrain does nothing: nothing is streamed.
func (p *post) OnDrain(httpcarrier.Exchange) {}

// OnEnd ends the session if its content did not arrive.
func (p *post) OnEnd(_ httpcarrier.Exchange, err error) {
	if err == nil {
		return
	}
	if p.exchange == nil || errors.Is(err, engine.ErrBodyTimeout) {
		p.fail(session.TransportError)
		return
	}
	p.fail(session.TransportClose)
}
