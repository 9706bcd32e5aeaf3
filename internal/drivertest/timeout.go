package drivertest

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about a peer that does not do its part of an end, or does not read.
var timeoutRows = []row{
	{"timeouts/a close frame that is not answered", 0, closeIsNotAnswered},
	{"timeouts/a peer that stays after a fault", virtual, staysAfterAFault},
	{"timeouts/a peer that does not read", 0, doesNotRead},
	{"timeouts/a peer that reads slowly", virtual, readsSlowly},
	{"timeouts/pings without end of a peer that does not read", 0, pingsAndDoesNotRead},
}

func codeOf(code wire.CloseCode) string { return strconv.Itoa(int(code)) }
func quoteOf(s string) string           { return fmt.Sprintf("%q", s) }

func closeIsNotAnswered(s *scene) {
	s.options.CloseTimeout = 3 * s.unit
	p, c := s.meet()
	began := time.Now()
	closed := closing(c, 1000, "")
	p.Want(`close 1000 ""`)
	p.WantEnd()
	s.due(began, s.options.CloseTimeout)
	<-closed
	s.ends(1006, 1000)
}

// A peer that was told of its fault has CloseTimeout to leave.
func staysAfterAFault(s *scene) {
	s.options.CloseTimeout = 3 * s.unit
	p, _ := s.meet()
	began := time.Now()
	p.Raw(begins(0xff, 0x7f).encode(!s.d.Client))
	p.wantCode(1002)
	p.WantEnd()
	s.ends(1006, 1002)
	for {
		if _, err := p.nc.Write([]byte("noise")); err != nil {
			break
		}
		<-time.After(time.Millisecond)
	}
	s.due(began, s.options.CloseTimeout)
}

func doesNotRead(s *scene) {
	s.options.WriteTimeout, s.options.QueueBytesMax, s.options.PingInterval = 3*s.unit, 4*s.jam(), noLimit
	for _, way := range []func(Conn) func(Message) error{
		func(c Conn) func(Message) error { return c.Write }, func(c Conn) func(Message) error { return c.Enqueue },
	} {
		_, c := s.meet()
		began := time.Now()
		written := spawn(func() error { return way(c)(binary(strings.Repeat("x", s.jam()))) })
		if e := s.ends(1006, 0); !errors.Is(e.Err, s.d.Errors.WriteTimeout) {
			s.Errorf("the end is %v", e)
		}
		s.due(began, s.options.WriteTimeout)
		<-written
	}
}

// A peer that takes a little now and then lives.
func readsSlowly(s *scene) {
	s.options.WriteTimeout, s.options.QueueBytesMax, s.options.PingInterval = 3*s.unit, 4*s.jam(), noLimit
	p, c := s.meet()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", s.jam()))) })
	buf := make([]byte, 20<<10) // what it takes at a time: a record of TLS, and a little
	in := io.MultiReader(io.LimitReader(p.br, int64(p.br.Buffered())), p.nc)
	for total := 0; total < s.jam(); {
		<-time.After(s.options.WriteTimeout - s.unit/2)
		for taken := 0; taken < len(buf) && total+taken < s.jam(); {
			n, err := in.Read(buf[taken:])
			if err != nil {
				s.Fatalf("after %d bytes: %v", total+taken, err)
			}
			taken += n
		}
		total += len(buf)
	}
	if err := <-written; err != nil {
		s.Error(err)
	}
	p.Hangup()
	s.ends(1006, 0)
}

// Pongs that cannot be sent do not pile up, and the time to write ends the peer.
func pingsAndDoesNotRead(s *scene) {
	s.options.WriteTimeout = 3 * s.unit
	p, c := s.meet()
	var flood []byte
	for range 100 {
		flood = append(flood, p.frame(true, wire.Ping, strings.Repeat("p", wire.ControlPayloadBytesMax))...)
	}
	most := 0
	for {
		if _, err := p.nc.Write(flood); err != nil {
			break
		}
		most = max(most, c.Buffered())
		if s.d.Virtual {
			<-time.After(s.unit / 100) // or no time would pass
		}
	}
	if e := s.ends(1006, 0); !errors.Is(e.Err, s.d.Errors.WriteTimeout) {
		s.Errorf("the end is %v", e)
	}
	if most > 256<<10 {
		s.Errorf("%d bytes were buffered", most)
	}
}
