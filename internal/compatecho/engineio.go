package main

import (
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws/handshake"
)

// engineIO is what the test suite of socketio/engine.io-protocol expects at /engine.io/.
func engineIO() (protocol, error) {
	anyone, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		return nil, err
	}
	return engineio.New(engineEcho{}, &engineio.Options{
		PingInterval: 300 * time.Millisecond,
		PingTimeout:  200 * time.Millisecond,
		MaxPayload:   1_000_000,
		Origins:      anyone,
		AllowEIO3:    true,
	})
}

// engineEcho sends every message back.
type engineEcho struct{ engineio.NopHandler }

func (engineEcho) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
	_ = s.Write(typ, data) // a session that has ended needs no echo
}
