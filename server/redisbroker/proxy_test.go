package redisbroker

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between a Broker and a server, and does what networks do.
type proxy struct {
	ln net.Listener

	mu      sync.Mutex // guards what follows
	changed *sync.Cond
	target  string
	lines   string // instead of target, for connections that listen
	held    bool   // what servers say goes nowhere
	heldIn  bool   // the same, of connections that listen
	rewrite [2]string
	conns   map[net.Conn]bool
	refused bool
	wg      sync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, target: target, conns: make(map[net.Conn]bool)}
	p.changed = sync.NewCond(&p.mu)
	p.wg.Go(p.acceptLoop)
	t.Cleanup(func() {
		ln.Close()
		p.set(func() { p.held, p.heldIn, p.refused = false, false, true })
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.ln.Addr().String() }

// set changes something.
func (p *proxy) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.changed.Broadcast()
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for nc := range p.conns {
		nc.Close()
	}
	p.changed.Broadcast()
}

func (p *proxy) acceptLoop() {
	for {
		nc, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(nc) })
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	first := make([]byte, 64<<10)
	n, err := client.Read(first)
	if err != nil {
		return
	}
	isLine := bytes.Contains(first[:n], []byte("godwit-listener"))
	p.mu.Lock()
	target, refused := p.target, p.refused
	if isLine && p.lines != "" {
		target = p.lines
	}
	p.mu.Unlock()
	if refused {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		defer server.Close()
		if _, err := server.Write(first[:n]); err == nil {
			_, _ = io.Copy(server, client)
		}
	})
	p.answer(client, server, isLine)
	client.Close()
	server.Close()
	both.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// answer copies what the server says.
func (p *proxy) answer(client, server net.Conn, isLine bool) {
	b := make([]byte, 64<<10)
	for {
		p.mu.Lock()
		for (p.held || p.heldIn && isLine) && !p.refused {
			p.changed.Wait()
		}
		rewrite := p.rewrite
		p.mu.Unlock()
		n, err := server.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		for (p.held || p.heldIn && isLine) && !p.refused {
			p.changed.Wait()
		}
		p.mu.Unlock()
		text := b[:n]
		if rewrite[0] != "" {
			text = bytes.ReplaceAll(text, []byte(rewrite[0]), []byte(rewrite[1]))
		}
		if _, err := client.Write(text); err != nil {
			return
		}
	}
}
