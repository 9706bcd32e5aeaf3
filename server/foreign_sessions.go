package server

import (
	"errors"
	"time"

	"github.com/godwit-io/godwit/compat/socketio"
	"github.com/godwit-io/godwit/engineio"
)

// recoveryTime is how long a client of Socket.IO that has lost its connection can go on
// where it was, as with the reference server where that is on.
const recoveryTime = 2 * time.Minute

// makeForeignSessions makes the protocols of others that have sessions over several
// transports. They carry their conversations to the Transport, which is there.
func (s *Server) makeForeignSessions() error {
	if isOn(s.config.SocketIO.Enabled) {
		if err := s.makeSocketIO(); err != nil {
			return err
		}
	}
	if isOn(s.config.SockJS.Enabled) {
		return s.makeSockJS()
	}
	return nil
}

func (s *Server) makeSocketIO() error {
	c := &s.config
	o := &socketio.Options{
		Engine: engineio.Options{
			AllowEIO3: c.SocketIO.EIO3, Origins: s.origins, SessionsMax: c.Limits.Connections,
			MaxPayload: max(engineio.DefaultMaxPayload, requestBytes(c.Limits.PublicationBytes)),
		},
		Main: c.SocketIO.Main, ClientDir: c.SocketIO.ClientDir, Echo: c.SocketIO.LaravelEcho, Address: s.edge.clientOf, Log: s.log,
	}
	if isOn(c.SocketIO.Recovery) {
		o.Recovery = recoveryTime
	}
	for _, r := range c.SocketIO.Rules {
		o.Rules = append(o.Rules, socketio.Rule(r))
	}
	server, err := socketio.New(s.channels, o)
	if wrong, ok := errors.AsType[*socketio.RuleError](err); ok {
		return failed("socketio.rules", wrong)
	}
	if wrong, ok := errors.AsType[*socketio.OptionError](err); ok && wrong.Option == "ClientDir" {
		return failed("socketio.client_dir", errors.New(wrong.Reason))
	}
	if err != nil {
		return err
	}
	s.foreign = append(s.foreign, foreign{
		serves: server.Serves, http: server, route: server.Route, admit: server.Admit, shutdown: server.Shutdown, close: server.Close,
	})
	return nil
}
