package main

import (
	"context"
	"net"
	"net/http"

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
		s.Handler = &engineFanout{}
	}
	return s.Serve(ln)
}

type engineEcho struct{ engine.NopHandler }

func (engineEcho) OnMessage(c *engine.Conn, typ engine.MessageType, message []byte) {
	_ = c.Write(typ, message)
}

type engineFanout struct {
	engine.NopHandler
	group engine.Group
}

func (f *engineFanout) OnOpen(c *engine.Conn) { _ = f.group.Add(c) }

func (f *engineFanout) OnMessage(_ *engine.Conn, typ engine.MessageType, message []byte) {
	if m, err := engine.Prepare(typ, message); err == nil {
		_ = f.group.Publish(m)
	}
}
