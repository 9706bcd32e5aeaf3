package engine_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestTLSNeedsACertificate(t *testing.T) {
	for _, config := range []*tls.Config{nil, {}} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := (&engine.Server{Handler: echo{}}).ServeTLS(ln, config); err == nil || err == engine.ErrServerClosed {
			t.Errorf("got %v", err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
	}
}

func TestTLSVersionsAndResumption(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = panics{n, ""}
		address := startTLS(t, s, a.server(t))
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := a.client()
			config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			for _, resumed := range []bool{false, true} {
				c := upgradeTLS(t, address, config, text("hello")...)
				c.expect(t, wire.Text, "hello")
				if state := c.tls(); state.Version != version || state.DidResume != resumed {
					t.Errorf("version %x, resumed %v", state.Version, state.DidResume)
				}
				if state := next(t, n.open).ConnectionState(); state == nil || state.DidResume != resumed {
					t.Errorf("the server says %+v", state)
				}
				c.send(t, closing(1000))
				c.closes(t, 1000)
			}
		}
	})
}

func TestTLSNames(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		names := make(chan string, 10)
		s.Admit = func(r *engine.Request) engine.Admission {
			names <- r.ConnectionState().ServerName
			return engine.Admission{}
		}
		b, c := a.certify(t, "b.example"), a.certify(t, "c.example")
		config := &tls.Config{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName == "b.example" && hello.Conn.RemoteAddr() != nil && hello.Conn.LocalAddr() != nil {
					return &b, nil
				}
				return nil, errors.New("no such name")
			},
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if hello.ServerName == "c.example" {
					return &tls.Config{Certificates: []tls.Certificate{c}}, nil
				}
				return nil, nil
			},
		}
		address := startTLS(t, s, config)
		for _, name := range []string{"b.example", "c.example"} {
			client := a.client()
			client.ServerName = name // the client checks that the certificate is for it
			upgradeTLS(t, address, client)
			if got := next(t, names); got != name {
				t.Errorf("the server was asked for %q", got)
			}
		}
		client := a.client()
		client.ServerName = "d.example"
		if _, err := tls.Dial("tcp", address, client); err == nil || !strings.Contains(err.Error(), "remote error") {
			t.Errorf("an unknown name: %v", err)
		}
	})
}

func TestTLSClientCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		s.Admit = func(r *engine.Request) engine.Admission {
			return engine.Admission{Value: r.ConnectionState().PeerCertificates[0].Subject.CommonName}
		}
		config := a.server(t)
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, a.pool
		address := startTLS(t, s, config)
		client := a.client()
		client.Certificates = []tls.Certificate{a.certify(t, "ann")}
		upgradeTLS(t, address, client)
		conn := next(t, n.open)
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; conn.Value() != "ann" || got != "ann" {
			t.Errorf("%v %v", conn.Value(), got)
		}
		for name, certificates := range map[string][]tls.Certificate{"none": nil, "another authority's": {other.certify(t, "eve")}} {
			client := a.client()
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if certificates == nil {
					return new(tls.Certificate), nil
				}
				return &certificates[0], nil
			}
			c := connectTLS(t, address, client) // the client's part is done before it is judged
			_, err := io.ReadAll(c.r)
			if err == nil || !strings.Contains(err.Error(), "remote error: tls") {
				t.Errorf("%s: %v, want an alert", name, err)
			}
		}
	})
}

// A client that does not trust the certificate goes; the server goes on.
func TestTLSWrongCertificate(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		address := startTLS(t, s, a.server(t))
		for range 3 {
			if _, err := tls.Dial("tcp", address, other.client()); err == nil {
				t.Fatal("the certificate was accepted")
			}
		}
		client := a.client()
		client.MaxVersion = tls.VersionTLS12
		client.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA} // nothing in common
		if _, err := tls.Dial("tcp", address, client); err == nil || !strings.Contains(err.Error(), "handshake failure") {
			t.Errorf("got %v", err)
		}
		upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
	})
}

func TestTLSProtocols(t *testing.T) {
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		config := a.server(t)
		config.NextProtos = []string{"h2"} // there is nobody to serve it
		address := startTLS(t, s, config)
		if len(config.NextProtos) != 1 {
			t.Errorf("the caller's configuration has %q", config.NextProtos)
		}
		client := a.client()
		client.NextProtos = []string{"h2", "http/1.1"}
		if got := upgradeTLS(t, address, client).tls().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("%q was agreed on", got)
		}
		client.NextProtos = []string{"h2"}
		if _, err := tls.Dial("tcp", address, client); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("h2 alone: %v", err)
		}
	})
}

// A client that speaks HTTP to a port of TLS is told so; one that speaks something else, too.
func TestTLSStrangers(t *testing.T) {
	a := newAuthority(t)
	address := startTLS(t, &engine.Server{Handler: echo{}}, a.server(t))
	for _, input := range []string{opening, "\x80\x2e\x01", "\x00"} {
		c := connect(t, address)
		c.send(t, []byte(input))
		r := c.response(t)
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode != 400 || !r.Close || !strings.Contains(string(body), "wss") {
			t.Errorf("%q: %v %q", input, r, body)
		}
		c.ends(t)
	}
	for _, input := range []string{"\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x04\x01\xff\xff\xff"} {
		c := connect(t, address)
		c.send(t, []byte(input))
		head := make([]byte, 5)
		if _, err := io.ReadFull(c.r, head); err != nil || head[0] != 21 {
			t.Errorf("%q is answered with %q, %v; want an alert", input, head, err)
		}
	}
}

// However far a handshake came, it is cut when its time is over.
func TestTLSHandshakeTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a timeout")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.HandshakeTimeout = echo{}, 100*time.Millisecond
		address := startTLS(t, s, a.server(t))
		hello := clientHello(t)
		for name, input := range map[string]string{"nothing": "", "a part of ClientHello": hello[:100], "ClientHello": hello} {
			began := time.Now() // the server's time begins within connect
			c := connect(t, address)
			c.send(t, []byte(input))
			for err := error(nil); err == nil; {
				_, err = c.r.ReadByte() // the server's flight, and then the end
			}
			if took := time.Since(began); took < s.HandshakeTimeout-tick {
				t.Errorf("%s: cut after %v", name, took)
			}
		}
		for s.Len() > 0 {
			next(t, time.After(time.Millisecond)) // the client sees the end first
		}
	})
}

// The same time is over for a client whose handshake succeeds and that then asks for nothing.
func TestTLSSilenceBehindHandshake(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a timeout")
	}
	t.Parallel() // it waits for time to pass
	a := newAuthority(t)
	for name, set := range map[string]func(*engine.Server){"system": func(*engine.Server) {}, "streams": (*engine.Server).UseStreams} {
		t.Run(name, func(t *testing.T) {
			// How long a handshake takes is the machine's affair. One that was cut shows nothing.
			for timeout := 100 * time.Millisecond; !endsInSilence(t, a, set, timeout); timeout *= 2 {
				if timeout > patience {
					t.Fatalf("no handshake succeeds in %v", timeout)
				}
			}
		})
	}
}

// endsInSilence reports whether the handshake succeeded within timeout.
func endsInSilence(t *testing.T, a *authority, set func(*engine.Server), timeout time.Duration) bool {
	t.Helper()
	s := &engine.Server{Handler: echo{}, HandshakeTimeout: timeout}
	set(s)
	address := startTLS(t, s, a.server(t))
	began := time.Now() // the server's time begins within Dial
	c, err := tls.Dial("tcp", address, a.client())
	if err == nil {
		var b []byte
		b, err = io.ReadAll(rawConn(t, c).r)
		if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %q and %v where the end was expected", b, err)
		}
	}
	if took := time.Since(began); took < timeout-tick {
		t.Errorf("cut after %v of %v: %v", took, timeout, err)
	}
	for s.Len() > 0 {
		next(t, time.After(time.Millisecond)) // the client sees the end first
	}
	return err == nil
}

// clientHello is a whole one.
func clientHello(t *testing.T) string {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: "a.example"}).Handshake()
		client.Close()
	}()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// More handshakes than there may be at a time wait for their turn, and clients that
// give up waiting are forgotten.
func TestTLSHandshakesMax(t *testing.T) {
	a := newAuthority(t)
	const limit, clients = 2, 10
	s := &engine.Server{Handler: echo{}, TLSHandshakesMax: limit, HandshakeTimeout: time.Hour}
	certificate := a.certify(t, "a.example")
	var running, most atomic.Int32
	var gate atomic.Pointer[chan struct{}]
	shut := make(chan struct{})
	gate.Store(&shut)
	entered := make(chan struct{}, 100)
	address := startTLS(t, s, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		entered <- struct{}{}
		<-*gate.Load()
		return &certificate, nil
	}})
	waiting := func(n int) {
		for s.SharedStats().Handshakes.Waiting != n {
			next(t, time.After(time.Millisecond))
		}
	}
	results := make(chan error, clients)
	for range clients {
		go func() {
			c, err := tls.Dial("tcp", address, a.client())
			if err == nil {
				c.Close()
			}
			results <- err
		}()
	}
	waiting(clients - limit)
	hello := clientHello(t)
	gone := connect(t, address)
	gone.send(t, []byte(hello))
	waiting(clients - limit + 1)
	gone.Close()
	waiting(clients - limit)
	next(t, entered)
	next(t, entered)
	if len(entered) > 0 {
		t.Error("more have begun than may")
	}
	close(shut)
	for range clients {
		if err := next(t, results); err != nil {
			t.Error(err)
		}
	}
	if most.Load() != limit {
		t.Errorf("%d at a time, the limit is %d", most.Load(), limit)
	}
	waiting(0)
}

// The context of a handshake ends with its connection, and so does a server
// with handshakes under way.
func TestTLSHandshakeIsCancelled(t *testing.T) {
	s := &engine.Server{Handler: echo{}}
	began, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	address := startTLS(t, s, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		began <- struct{}{}
		<-hello.Context().Done()
		ended <- struct{}{}
		return nil, hello.Context().Err()
	}})
	hello := clientHello(t)
	c := connect(t, address)
	c.send(t, []byte(hello))
	next(t, began)
	c.Close()
	next(t, ended)
	connect(t, address).send(t, []byte(hello))
	next(t, began)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	next(t, ended)
}

func TestTLSConfigPanics(t *testing.T) {
	a := newAuthority(t)
	j := newJournal()
	s := &engine.Server{Handler: echo{}, Log: j.logger()}
	certificate := a.certify(t, "a.example")
	address := startTLS(t, s, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "panic.example" {
			panic("in GetCertificate")
		}
		return &certificate, nil
	}})
	client := a.client()
	client.ServerName = "panic.example"
	if _, err := tls.Dial("tcp", address, client); err == nil {
		t.Error("it is connected")
	}
	j.wait(t, "in GetCertificate", "stack=")
	upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
}
