package loadgen

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/godwit-io/godwit/loadgen/internal/http1"
)

// poster publishes on a connection that is kept, one request at a time. It
// connects anew when the server has ended the connection. It is for one goroutine.
type poster struct {
	dialer  *httpDialer
	index   int
	request *publication
	buffer  []byte
	reader  http1.Reader
	again   int // how often it connected anew

	ctx      context.Context // that the connection ends with
	stop     func() bool     // ends that
	deadline time.Time       // of the connection

	mu   sync.Mutex // guards conn, as others may end it
	conn net.Conn   // nil: none
}

const posterBytes = 4 << 10

func (o *Options) newPoster(d *httpDialer, index int, p *payloads) (*poster, error) {
	request, err := o.publication(o.Publishing.URL, p)
	if err != nil {
		return nil, err
	}
	return &poster{dialer: d, index: index, request: request, buffer: make([]byte, posterBytes)}, nil
}

// post publishes what has been written to the request, and returns when the
// answer is there. A *statusError is an answer other than 2xx.
func (p *poster) post(ctx context.Context) error {
	if p.ctx != ctx { // a lasting context: its cost is not paid for each request
		p.leave()
		p.ctx, p.stop = ctx, context.AfterFunc(ctx, p.close)
	}
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	if now := time.Now(); p.deadline.Sub(now) < p.dialer.timeout {
		p.deadline = now.Add(p.dialer.timeout + p.dialer.timeout/4)
		_ = conn.SetDeadline(p.deadline)
	}
	if _, err := conn.Write(p.request.bytes); err != nil {
		p.close()
		return err
	}
	closes, err := exchange(conn, &p.reader, p.buffer)
	if closes {
		p.close()
		p.again++
	}
	return err
}

// connect returns the connection, and opens it if there is none.
func (p *poster) connect(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	limit, cancel := context.WithTimeout(ctx, p.dialer.timeout)
	defer cancel()
	conn, err := p.dialer.dial(limit, p.index)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		_ = conn.Close()
		return nil, ctx.Err()
	}
	p.conn, p.reader, p.deadline = conn, http1.Reader{}, time.Time{}
	return conn, nil
}

// leave ends the bond with a context.
func (p *poster) leave() {
	if p.stop != nil {
		p.stop()
	}
}

// close ends the connection. Any goroutine may call it.
func (p *poster) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}
