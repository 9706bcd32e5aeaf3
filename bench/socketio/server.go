package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/socketio"
)

// serve is a server, on event loops or goroutines, that does what node/server.js does.
func serve(name string) error {
	s, err := socketio.New(&socketio.Options{NeverBlocks: true}) // nor does a handler on Node
	if err != nil {
		return err
	}
	main := s.Namespace("/")
	main.On("echo", func(e *socketio.Event) {
		var text string
		if e.Bind(&text) == nil {
			_ = e.Socket().Emit("echo", text) // it may have gone
		}
	})
	main.On("all", func(e *socketio.Event) {
		var text string
		if e.Bind(&text) == nil {
			_ = main.Emit("all", text) // a string can be encoded
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", ln.Addr())
	if name == "godwit-nethttp" {
		return http.Serve(ln, s)
	}
	loops := &engine.Server{Handler: engine.NopHandler{}, HTTP: http.NotFoundHandler(), Route: s.Route, Admit: s.Admit}
	return loops.Serve(ln)
}
