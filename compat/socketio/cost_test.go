package socketio

import (
	"testing"
	"time"
	"unsafe"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// A publication that is encoded costs another receiver no memory.
func TestADeliveryDoesNotAllocate(t *testing.T) {
	for _, recovers := range []bool{false, true} {
		p := newPlayer(t)
		p.settings.forms = newForms("main", recovers)
		p.play("< 0/chat,\n! done 1\n! done 3 E:1\n")
		push := []hub.Push{{Channel: "chat", Delivery: &hub.Delivery{Publication: &hub.Publication{
			Channel: "chat", Position: hub.Position{Epoch: "E", Offset: 2}, Data: []byte("hello"), Attributes: &hub.Attributes{Event: "said"},
		}}}}
		var out dialect.Effects
		now := time.Now()
		n := testing.AllocsPerRun(100, func() {
			p.n.Push(now, push, &out)
			out.Reset()
		})
		if n != 0 {
			t.Errorf("with recovery %v: %v allocations", recovers, n)
		}
	}
}

// An event costs its payload, its attributes, and what the decoder needs for its name.
func TestAnEventAllocatesLittle(t *testing.T) {
	p := newPlayer(t)
	p.play("< 0/chat,\n! done 1\n! done 3 E:1\n")
	var out dialect.Effects
	now := time.Now()
	message := []byte(`2/chat,["said","hello"]`)
	n := testing.AllocsPerRun(100, func() {
		in, ok, err := p.conn.Text(message)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		p.n.in = input{event: &in}
		p.n.Receive(now, dialect.Frame{}, &out)
		out.Reset()
	})
	if n > 4 {
		t.Errorf("%v allocations, want 4 at most: the packet, the payload, the attributes and the event's name", n)
	}
}

// An idle client is a client and a conversation, besides what Engine.IO, the hub and the
// carrier have.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(client{}); size > 128 {
		t.Errorf("client has grown to %d bytes; 128 is a size class of the allocator, and the next is 144", size)
	}
	if size := unsafe.Sizeof(conversation{}); size > 480 {
		t.Errorf("conversation has grown to %d bytes; 480 is a size class of the allocator, and the next is 512", size)
	}
}
