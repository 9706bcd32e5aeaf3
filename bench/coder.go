package main

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func serveCoder(ln net.Listener) error {
	options := &websocket.AcceptOptions{InsecureSkipVerify: true}
	type message struct {
		typ  websocket.MessageType
		data []byte
	}
	var fanout room[message]
	ctx := context.Background()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		for {
			typ, data, err := conn.Read(ctx)
			if err != nil || conn.Write(ctx, typ, data) != nil {
				return
			}
		}
	})
	mux.HandleFunc("/fanout", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		defer fanout.join(func(m message) error { return conn.Write(ctx, m.typ, m.data) })()
		for {
			typ, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			fanout.publish(message{typ, data})
		}
	})
	return http.Serve(ln, mux)
}
