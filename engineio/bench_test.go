package engineio_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws/wire"
)

type bareEcho struct{ engine.NopHandler }

func (bareEcho) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) { _ = c.Write(typ, p) }

// BenchmarkEcho is what a session costs beside the connection below it: messages of 100 bytes,
// 64 at a time, on one event loop.
func BenchmarkEcho(b *testing.B) {
	server, err := engineio.New(echo{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	for _, name := range []string{"bare", "session"} {
		b.Run(name, func(b *testing.B) {
			e := &engine.Server{Handler: bareEcho{}, Loops: 1}
			if name == "session" {
				e.Admit = server.Admit
			}
			ln := listen(b)
			done := make(chan error, 1)
			go func() { done <- e.Serve(ln) }()
			defer func() {
				_ = e.Close()
				<-done
			}()
			s := &site{url: "http://" + ln.Addr().String() + "/"}
			c := s.raw(b)
			c.upgrade(b, socket4)
			if name == "session" {
				c.frame(b)
			}
			const batch = 64
			frames := bytes.Repeat(wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{1, 2, 3, 4}, append([]byte{'4'}, make([]byte, 99)...)), batch)
			reply := make([]byte, batch*102)
			for b.Loop() {
				if _, err := c.Write(frames); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c.in, reply); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/message")
		})
	}
}
