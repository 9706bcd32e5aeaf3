package interop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A cutter is a TCP proxy that does to connections what networks do. What a browser's
// emulation calls offline only stalls them, and everything arrives afterwards.
type cutter struct {
	host   string
	target string

	mu    sync.Mutex
	pairs map[*pair]struct{}
	opens int // connections so far
}

// A pair is a connection of a client and the one to the server behind it.
type pair struct {
	near, far *net.TCPConn

	mu    sync.Mutex
	stall chan struct{} // nil, or closed when it is over
}

// cuts are the ways in which a connection ends, or does not.
var cuts = map[string]func(*pair){
	"drop":  func(p *pair) { p.close() },
	"reset": func(p *pair) { _ = p.near.SetLinger(0); _ = p.far.SetLinger(0); p.close() },
	// The server's side has ended, and what the client says still arrives.
	"half-close": func(p *pair) { _ = p.near.CloseWrite() },
	// Nothing moves any more, and nobody is told.
	"stall": func(p *pair) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stall == nil {
			p.stall = make(chan struct{})
		}
	},
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{host: listener.Addr().String(), target: target, pairs: map[*pair]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.carry(near.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		c.cut("drop")
		running.Wait()
	})
	return c
}

func (c *cutter) carry(near *net.TCPConn) {
	defer near.Close()
	c.mu.Lock()
	c.opens++
	target := c.target
	c.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	p := &pair{near: near, far: conn.(*net.TCPConn)}
	c.mu.Lock()
	c.pairs[p] = struct{}{}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(p.far, p.near) })
	both.Go(func() { p.pump(p.near, p.far) })
	both.Wait()
	p.close()
	c.mu.Lock()
	delete(c.pairs, p)
	c.mu.Unlock()
}

// pump moves bytes until one side ends, which ends that direction alone.
func (p *pair) pump(to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		stall := p.stall
		p.mu.Unlock()
		if stall != nil {
			<-stall
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.CloseRead()
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			if err != io.EOF {
				p.close()
			}
			return
		}
	}
}

func (p *pair) close() {
	p.near.Close()
	p.far.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stall == nil {
		p.stall = make(chan struct{})
	}
	select {
	case <-p.stall:
	default:
		close(p.stall)
	}
}

// cut does what cuts says to all connections there are, and returns to how many.
func (c *cutter) cut(how string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.pairs {
		cuts[how](p)
	}
	return len(c.pairs)
}

// to has new connections go elsewhere.
func (c *cutter) to(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = target
}

// opened is how many connections there have been.
func (c *cutter) opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opens
}
