package engine_test

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

func prepare(t testing.TB, typ engine.MessageType, p string) *engine.Prepared {
	t.Helper()
	m, err := engine.Prepare(typ, []byte(p))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPrepareRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		typ  engine.MessageType
		p    string
		want error
	}{
		"type":  {3, "", engine.ErrMessageType},
		"UTF-8": {engine.MessageText, "\xff", engine.ErrNotUTF8},
		"bytes": {engine.MessageBinary, "\xff", nil},
	} {
		if m, err := engine.Prepare(c.typ, []byte(c.p)); err != c.want || (m == nil) != (err != nil) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// Prepared messages of every size come as they were, between others, whatever
// the connection has agreed on; a prepared message does not change with p.
func TestWritePrepared(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Compression = n, &deflate.Options{}
		address := start(t, s)
		var prepared []*engine.Prepared
		var want []string
		for _, size := range []int{0, 1, 125, 126, 4095, 4096, 65535, 65536, 200_000} {
			p := []byte(strings.Repeat("0123456789abcdef", size/16+1)[:size])
			m, err := engine.Prepare(engine.MessageText, p)
			if err != nil || m.Len() != size {
				t.Fatal(err, m.Len())
			}
			want = append(want, string(p))
			prepared = append(prepared, m)
			clear(p)
		}
		for name, compression := range map[string]*deflate.Options{
			"plain": nil, "takeover": {}, "8 bits": {ServerMaxWindowBits: 8}, "none": {ServerNoContextTakeover: true}, "none, 9 bits": {ServerNoContextTakeover: true, ServerMaxWindowBits: 9},
		} {
			client, _, err := ws.Dial(within(t), "ws://"+address, &ws.DialOptions{Options: ws.Options{Compression: compression}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseNow()
			c := next(t, n.open)
			go func() {
				for _, m := range prepared {
					_ = c.WritePrepared(m)
					_ = c.Write(engine.MessageText, []byte("0123456789abcdef between 0123456789abcdef, long enough to compress"))
				}
			}()
			for _, p := range want {
				if typ, got, err := client.Read(within(t)); err != nil || typ != ws.MessageText || string(got) != p {
					t.Fatalf("%s: got %v of %d bytes, %v; want %d", name, typ, len(got), err, len(p))
				}
				if _, got, err := client.Read(within(t)); err != nil || !strings.Contains(string(got), "between") {
					t.Fatalf("%s: got %.50q, %v", name, got, err)
				}
			}
		}
	})
}

// Large frames are not copied into queues: a hundred that wait for a hundred
// slow peers are held once. The peers get all of each.
func TestPreparedIsShared(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.QueueBytesMax = n, 64<<20
		address := start(t, s)
		const conns, messages, size = 4, 40, 100_000
		var clients []*raw
		var peers []*engine.Conn
		for range conns {
			clients = append(clients, upgrade(t, address))
			peers = append(peers, next(t, n.open))
		}
		var prepared []*engine.Prepared
		for i := range messages {
			prepared = append(prepared, prepare(t, engine.MessageBinary, strings.Repeat(string(rune('a'+i%26)), size)))
		}
		for _, c := range peers {
			for i, m := range prepared {
				if err := c.WritePrepared(m); err != nil {
					t.Fatal(err)
				}
				if err := c.Write(engine.MessageBinary, []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, client := range clients {
			for i := range messages {
				h, p := client.frame(t)
				if h.Opcode != wire.Binary || len(p) != size || len(bytes.Trim(p, string(rune('a'+i%26)))) > 0 {
					t.Fatalf("message %d: %v of %d bytes", i, h.Opcode, len(p))
				}
				client.expect(t, wire.Binary, string([]byte{byte(i)}))
			}
		}
		for _, c := range peers {
			if got := c.Buffered(); got != 0 {
				t.Errorf("%d bytes are buffered when all has arrived", got)
			}
		}
	})
}

// A system that takes a few bytes at a time, and says "not now" in between, gets
// small frames and references to large ones in order all the same.
func TestPreparedWithShortWrites(t *testing.T) {
	var count atomic.Int64
	n := newNotes()
	s := &engine.Server{Handler: n, Loops: 1}
	s.Interfere(nil, nil, func(do func([]byte) (int, error), p []byte) (int, error) {
		switch k := int(count.Add(1)); {
		case k%5 == 0:
			return 0, engine.ErrAgain
		case len(p) > 1:
			return do(p[:1+k*7919%len(p)])
		}
		return do(p)
	})
	client := upgrade(t, start(t, s))
	conn := next(t, n.open)
	var want []string
	for i := range 200 {
		size := 1 + i*i%90
		if i%10 == 9 {
			size = 5000 * (1 + i%4)
		}
		want = append(want, strings.Repeat(string(rune('a'+i%26)), size))
	}
	for _, p := range want {
		if err := conn.WritePrepared(prepare(t, engine.MessageText, p)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range want {
		client.expect(t, wire.Text, p)
	}
}
