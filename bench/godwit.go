package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// alone are Godwit's options for messages that are compressed each on its own.
func alone(kind string) *deflate.Options {
	if kind != kindDeflate {
		return nil
	}
	return &deflate.Options{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
}

func serveGodwitWS(ln net.Listener, kind string) error {
	options := &ws.AcceptOptions{Options: ws.Options{Compression: alone(kind)}}
	var fanout room[*ws.Prepared]
	ctx := context.Background()
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, options)
		if err != nil {
			return
		}
		go func() { // net/http frees what it holds for a request
			defer conn.CloseNow()
			if kind == kindFanout {
				defer fanout.join(func(m *ws.Prepared) error { return conn.WritePrepared(ctx, m) })()
			}
			var buffer []byte
			for {
				typ, message, err := conn.ReadAppend(ctx, buffer[:0])
				if err != nil {
					return
				}
				buffer = message
				if kind == kindFanout {
					if m, err := ws.Prepare(typ, message); err == nil {
						fanout.publish(m)
					}
				} else if conn.Write(ctx, typ, message) != nil {
					return
				}
			}
		}()
	}))
}

func serveGodwitEngine(ln net.Listener, kind string) error {
	s := &engine.Server{Handler: engineEcho{}, Options: engine.Options{Compression: alone(kind)}}
	if kind == kindFanout {
		s.Handler = newEngineFanout()
	}
	return s.Serve(ln)
}

type engineEcho struct{ engine.NopHandler }

func (engineEcho) OnMessage(c *engine.Conn, typ engine.MessageType, message []byte) {
	_ = c.Write(typ, message)
}

// engineFanout sends what is published to all connections: each writes what has
// come since it was woken last, in one system call.
type engineFanout struct {
	engine.NopHandler

	mu     sync.Mutex // guards what follows
	conns  map[*engine.Conn]struct{}
	newest *publication // never nil
}

// publication is a message, and what came after it.
type publication struct {
	message *engine.Prepared
	next    *publication
}

// position is the last publication that a connection has written.
type position struct{ at *publication }

func newEngineFanout() *engineFanout {
	return &engineFanout{conns: map[*engine.Conn]struct{}{}, newest: &publication{}}
}

func (f *engineFanout) OnOpen(c *engine.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.SetValue(&position{f.newest})
	f.conns[c] = struct{}{}
}

func (f *engineFanout) OnMessage(_ *engine.Conn, typ engine.MessageType, message []byte) {
	m, err := engine.Prepare(typ, message)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newest.next = &publication{message: m}
	f.newest = f.newest.next
	for c := range f.conns {
		c.Wake()
	}
}

func (f *engineFanout) OnWake(c *engine.Conn) {
	p := c.Value().(*position)
	f.mu.Lock()
	first, newest := p.at.next, f.newest
	f.mu.Unlock()
	if p.at == newest {
		return
	}
	for next := first; ; next = next.next {
		_ = c.WritePrepared(next.message)
		if p.at = next; next == newest {
			return
		}
	}
}

func (f *engineFanout) OnClose(c *engine.Conn, _ *engine.CloseError) {
	f.mu.Lock()
	delete(f.conns, c)
	f.mu.Unlock()
}
