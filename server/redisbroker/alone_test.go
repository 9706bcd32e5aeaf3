package redisbroker

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// alone publishes in the channel c like a client without an idempotency key that waits for each answer.
func alone(t testing.TB, b *Broker, text string) hub.Position {
	t.Helper()
	return mustPublishAs(t, b, hub.Message{Channel: "c", Data: []byte(text)})
}

// TestAloneIsShort: a publisher that is alone has the short script run, in each channel from
// the second publication on, and what it says is what the long one would.
func TestAloneIsShort(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b := newBroker(t, redis.URL())
	s := start(t, b)
	s.listen("c")
	part := b.backend.Load().partition("c")
	isUsed := func() bool { return redis.Must(t, "SCRIPT", "EXISTS", part.state.Load().one.hash) == "[1]" }
	first := alone(t, b, "1")
	if isUsed() {
		t.Error("the short script is used where there is no stream yet")
	}
	for i, text := range []string{"2", "3", "4"} {
		if at := alone(t, b, text); at.Epoch != first.Epoch || at.Offset != first.Offset+uint64(i)+1 {
			t.Errorf("%q has %v; the first one has %v", text, at, first)
		}
	}
	if !isUsed() {
		t.Error("the short script was never called")
	}
	if all := s.awaitText("4", "c"); len(all["c"].texts) != 4 || all["c"].gaps > 0 {
		t.Errorf("a subscriber has %q and %d gaps", all["c"].texts, all["c"].gaps)
	}
	page, err := b.History(t.Context(), "c", hub.Query{Since: first})
	if err != nil || page.Gap != nil || len(page.Publications) != 3 || string(page.Publications[2].Data) != "4" {
		t.Errorf("the history is %+v, %v", page, err)
	}
}

// TestAloneInAnotherEpoch: the short script does nothing on a server that the epoch is not of, by
// its hash or by its text, and nothing once the epoch is another one.
func TestAloneInAnotherEpoch(t *testing.T) {
	t.Parallel()
	one, other := redistest.Start(t), redistest.Start(t)
	b := newBroker(t, one.URL())
	start(t, b).listen("c")
	before := alone(t, b, "1")
	alone(t, b, "2")
	part := b.backend.Load().partition("c")
	at := part.state.Load()
	stream := part.stream(at, "c")
	// The other server has all that a replica would have.
	other.Must(t, "SET", part.epochKey, at.value)
	other.Must(t, "XADD", stream, "0-5", "+100:1000", "x", "t", "1")
	if answer, err := other.Do("EVAL", at.one.text, "2", part.epochKey, stream, "100", "+100:1000", "\x00\x00lost", "check"); answer != nil || err != nil {
		t.Errorf("another server answers %v, %v", answer, err)
	}
	if n := other.Must(t, "XLEN", stream); n != "1" {
		t.Errorf("there are %s entries", n)
	}
	one.Must(t, "SET", part.epochKey, "OTHER 1 "+at.replid)
	if after := alone(t, b, "3"); after.Epoch != "OTHER" || after.Epoch == before.Epoch {
		t.Errorf("%v was given out in another epoch", after)
	}
}

// TestIdleConnectionsEnd: a publisher whose connection was ended by the server while it said nothing is
// not told that nobody knows what became of its publication.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b := newBroker(t, redis.URL())
	start(t, b).listen("c")
	alone(t, b, "1")
	for _, text := range []string{"2", "3", "4"} {
		redis.Must(t, "CLIENT", "KILL", "TYPE", "normal")
		if outcome := publish(b, hub.Message{Channel: "c", Data: []byte(text)}); outcome.Err != nil {
			t.Errorf("%q: %v", text, outcome.Err)
		}
	}
}

func TestConnectionIsStale(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	nc, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newCommandConn(nc)
	if _, err := c.Write([]byte("a")); err != nil {
		t.Errorf("a connection that is well: %v", err)
	}
	_, _ = io.ReadFull(peer, make([]byte, 1))
	_, _ = peer.Write([]byte("b"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if _, err := c.Write([]byte("first part")); err != nil {
		t.Error(err)
	}
	_, _ = io.ReadFull(peer, make([]byte, len("first part")))
	peer.Close()
	for !hasEnded(c.raw) { // the end is on its way
	}
	if _, err := c.Write([]byte("last part")); errors.Is(err, errStale) {
		t.Error("a part of it was sent, and it is said that none was")
	}
	_, _ = c.Read(make([]byte, 1))
	if _, err := c.Write([]byte("c")); !errors.Is(err, errStale) {
		t.Errorf("a connection that has ended: %v", err)
	}
}

// TestConnectionWithoutDescriptor: what is not a socket is not looked at.
func TestConnectionWithoutDescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc, peer := net.Pipe()
		defer nc.Close()
		c := newCommandConn(nc)
		time.Sleep(time.Hour)
		go func() { _, _ = c.Write([]byte("a")) }()
		if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		peer.Close()
		synctest.Wait()
	})
}
