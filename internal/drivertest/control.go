package drivertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about pings and pongs.
var controlRows = []row{
	{"control/pings of every length", 0, pingsOfEveryLength},
	{"control/the newest ping is answered", 0, newestPingIsAnswered},
	{"control/pings among messages", 0, pingsAmongMessages},
	{"control/a ping measures", 0, pingMeasures},
	{"control/a ping of keepalive measures", virtual, keepaliveMeasures},
}

// Every length comes back as it was sent, whatever was in memory before.
func pingsOfEveryLength(s *scene) {
	p, _ := s.meet()
	for length := range wire.ControlPayloadBytesMax + 1 {
		payload := strings.Repeat(string(rune('a'+length%26)), length)
		p.Send(true, wire.Ping, payload)
		p.Want(quoted("pong", payload))
	}
	p.leave()
}

// RFC 6455 §5.5.3: of the pings that arrive while nothing can be sent, the newest
// is answered. While a part of the queue leaves now and then, as it does
// over a socket, some of those before it are.
func newestPingIsAnswered(s *scene) {
	const pings = 1000
	s.options.QueueBytesMax = 4 * s.jam()
	p, c := s.meet()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", s.jam()))) })
	p.wantsByte()
	s.settle()
	for i := range pings {
		p.Send(true, wire.Ping, fmt.Sprintf("%03d", i))
	}
	p.Text("after them")
	s.hears(`text "after them"`) // so all of them were seen
	p.wantLarge(s.jam())
	if err := <-written; err != nil {
		s.Error(err)
	}
	if err := c.Write(text("and that is all")); err != nil {
		s.Error(err)
	}
	var pongs []string
	for {
		f, err := p.Receive()
		if err != nil {
			s.Fatal(err)
		}
		if f.Header.Opcode != wire.Pong {
			if f.String() != `text "and that is all"` {
				s.Fatalf("got %v", f)
			}
			break
		}
		pongs = append(pongs, f.Payload)
	}
	if len(pongs) == 0 || s.d.Virtual && len(pongs) > 1 || pongs[len(pongs)-1] != fmt.Sprintf("%03d", pings-1) || !ascends(pongs) {
		s.Errorf("%d pings were answered with %d pongs, %.100q", pings, len(pongs), pongs)
	}
	p.leave()
}

// ascends reports whether each is greater than the one before.
func ascends(all []string) bool {
	return slices.IsSorted(all) && len(slices.Compact(slices.Clone(all))) == len(all)
}

// An echo's pongs are among its echoes; none is made up, none is out of order,
// and the newest always comes.
func pingsAmongMessages(s *scene) {
	s.message = s.echo
	p, _ := s.meet()
	const rounds = 200
	var input []byte
	for i := range rounds {
		input = append(input, p.frame(true, wire.Text, fmt.Sprint("message ", i))...)
		input = append(input, p.frame(true, wire.Ping, fmt.Sprintf("%03d", i))...)
	}
	sent := spawn(func() error {
		_, err := p.nc.Write(input)
		return err
	})
	var pongs []string
	for echoes := 0; echoes < rounds || len(pongs) == 0 || pongs[len(pongs)-1] != fmt.Sprintf("%03d", rounds-1); {
		f, err := p.Receive()
		switch {
		case err != nil:
			s.Fatal(err)
		case f.Header.Opcode == wire.Pong:
			pongs = append(pongs, f.Payload)
		case f.String() != fmt.Sprintf(`text "message %d"`, echoes):
			s.Fatalf("got %v as echo %d", f, echoes)
		default:
			echoes++
		}
	}
	if !ascends(pongs) {
		s.Errorf("the pongs are %q", pongs)
	}
	if err := <-sent; err != nil {
		s.Error(err)
	}
	p.leave()
}

// A ping of the application's own: pongs that are no answer to it do not count.
func pingMeasures(s *scene) {
	p, c := s.meet()
	if got := c.RTT(); got != 0 {
		s.Errorf("RTT is %v before any ping", got)
	}
	began := time.Now()
	c.Ping()
	f, err := p.Receive()
	if err != nil || f.Header.Opcode != wire.Ping || !f.Header.Fin {
		s.Fatal(f, err)
	}
	p.Send(true, wire.Pong, "another")
	p.Send(true, wire.Pong, f.Payload+"x")
	p.Text("not answered yet")
	s.hears(`text "not answered yet"`)
	if got := c.RTT(); got != 0 {
		s.Errorf("RTT is %v before the answer", got)
	}
	if s.d.Virtual {
		<-time.After(30 * time.Millisecond)
	}
	p.Send(true, wire.Pong, f.Payload)
	p.Text("answered")
	s.hears(`text "answered"`)
	took := time.Since(began)
	if got := c.RTT(); got <= 0 || got > took+s.d.Slack || s.d.Virtual && got < 30*time.Millisecond {
		s.Errorf("RTT is %v of %v", got, took)
	}
	p.leave()
}

func keepaliveMeasures(s *scene) {
	s.options.PingInterval = 10 * s.unit
	p, c := s.meet()
	f, err := p.Receive()
	if err != nil || f.Header.Opcode != wire.Ping {
		s.Fatal(f, err)
	}
	<-time.After(3 * s.unit)
	p.Send(true, wire.Pong, f.Payload)
	s.settle()
	if got := c.RTT(); got < 3*s.unit || got > 3*s.unit+s.d.Slack {
		s.Errorf("RTT is %v", got)
	}
	p.Send(true, wire.Pong, f.Payload) // once more says nothing
	s.settle()
	if got := c.RTT(); got > 3*s.unit+s.d.Slack {
		s.Errorf("RTT became %v", got)
	}
	p.leave()
}
