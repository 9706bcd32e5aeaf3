package main

import (
	"encoding/json"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio"
	"github.com/godwit-io/godwit/ws/handshake"
)

// socketIO is what the test suite of socketio/socket.io-protocol expects at /socket.io/.
func socketIO() (protocol, error) {
	anyone, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		return nil, err
	}
	s, err := socketio.New(&socketio.Options{
		ConnectTimeout: time.Second,
		Engine: engineio.Options{
			PingInterval: 300 * time.Millisecond,
			PingTimeout:  200 * time.Millisecond,
			MaxPayload:   1_000_000,
			Origins:      anyone,
		},
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"/", "/custom"} {
		s.Namespace(name).OnConnect(sayAuth)
	}
	// A client that has gone needs no answer.
	s.Namespace("/").On("message", func(e *socketio.Event) { _ = e.Socket().Emit("message-back", e.Arguments) })
	s.Namespace("/").On("message-with-ack", func(e *socketio.Event) { _ = e.Ack(e.Arguments) })
	return s, nil
}

// sayAuth tells a client what it has said of itself.
func sayAuth(s *socketio.Socket, auth socketio.Auth) error {
	if auth == nil {
		auth = socketio.Auth("{}")
	}
	return s.Emit("auth", json.RawMessage(auth))
}
