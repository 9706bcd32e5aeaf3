package engine_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// stalled has begun a handshake and does not go on with it. What the server had
// to say to that has been read when it returns, so it has its place.
func stalled(t *testing.T, address string) *raw {
	t.Helper()
	c := connect(t, address)
	c.send(t, []byte(clientHello(t)))
	if _, err := c.r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	return c
}

// cut waits for the end, whatever it is.
func (c *raw) cut() { _, _ = io.Copy(io.Discard, c.r) }

// lives fails if the connection has ended.
func (c *raw) lives(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := io.Copy(io.Discard, c.r)
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Errorf("the connection has ended: %v", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
}

// When every place is taken by peers that do not go on, a waiting peer gets the
// place of the slowest, and nobody else is ended.
func TestTLSSlowPeersMakeRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for slow peers")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	j := newJournal()
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: 3, HandshakeTimeout: time.Hour, Log: j.logger()}
	address := startTLS(t, s, a.server(t))
	var slow []*raw
	for range s.TLSHandshakesMax {
		slow = append(slow, stalled(t, address))
	}
	upgradeTLS(t, address, a.client(), text("first")...).expect(t, wire.Text, "first")
	j.wait(t, "places for TLS handshakes are taken", "places=3")
	slow[0].cut()
	// Its place is free again, so the next need not wait, and nobody has to go.
	upgradeTLS(t, address, a.client(), text("second")...).expect(t, wire.Text, "second")
	for _, c := range slow[1:] {
		c.lives(t)
	}
	for want := (engine.HandshakeStats{Running: 2, Evicted: 1}); s.SharedStats().Handshakes != want; {
		next(t, time.After(time.Millisecond)) // the last one's goroutine is still at its end
	}
}

// A byte now and then does not keep a place.
func TestTLSDrippingPeersMakeRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for slow peers")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: 1, HandshakeTimeout: time.Hour}
	address := startTLS(t, s, a.server(t))
	drip := stalled(t, address)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		rest := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 16<<10)...) // a record of which little ever comes
		for _, b := range rest {
			if _, err := drip.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
	drip.cut()
	close(stop)
	<-stopped
}

// What this side needs for a handshake is not the peer's fault.
func TestTLSWorkKeepsItsPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for slow peers")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	certificate := a.certify(t, "a.example")
	began, finish := make(chan struct{}, 10), make(chan struct{})
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: 2, HandshakeTimeout: time.Hour}
	address := startTLS(t, s, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "slow.example" {
			began <- struct{}{}
			<-finish
		}
		return &certificate, nil
	}})
	working := make(chan error, 1)
	go func() {
		c, err := tls.Dial("tcp", address, &tls.Config{ServerName: "slow.example", InsecureSkipVerify: true})
		if err == nil {
			c.Close()
		}
		working <- err
	}()
	next(t, began) // before the other one
	slow := stalled(t, address)
	upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
	slow.cut()
	close(finish)
	if err := next(t, working); err != nil {
		t.Error(err)
	}
}

// A whole crowd of silent peers holds nobody up for longer than each of them may
// be slow: the peers behind them are served in their turn.
func TestTLSCrowdOfSlowPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("peers are slow for seconds in real time")
	}
	a := newAuthority(t)
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: 8, HandshakeTimeout: time.Hour}
	address := startTLS(t, s, a.server(t))
	hello := []byte(clientHello(t))
	var crowd []*raw
	for range 3 * s.TLSHandshakesMax {
		c := connect(t, address)
		c.send(t, hello)
		crowd = append(crowd, c)
	}
	for s.SharedStats().Handshakes.Waiting != 2*s.TLSHandshakesMax {
		next(t, time.After(time.Millisecond))
	}
	upgradeTLS(t, address, a.client(), text("behind")...).expect(t, wire.Text, "behind")
	for _, c := range crowd {
		c.Close()
	}
	for s.SharedStats().Handshakes.Running > 0 {
		next(t, time.After(time.Millisecond))
	}
	if got := s.SharedStats().Handshakes; got.Waiting != 0 || got.Evicted < uint64(s.TLSHandshakesMax) {
		t.Errorf("%+v", got)
	}
}

// A callback that ends its goroutine ends its connection, and not the place.
func TestTLSConfigEndsItsGoroutine(t *testing.T) {
	a := newAuthority(t)
	j := newJournal()
	certificate := a.certify(t, "a.example")
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: 1, HandshakeTimeout: time.Hour, Log: j.logger()}
	address := startTLS(t, s, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "goexit.example" {
			runtime.Goexit()
		}
		return &certificate, nil
	}})
	client := a.client()
	client.ServerName = "goexit.example"
	for range 3 {
		if _, err := tls.Dial("tcp", address, client); err == nil {
			t.Error("it is connected")
		}
		j.wait(t, "runtime.Goexit", "stack=")
	}
	upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
}
