package drivertest

import (
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about the closing handshake when the application begins it.
var closingRows = []row{
	{"closing/with every code", 0, closesWithEveryCode},
	{"closing/reasons", 0, closesWithReasons},
	{"closing/while a read waits", 0, closesWhileReading},
	{"closing/in a callback", 0, closesInACallback},
	{"closing/both at once", 0, closesAtOnce},
	{"closing/twice", 0, closesTwice},
	{"closing/a fault instead of an answer", 0, closesAndIsAnsweredWithAFault},
	{"closing/the end instead of an answer", 0, closesAndIsLeft},
	{"closing/in the middle of a message", 0, closesInTheMiddleOfAMessage},
	{"closing/while a large message is written", 0, closeFrameWaitsForAWriter},
}

// closing has the application close, and returns what Close will.
func closing(c Conn, code wire.CloseCode, reason string) <-chan error {
	return spawn(func() error { return c.Close(code, reason) })
}

func closesWithEveryCode(s *scene) {
	for _, code := range append([]wire.CloseCode{wire.CloseNoStatus}, codesOnWire...) {
		p, c := s.meet()
		closed := closing(c, code, "")
		p.Want(fmt.Sprintf(`close %d ""`, code))
		p.Close(code, "")
		p.wantOver()
		if err := <-closed; err != nil {
			s.Errorf("Close(%d): %v", code, err)
		}
		s.ends(code, code)
	}
}

// A close frame has room for 123 bytes of reason, and is cut between characters.
func closesWithReasons(s *scene) {
	for reason, want := range map[string]string{
		"":                        "",
		"πρός 😀":                  "πρός 😀",
		strings.Repeat("r", 123):  strings.Repeat("r", 123),
		strings.Repeat("r", 124):  strings.Repeat("r", 123),
		strings.Repeat("é", 100):  strings.Repeat("é", 61),
		strings.Repeat("r", 9999): strings.Repeat("r", 123),
	} {
		p, c := s.meet()
		closed := closing(c, 4000, reason)
		p.Want(fmt.Sprintf("close 4000 %q", want))
		p.Close(4001, want)
		p.wantOver()
		if err := <-closed; err != nil {
			s.Error(err)
		}
		if e := s.ends(4001, 4000); e.Reason != want {
			s.Errorf("the peer's reason became %q, want %q", e.Reason, want)
		}
	}
}

func closesWhileReading(s *scene) {
	p, c := s.meet()
	p.Text("before")
	s.hears(`text "before"`)
	s.settle() // a read waits, where there are such
	closed := closing(c, 1001, "bye")
	p.Want(`close 1001 "bye"`)
	p.Close(1001, "bye yourself")
	p.wantOver()
	if err := <-closed; err != nil {
		s.Error(err)
	}
	if e := s.ends(1001, 1001); e.Reason != "bye yourself" {
		s.Errorf("the reason is %q", e.Reason)
	}
}

// Messages written before Close go out before it, from a callback as well.
func closesInACallback(s *scene) {
	s.message = func(c Conn, m Message) {
		for _, answer := range []string{"one", "two"} {
			if err := c.Write(text(answer)); err != nil {
				s.Error(err)
			}
		}
		if err := c.Close(4000, "that is all"); err != nil {
			s.Error(err)
		}
	}
	p, _ := s.meet()
	p.Text("what is there?")
	p.Want(`text "one"`)
	p.Want(`text "two"`)
	p.Want(`close 4000 "that is all"`)
	p.Close(4000, "")
	p.wantOver()
	s.ends(4000, 4000)
}

// Both sides' close frames cross. Each takes the other's for its answer, and
// there is no third.
func closesAtOnce(s *scene) {
	told := make(chan struct{}) // the peer has this side's close frame
	s.message = func(c Conn, _ Message) {
		// Input behind the message is not looked at before this returns.
		closed := closing(c, 4000, "mine")
		select {
		case err := <-closed:
			if err != nil {
				s.Errorf("Close: %v", err)
			}
		case <-told:
			go func() {
				if err := <-closed; err != nil {
					s.Errorf("Close: %v", err)
				}
			}()
		}
	}
	p, _ := s.meet()
	p.Raw(append(p.frame(true, wire.Text, "go"), p.frame(true, wire.Close, string(wire.AppendClose(nil, 4001, "yours")))...))
	p.Want(`close 4000 "mine"`)
	close(told)
	p.wantOver()
	if e := s.ends(4001, 4000); e.Reason != "yours" {
		s.Errorf("the reason is %q", e.Reason)
	}
}

// The first Close counts. Later ones send nothing.
func closesTwice(s *scene) {
	p, c := s.meet()
	first := closing(c, 4000, "first")
	p.Want(`close 4000 "first"`)
	second := closing(c, 4001, "second")
	s.settle()
	p.Close(4000, "")
	p.wantOver()
	if err := <-first; err != nil {
		s.Error(err)
	}
	<-second
	s.ends(4000, 4000)
	<-closing(c, 4002, "after the end")
}

func closesAndIsAnsweredWithAFault(s *scene) {
	p, c := s.meet()
	closed := closing(c, 4000, "")
	p.Want(`close 4000 ""`)
	_, _ = p.nc.Write(begins(0xff, 0x7f).encode(!s.d.Client))
	p.WantEnd() // and no second close frame
	p.Hangup()
	<-closed
	s.ends(1006, 4000)
}

func closesAndIsLeft(s *scene) {
	p, c := s.meet()
	closed := closing(c, 4000, "")
	p.Want(`close 4000 ""`)
	p.Hangup()
	<-closed
	s.ends(1006, 4000)
}

// The part of a message that has arrived when this side closes is dropped, and the peer's
// close frame is found behind the rest of it.
func closesInTheMiddleOfAMessage(s *scene) {
	p, c := s.meet()
	whole := p.frame(false, wire.Binary, strings.Repeat("x", 100_000))
	p.Raw(whole[:50_000])
	s.settle()
	closed := closing(c, 4000, "")
	p.Want(`close 4000 ""`)
	p.Raw(whole[50_000:])
	p.Raw(p.frame(true, wire.Ping, "too late for an answer"))
	p.Close(4000, "")
	p.wantOver()
	if err := <-closed; err != nil {
		s.Error(err)
	}
	s.ends(4000, 4000)
	s.hearsNoMore()
}

// The answer to a close frame is not lost because a large message is on its way.
func closeFrameWaitsForAWriter(s *scene) {
	s.options.QueueBytesMax = 4 * s.jam()
	p, c := s.meet()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", s.jam()))) })
	p.wantsByte()
	p.Close(1000, "")
	s.settle()
	p.wantLarge(s.jam())
	p.Want(`close 1000 ""`)
	p.wantOver()
	<-written
	s.ends(1000, 1000)
}
