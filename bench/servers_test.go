package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// started is the URL of a contender that has been started as kind.
func started(t *testing.T, c contender, kind string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.serve(ln, kind) }() // until the end of the test, as in a child
	t.Cleanup(func() { _ = ln.Close() })
	return fmt.Sprintf("ws://%s/", ln.Addr())
}

// Every server does what it is measured for, without an error.
func TestServers(t *testing.T) {
	for _, c := range contenders {
		if c.serve == nil {
			continue
		}
		o := loadgen.Options{Connections: 3, Duration: 100 * time.Millisecond, Warmup: loadgen.NoWarmup, Drain: 30 * time.Second, Size: 600, Window: 4}
		for kind, play := range map[string]func(context.Context, string, loadgen.Options) (*loadgen.Report, error){
			kindEcho: loadgen.Echo, kindDeflate: loadgen.Echo, kindFanout: loadgen.Fanout,
		} {
			o.Binary, o.Compress = kind != kindFanout, kind == kindDeflate
			r, err := play(t.Context(), started(t, c, kind), o)
			if err != nil || len(r.Errors) > 0 || r.Latency == nil || r.Load.Compressed != o.Compress {
				t.Errorf("%s as %s: %v, %+v", c.name, kind, err, r)
			}
		}
	}
}

// counting counts what it reads.
type counting struct {
	net.Conn
	read int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read += n
	return n, err
}

// The work of compressing is the same for all: neither side refers to earlier
// messages, and every answer is about as small as the smallest.
func TestServersCompressAlike(t *testing.T) {
	var message []byte
	for i := 0; len(message) < 4096; i++ {
		message = fmt.Appendf(message, `{"symbol":"S%04d","bid":%d.%02d,"ask":%d.%02d},`, i*7919%4096, i*31%997, i*17%100, i*37%997, i*13%100)
	}
	sizes, smallest := map[string]int{}, len(message)
	for _, c := range contenders {
		if c.serve == nil {
			continue
		}
		var wire *counting
		conn, response, err := ws.Dial(t.Context(), started(t, c, kindDeflate), &ws.DialOptions{
			Options: ws.Options{Compression: &deflate.Options{}},
			NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, network, address)
				wire = &counting{Conn: nc}
				return wire, err
			},
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		defer conn.CloseNow()
		agreed := response.Header.Get("Sec-WebSocket-Extensions")
		if !bytes.Contains([]byte(agreed), []byte("server_no_context_takeover")) || !bytes.Contains([]byte(agreed), []byte("client_no_context_takeover")) {
			t.Errorf("%s agreed to %q", c.name, agreed)
		}
		last := 0
		for n := range 3 {
			before := wire.read
			if err := conn.Write(t.Context(), ws.MessageText, message); err != nil {
				t.Fatal(err)
			}
			_, answer, err := conn.Read(t.Context())
			if err != nil || !bytes.Equal(answer, message) {
				t.Fatalf("%s: %v", c.name, err)
			}
			if size := wire.read - before; n > 0 && size != last {
				t.Errorf("%s: an answer of %d bytes came after one of %d", c.name, size, last)
			} else {
				last = size
			}
		}
		sizes[c.name] = last
		smallest = min(smallest, last)
	}
	for name, size := range sizes {
		if size*4 > smallest*5 {
			t.Errorf("%s answers with %d bytes, and others with %d", name, size, smallest)
		}
	}
	t.Log(sizes)
}

func TestChoose(t *testing.T) {
	list, err := choose("coder", "gws")
	if err != nil || len(list) != 2 || list[0].name != "coder" || list[1].name != "gws" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err = choose("", "gws"); err != nil || len(list) != len(contenders) {
		t.Errorf("%v, %v", list, err)
	}
	for _, c := range [][2]string{{"nobody", "gws"}, {"gws", "nobody"}} {
		if _, err := choose(c[0], c[1]); err == nil {
			t.Errorf("%v is chosen from", c)
		}
	}
}

// What is measured can be asked for, and everything of it is in a table.
func TestExperiments(t *testing.T) {
	s := settings{sizes: []int{64, 1024}, deflated: []int{512}, subscribers: []int{10, 100}, conns: 100, idle: 1000, seconds: 1.5}
	seen := map[string]int{}
	for _, e := range s.experiments() {
		seen[e.group]++
		for _, c := range contenders {
			if args, _ := c.command("self", "godwit", e.server); c.takesPart(e.server) && len(args) == 0 {
				t.Errorf("%s cannot be started as %s", c.name, e.server)
			}
		}
	}
	for group, want := range map[string]int{"echo": 3, "deflate": 1, "fanout": 2, "handshakes": 1, "connections": 1} {
		if seen[group] != want {
			t.Errorf("%d experiments of %s, want %d", seen[group], group, want)
		}
	}
	if len(seen) != len(groups) {
		t.Errorf("%v, and the groups are %v", seen, groups)
	}
}
