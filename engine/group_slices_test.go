//go:build linux

package engine_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// sliced is a group on one loop, and what is written there, in order.
type sliced struct {
	server  *engine.Server
	address string
	notes   *notes
	group   engine.Group
	conns   []*engine.Conn
	clients []*raw

	// The loop's own.
	writes  int           // of what begins with first
	first   []byte        // a frame; nil: nothing is counted yet
	during  func()        // called with the first of them
	echoed  chan int      // gets writes when the bystander is answered
	counted chan struct{} // closed when all members were written to
}

func newSliced(t *testing.T, members int) *sliced {
	s := &sliced{notes: newNotes(), echoed: make(chan int, 1), counted: make(chan struct{})}
	s.notes.open, s.notes.end = make(chan *engine.Conn, members+10), make(chan *engine.CloseError, members+10)
	s.server = &engine.Server{Handler: panics{s.notes, ""}, Loops: 1, Options: engine.Options{QueueBytesMax: 64 << 20}}
	echo := wire.AppendFrame(nil, true, wire.Text, []byte("bystander"))
	s.server.Interfere(nil, nil, func(do call, p []byte) (int, error) {
		switch {
		case s.first == nil:
		case bytes.HasPrefix(p, s.first):
			if s.writes++; s.writes == 1 {
				s.during()
			}
			if s.writes == members {
				close(s.counted)
			}
		case bytes.Equal(p, echo):
			s.echoed <- s.writes
		}
		return do(p)
	})
	s.address = start(t, s.server)
	for range members {
		s.clients = append(s.clients, upgrade(t, s.address))
		conn := next(t, s.notes.open)
		s.conns = append(s.conns, conn)
		if err := s.group.Add(conn); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// publish sends m to the group, and has during called when the first member is
// being sent it.
func (s *sliced) publish(t *testing.T, m *engine.Prepared, frame []byte, during func()) {
	t.Helper()
	onLoop(t, s.server, func() { s.first, s.during = frame, during })
	if err := s.group.Publish(m); err != nil {
		t.Fatal(err)
	}
}

// onLoop has f called by the server's only loop.
func onLoop(t *testing.T, s *engine.Server, f func()) {
	t.Helper()
	done := make(chan struct{})
	s.OnLoop(0, func() {
		f()
		close(done)
	})
	next(t, done)
}

// However large a group is, and however large what is published, other connections
// have their turn after so many members, or so many bytes.
func TestGroupLeavesOthersTheirTurn(t *testing.T) {
	for name, c := range map[string]struct{ members, size, most int }{
		"many members":   {3*engine.SliceMembersMax + 10, 100, engine.SliceMembersMax},
		"large messages": {20, engine.SliceBytesMax / 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSliced(t, c.members)
			bystander := upgrade(t, s.address)
			payload := strings.Repeat("x", c.size-10) // and a header
			m := prepare(t, engine.MessageBinary, payload)
			frame := wire.AppendFrame(nil, true, wire.Binary, []byte(payload))[:10]
			s.publish(t, m, frame, func() { bystander.send(t, text("bystander")) })
			bystander.expect(t, wire.Text, "bystander")
			if n := next(t, s.echoed); n > c.most {
				t.Errorf("%d members were served first", n)
			}
			for _, client := range s.clients {
				client.expect(t, wire.Binary, payload)
			}
			next(t, s.counted)
		})
	}
}

// What happens to a group while a message is on its way to the members: everybody
// gets what was published between coming and leaving, in order.
func TestGroupChangesBetweenSlices(t *testing.T) {
	const members = 2*engine.SliceMembersMax + 10
	s := newSliced(t, members)
	leaver, returner, late := members-1, members-2, upgrade(t, s.address)
	lateConn := next(t, s.notes.open)
	publish := func(p string) {
		if err := s.group.Publish(prepare(t, engine.MessageText, p)); err != nil {
			t.Error(err)
		}
	}
	frame := wire.AppendFrame(nil, true, wire.Text, []byte("one"))
	s.publish(t, prepare(t, engine.MessageText, "one"), frame, func() {
		publish("two")
		s.group.Remove(s.conns[leaver])
		s.group.Remove(s.conns[returner])
		publish("three")
		_ = s.group.Add(lateConn)
		_ = s.group.Add(s.conns[returner])
		publish("four")
		if n := s.group.Len(); n != members {
			t.Errorf("%d members", n)
		}
	})
	for i, client := range append(slices.Clone(s.clients), late) {
		want := []string{"one", "two", "three", "four"}
		switch {
		case i == leaver:
			want = want[:2]
		case i == returner:
			want = []string{"one", "two", "four"}
		case client == late:
			want = want[3:]
		}
		for _, p := range want {
			client.expect(t, wire.Text, p)
		}
	}
	s.group.Remove(s.conns[0])
	publish("five")
	for i, client := range s.clients {
		if i != 0 && i != leaver {
			client.expect(t, wire.Text, "five")
		}
	}
	for _, i := range []int{0, leaver} { // nothing has come since
		s.clients[i].send(t, text("six"))
		s.clients[i].expect(t, wire.Text, "six")
	}
}

// A member that ends between slices ends, and the others get theirs.
func TestGroupMembersEndBetweenSlices(t *testing.T) {
	const members = 2*engine.SliceMembersMax + 10
	s := newSliced(t, members)
	frame := wire.AppendFrame(nil, true, wire.Text, []byte("one"))
	s.publish(t, prepare(t, engine.MessageText, "one"), frame, func() {
		for _, c := range s.conns[members-5:] {
			c.CloseNow()
		}
	})
	for _, client := range s.clients[:members-5] {
		client.expect(t, wire.Text, "one")
	}
	for range 5 {
		next(t, s.notes.end)
	}
	for s.group.Len() != members-5 {
		t.Fatalf("%d members", s.group.Len())
	}
	if err := s.server.Close(); err != nil {
		t.Error(err)
	}
	if n := s.group.Len(); n != 0 {
		t.Errorf("%d members are left", n)
	}
}

// A server that is closed while a group is being served has nothing left to do.
func TestGroupEndsBetweenSlices(t *testing.T) {
	const members = 3 * engine.SliceMembersMax
	s := newSliced(t, members)
	frame := wire.AppendFrame(nil, true, wire.Text, []byte("one"))
	closed := make(chan error, 1)
	s.publish(t, prepare(t, engine.MessageText, "one"), frame, func() {
		go func() { closed <- s.server.Close() }()
	})
	if err := next(t, closed); err != nil {
		t.Error(err)
	}
	if n := s.group.Len(); n != 0 {
		t.Errorf("%d members are left", n)
	}
	for range 10 {
		if err := s.group.Publish(prepare(t, engine.MessageText, "two")); err != nil {
			t.Error(err)
		}
	}
}
