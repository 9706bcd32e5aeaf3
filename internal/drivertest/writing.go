package drivertest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about what the application sends, and about long messages both ways.
var writingRows = []row{
	{"writing/every way of it", 0, writesEveryWay},
	{"writing/frames as they are", server, writesFrames},
	{"writing/what cannot be sent", 0, writesWhatCannotBeSent},
	{"writing/from a hundred goroutines", 0, writesFromManyGoroutines},
	{"writing/before, during and after the end", 0, writesAroundTheEnd},
	{"writing/echoes of every length", 0, echoesOfEveryLength},
	{"writing/long messages in any chunks", 0, longMessagesInAnyChunks},
}

func writesEveryWay(s *scene) {
	p, c := s.meet()
	for name, write := range map[string]func(Message) error{"Write": c.Write, "Enqueue": c.Enqueue, "WritePrepared": c.WritePrepared} {
		for _, m := range []Message{text("hello"), binary("\x00\xff"), text(""), binary(""), text("aé€😀"), binary(strings.Repeat("x", 126)), text(strings.Repeat("y", 65536))} {
			written := spawn(func() error { return write(m) })
			p.Want(m.String())
			if err := <-written; err != nil {
				s.Fatal(name, err)
			}
		}
	}
	p.leave()
}

func writesFrames(s *scene) {
	p, c := s.meet()
	both := wire.AppendFrame(wire.AppendFrame(nil, true, wire.Text, []byte("one")), false, wire.Binary, []byte("tw"))
	if err := c.WriteFrames(both, wire.AppendFrame(nil, true, wire.Continuation, []byte("o"))); err != nil {
		s.Fatal(err)
	}
	if err := c.Write(text("three")); err != nil {
		s.Fatal(err)
	}
	p.Want(`text "one"`)
	p.Want(`binary "tw"…`)
	p.Want(`continuation "o"`)
	p.Want(`text "three"`)
	p.leave()
}

// Misuse is an error, and nothing else: nothing is sent and the connection goes on.
func writesWhatCannotBeSent(s *scene) {
	p, c := s.meet()
	e := s.d.Errors
	for name, write := range map[string]func(Message) error{"Write": c.Write, "Enqueue": c.Enqueue, "WritePrepared": c.WritePrepared} {
		for _, invalid := range []string{"\xff", "\xed\xa0\x80", "cut \xe2\x82"} {
			if err := write(text(invalid)); err != e.NotUTF8 {
				s.Errorf("%s of text that is none: %v", name, err)
			}
		}
		for _, op := range []wire.Opcode{0, 3, wire.Close, wire.Ping, wire.Pong, 15} {
			if err := write(Message{op, nil}); err != e.MessageType {
				s.Errorf("%s of opcode %d: %v", name, op, err)
			}
		}
	}
	for _, code := range append(slices.Clone(codesOffWire), 1005) {
		if code == 1005 { // means a close frame without one
			continue
		}
		if err := c.Close(code, "x"); err != e.CloseCode {
			s.Errorf("Close(%d): %v", code, err)
		}
	}
	if err := c.Write(text("fine")); err != nil {
		s.Error(err)
	}
	p.Want(`text "fine"`)
	p.leave()
}

// What goroutines write at the same time arrives whole, and what each of them has
// written in its order. Pings go in between.
func writesFromManyGoroutines(s *scene) {
	const writers, messages = 100, 20
	s.options.QueueBytesMax = 64 << 20
	p, c := s.meet()
	ways := []func(Message) error{c.Write, c.Enqueue, c.WritePrepared}
	var wg sync.WaitGroup
	for w := range writers {
		write := ways[w%len(ways)]
		wg.Go(func() {
			for i := range messages {
				if err := write(text(fmt.Sprintf("%d %d %s", w, i, strings.Repeat("x", i*w)))); err != nil {
					s.Error(err)
					return
				}
				if w%10 == 0 {
					c.Ping()
				}
			}
		})
	}
	var seen [writers]int
	for arrived := 0; arrived < writers*messages; {
		f, err := p.Receive()
		if err != nil {
			s.Fatal(err)
		}
		if f.Header.Opcode == wire.Ping {
			continue
		}
		arrived++
		var w, i int
		if _, err := fmt.Sscanf(f.Payload, "%d %d", &w, &i); err != nil || f.Header.Opcode != wire.Text || !f.Header.Fin || seen[w] != i ||
			!strings.HasSuffix(f.Payload, " "+strings.Repeat("x", i*w)) {
			s.Fatalf("got %.40v from writer %d, who was at %d", f, w, seen[w])
		}
		seen[w]++
	}
	wg.Wait()
	p.Hangup()
	s.ends(1006, 0)
}

// Between a close frame and the end nothing more is sent, and afterwards
// everything returns what ended the connection.
func writesAroundTheEnd(s *scene) {
	p, c := s.meet()
	if err := c.Enqueue(text("last words")); err != nil {
		s.Fatal(err)
	}
	closed := spawn(func() error { return c.Close(4000, "enough") })
	p.Want(`text "last words"`)
	p.Want(`close 4000 "enough"`)
	for name, write := range map[string]func(Message) error{"Write": c.Write, "Enqueue": c.Enqueue, "WritePrepared": c.WritePrepared} {
		if err := write(text("late")); err != s.d.Errors.Closing {
			s.Errorf("%s behind a close frame: %v", name, err)
		}
	}
	if !s.d.Client {
		if err := c.WriteFrames(wire.AppendFrame(nil, true, wire.Text, nil)); err != s.d.Errors.Closing {
			s.Errorf("WriteFrames behind a close frame: %v", err)
		}
	}
	p.Close(4001, "me too")
	p.wantOver()
	if err := <-closed; err != nil {
		s.Errorf("Close: %v", err)
	}
	if e := s.ends(4001, 4000); e.Reason != "me too" {
		s.Errorf("the reason is %q", e.Reason)
	}
	first := c.Write(text("too late"))
	if first == nil || first == s.d.Errors.Closing {
		s.Fatalf("Write after the end: %v", first)
	}
	for name, write := range map[string]func(Message) error{"Write": c.Write, "Enqueue": c.Enqueue, "WritePrepared": c.WritePrepared} {
		if err := write(text("too late")); err != first {
			s.Errorf("%s after the end: %v, and before it was %v", name, err, first)
		}
	}
	c.Ping()
	c.CloseNow()
	if got := c.Buffered(); got != 0 {
		s.Errorf("%d bytes are buffered after the end", got)
	}
}

func echoesOfEveryLength(s *scene) {
	s.message = s.echo
	p, _ := s.meet()
	for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 65537, 200_000, 1 << 20} {
		for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
			want := strings.Repeat("0123456789", size/10+1)[:size]
			sent := spawn(func() error {
				_, err := p.nc.Write(p.frame(true, op, want))
				return err
			})
			if f, err := p.Receive(); err != nil || f.Header.Opcode != op || f.Payload != want {
				s.Fatalf("%d bytes came back as %v of %d, %v", size, f.Header.Opcode, len(f.Payload), err)
			}
			if err := <-sent; err != nil {
				s.Fatal(err)
			}
		}
	}
	p.leave()
}

// Whatever the fragments and however the bytes are cut, a message is what was sent.
func longMessagesInAnyChunks(s *scene) {
	s.options.FragmentsMax = 2000
	rnd := rand.New(rand.NewPCG(7, 8))
	want := make(chan []byte, 1)
	s.message = func(_ Conn, m Message) {
		w := <-want
		s.heard <- fmt.Sprintf("%d bytes, %v %v", len(m.Data), m.Op, bytes.Equal(m.Data, w))
	}
	p, _ := s.meet()
	for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 100_000, 1 << 20} {
		for _, fragment := range []int{1 << 30, 50_000, 1000} {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			var input []byte
			op := wire.Binary
			for rest := data; ; op = wire.Continuation {
				n := min(fragment, len(rest))
				input = append(input, p.frame(n == len(rest), op, string(rest[:n]))...)
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
			want <- data
			for len(input) > 0 {
				n := min(1+rnd.IntN(20_000), len(input))
				if _, err := io.Writer(p.nc).Write(input[:n]); err != nil {
					s.Fatal(err)
				}
				input = input[n:]
				s.settle()
			}
			s.hears(fmt.Sprintf("%d bytes, binary true", size))
		}
	}
	p.leave()
}
