package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Members get what is published between their coming and their leaving, in
// order, in the form they have agreed on.
func TestGroup(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Compression = n, &deflate.Options{}
		address := start(t, s)
		var g engine.Group
		var clients []*ws.Conn
		var members []*engine.Conn
		for i := range 12 {
			options := &ws.DialOptions{}
			if i%3 > 0 {
				options.Compression = &deflate.Options{ServerNoContextTakeover: i%3 == 1, ServerMaxWindowBits: 8 + i%8}
			}
			client, _, err := ws.Dial(within(t), "ws://"+address, options)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseNow()
			clients, members = append(clients, client), append(members, next(t, n.open))
			for range 2 { // once is enough
				if err := g.Add(members[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := g.Len(); got != len(members) {
			t.Errorf("%d members", got)
		}
		publish := func(p string) {
			t.Helper()
			if err := g.Publish(prepare(t, engine.MessageText, p)); err != nil {
				t.Fatal(err)
			}
		}
		read := func(c *ws.Conn, want string) {
			t.Helper()
			if typ, p, err := c.Read(within(t)); err != nil || typ != ws.MessageText || string(p) != want {
				t.Fatalf("got %v %.50q of %d bytes, %v; want %.50q of %d", typ, p, len(p), err, want, len(want))
			}
		}
		var want []string
		for i := range 200 { // a burst
			want = append(want, fmt.Sprint(i, strings.Repeat(" word", i*i%1000)))
		}
		want = append(want, strings.Repeat("large ", 3000), strings.Repeat("larger ", 30_000), "small")
		for _, p := range want {
			publish(p)
		}
		for _, c := range clients {
			for _, p := range want {
				read(c, p)
			}
		}
		g.Remove(members[0])
		g.Remove(members[0])
		publish("without the first")
		g.Remove(members[1])
		if err := g.Add(members[0]); err != nil {
			t.Fatal(err)
		}
		publish("without the second")
		for i, c := range clients {
			if i > 0 {
				read(c, "without the first")
			}
			if i != 1 {
				read(c, "without the second")
			}
			_ = members[i].Write(engine.MessageText, []byte("done"))
			read(c, "done")
		}
		if got := g.Len(); got != len(members)-1 {
			t.Errorf("%d members", got)
		}
	})
}

// Who left and came again within a burst gets each message once, and in order.
func TestGroupMembershipWithinABurst(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := &corkedWrites{done: make(chan struct{})}
		var g engine.Group
		var others []*engine.Conn
		h.write = func(c *engine.Conn) { // the loop is here: all of it is one burst
			for _, o := range others {
				_ = g.Add(o)
			}
			_ = g.Add(c)
			_ = g.Publish(prepare(t, engine.MessageText, "1"))
			for _, o := range others {
				g.Remove(o)
			}
			g.Remove(c)
			_ = g.Publish(prepare(t, engine.MessageText, "2"))
			_ = g.Add(c)
			for _, o := range others {
				_ = g.Add(o)
			}
			_ = g.Publish(prepare(t, engine.MessageText, "3"))
			g.Remove(c)
			_ = g.Add(c)
			_ = g.Publish(prepare(t, engine.MessageText, "4"))
		}
		n := newNotes()
		s.Handler, s.Loops = n, 1
		address := start(t, s)
		var clients []*raw
		for range 3 {
			clients = append(clients, upgrade(t, address))
			others = append(others, next(t, n.open))
		}
		clients = append(clients, upgrade(t, address))
		next(t, n.open).SetHandler(h)
		clients[3].send(t, text("go"))
		for _, c := range clients {
			for _, p := range []string{"1", "3", "4"} {
				c.expect(t, wire.Text, p)
			}
		}
	})
}

// Connections that end leave their groups, and cannot come back.
func TestGroupForgetsTheEnded(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		address := start(t, s)
		var a, b engine.Group
		var last *engine.Conn
		for range 5 {
			client := upgrade(t, address)
			last = next(t, n.open)
			for _, g := range []*engine.Group{&a, &b} {
				if err := g.Add(last); err != nil {
					t.Fatal(err)
				}
			}
			client.send(t, closing(1000))
			client.closes(t, 1000)
			end := next(t, n.end)
			if err := a.Add(last); err != error(end) {
				t.Errorf("Add: %v", err)
			}
		}
		_ = s.Close() // all has been forgotten, at the latest
		for _, g := range []*engine.Group{&a, &b} {
			if g.Len() != 0 {
				t.Errorf("%d members", g.Len())
			}
			if err := g.Publish(prepare(t, engine.MessageText, "nobody")); err != nil {
				t.Error(err)
			}
		}
		a.Remove(last)
	})
}

// stamp is a message of publisher w with number i.
func stamp(w, i, size int) []byte {
	p := make([]byte, size)
	binary.BigEndian.PutUint32(p, uint32(w))
	binary.BigEndian.PutUint32(p[4:], uint32(i))
	return p
}

// Publishers, members that come and go, closes and direct writes race; whoever
// stays gets everything, and everybody each publisher's messages in order.
func TestGroupRaces(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.QueueBytesMax = n, 256<<20
		address := start(t, s)
		const publishers, messages, stays, goes = 4, 250, 8, 8
		var g engine.Group
		var clients []*raw
		var members []*engine.Conn
		for range stays + goes {
			clients = append(clients, upgrade(t, address))
			members = append(members, next(t, n.open))
		}
		for _, c := range members[:stays] {
			_ = g.Add(c)
		}
		var work sync.WaitGroup
		for w := range publishers {
			work.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), 3))
				for i := range messages {
					size := 8 + rnd.IntN(200)
					if rnd.IntN(20) == 0 {
						size = 8 + rnd.IntN(30_000)
					}
					m, _ := engine.Prepare(engine.MessageBinary, stamp(w, i, size))
					if err := g.Publish(m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i, c := range members[stays:] {
			work.Go(func() {
				for range 100 {
					_ = g.Add(c)
					_ = c.Write(engine.MessageBinary, stamp(publishers, 0, 8))
					g.Remove(c)
				}
				switch i % 3 {
				case 0:
					_ = g.Add(c)
					_ = c.Close(engine.StatusNormal, "")
				case 1:
					_ = g.Add(c)
					c.CloseNow()
				default:
					_ = c.Close(engine.StatusNormal, "")
				}
			})
		}
		for i, client := range clients {
			work.Go(func() {
				var seen [publishers]int
				count := 0
				for count < publishers*messages || i >= stays {
					h, p, err := client.tryFrame()
					if err != nil || h.Opcode == wire.Close {
						break
					}
					w, number := int(binary.BigEndian.Uint32(p)), int(binary.BigEndian.Uint32(p[4:]))
					if w == publishers {
						continue
					}
					if number < seen[w] {
						t.Errorf("client %d: message %d of publisher %d after %d", i, number, w, seen[w])
						return
					}
					seen[w] = number + 1
					count++
				}
				if i < stays && count != publishers*messages {
					t.Errorf("client %d got %d messages", i, count)
				}
				if i >= stays {
					client.Close()
				}
			})
		}
		work.Wait()
		for range goes {
			next(t, n.end)
		}
	})
}

// All members see one order.
func TestGroupHasOneOrder(t *testing.T) {
	n := newNotes()
	s := &engine.Server{Handler: n, Options: engine.Options{QueueBytesMax: 64 << 20}}
	address := start(t, s)
	var g engine.Group
	clients := []*raw{upgrade(t, address), upgrade(t, address), upgrade(t, address), upgrade(t, address)}
	for range clients {
		_ = g.Add(next(t, n.open))
	}
	const publishers, messages = 4, 300
	for w := range publishers {
		go func() {
			for i := range messages {
				m, _ := engine.Prepare(engine.MessageBinary, stamp(w, i, 8))
				_ = g.Publish(m)
			}
		}()
	}
	for i := range publishers * messages {
		_, first := clients[0].frame(t)
		for _, c := range clients[1:] {
			if _, p := c.frame(t); !bytes.Equal(p, first) {
				t.Fatalf("message %d is %x for one and %x for another", i, first, p)
			}
		}
	}
}

// tryFrame reads a frame whose header has at most a 16-bit length.
func (c *raw) tryFrame() (wire.Header, []byte, error) {
	var head []byte
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			return wire.Header{}, nil, err
		}
		head = append(head, b)
		h, n, err := wire.ParseHeader(head)
		if err != nil {
			return h, nil, err
		}
		if n > 0 {
			p := make([]byte, h.Length)
			_, err := io.ReadFull(c.r, p)
			return h, p, err
		}
	}
}

// Shared memory is encrypted for each member of TLS, and never sent as it is.
func TestGroupOverTLS(t *testing.T) {
	a, n := newAuthority(t), newNotes()
	s := &engine.Server{Handler: n, Options: engine.Options{QueueBytesMax: 64 << 20}}
	address := startTLS(t, s, a.server(t))
	var g engine.Group
	var clients []*raw
	for range 3 {
		clients = append(clients, upgradeTLS(t, address, a.client()))
		if err := g.Add(next(t, n.open)); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i, size := range []int{1, 63, 5000, 100_000, 63, 20_000, 20_000, 200_000, 1} {
		want = append(want, strings.Repeat(string(rune('a'+i)), size))
		if err := g.Publish(prepare(t, engine.MessageText, want[i])); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients {
		for _, p := range want {
			c.expect(t, wire.Text, p)
		}
	}
}
