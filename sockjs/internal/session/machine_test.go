package session

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

// limits are small where a dialogue is to reach them.
var limits = Limits{Heartbeat: 25 * time.Second, DisconnectDelay: 5 * time.Second, ResponseLimit: 64, QueueMessagesMax: 4, QueueBytesMax: 40}

// scene plays a dialogue. A line of a file that begins with "> " is what happens; behind it
// is what comes of it.
type scene struct {
	m   Machine
	now time.Time
	out strings.Builder
}

var kinds = map[string]frames.Kind{"xhr": frames.Poll, "xhr_streaming": frames.Stream, "eventsource": frames.Events, "htmlfile": frames.HTMLFile, "jsonp": frames.JSONP}

func (s *scene) do(line string) {
	fmt.Fprintf(&s.out, "> %s\n", line)
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "accept":
		s.m.Accept()
	case "attach":
		name, callback, _ := strings.Cut(rest, " ")
		if !s.m.Attach(s.now, frames.Format{Kind: kinds[name], Callback: callback}) {
			s.out.WriteString("there is another one\n")
		}
	case "detach":
		s.m.Detach(s.now)
	case "touch":
		s.m.Touch(s.now)
	case "push":
		if err := s.m.Push([]byte(rest)); err != nil {
			fmt.Fprintln(&s.out, err)
		}
	case "close":
		code, reason, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(code)
		if !s.m.Close(s.now, uint16(n), reason) {
			s.out.WriteString("it is closed\n")
		}
	case "drop":
		s.m.Drop()
	default:
		d, err := time.ParseDuration(word)
		if err != nil {
			panic(err)
		}
		s.wait(s.now.Add(d))
	}
	s.drain()
}

// wait lets time pass, and has deadlines acted on in between.
func (s *scene) wait(until time.Time) {
	for {
		deadline := s.m.Deadline()
		if deadline.IsZero() || deadline.After(until) {
			s.now = until
			return
		}
		if deadline.Before(s.now) {
			panic("the deadline has passed")
		}
		s.m.Expire(deadline.Add(-1)) // is too early
		s.now = deadline
		s.m.Expire(deadline)
		fmt.Fprintf(&s.out, "at %s\n", s.now.Sub(start))
		if s.m.Phase() == Over {
			s.out.WriteString("over\n")
		}
		s.drain()
	}
}

// drain shows everything that is to be sent.
func (s *scene) drain() {
	for {
		out, isLast := s.m.Next(nil, s.now)
		if len(out) == 0 {
			return
		}
		text := string(out)
		switch {
		case strings.HasPrefix(text, "hhh"):
			text = "(prelude)"
		case strings.HasPrefix(text, "<!doctype"):
			text = "(page)"
		}
		fmt.Fprintf(&s.out, "  %q", text)
		if isLast {
			s.out.WriteString(" end")
		}
		s.out.WriteByte('\n')
	}
}

var start = time.Unix(1_000_000, 0)

func play(input string) string {
	s := &scene{now: start}
	s.m.Init(&limits, start)
	for line := range strings.Lines(input) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "> "):
			s.do(line[2:])
		case strings.HasPrefix(line, "#"):
			s.out.WriteString(line + "\n")
		}
	}
	return s.out.String()
}

// TestDialogues plays the files of testdata.
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/*.txt", func(_ *testing.T, text string) string { return play(text) })
}

// FuzzMachine holds a machine to what must be true of every one, whatever happens.
func FuzzMachine(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07"))
	f.Add(bytes.Repeat([]byte{1, 0, 3, 3, 8, 2}, 20))
	f.Fuzz(func(t *testing.T, steps []byte) {
		var m Machine
		now := start
		m.Init(&limits, now)
		var pushed, received int // messages
		var closed []byte
		for _, step := range steps {
			switch step % 10 {
			case 0:
				m.Accept()
			case 1, 2:
				kind := frames.Poll
				if step%10 == 2 {
					kind = frames.Stream
				}
				if was := m.IsAttached(); m.Attach(now, frames.Format{Kind: kind}) == (was || m.Phase() == Over) {
					t.Fatal("two receivers, or none")
				}
			case 3, 4:
				err := m.Push([]byte("m" + strconv.Itoa(pushed)))
				switch {
				case err == nil:
					pushed++
				case errors.Is(err, ErrFull):
					m.Drop()
					m.Close(now, 1008, "full")
				}
			case 5:
				m.Detach(now)
			case 6:
				m.Close(now, 3000, "x")
			default:
				now = now.Add(time.Duration(step) * 100 * time.Millisecond)
				m.Expire(now)
			}
			if m.Queued() > limits.QueueBytesMax+8 {
				t.Fatalf("%d bytes wait", m.Queued())
			}
			for {
				hasNext := m.HasNext()
				out, isLast := m.Next(nil, now)
				if hasNext != (len(out) > 0) {
					t.Fatalf("%q, but there is something: %v", out, hasNext)
				}
				if len(out) == 0 {
					break
				}
				if isLast == m.IsAttached() {
					t.Fatal("a response ended, and has not")
				}
				switch out[0] {
				case 'a':
					var b frames.Batch
					if err := frames.ParseMessages(&b, bytes.TrimSpace(out[1:])); err != nil || b.Len() == 0 {
						t.Fatalf("%q: %v", out, err)
					}
					for i := range b.Len() {
						if want := "m" + strconv.Itoa(received); closed != nil || string(b.At(i)) != want {
							t.Fatalf("%q, want %s", out, want)
						}
						received++
					}
				case 'c':
					if closed != nil && !bytes.Equal(closed, out) || !isLast {
						t.Fatalf("%q after %q", out, closed)
					}
					closed = out
				case 'o', 'h':
					if closed != nil && out[0] == 'o' {
						t.Fatal("open again")
					}
				}
			}
			if m.Phase() == Over && !m.Deadline().IsZero() {
				t.Fatal("it is over, and waits")
			}
		}
	})
}
