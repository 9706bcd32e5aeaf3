package drivertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about ends of other kinds.
var endingRows = []row{
	{"ending/CloseNow", 0, closesNow},
	{"ending/behind every byte", 0, endsBehindEveryByte},
	{"ending/a reset", 0, isReset},
	{"ending/a reason, and nobody to write to", 0, leavesWithAReason},
	{"ending/a half-close", 0, halfCloses},
	{"ending/a half-close before everything was taken", 0, halfClosesEarly},
	{"ending/a fault while the peer goes on sending", 0, faultsAndGoesOn},
	{"ending/too long a message, which is still coming", 0, tooLongAndStillComing},
	{"ending/a callback that panics", server, panics},
}

// CloseNow says nothing to the peer, and unblocks whatever waits.
func closesNow(s *scene) {
	s.options.QueueBytesMax = 4 * s.jam()
	p, c := s.meet()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", s.jam()))) })
	p.wantsByte()
	c.CloseNow()
	c.CloseNow()
	if e := s.ends(1006, 0); !isClosed(e.Err) {
		s.Errorf("%v is not net.ErrClosed", e)
	}
	select {
	case <-written:
	case <-time.After(s.wait):
		s.Error("a write goes on after CloseNow")
	}
	p.Hangup()

	p, c = s.meet()
	c.CloseNow()
	p.WantEnd()
	s.ends(1006, 0)
}

// A dialogue whose end comes behind any of its bytes: what was whole before is
// heard, nothing of the rest is, and the end is in order behind a close frame only.
func endsBehindEveryByte(s *scene) {
	var input []byte
	var wholes []int
	for _, a := range []part{
		says("first"), says(""), frame(false, wire.Text, "a "), frame(true, wire.Ping, "ping"),
		frame(true, wire.Continuation, "second"), frame(true, wire.Binary, strings.Repeat("x", 130)), closes(1000, "bye"),
	} {
		input = append(input, a.encode(!s.d.Client)...)
		if op := a.h.Opcode; a.h.Fin && !op.IsControl() {
			wholes = append(wholes, len(input))
		}
	}
	heard := []string{`text "first"`, `text ""`, `text "a second"`, quoted("binary", strings.Repeat("x", 130))}
	for at := range len(input) + 1 {
		if s.d.Secure && at%5 != 0 { // its handshakes take long
			continue
		}
		p, _ := s.meet()
		p.Raw(input[:at])
		p.finish()
		for i, end := range wholes {
			if end <= at {
				s.hears(heard[i])
			}
		}
		if at == len(input) {
			s.ends(1000, 1000)
		} else if e := s.ends(1006, 0); !isUnexpectedEOF(e.Err) {
			s.Errorf("cut at %d: %v", at, e)
		}
		s.hearsNoMore()
		p.Hangup()
	}
}

func isReset(s *scene) {
	p, _ := s.meet()
	p.Text("before")
	s.hears(`text "before"`)
	tcp := tcpOf(p.nc)
	if tcp == nil {
		s.Skip("only a TCP connection can be reset")
	}
	_ = tcp.SetLinger(0)
	tcp.Close()
	s.ends(1006, 0)
}

// A peer that says why it leaves and is gone is heard, although a write fails before
// anything is read again.
func leavesWithAReason(s *scene) {
	s.options.QueueBytesMax = 4 * s.jam()
	handling, gone := make(chan struct{}), make(chan struct{})
	s.message = func(c Conn, m Message) {
		if string(m.Data) != "everything, please" {
			s.heard <- m.String()
			return
		}
		close(handling)
		<-gone
		_ = c.Write(binary(strings.Repeat("x", s.jam())))
	}
	p, _ := s.meet()
	p.Text("everything, please")
	next(s, handling)
	p.Text("never mind")
	p.Close(1009, "that would be too much")
	p.Hangup()
	close(gone)
	s.hears(`text "never mind"`)
	if e := s.ends(1009, 1009); e.Reason != "that would be too much" {
		s.Errorf("the reason is %q", e.Reason)
	}
}

// A peer that has sent all it will still gets the answers.
func halfCloses(s *scene) {
	s.message = s.echo
	p, _ := s.meet()
	for i := range 10 {
		p.Text(fmt.Sprint("question ", i))
	}
	p.finish()
	for i := range 10 {
		p.Want(fmt.Sprintf(`text "question %d"`, i))
	}
	p.WantEnd()
	p.Hangup()
	if e := s.ends(1006, 0); !isUnexpectedEOF(e.Err) {
		s.Error(e)
	}
}

func halfClosesEarly(s *scene) {
	s.options.QueueBytesMax = 4 * s.jam()
	const messages = 16
	s.message = func(c Conn, m Message) {
		for range messages {
			if err := c.Write(binary(strings.Repeat("x", s.jam()/messages))); err != nil {
				s.Error(err)
			}
		}
	}
	p, _ := s.meet()
	p.Text("everything, please")
	p.finish()
	p.wantsByte()
	for range messages {
		p.wantLarge(s.jam() / messages)
	}
	p.WantEnd()
	p.Hangup()
	s.ends(1006, 0)
}

// A fault is answered, and the answer arrives although the peer goes on sending.
func faultsAndGoesOn(s *scene) {
	p, _ := s.meet()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = p.nc.Write(append([]byte{0xff, 0xff}, strings.Repeat("noise", 400_000)...))
	}()
	p.wantCode(1002)
	p.WantEnd()
	p.Hangup()
	<-sent
	s.ends(1006, 1002)
}

// A peer that is in the middle of a message when it is refused learns why.
func tooLongAndStillComing(s *scene) {
	s.options.MessageBytesMax = 1000
	for _, size := range []int{1001, 1 << 20, 16 << 20} {
		p, _ := s.meet()
		message := p.frame(true, wire.Binary, strings.Repeat("x", size))
		sent := spawn(func() error {
			_, err := p.nc.Write(message)
			return err
		})
		p.wantCode(1009)
		p.WantEnd()
		if err := <-sent; err != nil { // it was read to its end
			s.Errorf("%d bytes: %v", size, err)
		}
		p.Hangup()
		s.ends(1006, 1009)
		s.hearsNoMore()
	}
}

// A bug in the application ends its connection with 1011, and no other.
func panics(s *scene) {
	s.message = func(c Conn, m Message) {
		if string(m.Data) == "panic" {
			panic("a bug in the application")
		}
		s.echo(c, m)
	}
	bystander, _ := s.meet()
	for range 3 {
		p, _ := s.meet()
		p.Raw(append(p.frame(true, wire.Text, "fine"), p.frame(true, wire.Text, "panic")...))
		p.Want(`text "fine"`)
		p.wantCode(1011)
		p.Close(1011, "")
		p.WantEnd()
		p.Hangup()
		if e := next(s, s.ended); e.Sent != 1011 {
			s.Errorf("the end is %v", e)
		}
	}
	bystander.Text("still here")
	bystander.Want(`text "still here"`)
	bystander.leave()
}
