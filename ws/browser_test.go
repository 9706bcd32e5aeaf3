//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// TestBrowser runs testdata/browser, built for GOOS=js, in a page of Chromium
// against a server on this package. Each scenario is a function there.
func TestBrowser(t *testing.T) {
	chromium := chromiumtest.Start(t)
	files := t.TempDir()
	buildPage(t, filepath.Join(files, "main.wasm"), nil, "./testdata/browser")
	copyFile(t, filepath.Join("testdata", "browser", "index.html"), files)
	copyFile(t, wasmExec(t), files)
	s := newPageServer(t, files)

	page := openPage(t, chromium, s.http.URL)
	page.until(`typeof scenario === "function"`)
	names := evaluate[[]string](page, `scenarios()`)
	slices.Sort(names)
	if len(names) < 20 {
		t.Fatalf("the page has the scenarios %q", names)
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(page.ctx, 2*time.Minute)
			defer cancel()
			expression := fmt.Sprintf("scenario(%q, %q, %q)", name, "ws"+strings.TrimPrefix(s.http.URL, "http"), s.closed)
			faults, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
			if err != nil {
				page.dead = true
				t.Fatalf("%v\n%s", err, page.said())
			}
			if faults != "" {
				t.Error(faults)
			}
		})
		if page.dead {
			break // and so would be what follows
		}
	}
}

// --- the server ---

// pageServer serves the page and what it connects to.
type pageServer struct {
	t      *testing.T
	http   *httptest.Server
	closed string        // the URL of a port where nobody listens
	stop   chan struct{} // ends handlers that wait for nothing else

	mu     sync.Mutex
	ended  map[string]chan string   // how connections ended, by id
	listen map[string]chan struct{} // tells a deaf handler to read
	visits map[string]int
}

func newPageServer(t *testing.T, files string) *pageServer {
	s := &pageServer{t: t, stop: make(chan struct{}), ended: map[string]chan string{}, listen: map[string]chan struct{}{}, visits: map[string]int{}}
	gone := httptest.NewServer(http.NotFoundHandler())
	s.closed = "ws" + strings.TrimPrefix(gone.URL, "http")
	gone.Close()

	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(files)))
	mux.HandleFunc("/echo", s.echo)
	mux.HandleFunc("/burst", s.burst)
	mux.HandleFunc("/close", s.close)
	mux.HandleFunc("/drop", s.drop)
	mux.HandleFunc("/deaf", s.deaf)
	mux.HandleFunc("/sip", s.sip)
	mux.HandleFunc("/visits", s.visit)
	mux.HandleFunc("/seen", s.seen)
	mux.HandleFunc("/listen", s.hear)
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-s.stop:
		}
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(number(r.URL.Query(), "status")) })
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	t.Cleanup(func() { close(s.stop) })
	return s
}

func number(q url.Values, name string) int {
	n, _ := strconv.Atoi(q.Get(name))
	return n
}

// accept ends the connection with the test at the latest.
func (s *pageServer) accept(w http.ResponseWriter, r *http.Request) (context.Context, *ws.Conn) {
	q := r.URL.Query()
	o := &ws.AcceptOptions{Options: ws.Options{MessageBytesMax: 4 << 20, WriteTimeout: time.Minute}, Subprotocols: q["protocol"]}
	if q.Has("compress") {
		o.Compression = &deflate.Options{}
	}
	if bits := number(q, "bits"); bits > 0 {
		*o.Compression = deflate.Options{ServerMaxWindowBits: bits, ClientMaxWindowBits: bits, ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	}
	conn, err := ws.Accept(w, r, o)
	if err != nil {
		s.t.Errorf("%s: %v", r.URL, err)
		return nil, nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer cancel()
		select {
		case <-s.stop:
			conn.CloseNow()
		case <-conn.Done():
		}
	}()
	return ctx, conn
}

func of[T any](s *pageServer, m map[string]chan T, id string) chan T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m[id] == nil {
		m[id] = make(chan T, 1)
	}
	return m[id]
}

// record notes how a connection has ended.
func (s *pageServer) record(r *http.Request, err error, more string) {
	if e, ok := errors.AsType[*ws.CloseError](err); ok {
		select {
		case of(s, s.ended, r.URL.Query().Get("id")) <- fmt.Sprintf("%d %s%s", e.Code, e.Reason, more):
		default:
		}
	}
}

func (s *pageServer) echo(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	for {
		typ, message, err := conn.Read(ctx)
		if err == nil {
			err = conn.Write(ctx, typ, message)
		}
		if err != nil {
			s.record(r, conn.Err(), "")
			return
		}
	}
}

// burst sends count messages of size bytes, each filled with its number.
func (s *pageServer) burst(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	message := make([]byte, number(r.URL.Query(), "size"))
	go func() {
		for i := range number(r.URL.Query(), "count") {
			for j := range message {
				message[j] = byte(i)
			}
			if conn.Write(ctx, ws.MessageBinary, message) != nil {
				return
			}
		}
	}()
	_, _, err := conn.Read(ctx)
	s.record(r, err, "")
}

func (s *pageServer) close(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	conn.Write(ctx, ws.MessageText, []byte("one"))
	conn.Write(ctx, ws.MessageText, []byte("two"))
	conn.Close(ws.StatusCode(number(r.URL.Query(), "code")), r.URL.Query().Get("reason"))
	s.record(r, conn.Err(), "")
}

// drop cuts the connection without a word.
func (s *pageServer) drop(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	conn.Write(ctx, ws.MessageText, []byte("one"))
	conn.Write(ctx, ws.MessageText, []byte("two"))
	conn.CloseNow()
}

// deaf reads nothing until it is told to.
func (s *pageServer) deaf(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	select {
	case <-of(s, s.listen, r.URL.Query().Get("id")):
	case <-ctx.Done():
		return
	}
	total := 0
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			s.record(r, err, fmt.Sprintf(" after %d", total))
			return
		}
		total += len(message)
	}
}

// sip reads a little at a time.
func (s *pageServer) sip(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return
		}
		<-ticker.C
	}
}

// visit refuses the second visitor and drops the first and the third.
func (s *pageServer) visit(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	s.mu.Lock()
	s.visits[id]++
	n := s.visits[id]
	s.mu.Unlock()
	if n == 2 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	conn.Write(ctx, ws.MessageText, fmt.Appendf(nil, "visit %d", n))
	if n < 4 {
		conn.CloseNow()
		return
	}
	conn.Read(ctx)
}

// seen tells how the connection id has ended, once it has.
func (s *pageServer) seen(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	select {
	case how := <-of(s, s.ended, r.URL.Query().Get("id")):
		conn.Write(ctx, ws.MessageText, []byte(how))
	case <-ctx.Done():
	}
	conn.Read(ctx)
}

// hear lets the deaf handler of id read.
func (s *pageServer) hear(w http.ResponseWriter, r *http.Request) {
	ctx, conn := s.accept(w, r)
	if conn == nil {
		return
	}
	of(s, s.listen, r.URL.Query().Get("id")) <- struct{}{}
	conn.Write(ctx, ws.MessageText, []byte("ok"))
	conn.Read(ctx)
}

// --- the browser ---

// browserTime bounds everything that happens in a page. Nothing takes that long
// unless it fails.
const browserTime = 10 * time.Minute

// goTool returns the go command.
func goTool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatal("the go command, which builds the page, is missing, and GODWIT_REQUIRE_ALL is set")
		}
		t.Skip("the go command, which builds the page, is missing")
	}
	return path
}

// buildPage builds a program for a page.
func buildPage(t *testing.T, output string, flags []string, pkg string) {
	t.Helper()
	build := exec.Command(goTool(t), append(append([]string{"build", "-o", output}, flags...), pkg)...)
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, out)
	}
}

// wasmExec returns where the script is that starts Go programs in pages.
func wasmExec(t *testing.T) string {
	t.Helper()
	root, err := exec.Command(goTool(t), "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
}

func copyFile(t *testing.T, from, dir string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.Base(from)), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// browserPage is an open page.
type browserPage struct {
	t   *testing.T
	ctx context.Context

	dead    bool // nothing can be run in it any more
	console *chromiumtest.Console
}

// openPage opens url. An exception that nothing caught, and what it calls an error, fail the test.
func openPage(t *testing.T, chromium context.Context, url string) *browserPage {
	t.Helper()
	ctx, cancel := context.WithTimeout(chromium, browserTime)
	t.Cleanup(cancel)
	p := &browserPage{t: t, ctx: ctx, console: chromiumtest.Listen(t, ctx)}
	t.Cleanup(func() {
		for _, m := range p.console.Messages() {
			if m.IsError && (m.Source == chromiumtest.Exception || m.Source == chromiumtest.Script) {
				t.Errorf("the console has %v", m)
			}
		}
	})
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return p
}

// said is what was said in the console last.
func (p *browserPage) said() string {
	messages := p.console.Messages()
	var b strings.Builder
	for _, m := range messages[max(0, len(messages)-40):] {
		fmt.Fprintln(&b, m)
	}
	return b.String()
}

// until waits for a JavaScript expression to be true.
func (p *browserPage) until(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(time.Minute)))
	if err != nil {
		p.t.Fatalf("never came true: %s (%v)\n%s", expression, err, p.said())
	}
}

func evaluate[T any](p *browserPage, expression string) T {
	p.t.Helper()
	result, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("in the browser: %s: %v\n%s", expression, err, p.said())
	}
	return result
}
