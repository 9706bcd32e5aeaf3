package drivertest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about queues, and about peers that do not take what they are sent.
var pressureRows = []row{
	{"pressure/the queue is bounded", 0, queueIsBounded},
	{"pressure/one message may always wait", 0, oneMessageMayWait},
	{"pressure/a peer that sends and does not read", 0, sendsAndDoesNotRead},
	{"pressure/a slow peer delays nobody", 0, slowPeerDelaysNobody},
	{"pressure/many connections at once", 0, manyConnections},
}

// The queue takes what its limit allows. What it refuses was not sent, and the
// connection goes on.
func queueIsBounded(s *scene) {
	const limit, size = 256 << 10, 1000
	s.options.QueueBytesMax = limit
	p, c := s.meet()
	// Frames that the transport has room for leave the queue.
	accepted := 0
	for full := 0; full < 100; {
		switch err := c.Enqueue(binary(fmt.Sprintf("%0*d", size, accepted))); err {
		case nil:
			accepted, full = accepted+1, 0
		case s.d.Errors.QueueFull:
			full++
			s.settle()
		default:
			s.Fatal(err)
		}
	}
	if got := c.Buffered(); got > limit+size || got < limit/2 {
		s.Errorf("%d bytes are buffered, the limit is %d", got, limit)
	}
	for i := range accepted {
		f, err := p.Receive()
		if err != nil || f.Payload != fmt.Sprintf("%0*d", size, i) {
			s.Fatalf("message %d of %d: %.40v, %v", i, accepted, f, err)
		}
	}
	if err := c.Write(text("room again")); err != nil {
		s.Error(err)
	}
	p.Want(`text "room again"`)
	if s.settle(); s.d.Virtual && c.Buffered() != 0 {
		s.Errorf("%d bytes are buffered", c.Buffered())
	}
	p.leave()
}

func oneMessageMayWait(s *scene) {
	s.options.QueueBytesMax = 1000
	p, c := s.meet()
	large := strings.Repeat("x", s.jam())
	if err := c.Enqueue(binary(large)); err != nil {
		s.Fatal(err)
	}
	p.wantsByte()
	if err := c.Enqueue(text("and another")); err != s.d.Errors.QueueFull {
		s.Errorf("a second message: %v", err)
	}
	p.wantLarge(s.jam())
	p.leave()
}

// A peer that sends and does not read is not read either, and gets all of its
// echoes when it does.
func sendsAndDoesNotRead(s *scene) {
	s.options.QueueBytesMax, s.message = 256<<10, func(c Conn, m Message) {
		if err := c.Write(m); err != nil {
			s.Error(err)
		}
	}
	const size = 16 << 10
	messages := s.jam() / size
	p, _ := s.meet()
	one := p.frame(true, wire.Binary, strings.Repeat("x", size))
	sent := spawn(func() error {
		for range messages {
			if _, err := p.nc.Write(one); err != nil {
				return err
			}
		}
		return nil
	})
	s.settle()
	for range messages {
		p.wantLarge(size)
	}
	if err := <-sent; err != nil {
		s.Error(err)
	}
	p.leave()
}

func slowPeerDelaysNobody(s *scene) {
	s.options.QueueBytesMax, s.message = 4*s.jam(), s.echo
	slow, c := s.meet()
	written := spawn(func() error { return c.Write(binary(strings.Repeat("x", s.jam()))) })
	slow.wantsByte()
	p, _ := s.meet()
	for i := range 10 {
		p.Text(fmt.Sprint(i))
		p.Want(fmt.Sprintf(`text "%d"`, i))
	}
	p.leave()
	slow.Hangup()
	<-written
	s.ends(1006, 0)
}

// Connections know nothing of each other.
func manyConnections(s *scene) {
	s.message, s.options.PingInterval = s.echo, noLimit
	const conns, messages = 50, 20
	var peers []*peer
	for range conns {
		p, _ := s.meet()
		peers = append(peers, p)
	}
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			for j := range messages {
				want := fmt.Sprintf("%d %d", i, j)
				if _, err := p.nc.Write(p.frame(true, wire.Text, want)); err != nil {
					s.Error(err)
					return
				}
				if f, err := p.Receive(); err != nil || f.Payload != want {
					s.Errorf("got %v, %v; want %s", f, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, p := range peers {
		p.bye()
		s.ends(1000, 1000)
	}
}
