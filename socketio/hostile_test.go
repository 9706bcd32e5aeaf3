package socketio

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A client that asks for a million namespaces gets as many as it may, and is remembered
// with no more.
func TestMillionNamespaces(t *testing.T) {
	names := 1_000_000
	if testing.Short() {
		names = 100_000
	}
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{ClientNamespacesMax: 1000, NamespacesMax: 20})
		made := 0
		s.Dynamic(func(name string) bool { return strings.HasPrefix(name, "/n") }, func(*Namespace) { made++ })
		p := newPeer(t, s)
		before := heap()
		for i := range names {
			p.c.receive(engineio.MessageText, fmt.Appendf(nil, "0/n%d", i))
			if i%1000 == 0 {
				p.take()
			}
		}
		p.take()
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("it keeps %d bytes", grown)
		}
		if got := s.Stats(); got.Namespaces != 20 || got.Sockets != 20 || got.Refused != uint64(names)-20 {
			t.Errorf("%+v", got)
		}
		p.vanish(engineio.ReasonTransportClose)
		if got := s.Stats(); got.Namespaces != 0 || got.Sockets != 0 {
			t.Errorf("%+v is left", got)
		}
	})
}

func TestDynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		var made []string
		s.Dynamic(func(name string) bool { return strings.HasPrefix(name, "/team-") }, func(n *Namespace) {
			made = append(made, n.Name())
			n.On("say", func(e *Event) { e.Socket().Namespace().Emit("said", e.Socket().Namespace().Name()) })
		})
		p, q := newPeer(t, s), newPeer(t, s)
		p.join("/team-1")
		q.join("/team-1")
		q.join("/team-2")
		p.say(`2/team-1,["say"]`)
		p.expect(`42/team-1,["said","/team-1"]`)
		q.expect(`42/team-1,["said","/team-1"]`)
		p.say(`0/teams,`)
		p.expect(`44/teams,{"message":"Invalid namespace"}`)
		kept := s.Namespace("/team-2")
		p.vanish(engineio.ReasonTransportClose)
		q.vanish(engineio.ReasonTransportClose)
		if fmt.Sprint(made) != "[/team-1 /team-2]" || s.Stats().Namespaces != 1 || s.Namespace("/team-2") != kept {
			t.Errorf("made %v, %d left", made, s.Stats().Namespaces)
		}
	})
}

// A handler that takes its time has its client read no further, and the client goes on
// when it is done.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{PendingBytesMax: 10_000})
		n := s.Namespace("/")
		handled := 0
		n.On("x", func(*Event) {
			time.Sleep(time.Second)
			handled++
		})
		p := newPeer(t, s)
		p.join("/")
		sent := 0
		for !p.isPaused() {
			p.say(`2["x","` + strings.Repeat("a", 744) + `"]`)
			if sent++; sent > 100 {
				t.Fatal("nothing stops the client")
			}
		}
		if sent < 10 || sent > 12 {
			t.Errorf("paused after %d events of 1002 bytes each", sent)
		}
		time.Sleep(4 * time.Second)
		if !p.isPaused() {
			t.Error("more than half is left")
		}
		time.Sleep(4 * time.Second)
		if p.isPaused() {
			t.Error("the client is not read again")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if handled != sent || p.c.pending.Load() != 0 {
			t.Errorf("%d of %d handled, %d bytes pending", handled, sent, p.c.pending.Load())
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

// A handler that awaits an acknowledgement must not keep it from being read.
func TestPendingAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{PendingBytesMax: 10_000})
		n := s.Namespace("/")
		begin := make(chan struct{})
		n.On("ask", func(e *Event) {
			<-begin
			if _, err := e.Socket().EmitWithAck(t.Context(), "question"); err != nil {
				t.Error(err)
			}
		})
		p := newPeer(t, s)
		p.join("/")
		p.say(`2["ask"]`)
		for !p.isPaused() {
			p.say(`2["x","` + strings.Repeat("a", 744) + `"]`)
		}
		close(begin)
		p.expect(`421["question"]`)
		if p.isPaused() {
			t.Fatal("the answer cannot be read")
		}
		p.say(`31[]`)
		synctest.Wait()
		if p.c.pending.Load() != 0 || p.c.awaited.Load() != 0 {
			t.Errorf("%d bytes pending", p.c.pending.Load())
		}
		p.vanish(engineio.ReasonTransportClose)
	})
}

// Messages written before a client is let in are bounded.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Engine: engineio.Options{QueueBytesMax: 10_000}})
		n := s.Namespace("/")
		begin := make(chan struct{})
		n.OnConnect(func(s *Socket, _ Auth) error {
			if err := s.Join("room"); err != nil {
				t.Error(err)
			}
			<-begin
			return nil
		})
		p := newPeer(t, s)
		p.say("0")
		for range 1000 {
			n.To("room").Emit("x", strings.Repeat("a", 100))
		}
		if !p.isClosed() {
			t.Error("a thousand events wait for a client that nobody has let in")
		}
		close(begin)
		synctest.Wait()
		p.expect()
		if got := s.Stats(); got.Rooms != 0 || got.Sockets != 0 {
			t.Errorf("%+v is left", got)
		}
	})
}

// A connection that ends while OnConnect runs leaves nothing behind.
func TestVanishesInOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Recovery: &Recovery{}})
		n := s.Namespace("/")
		begin := make(chan struct{})
		var after error
		n.OnConnect(func(s *Socket, _ Auth) error {
			<-begin
			after = s.Join("room")
			return nil
		})
		n.OnDisconnect(func(*Socket, Reason) { t.Error("it was never let in") })
		p := newPeer(t, s)
		p.say("0")
		p.vanish(engineio.ReasonTransportClose)
		close(begin)
		synctest.Wait()
		if got := s.Stats(); !errors.Is(after, ErrClosed) || got.Rooms != 0 || got.Sockets != 0 || got.Handlers != 0 {
			t.Errorf("%v, %+v", after, got)
		}
		p.expect()
	})
}

func TestShutdownWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{})
		handled := false
		s.Namespace("/").On("slow", func(*Event) {
			time.Sleep(time.Minute)
			handled = true
		})
		p := newPeer(t, s)
		p.join("/")
		p.say(`2["slow"]`)
		p.vanish(engineio.ReasonShuttingDown)
		if err := s.Shutdown(t.Context()); err != nil || !handled {
			t.Errorf("%v, handled: %v", err, handled)
		}
	})
}

func TestOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{
		{ConnectTimeout: -1}, {PacketBytesMax: -1}, {ClientNamespacesMax: -1}, {NamespacesMax: -1}, {RoomsMax: -1}, {AcksMax: -1}, {PendingBytesMax: -1},
		{Recovery: &Recovery{Time: -1}}, {Recovery: &Recovery{ClientsMax: -1}}, {Recovery: &Recovery{BytesMax: -1}}, {Engine: engineio.Options{MaxPayload: -1}},
	} {
		var wrong *OptionError
		if _, err := New(&o); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := New(&Options{PacketBytesMax: NoLimit, PendingBytesMax: NoLimit, ConnectTimeout: NoLimit, Engine: engineio.Options{MaxPayload: NoLimit}}); err != nil {
		t.Error(err)
	}
}
