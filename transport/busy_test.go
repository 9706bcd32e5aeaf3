package transport

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// A client that floods a channel whose broker does not answer is read no more at
// the session's bound: what it sends waits in the network, and it cannot send on.
// Others are served meanwhile. When the broker answers, everything is published.
func TestBusyClientIsNotRead(t *testing.T) {
	for i := range carriers {
		carrier := &carriers[i]
		t.Run(carrier.name, func(t *testing.T) {
			if why := carrier.cannot(&script{acts: []act{{verb: verbOpens, kind: WebSocket}}}); why != "" {
				t.Skip(why)
			}
			play := func(t *testing.T) {
				s := &script{file: "busy", options: map[string]int{"commands": busyAt, "history": 0}}
				p := newPlayer(t, s, false)
				stage := &carriedStage{t: t, carrier: carrier, venue: carrier.serve(t, p.hub, Options{Logger: quiet()})}
				p.stage = stage
				defer stage.finish(p)
				floods(&neighbours{player: p, stage: stage, edge: WebSocket, steady: WebSocket})
			}
			if carrier.isVirtual {
				synctest.Test(t, play)
			} else {
				play(t)
			}
		})
	}
}

const (
	busyAt       = 8
	floodBytes   = 32 << 10
	floodCount   = 1000 // more than the buffers of both kernels take
	pipedCount   = 50   // more than those of a wire in memory take
	heldBytesMax = 8 << 20

	tripsMeanwhile = 20
)

func floods(n *neighbours) {
	t := n.t
	trip := n.quick()
	trip()
	n.hold("publish")
	flooder := n.open(WebSocket, "/channels/slow?self=0").(*carried)
	n.hears(flooder, "is open")
	before := heapBytes()
	published := n.broker.counted("publish")

	count := floodCount
	if n.stage.isVirtual() {
		count = pipedCount
	}
	var sent atomic.Int64
	flooded := make(chan error, 1)
	go func() {
		frame := wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{}, []byte(strings.Repeat("x", floodBytes)))
		for range count {
			if _, err := flooder.raw.Write(frame); err != nil {
				flooded <- fmt.Errorf("after %d messages: %w", sent.Load(), err)
				return
			}
			sent.Add(1)
		}
		flooded <- nil
	}()
	n.broker.await(t, "held publish", busyAt)
	for range tripsMeanwhile { // turns of the same loop, which had the opportunity to read on
		trip()
	}
	if n.stage.isVirtual() {
		synctest.Wait() // whatever can happen has happened
	}
	if held := n.broker.counted("held publish"); held != busyAt {
		t.Errorf("%d messages were read without an answer, want %d", held, busyAt)
	}
	if sent.Load() == int64(count) {
		t.Error("the client could send everything")
	}
	if grown := heapBytes() - before; grown > heldBytesMax {
		t.Errorf("%d bytes are held for a client that is not read", grown)
	}
	if left := n.hub.Stats().Sessions[WebSocket]; left != 2 {
		t.Errorf("%d sessions, want both", left)
	}

	n.broker.letGo(false, false)
	if err := <-flooded; err != nil {
		t.Error(err)
	}
	n.broker.await(t, "publish", published+tripsMeanwhile+count)
	trip()
	if err := flooder.conn.Close(ws.StatusNormal, ""); err != nil {
		t.Errorf("the client that was busy is gone: %v", err)
	}
}

// heapBytes is the heap in use after a collection.
func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A session that is handed more than twice its bound is ended, whatever carries it,
// and told why.
func TestOverloadedSessionIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{file: "overload", options: map[string]int{"commands": busyAt}}
		p := newPlayer(t, s, false)
		defer func() { _ = p.hub.Close() }()
		stage := &spokenStage{t: t, transport: newTransport(p.hub, &Options{Logger: quiet()}), woken: newSignal()}
		c := stage.open(&act{verb: verbOpens, kind: WebSocket, path: "/channels/chat?self=0"}).(*spoken)
		stage.settle()
		p.broker.make(trouble{method: "publish", isHeld: true})
		for range 2*busyAt + 1 {
			m := new(scratch)
			c.receive(false, []byte("x"), m) // as a carrier that does not ask whether it is busy
			c.apply(m)
		}
		stage.settle()
		if got := strings.Join(c.hear(-1), ", "); got != "is open, hears the end: 1011 too many commands" {
			t.Errorf("heard %q", got)
		}
		if held := p.broker.counted("held publish"); held != 2*busyAt {
			t.Errorf("%d were handed to the broker, want %d", held, 2*busyAt)
		}
	})
}
