package engine_test

import (
	"testing"

	"github.com/godwit-io/godwit/engine"
)

// askingHandler and askingResponder ask in a callback whether what they have written waits, which it does until the
// callback returns.
type askingHandler struct {
	engine.NopHandler
	told chan int
}

func (h askingHandler) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	_ = c.Write(typ, p)
	h.told <- c.Buffered()
}

func (h askingHandler) OnDrain(c *engine.Conn) { h.told <- c.Buffered() }

type askingResponder struct {
	engine.NopResponder
	told chan int
}

func (h askingResponder) OnBody(x engine.Exchange, _ []byte) {
	_ = x.Begin(200, nil)
	_ = x.Write([]byte("hello"))
	h.told <- x.Buffered()
}

func (h askingResponder) OnDrain(x engine.Exchange) {
	h.told <- x.Buffered()
	_ = x.End()
}

// A handler that is told that something waits is told when it does not, also if the network
// takes everything at once.
func TestBufferedIsFollowedByOnDrain(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		told := make(chan int, 10)
		s.Handler = askingHandler{told: told}
		s.Route = func(*engine.Request) engine.Route { return engine.Route{Responder: askingResponder{told: told}} }
		address := start(t, s)
		for _, request := range [][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), append([]byte(opening), text("hello")...)} {
			c := connect(t, address)
			c.send(t, request)
			if n := next(t, told); n == 0 {
				t.Error("nothing waits in a callback")
			}
			if n := next(t, told); n != 0 {
				t.Errorf("%d bytes wait in OnDrain", n)
			}
		}
	})
}
