package main

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
)

// contender is a server to compare. It is started anew for every measurement.
type contender struct {
	name   string
	serve  func(net.Listener) error // of a library: in a child of this program
	echo   []string                 // of Godwit: arguments of the program; nil: it does not take part
	fanout []string
}

var contenders = []contender{
	{name: "gorilla", serve: serveGorilla},
	{name: "coder", serve: serveCoder},
	{name: "gobwas", serve: serveGobwas},
	{name: "gws", serve: serveGWS},
	{name: "godwit-goroutine", echo: []string{"echo", "--driver", "goroutine", "--listen", "127.0.0.1:0"}},
	{name: "godwit-engine", echo: []string{"echo", "--driver", "engine", "--listen", "127.0.0.1:0"}},
	{name: "godwit-serve", fanout: []string{"serve", "--demo=false", "--listen", "127.0.0.1:0"}},
}

// takesPart reports whether c can be measured with kind.
func (c contender) takesPart(kind string) bool {
	if c.serve != nil {
		return true
	}
	if kind == "fanout" {
		return c.fanout != nil
	}
	return c.echo != nil
}

// command is what starts c for kind, and the path to load. self and godwit are
// this program and Godwit's.
func (c contender) command(self, godwit, kind string) (args []string, path string) {
	switch {
	case c.serve != nil && kind == "fanout":
		return []string{self, "-serve", c.name}, "/fanout"
	case c.serve != nil:
		return []string{self, "-serve", c.name}, "/echo"
	case kind == "fanout":
		return append([]string{godwit}, c.fanout...), "/channels/bench"
	}
	return append([]string{godwit}, c.echo...), "/"
}

// serveChild is what a child does that is a server.
func serveChild(name string) error {
	for _, c := range contenders {
		if c.name != name || c.serve == nil {
			continue
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Printf("listening on ws://%s/\n", ln.Addr())
		return c.serve(ln)
	}
	return fmt.Errorf("there is no server %q", name)
}

// known drops what the program at godwit does not have: a driver that this
// revision lacks.
func known(list []contender, godwit string) (kept []contender, dropped []string) {
	for _, c := range list {
		if len(c.echo) > 2 && c.echo[1] == "--driver" {
			// An address that cannot be listened on ends it, after the driver is judged.
			out, _ := exec.Command(godwit, "echo", "--driver", c.echo[2], "--listen", "nowhere").CombinedOutput()
			if strings.Contains(string(out), "--driver") {
				dropped = append(dropped, c.name)
				continue
			}
		}
		kept = append(kept, c)
	}
	return kept, dropped
}
