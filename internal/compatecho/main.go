package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/handshake"
)

// protocol is a server of a protocol of sessions, such as an engineio.Server.
type protocol interface {
	http.Handler
	Serves(path string) bool
	Route(*engine.Request) engine.Route
	Admit(*engine.Request) engine.Admission
}

// protocols make the servers, one in each file.
var protocols = slices.Concat([]func() (protocol, error){engineIO, socketIO}, sockJS)

func main() {
	driver := flag.String("driver", "engine", "what moves the bytes: engine, or nethttp")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: compatecho [-driver=engine|nethttp] ADDRESS")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *driver != "engine" && *driver != "nethttp" {
		flag.Usage()
		os.Exit(2)
	}
	log.SetFlags(0)
	log.SetPrefix("compatecho: ")
	if err := serve(*driver, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

func serve(driver, address string) error {
	var all servers
	for _, make := range protocols {
		p, err := make()
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Printf("listening on %s", ln.Addr())
	if driver == "nethttp" {
		return http.Serve(ln, all)
	}
	anyone, err := handshake.ParseOrigins([]string{"*"})
	if err != nil {
		return err
	}
	s := &engine.Server{
		Handler: engine.NopHandler{}, HTTP: all, Route: all.Route, Admit: all.Admit, Origins: anyone,
		// SockJS has answers of its own to handshakes that are not in order.
		HTTPRefuses: func(r *engine.Request, _ *handshake.Fault) bool { return all.at(r.Path()) != nil },
	}
	return s.Serve(ln)
}

// servers are all of them, each at its path.
type servers []protocol

// at returns the server of a path, nil if there is none.
func (all servers) at(path string) protocol {
	for _, p := range all {
		if p.Serves(path) {
			return p
		}
	}
	return nil
}

// ServeHTTP serves what net/http has read.
func (all servers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := all.at(r.URL.EscapedPath()); p != nil {
		p.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// Route serves a request on an event loop.
func (all servers) Route(r *engine.Request) engine.Route {
	if p := all.at(r.Path()); p != nil {
		return p.Route(r)
	}
	return engine.Route{}
}

// Admit decides about an opening handshake on an event loop.
func (all servers) Admit(r *engine.Request) engine.Admission {
	if p := all.at(r.Path()); p != nil {
		return p.Admit(r)
	}
	return engine.Admission{Status: http.StatusNotFound}
}
