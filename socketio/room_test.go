package socketio

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/engineio"
)

func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{RoomsMax: 3})
		n := s.Namespace("/")
		var peers [4]*peer
		var sockets [4]*Socket
		for i := range peers {
			peers[i] = newPeer(t, s)
			sockets[i] = peers[i].join("/")
		}
		join := func(i int, rooms ...string) {
			if err := sockets[i].Join(rooms...); err != nil {
				t.Error(err)
			}
		}
		join(0, "a")
		join(1, "a", "b")
		join(2, "b", "c", "b")
		who := func(b Broadcast) string {
			t.Helper()
			if err := b.Emit("x"); err != nil {
				t.Error(err)
			}
			got := ""
			for i, p := range peers {
				switch n := len(p.take()); {
				case n == 1:
					got += fmt.Sprint(i)
				case n > 1:
					t.Errorf("%d got it %d times", i, n)
				}
			}
			return got
		}
		for i, tt := range []struct {
			b    Broadcast
			want string
		}{
			{n.All(), "0123"}, {n.To("a"), "01"}, {n.To("a", "b"), "012"}, {n.To("a").To("b", "a"), "012"}, {n.To("nowhere"), ""},
			{n.Except("a"), "23"}, {n.To("b").Except("c"), "1"}, {n.To(sockets[3].ID()), "3"}, {n.To(sockets[1].ID(), "b"), "12"}, {n.To("b", sockets[1].ID()), "12"},
			{n.Except(sockets[3].ID(), "c"), "01"}, {sockets[0].Others(), "123"}, {sockets[1].To("a", "b"), "02"}, {sockets[1].To("a").Except("b"), "0"},
			{n.To("a").Volatile(), "01"},
		} {
			if got := who(tt.b); got != tt.want {
				t.Errorf("%d: %q, want %q", i, got, tt.want)
			}
		}
		peers[1].buffered = 1
		if got := who(n.To("a").Volatile()); got != "0" {
			t.Errorf("what is volatile waits for %q", got)
		}
		if err := sockets[1].EmitVolatile("x"); err != nil || len(peers[1].take()) != 0 {
			t.Error("what is volatile waits")
		}
		if err := sockets[2].Join("d", "e"); err != ErrTooManyRooms {
			t.Errorf("a fourth room: %v", err)
		}
		if got := sockets[2].Rooms(); !slices.Equal(got, []string{"b", "c", "d"}) {
			t.Errorf("rooms are %v", got)
		}
		n.To("a").Join("z")
		n.To("b").Leave("b")
		if n.RoomLen("z") != 2 || n.RoomLen("b") != 0 || s.Stats().Rooms != 4 {
			t.Errorf("%d, %d, %d rooms", n.RoomLen("z"), n.RoomLen("b"), s.Stats().Rooms)
		}
		n.To("a").Disconnect()
		peers[0].expect("41")
		for i, p := range peers {
			if i > 0 {
				p.take()
			}
			p.vanish(engineio.ReasonTransportClose)
		}
		if got := s.Stats(); got.Rooms != 0 || got.Sockets != 0 {
			t.Errorf("%+v is left", got)
		}
		if err := sockets[3].Join("a"); err != ErrClosed {
			t.Errorf("after the end: %v", err)
		}
		if got := sockets[1].Rooms(); !slices.Equal(got, []string{"a", "z"}) {
			t.Errorf("it was in %v", got)
		}
	})
}

// Whatever goes on at the same time, nothing is left of sockets that have ended.
func TestConcurrent(t *testing.T) {
	for _, recovery := range []*Recovery{nil, {}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, Options{Recovery: recovery})
			n := s.Namespace("/")
			n.OnConnect(func(s *Socket, _ Auth) error { return s.Join("all") })
			n.On("x", func(e *Event) {
				room := fmt.Sprint(len(e.Socket().ID()) % 3)
				_ = e.Socket().Join(room) // it may have ended
				n.To(room, "all").Emit("y", e.Arguments)
				e.Socket().Leave(room)
			})
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 30 {
						p := newPeer(t, s)
						p.c.receive(engineio.MessageText, []byte("0"))
						n.Emit("z", i, j)
						for _, socket := range n.To("all").Sockets() {
							p := socket.client.engine.(*peer)
							p.c.receive(engineio.MessageText, []byte(`2["x",{"a":1}]`))
						}
						switch j % 3 {
						case 0:
							p.c.ended(ReasonTransportClose)
						case 1:
							n.All().Except("0").Disconnect()
						case 2:
							p.c.close(ReasonServerClose)
						}
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			n.All().Disconnect()
			synctest.Wait()
			if got := s.Stats(); got.Sockets != 0 || got.Rooms != 0 || got.Handlers != 0 || got.Panics != 0 || n.Len() != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
