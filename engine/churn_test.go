package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// counter counts what a server calls.
type counter struct {
	opened, closed atomic.Int64
}

func (h *counter) OnOpen(c *engine.Conn) {
	h.opened.Add(1)
	c.SetValue(new(atomic.Int32))
}

func (h *counter) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	switch string(p) {
	case "close":
		_ = c.Close(engine.StatusNormal, "")
	case "now":
		c.CloseNow()
	default:
		_ = c.Write(typ, p)
	}
}

func (h *counter) OnDrain(*engine.Conn) {}

func (h *counter) OnClose(c *engine.Conn, _ *engine.CloseError) {
	h.closed.Add(1)
	if c.Value().(*atomic.Int32).Add(1) != 1 {
		panic("a connection ended twice")
	}
}

// Clients come, talk, and leave in every way there is, while others write to
// them and the server goes away under them. Nothing is left behind.
func TestChurn(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
			ln.Close() // the runtime has opened what it keeps
		}
		before := descriptors()
		h := &counter{}
		s.Handler, s.HTTP = h, http.HandlerFunc(site)
		s.Options = engine.Options{Compression: &deflate.Options{}, CloseTimeout: 200 * time.Millisecond}
		address := start(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		var clients sync.WaitGroup
		for i := range 16 {
			rnd := rand.New(rand.NewPCG(uint64(i), 7))
			clients.Go(func() {
				for range 12 {
					if !churn(ctx, address, rnd) {
						return
					}
				}
			})
		}
		clients.Wait()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if h.opened.Load() == 0 || h.opened.Load() != h.closed.Load() {
			t.Errorf("%d connections were opened, %d closed", h.opened.Load(), h.closed.Load())
		}
		for _, l := range s.Stats() {
			if l.Conns != 0 || l.QueueBytes != 0 || l.Panics != 0 {
				t.Errorf("%+v", l)
			}
		}
		// The clients may still be waiting for the end of what they have closed.
		for after := descriptors(); after > before; after = descriptors() {
			if ctx.Err() != nil {
				t.Fatalf("%d descriptors before, %d after", before, after)
			}
			runtime.Gosched()
		}
	})
}

// churn is one client's life. It returns false when there is no server any more.
func churn(ctx context.Context, address string, rnd *rand.Rand) bool {
	if rnd.IntN(4) == 0 {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		if request := opening[:rnd.IntN(len(opening)+1)]; rnd.IntN(2) == 0 {
			_, _ = nc.Write([]byte(request))
		} else {
			_, _ = nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
			_, _ = nc.Read(make([]byte, 100))
		}
		if rnd.IntN(2) == 0 {
			_ = nc.(*net.TCPConn).SetLinger(0)
		}
		return true
	}
	options := &ws.DialOptions{}
	if rnd.IntN(2) == 0 {
		options.Compression = &deflate.Options{}
	}
	c, _, err := ws.Dial(ctx, "ws://"+address, options)
	if err != nil {
		return false
	}
	defer c.CloseNow()
	for range rnd.IntN(10) {
		message := fmt.Appendf(nil, "%0*d", 1+rnd.IntN(30_000), 7)
		go func() { _ = c.Write(ctx, ws.MessageText, message) }()
		if _, p, err := c.Read(ctx); err != nil || len(p) != len(message) {
			return false
		}
	}
	switch rnd.IntN(4) {
	case 0:
		_ = c.Close(ws.StatusNormal, "")
	case 1:
		_ = c.Write(ctx, ws.MessageText, []byte("close"))
		_, _, _ = c.Read(ctx)
	case 2:
		_ = c.Write(ctx, ws.MessageText, []byte("now"))
		_, _, _ = c.Read(ctx)
	}
	return true
}

// descriptors returns how many this process has open, where that can be seen.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
