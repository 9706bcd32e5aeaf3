package main

import (
	"fmt"
	"net"
)

// What a server can be asked to be.
const (
	kindEcho    = "echo"    // also for handshakes and idle connections
	kindDeflate = "deflate" // echo with permessage-deflate
	kindFanout  = "fanout"
)

// What all servers have in common.
const (
	messageBytesMax = 1 << 20 // where a library has a limit
	compressFrom    = 64      // bytes; shorter than any message here
)

// contender is a server to compare. It is started anew for every measurement.
type contender struct {
	name  string
	serve func(ln net.Listener, kind string) error // in a child of this program

	// product is instead what starts Godwit's own program, for fan-out.
	product []string
}

var contenders = []contender{
	{name: "gorilla", serve: serveGorilla},
	{name: "coder", serve: serveCoder},
	{name: "gobwas", serve: serveGobwas},
	{name: "gws", serve: serveGWS},
	{name: "godwit-ws", serve: serveGodwitWS},
	{name: "godwit-engine", serve: serveGodwitEngine},
	{name: "godwit-serve", product: []string{"serve", "--demo=false", "--listen", "127.0.0.1:0"}},
}

// takesPart reports whether c can be a server of kind.
func (c contender) takesPart(kind string) bool { return c.serve != nil || kind == kindFanout }

// command is what starts c as kind, and the path to load. self and godwit are
// this program and Godwit's.
func (c contender) command(self, godwit, kind string) (args []string, path string) {
	if c.serve == nil {
		return append([]string{godwit}, c.product...), "/channels/bench"
	}
	return []string{self, "-serve", c.name, "-as", kind}, "/"
}

// serveChild is what a child does that is a server.
func serveChild(name, kind string) error {
	for _, c := range contenders {
		if c.name != name || c.serve == nil {
			continue
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Printf("listening on ws://%s/\n", ln.Addr())
		return c.serve(ln, kind)
	}
	return fmt.Errorf("there is no server %q", name)
}
