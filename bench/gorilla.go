package main

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

func serveGorilla(ln net.Listener) error {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	var fanout room[*websocket.PreparedMessage]
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			typ, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(typ, message) != nil {
				return
			}
		}
	})
	mux.HandleFunc("/fanout", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		defer fanout.join(conn.WritePreparedMessage)()
		for {
			typ, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if prepared, err := websocket.NewPreparedMessage(typ, message); err == nil {
				fanout.publish(prepared)
			}
		}
	})
	return http.Serve(ln, mux)
}
