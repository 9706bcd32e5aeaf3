package engine_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// site answers with what it was asked.
func site(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %q", r.Method, r.RequestURI, body)
}

func (c *raw) expectBody(t *testing.T, want string) {
	t.Helper()
	r := c.response(t)
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != want {
		t.Fatalf("got %q, %v; want %q", body, err, want)
	}
}

// A request that is no upgrade goes to HTTP, with what came behind it, and an upgrade
// may come later on the same connection.
func TestHTTPOnTheSamePort(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.HTTP = echo{}, http.HandlerFunc(site)
		address := start(t, s)

		c := connect(t, address)
		const post = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo"
		c.send(t, []byte("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"+post)) // pipelined, and cut in the content
		c.expectBody(t, `GET /a ""`)
		c.send(t, []byte("dy"))
		c.expectBody(t, `POST /b "body"`)
		c.send(t, append([]byte(opening), text("early")...))
		c.switched(t)
		c.expect(t, wire.Text, "early")
		c.send(t, closing(1000))
		c.closes(t, 1000)

		big := strings.Repeat("x", 300_000) // more than was read with the head
		r, err := http.Post("http://"+address+"/big", "text/plain", strings.NewReader(big))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(body) != fmt.Sprintf("POST /big %q", big) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		http.DefaultClient.CloseIdleConnections()

		c = connect(t, address)
		c.send(t, []byte("GET / HTTP/1.0\r\n\r\n"))
		c.expectBody(t, `GET / ""`)
		c.ends(t)
	})
}

// The requests that the engine's own parser refuses; the rows of the drivers have
// what is wrong with an opening handshake.
func TestRequestsThatAreRefused(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		address := start(t, s)
		for name, tt := range map[string]struct {
			request string
			status  int
		}{
			"HEAD":          {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
			"two hosts":     {strings.Replace(opening, "Upgrade:", "Host: y\r\nUpgrade:", 1), 400},
			"no host":       {strings.Replace(opening, "Host: x\r\n", "", 1), 400},
			"not HTTP":      {"\x16\x03\x01\x02\x00\x01\x00", 400},
			"smuggled":      {"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n", 426},
			"bare newlines": {"GET / HTTP/1.1\nHost: x\n\n", 400},
		} {
			c := connect(t, address)
			c.send(t, []byte(tt.request))
			method := "GET"
			if name == "HEAD" {
				method = "HEAD"
			}
			r, err := http.ReadResponse(c.r, &http.Request{Method: method})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			body, err := io.ReadAll(r.Body)
			if r.StatusCode != tt.status || !r.Close || err != nil || (len(body) == 0) != (method == "HEAD") {
				t.Errorf("%s: %v %q %v, want status %d and the end of the connection", name, r, body, err, tt.status)
			}
			c.ends(t)
		}
	})
}

func TestAdmit(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.HTTP = n, http.HandlerFunc(site)
		s.Admit = func(r *engine.Request) engine.Admission {
			switch r.Path() {
			case "/no":
				return engine.Admission{Status: 401, Reason: "who are you?", Header: http.Header{"Www-Authenticate": {"Basic"}, "Bad": {"a\r\nb: c"}}}
			case "/http":
				return engine.Admission{HTTP: true}
			}
			return engine.Admission{
				Header: http.Header{"Set-Cookie": {"a=b"}},
				Value:  fmt.Sprint(r.Path(), r.Query()["q"], r.Host(), r.Get("x-token"), r.Header()["X-Token"], r.RemoteAddr().IsValid(), r.Secure()),
			}
		}
		address := start(t, s)
		ask := func(path string) *raw {
			c := connect(t, address)
			c.send(t, []byte(strings.Replace(strings.Replace(opening, "/", path, 1), "Upgrade:", "X-Token: 1\r\nX-Token: 2\r\nUpgrade:", 1)))
			return c
		}
		// The same decisions about a first request and about one that net/http read.
		for _, begin := range []func(path string) *raw{ask, func(path string) *raw {
			c := connect(t, address)
			c.send(t, []byte("GET /first HTTP/1.1\r\nHost: x\r\n\r\n"))
			c.expectBody(t, `GET /first ""`)
			c.send(t, []byte(strings.Replace(strings.Replace(opening, "/", path, 1), "Upgrade:", "X-Token: 1\r\nX-Token: 2\r\nUpgrade:", 1)))
			return c
		}} {
			c := begin("/yes?q=1&q=2")
			r := c.response(t)
			if r.StatusCode != 101 || r.Header.Get("Set-Cookie") != "a=b" {
				t.Fatalf("%v", r)
			}
			if got := next(t, n.open).Value(); got != "/yes[1 2]x1[1 2] true false" {
				t.Errorf("Admit saw %v", got)
			}
			c = begin("/no")
			if r := c.response(t); r.StatusCode != 401 || r.Header.Get("Www-Authenticate") != "Basic" || r.Header.Get("Bad") != "" || !r.Close {
				t.Errorf("%v", r)
			}
			c = begin("/http")
			c.expectBody(t, `GET /http ""`)
		}
	})
}

// An upgrade from a handler of net/http, the engine's own server or another.
func TestUpgrade(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := s.Upgrade(w, r, engine.Admission{Handler: echo{}, Value: r.URL.Path}); err != nil {
				if _, ok := errors.AsType[*handshake.Fault](err); !ok {
					t.Error(err)
				}
			}
		})
		s.HTTP, s.Admit = handler, func(*engine.Request) engine.Admission { return engine.Admission{HTTP: true} }
		s.Options.Compression = &deflate.Options{}
		other := httptest.NewServer(handler)
		t.Cleanup(other.Close)
		for _, address := range []string{start(t, s), other.Listener.Addr().String()} {
			c := upgrade(t, address, text("early")...)
			c.expect(t, wire.Text, "early")
			c.send(t, closing(1000))
			c.closes(t, 1000)

			c = connect(t, address)
			c.send(t, []byte(strings.Replace(opening, ": 13", ": 12", 1)))
			if r := c.response(t); r.StatusCode != 426 || !r.Close {
				t.Errorf("%v", r)
			}

			z, _, err := ws.Dial(within(t), "ws://"+address, &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := z.Compression(); !ok {
				t.Error("it does not compress")
			}
			_ = z.Write(within(t), ws.MessageText, bytes.Repeat([]byte("again "), 100))
			if _, p, err := z.Read(within(t)); len(p) != 600 || err != nil {
				t.Errorf("%q %v", p, err)
			}
			_ = z.CloseNow()
		}
	})
}

func TestAdopt(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		start(t, s)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		c := connect(t, ln.Addr().String())
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := s.Adopt(nc, engine.Adoption{Early: text("early"), Subprotocol: "p", Value: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(engine.MessageText, []byte("at once")); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "at once")
		if got := next(t, n.message); got != "early" || conn.Subprotocol() != "p" || conn.Value() != 1 {
			t.Errorf("%q %q %v", got, conn.Subprotocol(), conn.Value())
		}
		if conn.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("remote %v", conn.RemoteAddr())
		}
		if _, err := s.Adopt(unused(), engine.Adoption{Compression: &deflate.Params{}}); err == nil {
			t.Error("a compressing connection was adopted by a server without compression")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if end := next(t, n.end); !errors.Is(end, net.ErrClosed) {
			t.Errorf("%+v", end)
		}
		if _, err := s.Adopt(unused(), engine.Adoption{}); err != engine.ErrServerClosed {
			t.Errorf("Adopt on a closed server: %v", err)
		}
	})
}

// unused is a connection that nothing comes of.
func unused() net.Conn {
	a, _ := net.Pipe()
	return a
}

// TLS goes through goroutines, and through everything else as it is.
func TestTLS(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", certificate.TLS)
	if err != nil {
		t.Fatal(err)
	}
	secure := make(chan bool, 1)
	s := &engine.Server{Handler: echo{}, HTTP: http.HandlerFunc(site), Admit: func(r *engine.Request) engine.Admission {
		secure <- r.Secure()
		return engine.Admission{}
	}}
	serve(t, s, ln)
	roots := certificate.Client().Transport.(*http.Transport).TLSClientConfig
	c, _, err := ws.Dial(within(t), "wss://"+ln.Addr().String(), &ws.DialOptions{TLSConfig: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if !next(t, secure) {
		t.Error("Secure is false")
	}

	// An upgrade behind another request, which net/http has read.
	nc, err := tls.Dial("tcp", ln.Addr().String(), roots)
	if err != nil {
		t.Fatal(err)
	}
	r := rawConn(t, nc)
	r.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r.expectBody(t, `GET / ""`)
	r.send(t, append([]byte(opening), text("early")...))
	r.switched(t)
	r.expect(t, wire.Text, "early")
	if !next(t, secure) {
		t.Error("Secure is false behind another request")
	}
	r.send(t, closing(1000))
	r.closes(t, 1000)

	message := bytes.Repeat([]byte("x"), 500_000)
	go func() { _ = c.Write(context.Background(), ws.MessageBinary, message) }()
	if _, p, err := c.Read(within(t)); err != nil || !bytes.Equal(p, message) {
		t.Errorf("%d bytes, %v", len(p), err)
	}
	if err := c.Close(ws.StatusNormal, ""); err != nil {
		t.Error(err)
	}
}

func TestUnixSocket(t *testing.T) {
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Skip("there are no Unix sockets:", err)
	}
	serve(t, &engine.Server{Handler: echo{}}, ln)
	nc, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := rawConn(t, nc)
	c.send(t, append([]byte(opening), text("hello")...))
	c.switched(t)
	c.expect(t, wire.Text, "hello")
}
