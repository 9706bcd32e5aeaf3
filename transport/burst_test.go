package transport

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// Readers that keep up lose nothing, however many messages come in one read: the
// sender hears itself, and a bare socket is not closed with 4410. A loop delivers in
// the middle of a read, so a burst may be longer than a history; with goroutines the
// scheduler decides who goes first, and the history has to hold it.
func TestBurstReachesEverybody(t *testing.T) {
	const readers = 5
	for _, carrier := range carriers {
		if carrier.isVirtual || carrier.cannot(&script{acts: []act{{verb: verbOpens, kind: WebSocket}}}) != "" {
			continue
		}
		t.Run(carrier.name, func(t *testing.T) {
			burst := 5 * hub.DefaultRetentionCount
			if carrier.name == "goroutines" {
				burst = hub.DefaultRetentionCount
			}
			var frames []byte
			for i := range burst {
				frames = wire.AppendMaskedFrame(frames, true, wire.Text, [4]byte{1, 2, 3, 4}, fmt.Append(nil, i))
			}
			v := carrier.serve(t, newHub(t, nil, nil), Options{Logger: quiet()})
			defer v.close()
			var raw net.Conn
			var all []*ws.Conn
			for range readers {
				conn, _, err := ws.Dial(t.Context(), v.url+"/channels/chat", &ws.DialOptions{
					NetDial: func(ctx context.Context, network, address string) (_ net.Conn, err error) {
						raw, err = new(net.Dialer).DialContext(ctx, network, address)
						return raw, err
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.CloseNow() }()
				all = append(all, conn)
			}
			var reading sync.WaitGroup
			for i, conn := range all {
				reading.Go(func() {
					for n := range burst {
						_, p, err := conn.Read(t.Context())
						if err != nil || string(p) != fmt.Sprint(n) {
							t.Errorf("reader %d: message %d is %q, %v", i, n, p, err)
							return
						}
					}
				})
			}
			if _, err := raw.Write(frames); err != nil { // the last one is the sender
				t.Fatal(err)
			}
			reading.Wait()
		})
	}
}

// What does not fit into a session's queue any more is read from the history, so by
// default a history is longer than a queue, in publications and in bytes.
func TestDefaultsFitEachOther(t *testing.T) {
	if hub.DefaultQueueCountMax*2 > hub.DefaultRetentionCount {
		t.Errorf("a queue of %d and a history of %d publications", hub.DefaultQueueCountMax, hub.DefaultRetentionCount)
	}
	if hub.DefaultQueueBytesMax > membroker.DefaultHistoryBytesMax {
		t.Errorf("a queue of %d and histories of %d bytes", hub.DefaultQueueBytesMax, membroker.DefaultHistoryBytesMax)
	}
	if DefaultBodyBytesMax != hub.DefaultPublicationBytesMax || DefaultBodyBytesMax*4 > hub.DefaultQueueBytesMax {
		t.Errorf("%d bytes of a message, %d of a publication, %d of a queue", DefaultBodyBytesMax, hub.DefaultPublicationBytesMax, hub.DefaultQueueBytesMax)
	}
}
