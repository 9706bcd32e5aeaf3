//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The cookies that a login over HTTP has set are sent with the handshake.
func ExampleDialOptions_jar() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "42"})
	})
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err != nil {
			w.Header().Set("Connection", "close")
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.Write(r.Context(), ws.MessageText, []byte("session "+cookie.Value))
		conn.Close(ws.StatusNormal, "")
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	response, err := browser.Post(server.URL+"/login", "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	response.Body.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL+"/live", &ws.DialOptions{Jar: jar})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output: session 42 <nil>
}

// User and password in the URL become basic authentication, and are not sent on
// to another origin by a redirect.
func ExampleDial_basicAuth() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "ada" || password != "p:w" {
			w.Header().Set("Connection", "close")
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		echo(nil).ServeHTTP(w, r)
	}))
	defer server.Close()

	u, _ := url.Parse(server.URL)
	u.User = url.UserPassword("ada", "p:w")
	conn, response, err := ws.Dial(context.Background(), u.String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	fmt.Println(response.Status)
	// Output: 101 Switching Protocols
}

// What a server says when it refuses is in the response, whose body is there
// until it is read and need not be closed.
func ExampleDial_refused() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "the channel is full", http.StatusServiceUnavailable)
	}))
	defer server.Close()

	_, response, err := ws.Dial(context.Background(), server.URL, nil)
	if refusal, ok := errors.AsType[*handshake.ResponseError](err); ok {
		body, _ := io.ReadAll(response.Body)
		fmt.Println(refusal.Status, strings.TrimSpace(string(body)))
	}
	// Output: 503 the channel is full
}

// Redirects are followed as for a fetch: ten at most, never from wss to ws, and
// without Authorization and Cookie to another origin.
func ExampleDialOptions_redirectsMax() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
			return
		}
		echo(nil).ServeHTTP(w, r)
	}))
	defer server.Close()

	ctx := context.Background()
	conn, response, err := ws.Dial(ctx, server.URL+"/old", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Close(ws.StatusNormal, "")
	fmt.Println(response.Status)

	_, response, err = ws.Dial(ctx, server.URL+"/old", &ws.DialOptions{RedirectsMax: ws.NoRedirects})
	fmt.Println(response.Status, response.Header.Get("Location"), err != nil)
	// Output:
	// 101 Switching Protocols
	// 308 Permanent Redirect /new true
}

// tunnel is the least that an HTTP proxy does: it connects to where CONNECT says.
func tunnel(w http.ResponseWriter, r *http.Request) {
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, "no way there", http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	fmt.Fprint(in, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(in, out)
}

// A proxy of one's own: http:// or https:// with CONNECT, or socks5://, each with
// a user and a password if it wants them. By default the proxy is that of the
// environment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func ExampleDialOptions_proxy() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.Header.Get("Proxy-Authorization"))
		tunnel(w, r)
	}))
	defer through.Close()

	proxy, _ := url.Parse(through.URL) // "socks5://ada:secret@proxy.example.com:1080", say
	proxy.User = url.UserPassword("ada", "secret")
	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, &ws.DialOptions{Proxy: http.ProxyURL(proxy)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	conn.Write(ctx, ws.MessageText, []byte("through a tunnel"))
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output:
	// CONNECT Basic YWRhOnNlY3JldA==
	// through a tunnel <nil>
}

// No proxy, whatever the environment says.
func ExampleDialOptions_noProxy() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()

	conn, _, err := ws.Dial(context.Background(), server.URL, &ws.DialOptions{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(conn.Close(ws.StatusNormal, ""))
	// Output: <nil>
}

// A server with a certificate of its own authority. ClientAuth, client
// certificates and the rest of crypto/tls work as they do for HTTPS.
func ExampleDialOptions_tls() {
	server := httptest.NewTLSServer(echo(nil))
	defer server.Close()

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	conn, _, err := ws.Dial(context.Background(), server.URL, &ws.DialOptions{
		TLSConfig: &tls.Config{RootCAs: roots},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	state := conn.NetConn().(*tls.Conn).ConnectionState()
	fmt.Println(tls.VersionName(state.Version))
	// Output: TLS 1.3
}

// Any stream can carry the connection: here a Unix socket.
func ExampleDialOptions_netDial() {
	dir, err := os.MkdirTemp("", "ws")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: echo(nil)}
	go server.Serve(listener)
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, "ws://localhost/", &ws.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	conn.Write(ctx, ws.MessageText, []byte("over a Unix socket"))
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output: over a Unix socket <nil>
}

// Both sides have to want compression. What was agreed on can be asked.
func ExampleOptions_compression() {
	// A server of many connections that say little: nothing is kept for a
	// connection between its messages.
	server := httptest.NewServer(echo(&ws.AcceptOptions{Options: ws.Options{
		Compression: &deflate.Options{ServerNoContextTakeover: true, ClientNoContextTakeover: true},
	}}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, &ws.DialOptions{Options: ws.Options{
		Compression: &deflate.Options{},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	params, ok := conn.Compression()
	fmt.Println(ok, params.ServerNoContextTakeover, params.ServerMaxWindowBits)

	conn.Write(ctx, ws.MessageText, []byte(strings.Repeat("again and ", 100)))
	_, message, err := conn.Read(ctx)
	fmt.Println(len(message), err)
	// Output:
	// true true 15
	// 1000 <nil>
}
