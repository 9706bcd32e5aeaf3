package main

import (
	"bytes"
	"net"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// serveGobwas upgrades on the connection itself, which is what the library is
// for; paths end in echo or fanout.
func serveGobwas(ln net.Listener) error {
	var fanout room[[]byte]
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			publishes := false
			upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
				publishes = bytes.HasSuffix(uri, []byte("fanout"))
				return nil
			}}
			if _, err := upgrader.Upgrade(conn); err != nil {
				return
			}
			if !publishes {
				for {
					message, op, err := wsutil.ReadClientData(conn)
					if err != nil || wsutil.WriteServerMessage(conn, op, message) != nil {
						return
					}
				}
			}
			defer fanout.join(func(frame []byte) error {
				_, err := conn.Write(frame)
				return err
			})()
			for {
				message, op, err := wsutil.ReadClientData(conn)
				if err != nil {
					return
				}
				if frame, err := ws.CompileFrame(ws.NewFrame(op, true, message)); err == nil {
					fanout.publish(frame)
				}
			}
		}()
	}
}
