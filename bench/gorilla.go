package main

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

func serveGorilla(ln net.Listener, kind string) error {
	upgrader := websocket.Upgrader{
		CheckOrigin:       func(*http.Request) bool { return true },
		EnableCompression: kind == kindDeflate, // never with context takeover, at level 1
	}
	var fanout room[*websocket.PreparedMessage]
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if kind == kindFanout {
			defer fanout.join(conn.WritePreparedMessage)()
		}
		for {
			typ, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if kind == kindFanout {
				if prepared, err := websocket.NewPreparedMessage(typ, message); err == nil {
					fanout.publish(prepared)
				}
			} else if conn.WriteMessage(typ, message) != nil {
				return
			}
		}
	}))
}
