package engine_test

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/godwit-io/godwit/engine"
)

// BenchmarkAccept opens connections, makes a WebSocket of each, and ends it.
func BenchmarkAccept(b *testing.B) {
	s := &engine.Server{Handler: echo{}}
	benchmarkConnections(b, start(b, s), func(address string) (net.Conn, error) { return net.Dial("tcp", address) })
}

// BenchmarkTLSHandshake is BenchmarkAccept over TLS; no session is resumed.
func BenchmarkTLSHandshake(b *testing.B) {
	a := newAuthority(b)
	s := &engine.Server{Handler: echo{}}
	config := a.client()
	benchmarkConnections(b, startTLS(b, s, a.server(b)), func(address string) (net.Conn, error) { return tls.Dial("tcp", address, config) })
}

func benchmarkConnections(b *testing.B, address string, dial func(address string) (net.Conn, error)) {
	b.RunParallel(func(p *testing.PB) {
		answer := make([]byte, 4096)
		for p.Next() {
			c, err := dial(address)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := c.Write([]byte(opening)); err != nil {
				b.Error(err)
			}
			if _, err := c.Read(answer); err != nil {
				b.Error(err)
			}
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // no ports that wait
			} else {
				_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conns/s")
}
