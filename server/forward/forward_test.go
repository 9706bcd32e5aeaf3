package forward

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pair is a node that hands everything on to another.
type pair struct {
	gate    *Gate
	to      Node
	out     *Forwarder
	url     string // where clients ask
	lasts   bool
	origin  Origin
	outcome chan Outcome
	log     logged // what operators see
}

func newPair(t *testing.T, serve http.HandlerFunc, alter func(*pair)) *pair {
	t.Helper()
	return newPairWith(t, serve, nil, nil, alter)
}

// logged is a log. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newPairWith is newPair with TLS.
func newPairWith(t *testing.T, serve http.HandlerFunc, server *tls.Config, client func(host string) *tls.Config, alter func(*pair)) *pair {
	t.Helper()
	p := &pair{outcome: make(chan Outcome, 100), origin: Origin{Client: netip.MustParseAddr("192.0.2.1"), Peer: "192.0.2.2:2"}}
	log := slog.New(slog.NewTextHandler(&p.log, nil)) // no level below the one that operators see
	token := NewToken()
	p.gate = NewGate(token, serve, 16<<10, server, log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.gate.Serve(ln)
	p.to = Node{ID: "B", Address: ln.Addr().String(), Token: token}
	p.out = New("A", 0, 2<<20, client, log)
	if alter != nil {
		alter(p)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Own", "of the node that was asked")
		outcome := Answered // also if the answer is broken off
		defer func() { p.outcome <- outcome }()
		if outcome = p.out.Forward(w, r, p.to, p.origin, p.lasts); outcome != Answered {
			w.WriteHeader(599)
			if outcome == Unreachable {
				_, _ = io.Copy(w, r.Body) // it can be answered here
			}
		}
	}))
	p.url = front.URL
	t.Cleanup(func() {
		p.out.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is under way is over
		p.gate.Shutdown(ctx)
		front.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return p
}

func do(t *testing.T, method, url string, body io.Reader, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(text)
}

// The request comes as it was sent, with what the first node knows of its client.
func TestForward(t *testing.T) {
	for _, isSecure := range []bool{false, true} {
		p := newPair(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			o, ok := OriginOf(r)
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "%s %s %s %s tls=%t %v %t %+v %v", r.Method, r.RequestURI, r.Host, r.RemoteAddr, r.TLS != nil, err, ok, o, string(body))
			for _, name := range []string{FieldToken, FieldOrigin, "X-Own", "Accept-Encoding", "User-Agent"} {
				fmt.Fprintf(w, " %s=%q", name, r.Header.Values(name))
			}
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
				fmt.Fprintf(w, " %s=%q", name, r.Header.Values(name))
			}
		}, func(p *pair) { p.origin.IsSecure = isSecure })
		header := http.Header{
			"Host": {"chat.example"}, FieldToken: {"forged"}, FieldOrigin: {"node=X&client=10.0.0.1"}, "User-Agent": nil,
			"Forwarded": {"for=1.2.3.4"}, "X-Forwarded-For": {"a, b", "c"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"h"},
		}
		a, text := do(t, "POST", p.url+"/a%2Fb//c/../d?x=%zz;y&a=1", strings.NewReader("content"), header)
		want := fmt.Sprintf("POST /a%%2Fb//c/../d?x=%%zz;y&a=1 chat.example 192.0.2.2:2 tls=%t <nil> true {Node:A Client:192.0.2.1 Peer:192.0.2.2:2 IsSecure:%t} content", isSecure, isSecure) +
			` Godwit-Node-Token=[] Godwit-Node-Origin=[] X-Own=[] Accept-Encoding=["gzip"] User-Agent=[]` +
			` Forwarded=["for=1.2.3.4"] X-Forwarded-For=["a, b" "c"] X-Forwarded-Proto=["https"] X-Forwarded-Host=["h"]`
		if text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		if a.StatusCode != http.StatusTeapot || fmt.Sprint(a.Header["Set-Cookie"]) != "[a=1 b=2]" || a.Header.Get("X-Own") != "" {
			t.Errorf("%s %v", a.Status, a.Header)
		}
		if o := <-p.outcome; o != Answered {
			t.Error(o)
		}
	}
}

// A stream comes as it is written, and its end ends at the other side.
func TestForwardStream(t *testing.T) {
	left := make(chan struct{})
	more := make(chan string)
	p := newPair(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		for {
			select {
			case line := <-more:
				fmt.Fprintln(w, line)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}, nil)
	r, err := http.NewRequestWithContext(t.Context(), "GET", p.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { more <- "0" }()
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(a.Body)
	for i := range 10 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatal(lines.Text(), lines.Err())
		}
		if i < 9 {
			more <- fmt.Sprint(i + 1)
		}
	}
	_ = a.Body.Close()
	<-left
	if o := <-p.outcome; o != Answered {
		t.Error(o)
	}
}

// A connection that is another protocol from then on goes both ways, until this node leaves.
func TestForwardUpgrade(t *testing.T) {
	ended := make(chan struct{})
	p := newPair(t, func(w http.ResponseWriter, _ *http.Request) {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer close(ended)
		defer nc.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(nc, rw)
	}, func(p *pair) { p.lasts = true })
	nc, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(nc)
	a, err := http.ReadResponse(in, nil)
	if err != nil || a.StatusCode != 101 || a.Header.Get("Upgrade") != "echo" {
		t.Fatal(a, err)
	}
	for _, text := range []string{"hello\n", strings.Repeat("x", 1<<20) + "\n"} {
		go fmt.Fprint(nc, text)
		if got, err := in.ReadString('\n'); err != nil || got != text {
			t.Fatal(len(got), err)
		}
	}
	p.out.Leave()
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("%q, %v", rest, err)
	}
	<-ended
	if o := <-p.outcome; o != Answered {
		t.Error(o)
	}
}

// A node that leaves begins nothing that lasts, and goes on with the rest.
func TestForwardLeaving(t *testing.T) {
	p := newPair(t, func(http.ResponseWriter, *http.Request) {}, nil)
	p.out.Leave()
	if a, text := do(t, "GET", p.url, nil, nil); a.StatusCode != 200 || <-p.outcome != Answered {
		t.Error(a.Status, text)
	}
	p.lasts = true
	if a, _ := do(t, "GET", p.url, nil, nil); a.StatusCode != 599 || <-p.outcome != Busy || a.Header.Get("X-Own") == "" {
		t.Error(a.Status, a.Header)
	}
}

// As many as may be handed on are, and one more is not.
func TestForwardBusy(t *testing.T) {
	release, came := make(chan struct{}), make(chan struct{}, 3)
	p := newPair(t, func(http.ResponseWriter, *http.Request) { came <- struct{}{}; <-release }, func(p *pair) {
		p.out = New("A", 2, 0, nil, slog.New(slog.DiscardHandler))
	})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() { do(t, "GET", p.url, nil, nil) })
		<-came
	}
	if _, _, underWay := p.out.Counts(); underWay != 2 {
		t.Error(underWay)
	}
	if a, _ := do(t, "GET", p.url, nil, nil); a.StatusCode != 599 || <-p.outcome != Busy {
		t.Error(a.Status)
	}
	close(release)
	asking.Wait()
}

// What a node that is lost does not answer can be answered here, with all of its content.
func TestForwardLost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t, nil, func(p *pair) { p.to.Address = ln.Addr().String() })
	for _, body := range []string{"", strings.Repeat("x", 1<<20)} {
		asked := make(chan *http.Response)
		go func() {
			a, text := do(t, "POST", p.url, strings.NewReader(body), nil)
			if text != body {
				t.Errorf("of %d bytes of content %d are left to be answered here", len(body), len(text))
			}
			asked <- a
		}()
		var nc net.Conn
		for { // a connection may be given up before anything was sent
			if nc, err = ln.Accept(); err != nil {
				t.Fatal(err)
			}
			if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil { // and what is behind it is on its way
				break
			}
			nc.Close()
		}
		p.out.Lost("another")
		p.out.Lost("B")
		if a, got := <-asked, <-p.outcome; got != Unreachable || a.Header.Get("X-Own") == "" {
			t.Errorf("with %d bytes: %v %v", len(body), got, a.Header)
		}
		nc.Close()
	}
	ln.Close()
	if a, _ := do(t, "POST", p.url, strings.NewReader("x"), nil); a.StatusCode != 599 || <-p.outcome != Unreachable {
		t.Error(a.Status)
	}
	if _, failed, _ := p.out.Counts(); failed != 3 {
		t.Errorf("%d have failed", failed)
	}
}

// Content as long as may be goes on, and a byte more does not; nor does what never arrives.
func TestForwardContent(t *testing.T) {
	p := newPair(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err, r.ContentLength)
	}, nil)
	long := strings.Repeat("x", 2<<20)
	if _, text := do(t, "POST", p.url, strings.NewReader(long), nil); text != fmt.Sprint(2<<20, nil, 2<<20) || <-p.outcome != Answered {
		t.Error(text)
	}
	// Of unknown length, which is chunked.
	if _, text := do(t, "POST", p.url, io.MultiReader(strings.NewReader("hello")), nil); text != fmt.Sprint(5, nil, 5) || <-p.outcome != Answered {
		t.Error(text)
	}
	for _, body := range []io.Reader{strings.NewReader(long + "x"), io.MultiReader(strings.NewReader(long), strings.NewReader("x"))} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url, body)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := http.DefaultTransport.RoundTrip(r); err == nil { // or it was closed while it was sent
			a.Body.Close()
		}
		if got := <-p.outcome; got != TooLarge {
			t.Error(got)
		}
	}
	nc, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	nc.Close()
	if got := <-p.outcome; got != Broken {
		t.Error(got)
	}
}

// Without the token nothing is served, and what it was is not looked at.
func TestGate(t *testing.T) {
	served := 0
	p := newPair(t, func(w http.ResponseWriter, r *http.Request) { served++ }, nil)
	url := "http://" + p.to.Address
	origin := []string{(&Origin{Node: "A"}).String()}
	for i, header := range []http.Header{
		nil,
		{FieldToken: {""}, FieldOrigin: origin},
		{FieldToken: {p.to.Token[:10]}, FieldOrigin: origin},
		{FieldToken: {p.to.Token, p.to.Token}, FieldOrigin: origin},
		{FieldToken: {NewToken()}, FieldOrigin: origin},
		{"Authorization": {"Bearer " + p.to.Token}, FieldOrigin: origin},
	} {
		if a, _ := do(t, "GET", url, nil, header); a.StatusCode != http.StatusUnauthorized || !a.Close || a.Header.Get(FieldToken) != "unknown" {
			t.Errorf("%d: %s %v", i, a.Status, a.Header)
		}
	}
	for i, header := range []http.Header{
		{FieldToken: {p.to.Token}}, {FieldToken: {p.to.Token}, FieldOrigin: {"x"}}, {FieldToken: {p.to.Token}, FieldOrigin: {origin[0], origin[0]}},
	} {
		if a, _ := do(t, "GET", url, nil, header); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%d: %s", i, a.Status)
		}
	}
	if served != 0 {
		t.Errorf("%d were served", served)
	}
	if a, _ := do(t, "GET", url, nil, http.Header{FieldToken: {p.to.Token}, FieldOrigin: origin}); a.StatusCode != 200 || served != 1 {
		t.Error(a.Status)
	}
	if taken, refused := p.gate.Counts(); taken != 1 || refused != 6 {
		t.Error(taken, refused)
	}

	// A token that is not that of the node there, which is another by now.
	p.to.Token = NewToken()
	if a, _ := do(t, "GET", p.url, nil, nil); a.StatusCode != 599 || <-p.outcome != Unreachable {
		t.Error(a.Status)
	}
}

// strangersNow is how many connections have shown nothing yet.
func (g *Gate) strangersNow() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.strangers)
}

// Connections that show nothing do not keep nodes out for good, nor those that have shown
// the token.
func TestGateStrangers(t *testing.T) {
	p := newPair(t, func(http.ResponseWriter, *http.Request) {}, nil)
	p.gate.mu.Lock()
	p.gate.patience = 50 * time.Millisecond
	p.gate.mu.Unlock()
	origin := (&Origin{Node: "A"}).String()
	known, err := net.Dial("tcp", p.to.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer known.Close()
	in := bufio.NewReader(known)
	ask := func() {
		t.Helper()
		fmt.Fprintf(known, "GET / HTTP/1.1\r\nHost: x\r\n%s: %s\r\n%s: %s\r\n\r\n", FieldToken, p.to.Token, FieldOrigin, origin)
		a, err := http.ReadResponse(in, nil)
		if err != nil || a.StatusCode != 200 {
			t.Fatal(a, err)
		}
	}
	ask()
	var strangers []net.Conn
	for range strangersMax {
		nc, err := net.Dial("tcp", p.to.Address)
		if err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, nc)
	}
	// One more makes the oldest leave.
	if a, _ := do(t, "GET", p.url, nil, nil); a.StatusCode != 200 || <-p.outcome != Answered {
		t.Error(a.Status)
	}
	if n, err := strangers[0].Read(make([]byte, 1)); err == nil {
		t.Errorf("a stranger was told %d bytes", n)
	}
	ask()
	for _, nc := range strangers {
		nc.Close()
	}
	for p.gate.strangersNow() != 0 { // they are seen leaving
		ask()
	}
}

// A client that shows nothing and does not send the content that was announced is let go.
func TestGateStrangerWithContent(t *testing.T) {
	t.Parallel()
	p := newPair(t, func(http.ResponseWriter, *http.Request) {}, nil)
	nc, err := net.Dial("tcp", p.to.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	_ = nc.SetReadDeadline(time.Now().Add(3 * headTimeout))
	if text, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 401 ") {
		t.Errorf("%q, %v", text, err)
	}
}

// Many requests that come at once, over connections that are all new, are no strangers' and all
// taken.
func TestForwardMany(t *testing.T) {
	const many = 2 * strangersMax
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var came atomic.Int32
	p := newPair(t, func(http.ResponseWriter, *http.Request) {
		if came.Add(1) == many {
			free()
		}
		<-release
	}, func(p *pair) { p.out.transport.DialContext = new(net.Dialer).DialContext }) // the machine may be slow
	p.gate.mu.Lock()
	p.gate.patience = time.Minute
	p.gate.mu.Unlock()
	var asking sync.WaitGroup
	for range many {
		asking.Go(func() {
			w := httptest.NewRecorder()
			if o := p.out.Forward(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), p.to, p.origin, false); o != Answered {
				t.Errorf("outcome %v", o)
				free()
			}
		})
	}
	asking.Wait()
}

// Content that the node does not read is no trouble for what comes next over the connection.
func TestForwardUnread(t *testing.T) {
	p := newPair(t, func(http.ResponseWriter, *http.Request) {}, nil)
	nc, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	in := bufio.NewReader(nc)
	const size = 100_000
	for i := range 20 {
		if i == 19 {
			p.to.Address = nc.LocalAddr().String() // where nothing listens
		}
		fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		a, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		<-p.outcome
	}
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if a, err := http.ReadResponse(in, nil); err != nil || a.StatusCode != 599 || <-p.outcome != Unreachable {
		t.Error(a, err)
	}
}

// Content of all requests together is held up to a limit, and not counted when they are through.
func TestForwardHeld(t *testing.T) {
	p := newPair(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, func(p *pair) { p.out.heldMax = 150_000 })
	content := strings.Repeat("x", 100_000)
	left, right := io.Pipe()
	ended := make(chan int)
	go func() {
		a, _ := do(t, "POST", p.url, left, nil)
		ended <- a.StatusCode
	}()
	fmt.Fprint(right, content) // and no end
	for p.out.held.Load() < int64(len(content)) {
		runtime.Gosched()
	}
	if a, _ := do(t, "POST", p.url, strings.NewReader(content), nil); a.StatusCode != 599 || <-p.outcome != Busy {
		t.Error(a.Status)
	}
	_ = right.Close()
	if status := <-ended; status != 200 || <-p.outcome != Answered {
		t.Error(status)
	}
	if a, _ := do(t, "POST", p.url, strings.NewReader(content), nil); a.StatusCode != 200 || <-p.outcome != Answered {
		t.Error(a.Status)
	}
	if held := p.out.held.Load(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}
