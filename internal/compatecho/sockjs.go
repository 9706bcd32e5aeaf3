package main

import (
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws/handshake"
)

// sockJS are the four services that the test suite of sockjs/sockjs-protocol expects.
var sockJS = []func() (protocol, error){
	func() (protocol, error) { return sockJSService("/echo", sockEcho{}, &sockjs.Options{}) },
	func() (protocol, error) { return sockJSService("/close", sockGoAway{}, &sockjs.Options{}) },
	func() (protocol, error) {
		return sockJSService("/cookie_needed_echo", sockEcho{}, &sockjs.Options{SetsCookie: true})
	},
	func() (protocol, error) {
		return sockJSService("/disabled_websocket_echo", sockEcho{}, &sockjs.Options{Transports: []sockjs.Transport{
			sockjs.XHRStreaming, sockjs.XHRPolling, sockjs.EventSource, sockjs.HTMLFile, sockjs.JSONPPolling,
		}})
	},
}

// sockJSService is one of them.
func sockJSService(base string, h sockjs.Handler, o *sockjs.Options) (protocol, error) {
	anyone, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		return nil, err
	}
	o.Base, o.Origins, o.ResponseLimit, o.SockJSURL = base, anyone, 4096, "/sockjs.min.js"
	if o.Transports == nil {
		o.Transports = sockjs.AllTransports()
	}
	return sockjs.New(h, o)
}

// sockEcho sends every message back.
type sockEcho struct{ sockjs.NopHandler }

func (sockEcho) OnMessage(s *sockjs.Session, typ sockjs.MessageType, data []byte) {
	_ = s.Write(typ, data) // a session that has ended needs no echo
}

// sockGoAway closes every session at once.
type sockGoAway struct{ sockjs.NopHandler }

func (sockGoAway) OnOpen(s *sockjs.Session) { s.Close(3000, "Go away!") }
