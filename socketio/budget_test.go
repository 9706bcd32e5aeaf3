package socketio

import (
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

// mute is a session whose client is not looked at, except that it is let in.
type mute struct {
	peer
	once sync.Once
	in   chan bool
}

func (m *mute) WritePackets(...[]byte) error {
	m.once.Do(func() { close(m.in) })
	return nil
}

func (m *mute) Buffered() int { return 0 }

// newMute returns a client that is in the main namespace.
func newMute(s *Server) *client {
	m := &mute{peer: peer{version: 4}, in: make(chan bool)}
	c := newClient(s, m, nil, time.Now())
	c.begin()
	c.receive(engineio.MessageText, []byte("0"))
	<-m.in
	c.mu.Lock() // what lets it in is done
	defer c.mu.Unlock()
	return c
}

// One event for many costs as much memory as one for few.
func TestBroadcastAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, n := range []int{10, 1000} {
		s := newServer(t, Options{})
		main := s.Namespace("/")
		main.OnConnect(func(s *Socket, a Auth) error { return s.Join("room") })
		for range n {
			newMute(s)
		}
		for name, emit := range map[string]func(){
			"all":    func() { main.Emit("say", "hello", 7) },
			"room":   func() { main.To("room").Emit("say", "hello", 7) },
			"except": func() { main.To("room").Except("other", "another").Emit("say", "hello", 7) },
		} {
			if allocs := testing.AllocsPerRun(100, emit); allocs > 9 {
				t.Errorf("%s: an event to %d sockets allocates %v times", name, n, allocs)
			}
		}
	}
}

func TestEventAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newServer(t, Options{})
	handled := make(chan *Event)
	s.Namespace("/").On("x", func(e *Event) { handled <- e })
	c := newMute(s)
	event := []byte(`2["x","hello"]`)
	c.receive(engineio.MessageText, event)
	socket := (<-handled).Socket()
	if allocs := testing.AllocsPerRun(100, func() { socket.Emit("say", "hello") }); allocs > 1 {
		t.Errorf("an event to one socket allocates %v times", allocs)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		c.receive(engineio.MessageText, event)
		<-handled
	}); allocs > 2 {
		t.Errorf("an event of a client allocates %v times, and not only itself and its arguments", allocs)
	}
}

func BenchmarkBroadcast(b *testing.B) {
	s, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	main := s.Namespace("/")
	for range 1000 {
		newMute(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		main.Emit("say", "hello")
	}
}
