package drivertest

import (
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about silence.
var keepaliveRows = []row{
	{"keepalive/a silent peer", 0, silentPeerIsFound},
	{"keepalive/the defaults", virtual, defaultTimes},
	{"keepalive/a peer that answers once", virtual, peerAnswersOnce},
	{"keepalive/any byte is a sign of life", virtual, anyByteIsLife},
	{"keepalive/its pace", virtual, keepaliveKeepsItsPace},
	{"keepalive/none", virtual, noKeepalive},
	{"keepalive/an application that takes long", virtual, slowApplication},
	{"keepalive/idle", 0, idlePeerIsClosed},
	{"keepalive/idle, and alive", virtual, idlePeerIsClosedHoweverAlive},
	{"keepalive/a part of a message is not idle", virtual, partsAreNotIdle},
	{"keepalive/headers that drip are idle", virtual, dripIsIdle},
	{"keepalive/idle while a ping is unanswered", virtual, idleWithoutAPingTimeout},
}

// wantPing receives a ping.
func (p *peer) wantPing() string {
	p.s.Helper()
	f, err := p.Receive()
	if err != nil || f.Header.Opcode != wire.Ping || !f.Header.Fin {
		p.s.Fatalf("peer: got %v, %v; want a ping", f, err)
	}
	return f.Payload
}

// wantCut receives the close frame and the end that a timeout leads to.
func (p *peer) wantCut(code wire.CloseCode, reason string) {
	p.s.Helper()
	p.Want("close " + codeOf(code) + " " + quoteOf(reason))
	p.WantEnd()
	p.Hangup()
	p.s.ends(1006, code)
}

func silentPeerIsFound(s *scene) {
	s.options.PingInterval, s.options.PingTimeout = 3*s.unit, 2*s.unit
	began := time.Now()
	p, _ := s.meet()
	p.wantPing()
	s.due(began, s.options.PingInterval)
	after := s.options.PingInterval + s.options.PingTimeout
	if s.d.Virtual { // over a socket the ping is read later than it was sent
		began, after = time.Now(), s.options.PingTimeout
	}
	p.wantCut(1011, "keepalive ping timeout")
	s.due(began, after)
}

// Both drivers have the same defaults: 25 and 20 seconds of silence, 10 in which a
// peer takes nothing, 5 for the answer to a close frame.
func defaultTimes(s *scene) {
	began := time.Now()
	p, _ := s.meet()
	p.wantPing()
	s.due(began, 25*time.Second)
	began = time.Now()
	p.wantCut(1011, "keepalive ping timeout")
	s.due(began, 20*time.Second)

	p, c := s.meet()
	began = time.Now()
	closed := closing(c, 1000, "")
	p.Want(`close 1000 ""`)
	p.WantEnd()
	s.due(began, 5*time.Second)
	<-closed
	s.ends(1006, 1000)

	p, c = s.meet()
	began = time.Now()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", 200_000))) })
	s.ends(1006, 0)
	s.due(began, 10*time.Second)
	<-written
	p.Hangup()
}

func peerAnswersOnce(s *scene) {
	s.options.PingInterval, s.options.PingTimeout = 10*s.unit, 5*s.unit
	p, _ := s.meet()
	p.Send(true, wire.Pong, p.wantPing())
	heard := time.Now()
	p.wantPing()
	s.due(heard, s.options.PingInterval)
	heard = time.Now()
	p.wantCut(1011, "keepalive ping timeout")
	s.due(heard, s.options.PingTimeout)
}

// Half a header keeps a connection open, and the next ping comes after it.
func anyByteIsLife(s *scene) {
	s.options.PingInterval, s.options.PingTimeout = 10*s.unit, 5*s.unit
	p, _ := s.meet()
	message := p.frame(true, wire.Binary, "drip")
	heard := time.Now()
	for i := range message {
		p.wantPing()
		s.due(heard, s.options.PingInterval)
		<-time.After(s.options.PingTimeout - s.unit)
		p.Raw(message[i : i+1])
		heard = time.Now()
	}
	s.hears(`binary "drip"`)
	p.leave()
}

// The pings come every PingInterval, also when PingTimeout is longer.
func keepaliveKeepsItsPace(s *scene) {
	for _, timeout := range []time.Duration{0, s.unit / 10, s.unit, 60 * s.unit, noLimit} {
		s.options.PingInterval, s.options.PingTimeout, s.connect = s.unit, timeout, nil
		began := time.Now()
		p, _ := s.meet()
		for range 10 {
			ping := p.wantPing()
			s.due(began, s.options.PingInterval)
			began = time.Now()
			p.Send(true, wire.Pong, ping)
			s.settle()
		}
		p.leave()
	}
}

func noKeepalive(s *scene) {
	s.options.PingInterval = noLimit
	p, _ := s.meet()
	<-time.After(time.Hour)
	p.Text("at last")
	s.hears(`text "at last"`)
	p.leave() // and there is no ping before the close frame
}

// A pong that lies unread because the application takes its time is no sign of a
// dead peer.
func slowApplication(s *scene) {
	s.options.PingInterval, s.options.PingTimeout = 10*s.unit, 5*s.unit
	s.message = func(c Conn, m Message) {
		<-time.After(10 * time.Minute)
		s.heard <- m.String()
	}
	p, _ := s.meet()
	p.Text("first")
	p.Text("second")
	ended := make(chan struct{})
	go func() { // answers pings until the end
		defer close(ended)
		for {
			f, err := p.Receive()
			if err != nil || f.Header.Opcode == wire.Close {
				return
			}
			p.Send(true, wire.Pong, f.Payload)
		}
	}()
	s.hears(`text "first"`, `text "second"`)
	p.Close(1000, "")
	<-ended
	s.ends(1000, 1000)
	p.Hangup()
}

func idlePeerIsClosed(s *scene) {
	s.options.IdleTimeout = 3 * s.unit
	began := time.Now()
	p, _ := s.meet()
	p.wantCut(1001, "no message for longer than the idle timeout")
	s.due(began, s.options.IdleTimeout)
}

func idlePeerIsClosedHoweverAlive(s *scene) {
	s.options.IdleTimeout, s.options.PingInterval = 7*s.unit, 2*s.unit
	p, _ := s.meet()
	<-time.After(5 * s.unit / 2)
	p.Text("not idle")
	spoke := time.Now()
	s.hears(`text "not idle"`)
	for {
		f, err := p.Receive()
		if err != nil {
			s.Fatal(err)
		}
		if f.Header.Opcode == wire.Ping {
			p.Send(true, wire.Pong, f.Payload)
			p.Send(true, wire.Ping, "alive")
			p.Want(`pong "alive"`)
			continue
		}
		if got := f.String(); got != `close 1001 "no message for longer than the idle timeout"` {
			s.Fatal(got)
		}
		break
	}
	s.due(spoke, s.options.IdleTimeout)
	p.WantEnd()
	p.Hangup()
	s.ends(1006, 1001)
}

func partsAreNotIdle(s *scene) {
	s.options.IdleTimeout, s.options.PingInterval = 5*s.unit, noLimit
	p, _ := s.meet()
	message := p.frame(true, wire.Binary, "0123456789")
	head := len(message) - 10
	p.Raw(message[:head+1])
	for i := head + 1; i < len(message); i++ {
		<-time.After(4 * s.unit)
		p.Raw(message[i : i+1])
	}
	s.hears(`binary "0123456789"`)
	p.leave()
}

// Bytes of headers, empty fragments and control frames say nothing.
func dripIsIdle(s *scene) {
	s.options.IdleTimeout, s.options.PingInterval = 5*s.unit, noLimit
	began := time.Now()
	p, _ := s.meet()
	var drip []byte
	for range 10 {
		drip = append(drip, p.frame(true, wire.Pong, "")...)
	}
	dripped := spawn(func() error {
		for _, b := range drip {
			<-time.After(s.unit * 3 / 4)
			if _, err := p.nc.Write([]byte{b}); err != nil {
				return err
			}
		}
		return nil
	})
	p.wantCut(1001, "no message for longer than the idle timeout")
	s.due(began, s.options.IdleTimeout)
	if err := <-dripped; err == nil {
		s.Error("it has not dripped for long enough")
	}
}

func idleWithoutAPingTimeout(s *scene) {
	s.options.PingInterval, s.options.PingTimeout, s.options.IdleTimeout = s.unit, noLimit, 10*s.unit
	began := time.Now()
	p, _ := s.meet()
	p.wantPing()
	p.wantCut(1001, "no message for longer than the idle timeout")
	s.due(began, s.options.IdleTimeout)
}
