package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

func echoes(t *testing.T, conn *ws.Conn) {
	t.Helper()
	if err := conn.Write(background, ws.MessageText, []byte("ping pong")); err != nil {
		t.Fatal(err)
	}
	read(t, conn, ws.MessageText, "ping pong")
}

func roots(s *httptest.Server) *tls.Config {
	return s.Client().Transport.(*http.Transport).TLSClientConfig
}

func TestDialFollowsRedirects(t *testing.T) {
	var mu sync.Mutex
	var seen http.Header
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = r.Header.Clone()
		mu.Unlock()
		echo(nil).ServeHTTP(w, r)
	}), false)
	var s *httptest.Server
	s = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
		case "/near":
			http.Redirect(w, r, "/here?x=1", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusMovedPermanently)
		case "/nowhere":
			w.Header().Set("Location", "ftp://example.com/")
			w.WriteHeader(http.StatusFound)
		case "/here":
			mu.Lock()
			seen = r.Header.Clone()
			mu.Unlock()
			echo(nil).ServeHTTP(w, r)
		}
	}), false)
	header := http.Header{"Authorization": {"Bearer secret"}, "Cookie": {"id=1"}, "X-Other": {"kept"}}

	conn := dial(t, s.URL+"/near", &ws.DialOptions{Header: header})
	echoes(t, conn)
	mu.Lock()
	if seen.Get("Authorization") == "" || seen.Get("Cookie") == "" {
		t.Errorf("credentials were lost on the way to the same origin: %v", seen)
	}
	mu.Unlock()

	conn = dial(t, s.URL+"/away", &ws.DialOptions{Header: header})
	echoes(t, conn)
	mu.Lock()
	if seen.Get("Authorization") != "" || seen.Get("Cookie") != "" || seen.Get("X-Other") != "kept" {
		t.Errorf("another origin was sent %v", seen)
	}
	mu.Unlock()
	if header.Get("Authorization") == "" {
		t.Error("the caller's header was changed")
	}

	// A password in the URL stays with its origin, too.
	withUser := strings.Replace(s.URL, "http://", "http://ada:secret@", 1)
	conn = dial(t, withUser+"/away", nil)
	echoes(t, conn)
	mu.Lock()
	if seen.Get("Authorization") != "" {
		t.Errorf("another origin was sent %v", seen)
	}
	mu.Unlock()
	conn = dial(t, withUser+"/near", nil)
	echoes(t, conn)
	mu.Lock()
	if r := (&http.Request{Header: seen}); true {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "secret" {
			t.Errorf("basic auth %q %q", user, password)
		}
	}
	mu.Unlock()

	if _, _, err := ws.Dial(background, s.URL+"/loop", nil); err == nil || !strings.Contains(err.Error(), "more than 10 redirects") {
		t.Errorf("loop: %v", err)
	}
	if _, _, err := ws.Dial(background, s.URL+"/nowhere", nil); !errors.Is(err, ws.ErrURL) {
		t.Errorf("ftp: %v", err)
	}
	_, response, err := ws.Dial(background, s.URL+"/away", &ws.DialOptions{RedirectsMax: ws.NoRedirects})
	if e, ok := errors.AsType[*handshake.ResponseError](err); !ok || e.Status != 307 || response.Header.Get("Location") == "" {
		t.Errorf("not following: %v", err)
	}
}

func TestDialNeverLeavesTLS(t *testing.T) {
	plain := serve(t, echo(nil), false)
	s := serve(t, http.RedirectHandler(plain.URL, http.StatusFound), true)
	_, _, err := ws.Dial(background, s.URL, &ws.DialOptions{TLSConfig: roots(s)})
	if err == nil || !strings.Contains(err.Error(), "from wss to ws refused") {
		t.Errorf("got %v", err)
	}
}

func TestDialKeepsCookies(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got []string
		for _, c := range r.Cookies() {
			got = append(got, c.String())
		}
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Header: http.Header{"Set-Cookie": {"session=42; HttpOnly"}}})
		if err != nil {
			return
		}
		conn.Write(background, ws.MessageText, []byte(strings.Join(got, " ")))
		conn.Close(ws.StatusNormal, "")
	}), false)
	jar, _ := cookiejar.New(nil)
	read(t, dial(t, s.URL, &ws.DialOptions{Jar: jar}), ws.MessageText, "")
	read(t, dial(t, s.URL, &ws.DialOptions{Jar: jar}), ws.MessageText, "session=42")
}

// connectProxy is the least that an HTTP proxy has to do, and what can go wrong.
func connectProxy(t *testing.T, secure bool, answer func(r *http.Request) int) (*httptest.Server, *[]string) {
	t.Helper()
	var mu sync.Mutex
	targets := &[]string{}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		*targets = append(*targets, r.Method+" "+r.Host)
		mu.Unlock()
		if status := answer(r); status != 200 {
			w.WriteHeader(status)
			return
		}
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(502)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { io.Copy(out, in); out.Close() }()
		io.Copy(in, out)
		in.Close()
	}), secure), targets
}

func through(t *testing.T, proxy string) func(*http.Request) (*url.URL, error) {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	return http.ProxyURL(u)
}

func TestDialThroughAnHTTPProxy(t *testing.T) {
	plain, secure := serve(t, echo(nil), false), serve(t, echo(nil), true)
	for _, secureProxy := range []bool{false, true} {
		proxy, targets := connectProxy(t, secureProxy, func(r *http.Request) int {
			user, password, ok := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
			if !ok || user != "ada" || password != "p:w" {
				return 407
			}
			return 200
		})
		o := &ws.DialOptions{TLSConfig: roots(secure), ProxyTLSConfig: roots(proxyOr(proxy, secure, secureProxy))}
		o.Proxy = through(t, strings.Replace(proxy.URL, "://", "://ada:p%3Aw@", 1))
		echoes(t, dial(t, plain.URL, o))
		echoes(t, dial(t, secure.URL, o))
		if want := "CONNECT " + plain.Listener.Addr().String(); len(*targets) != 2 || (*targets)[0] != want {
			t.Errorf("the proxy was asked for %q", *targets)
		}
		o.Proxy = through(t, proxy.URL)
		if _, _, err := ws.Dial(background, plain.URL, o); err == nil || !strings.Contains(err.Error(), "407") {
			t.Errorf("without a password: %v", err)
		}
	}
	// The certificate is verified behind the proxy, too.
	proxy, _ := connectProxy(t, false, func(*http.Request) int { return 200 })
	if _, _, err := ws.Dial(background, secure.URL, &ws.DialOptions{Proxy: through(t, proxy.URL)}); err == nil {
		t.Error("an unknown certificate was accepted behind the proxy")
	}
	if _, _, err := ws.Dial(background, plain.URL, &ws.DialOptions{Proxy: through(t, "gopher://127.0.0.1:1")}); err == nil || !strings.Contains(err.Error(), "gopher") {
		t.Errorf("got %v", err)
	}
}

func proxyOr(proxy, other *httptest.Server, secure bool) *httptest.Server {
	if secure {
		return proxy
	}
	return other
}

func TestDialUsesTheEnvironmentsProxyByDefault(t *testing.T) {
	// ProxyFromEnvironment reads the environment once for each process, so a
	// process of its own is asked.
	if os.Getenv("GODWIT_TEST_PROXY_CHILD") != "" {
		_, _, err := ws.Dial(background, "ws://example.invalid/", nil)
		fmt.Println(err)
		return
	}
	proxy, targets := connectProxy(t, false, func(*http.Request) int { return 418 })
	cmd := exec.Command(os.Args[0], "-test.run", "^TestDialUsesTheEnvironmentsProxyByDefault$")
	cmd.Env = append(os.Environ(), "GODWIT_TEST_PROXY_CHILD=1", "HTTP_PROXY="+proxy.URL, "http_proxy=", "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "418") || len(*targets) != 1 || (*targets)[0] != "CONNECT example.invalid:80" {
		t.Errorf("%v, %s, asked for %q", err, out, *targets)
	}
}

func TestDialObeysItsContextAtAProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, scheme := range []string{"http", "socks5"} {
		ctx, cancel := context.WithCancel(background)
		accepted := make(chan struct{})
		go func() {
			nc, err := l.Accept()
			if err == nil {
				bufio.NewReader(nc).ReadByte() // it has been asked
				cancel()
				<-accepted
				nc.Close()
			}
		}()
		_, _, err := ws.Dial(ctx, "ws://example.invalid/", &ws.DialOptions{Proxy: through(t, scheme+"://"+l.Addr().String())})
		if err == nil || ctx.Err() == nil {
			t.Errorf("%s: %v", scheme, err)
		}
		close(accepted)
		cancel()
	}
}

// program starts one of the system's programs, or skips.
func program(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatalf("%s is not installed, and GODWIT_REQUIRE_ALL is set", name)
		}
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// freePort returns a port that was free a moment ago: these programs cannot
// choose one themselves.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// whenItListens dials until the program is there.
func whenItListens(t *testing.T, port string) {
	t.Helper()
	for range 2000 {
		nc, err := new(net.Dialer).Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			nc.Close()
			return
		}
		// Failing to connect to loopback takes no time: give the program the core.
		cmd := exec.Command("true")
		_ = cmd.Run()
	}
	t.Fatal("it does not listen")
}

func TestDialThroughTinyproxy(t *testing.T) {
	port := freePort(t)
	config := filepath.Join(t.TempDir(), "tinyproxy.conf")
	text := "Port " + port + "\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth ada secret\nLogLevel Critical\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "tinyproxy", "-d", "-c", config)
	whenItListens(t, port)
	plain, secure := serve(t, echo(nil), false), serve(t, echo(nil), true)
	o := &ws.DialOptions{TLSConfig: roots(secure), Proxy: through(t, "http://ada:secret@127.0.0.1:"+port)}
	echoes(t, dial(t, plain.URL, o))
	echoes(t, dial(t, secure.URL, o))
	o.Proxy = through(t, "http://ada:wrong@127.0.0.1:"+port)
	if _, _, err := ws.Dial(background, plain.URL, o); err == nil {
		t.Error("a wrong password was accepted")
	}
}

func TestDialThroughSOCKS(t *testing.T) {
	port := freePort(t)
	program(t, "microsocks", "-i", "127.0.0.1", "-p", port, "-u", "ada", "-P", "secret")
	whenItListens(t, port)
	plain, secure := serve(t, echo(nil), false), serve(t, echo(nil), true)
	o := &ws.DialOptions{TLSConfig: roots(secure), Proxy: through(t, "socks5://ada:secret@127.0.0.1:"+port)}
	echoes(t, dial(t, plain.URL, o))
	echoes(t, dial(t, secure.URL, o))
	o.Proxy = through(t, "socks5://ada:wrong@127.0.0.1:"+port)
	if _, _, err := ws.Dial(background, plain.URL, o); err == nil {
		t.Error("a wrong password was accepted")
	}
}
