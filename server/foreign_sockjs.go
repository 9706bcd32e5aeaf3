package server

import (
	"errors"

	channels "github.com/godwit-io/godwit/compat/sockjs"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
)

// sockjsPath is what the paths of SockJS begin with, before the name of a channel.
const sockjsPath = "/sockjs"

// sockjsOptions are those of SockJS.
func (s *Server) sockjsOptions() *channels.Options {
	c := &s.config
	transports := sockjs.DefaultTransports()
	if c.SockJS.HTMLFile {
		transports = append(transports, sockjs.HTMLFile)
	}
	if c.SockJS.JSONP {
		transports = append(transports, sockjs.JSONPPolling)
	}
	return &channels.Options{Path: sockjsPath + "/", SockJS: sockjs.Options{
		Origins:         s.origins,
		Transports:      transports,
		SockJSURL:       c.SockJS.ClientURL,
		MessageBytesMax: c.Limits.PublicationBytes,
		SessionsMax:     c.Limits.Connections, // those without a connection at the moment count, too
		Observer:        &sockjs.Observer{OriginRefused: s.refusals.warnOrigin},
		Logger:          s.log,
	}}
}

// makeSockJSProtocol returns what serves its raw WebSockets.
func (s *Server) makeSockJSProtocol() (transport.Protocol, error) {
	return channels.NewProtocol(s.sockjsOptions())
}

// makeSockJS serves its sessions, when there is a Transport.
func (s *Server) makeSockJS() error {
	served, err := channels.New(s.channels, s.sockjsOptions())
	if wrong, ok := errors.AsType[*channels.OptionError](err); ok && wrong.Option == "SockJS.SockJSURL" {
		return failed("sockjs.client_url", errors.New(wrong.Reason))
	}
	if err != nil {
		return err
	}
	s.foreign = append(s.foreign, foreign{
		serves: func(path string) bool { return path != sockjsPath+"/" && served.Serves(path) },
		http:   served, route: served.Route, admit: served.Admit,
		session: func(r *httpcarrier.Request) whereabouts {
			name, isHere := served.SessionOf(r.Path())
			return placeOfName(kindSockJS, r.Path(), name, isHere)
		},
		shutdown: served.Shutdown, close: served.Close,
	})
	s.answerHas(kindSockJS, served.Has)
	return nil
}
