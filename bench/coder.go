package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func serveCoder(ln net.Listener, kind string) error {
	options := &websocket.AcceptOptions{InsecureSkipVerify: true}
	if kind == kindDeflate {
		options.CompressionMode = websocket.CompressionNoContextTakeover
		options.CompressionThreshold = compressFrom
	}
	type message struct {
		typ  websocket.MessageType
		data []byte
	}
	var fanout room[message]
	ctx := context.Background()
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(messageBytesMax)
		if kind == kindFanout {
			defer fanout.join(func(m message) error { return conn.Write(ctx, m.typ, m.data) })()
		}
		for {
			typ, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if kind == kindFanout {
				fanout.publish(message{typ, data})
			} else if conn.Write(ctx, typ, data) != nil {
				return
			}
		}
	}))
}
