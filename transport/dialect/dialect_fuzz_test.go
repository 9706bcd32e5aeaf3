package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// FuzzDialects holds every dialect to the contract of Dialect, whatever a hub, a
// client and the clock do in the order that the input says: it is answered once and
// first, ends once, and sends nothing that is broken. Input in several parts leads
// to the same as input in one.
func FuzzDialects(f *testing.F) {
	for kind := range byte(dialectKinds) {
		f.Add([]byte{kind})
		f.Add([]byte{kind, 0, 0, 1, 1, 1, 2, 2, 1, 3, 3, 3, 4, 4, 9, 9})
		f.Add([]byte{kind, 0, 8, 16, 24, 32, 40, 48, 1, 2, 3, 4, 5, 6, 7, 200})
		f.Add([]byte{kind, 3, 3, 0, 7, 7, 0, 4, 1, 2, 4})
		f.Add([]byte{kind, 5})
		f.Add([]byte{kind, 7})
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 {
			return
		}
		whole := newTrial(t, program[0])
		whole.run(program[1:], false)
		if whole.isPage() {
			return // what comes at once is one page
		}
		parts := newTrial(t, program[0])
		parts.run(program[1:], true)
		if a, b := whole.log, parts.log; !slices.Equal(a, b) {
			t.Errorf("pushed at once it does\n%q\nand one by one\n%q", a, b)
		}
	})
}

const dialectKinds = 10

// trial is a dialect, and a hub as far as it knows one.
type trial struct {
	t   *testing.T
	d   Dialect
	now time.Time
	log []string // what it did

	commands []Command  // without an outcome
	owed     []hub.Push // that are not pushed yet
	isOpen   bool       // a subscription has begun
	isAsked  bool       // there is a session
	offset   uint64
	answered bool
	over     bool
}

func newTrial(t *testing.T, kind byte) *trial {
	s := &trial{t: t, now: epoch}
	switch kind % dialectKinds {
	case 0:
		s.d = NewSocket("c", false, hub.SubscribeOptions{})
	case 1:
		s.d = NewSocket("c", true, hub.SubscribeOptions{Since: at(1)})
	case 2:
		s.d = NewEvents("c", hub.SubscribeOptions{Since: hub.Position{Epoch: LostEpoch}}, options)
	case 3:
		s.d = NewLines("c", hub.SubscribeOptions{Last: 2}, options)
	case 4:
		s.d = post()
	case 5:
		s.d = poll()
	case 6:
		s.d = NewPage(PageRequest{Channel: "c", IsPositionOnly: true, Waits: true, Wait: time.Second, BytesMax: 1})
	case 7:
		s.d = NewPage(PageRequest{Channel: "c", IsHead: true, Waits: true, Wait: time.Second})
	case 8:
		s.d = NewPage(PageRequest{Channel: "c", BytesMax: 200})
	case 9:
		s.d = socketOfJSON()
	}
	return s
}

func (s *trial) isPage() bool {
	_, ok := s.d.(*Page)
	return ok
}

// run has happen what the program says, a byte at a time: the low bits say what,
// and the others how.
func (s *trial) run(program []byte, oneByOne bool) {
	s.call(func(out *Effects) { s.d.Begin(s.now, out) })
	for _, b := range program {
		if s.over {
			return
		}
		how := b >> 3
		switch b & 7 {
		case 0: // the oldest command has its outcome
			s.settle(how)
		case 1: // something is published
			s.publish(how)
		case 2:
			s.owe(hub.Push{Channel: "c", Gap: &hub.Gap{From: at(s.offset), To: at(s.offset + uint64(how))}})
			s.offset += uint64(how)
		case 3:
			s.push(oneByOne)
		case 4: // time passes
			s.now = s.now.Add(time.Duration(how) * time.Second)
			if deadline := s.d.Deadline(); !deadline.IsZero() && !s.now.Before(deadline) {
				s.call(func(out *Effects) { s.d.Expire(s.now, out) })
				if deadline := s.d.Deadline(); !s.over && !deadline.IsZero() && !deadline.After(s.now) {
					s.t.Fatalf("after Expire the deadline is still %v", deadline)
				}
			}
		case 5:
			data := []byte(fmt.Sprint("said ", how))
			s.call(func(out *Effects) {
				if !s.isOpen {
					return // no carrier reads before
				}
				s.d.Receive(s.now, Frame{Binary: how&1 == 1, Data: data}, out)
				clear(data)
			})
		case 6:
			s.owe(behind())
		case 7: // what is owed comes before the end
			s.push(oneByOne)
			if s.isAsked && !s.over {
				s.call(func(out *Effects) {
					s.d.End([]error{hub.ErrShutdown, hub.ErrClosed, hub.ErrTooManyCommands}[how%3], out)
				})
				if !s.over {
					s.t.Fatal("it goes on after the end")
				}
			}
		}
	}
}

// owe has something pushed later, if there is a subscription.
func (s *trial) owe(p hub.Push) {
	if s.isOpen {
		s.owed = append(s.owed, p)
	}
}

func (s *trial) publication(how byte) hub.Push {
	s.offset++
	p := delivered(s.offset, []string{"", "a", "two\nlines\r", `"quoted"`, "a longer one that fills a page by itself"}[how%5])
	p.Delivery.Kind = hub.Kind(how % 2) // text or binary
	return p
}

func (s *trial) publish(how byte) {
	if s.isOpen {
		s.owe(s.publication(how))
	}
}

// settle decides about the oldest command.
func (s *trial) settle(how byte) {
	if len(s.commands) == 0 {
		return
	}
	c := s.commands[0]
	s.commands = s.commands[1:]
	o := &hub.Outcome{Tag: c.Tag, Command: c.Kind, Channel: c.Channel}
	switch {
	case how%8 == 7:
		o.Err = []error{broken, hub.ErrShutdown, hub.ErrTooLarge, hub.ErrTextNotUTF8}[how/8]
	case c.Kind == hub.CommandSubscribe:
		s.isOpen = true
		if o.Position = c.Subscribe.Since; o.Position.IsZero() {
			o.Position = at(s.offset)
		}
	case c.Kind == hub.CommandPublish:
		s.offset++
		o.Position, o.Duplicate = at(s.offset), how&1 == 1
	case c.Kind == hub.CommandHistory:
		for range how % 4 {
			o.Page.Publications = append(o.Page.Publications, s.publication(how).Delivery.Publication)
		}
		if o.Page.Position = at(s.offset); how >= 16 {
			o.Page.Gap = &hub.Gap{From: at(0), To: at(1)}
		}
	}
	if c.Tag != 0 || o.Err != nil {
		s.owed = append(s.owed, hub.Push{Channel: c.Channel, Outcome: o})
	}
}

// push pushes what is owed.
func (s *trial) push(oneByOne bool) {
	owed := s.owed
	s.owed = nil
	if !oneByOne {
		s.call(func(out *Effects) { s.d.Push(s.now, owed, out) })
		return
	}
	for i := range owed {
		if s.over {
			return
		}
		s.call(func(out *Effects) { s.d.Push(s.now, owed[i:i+1], out) })
	}
}

// call makes a call and checks what it leads to.
func (s *trial) call(f func(*Effects)) {
	s.t.Helper()
	var e Effects
	f(&e)
	switch {
	case e.Answer != nil && s.answered:
		s.t.Fatalf("it answers twice: %+v", e.Answer)
	case e.Answer != nil && e.Answer.Err != nil && (len(e.Frames) > 0 || e.Closing == nil):
		s.t.Fatalf("it refuses, and goes on: %s", describe(s.d, &e))
	case e.Answer != nil && e.Answer.Err == nil && e.Answer.IsWhole && e.Closing == nil:
		s.t.Fatalf("it answers with everything, and goes on: %s", describe(s.d, &e))
	case e.Answer == nil && !s.answered && (len(e.Frames) > 0 || e.Closing != nil):
		s.t.Fatalf("something comes before the answer: %s", describe(s.d, &e))
	case e.Delivered.N > len(e.Frames) && !s.isPage():
		s.t.Fatalf("%d publications are in %d frames", e.Delivered.N, len(e.Frames))
	}
	s.answered = s.answered || e.Answer != nil
	for _, frame := range e.Frames {
		s.check(frame)
	}
	for _, c := range e.Commands {
		if c.Kind == hub.CommandPublish && c.Tag == 0 && !bytes.HasPrefix(c.Message.Data, []byte("said ")) {
			s.t.Fatalf("what the client said became %q", c.Message.Data)
		}
		s.isAsked = s.isAsked || c.Kind == hub.CommandSubscribe
	}
	s.commands = append(s.commands, e.Commands...)
	s.over = e.Closing != nil
	if s.over && e.Closing.End == "" {
		s.t.Fatal("it does not say why it is over")
	}
	s.write(&e)
}

// write adds to the log, whose parts do not depend on where pushes are divided.
func (s *trial) write(e *Effects) {
	frames := e.Frames
	rest := *e
	rest.Frames = nil
	if rest.Answer != nil || len(rest.Commands) > 0 {
		head := rest
		head.Closing = nil
		s.log = append(s.log, describe(s.d, &head))
	}
	for _, frame := range frames {
		s.log = append(s.log, string(frame))
	}
	if e.Closing != nil {
		s.log = append(s.log, describe(s.d, &Effects{Closing: e.Closing}))
	}
}

// check checks that a frame is one, in the way of its dialect.
func (s *trial) check(frame []byte) {
	s.t.Helper()
	isLines := func(b []byte) bool {
		return bytes.HasSuffix(b, []byte("\n")) && bytes.Count(b, []byte("\n")) == 1 && json.Valid(b)
	}
	switch d := s.d.(type) {
	case *Socket:
		h, n, err := wire.ParseHeader(frame)
		if err != nil || n == 0 || int(h.Length) != len(frame)-n || h.Masked || !h.Fin || h.Opcode != wire.Text && h.Opcode != wire.Binary {
			s.t.Fatalf("%q is no whole frame of a server", frame)
		}
		if d.envelope && !json.Valid(frame[n:]) {
			s.t.Fatalf("%q is no envelope", frame[n:])
		}
	case *Stream:
		if d.format == &lines && !isLines(frame) || d.format == &events && !bytes.HasSuffix(frame, []byte("\n\n")) {
			s.t.Fatalf("%q is no part of %s", frame, d.format.contentType)
		}
	default:
		if !isLines(frame) {
			s.t.Fatalf("%q is no answer", frame)
		}
	}
}
