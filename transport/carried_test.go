package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// carrier is a way in which real clients reach a Transport.
type carrier struct {
	name      string
	isVirtual bool // it is in memory, and in a bubble of virtual time

	// serve serves a Transport on h. What it starts ends with close.
	serve func(t testing.TB, h *hub.Hub, o Options) *venue

	// cannot says why a script cannot be carried, "" if it can.
	cannot func(s *script) string

	// isMixed says that it has of two others what tests of scripts are about.
	isMixed bool
}

// skipInShort leaves a carrier out of the quick tests that has nothing of its own for a script.
func (c *carrier) skipInShort(t *testing.T) {
	if testing.Short() && c.isMixed {
		t.Skip("loops and net/http carry the same script by themselves; one before the other is for a run of all tests")
	}
}

// carriers are all there are. One more is one more row.
var carriers = []carrier{
	{name: "goroutines in memory", isVirtual: true, serve: serveInMemory, cannot: carriesAll},
	{name: "goroutines", serve: serveOnGoroutines, cannot: carriesAll},
	{name: "loops behind net/http", serve: serveBehindHTTP, cannot: carriesAll, isMixed: true},
	{name: "loops", serve: serveOnOneLoop, cannot: carriesAll},
	{name: "HTTP2", serve: serveHTTP2, cannot: func(s *script) string {
		if s.uses(WebSocket) {
			return "net/http has no WebSocket over HTTP/2"
		}
		return ""
	}},
}

func carriesAll(*script) string { return "" }

// venue is a Transport that is served.
type venue struct {
	transport *Transport
	url       string
	client    *http.Client
	dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil for sockets
	close     func()                                                               // after the hub
	sessions  []*speaker                                                           // that a test has opened
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// listen serves t on loopback.
func listen(t *Transport, isHTTP2 bool) *venue {
	server := httptest.NewUnstartedServer(t)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if isHTTP2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	client := server.Client()
	return &venue{transport: t, url: server.URL, client: client, close: func() {
		client.CloseIdleConnections()
		server.Close()
	}}
}

func serveOnGoroutines(_ testing.TB, h *hub.Hub, o Options) *venue {
	return listen(newTransport(h, &o), false)
}

func serveHTTP2(_ testing.TB, h *hub.Hub, o Options) *venue { return listen(newTransport(h, &o), true) }

// serveBehindHTTP has WebSockets on one loop, which net/http gives it.
func serveBehindHTTP(_ testing.TB, h *hub.Hub, o Options) *venue {
	loops := &engine.Server{Handler: engine.NopHandler{}, Loops: 1, Subprotocols: Subprotocols(), Log: o.Logger}
	o.Engine = loops
	v := listen(newTransport(h, &o), false)
	closeRest := v.close
	v.close = func() {
		closeRest()
		_ = loops.Close()
	}
	return v
}

// serveOnOneLoop has everything on one loop, so that whatever holds it up is noticed.
func serveOnOneLoop(t testing.TB, h *hub.Hub, o Options) *venue {
	transport := newTransport(h, &o)
	loops := &engine.Server{
		Handler: engine.NopHandler{}, Loops: 1, Subprotocols: Subprotocols(), Log: o.Logger,
		Route: transport.Route, Admit: transport.Admit, HTTP: transport,
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- loops.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	return &venue{transport: transport, url: "http://" + ln.Addr().String(), client: client, close: func() {
		client.CloseIdleConnections()
		_ = loops.Close()
		<-served
	}}
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := wstest.Pipe(nil)
	select {
	case p.conns <- near:
		return far, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func serveInMemory(_ testing.TB, h *hub.Hub, o Options) *venue {
	t := newTransport(h, &o)
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: t, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(p) })
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial}}
	return &venue{transport: t, url: "http://memory.test", client: client, dial: p.dial, close: func() {
		client.CloseIdleConnections()
		_ = server.Close()
		served.Wait()
	}}
}

// carriedStage plays a script with clients on a carrier.
type carriedStage struct {
	t       testing.TB
	carrier *carrier
	venue   *venue
	clients []*carried
	faults  []string // of clients that heard more than they should

	// As it was before the act.
	members, published, histories int
	holder                        *func() // of the seat of a session that a is about to poll
}

func (s *carriedStage) isVirtual() bool { return s.carrier.isVirtual }

// note waits until the server knows which clients have gone, and takes down its state then.
func (s *carriedStage) note(a *act, p *player) {
	s.t.Helper()
	switch {
	case s.isVirtual():
	case p.script.usesSessions(): // they outlive their clients, except a session that says goodbye
		if seat := s.seatOf(a.path, p); seat != nil {
			s.holder = seat.holder.ring.Load()
		}
		for _, id := range p.ended {
			until(s.t, "known that a session has ended", func() bool { return s.venue.transport.hub.FindSession(id) == nil })
		}
	default:
		until(s.t, "known who is gone", func() bool { return s.countSessions() == s.countPresent() })
	}
	s.members = s.countMembers(a.path)
	s.published = p.broker.counted("publish")
	s.histories = p.broker.counted("held history")
}

// countPresent counts the clients that the server has a session for.
func (s *carriedStage) countPresent() (n int) {
	for _, c := range s.clients {
		select {
		case <-c.done:
		default:
			if c.hasSession {
				n++
			}
		}
	}
	return n
}

func (s *carriedStage) countSessions() (n int) {
	for _, sessions := range s.venue.transport.hub.Stats().Sessions {
		n += sessions
	}
	return n
}

// countMembers counts the subscribers of the channel of path.
func (s *carriedStage) countMembers(path string) int {
	path, _, _ = strings.Cut(path, "?")
	n, _ := s.venue.transport.hub.PresenceCount(strings.TrimPrefix(path, ChannelsPath)) // none for a path of no channel
	return n
}

// isPoll reports whether a may wait for something to happen.
func (a *act) isPoll() bool { return a.verb == verbGets && slices.Contains(a.fields, "Prefer") }

// until waits for something that must happen soon and tells nobody.
func until(t testing.TB, what string, has func() bool) {
	t.Helper()
	for expires := time.Now().Add(patience); !has(); runtime.Gosched() {
		if time.Now().After(expires) {
			t.Fatalf("after %v: not %s", patience, what)
		}
	}
}

// wait implements stage. Lines that are heard are awaited by hear; other acts need
// another sign.
func (s *carriedStage) wait(a *act, p *player) {
	s.t.Helper()
	if s.isVirtual() {
		if a.verb == verbPass {
			elapse(a.passes)
		}
		synctest.Wait()
		return
	}
	if a.verb == verbShutsDown {
		until(s.t, "shutting down", func() bool { return s.venue.transport.hub.Health(s.t.Context()) != nil })
	}
	if len(a.heard) > 0 {
		return
	}
	if p.script.usesSessions() {
		if a.verb == verbGets {
			s.awaitPoll(a.path, p)
		}
		return
	}
	switch {
	case a.verb == verbOpens, a.isPoll():
		until(s.t, "subscribed", func() bool { return s.countMembers(a.path) > s.members })
	case a.verb == verbGets:
		p.broker.await(s.t, "held history", s.histories+1)
	case a.verb == verbPosts, a.verb == verbSays:
		p.broker.await(s.t, "publish", s.published+1)
	}
}

// awaitPoll waits until the poll at path has the session.
func (s *carriedStage) awaitPoll(path string, p *player) {
	until(s.t, "polled", func() bool {
		seat := s.seatOf(path, p)
		if seat == nil {
			return true
		}
		seat.mu.Lock()
		defer seat.mu.Unlock()
		return seat.held && seat.holder.ring.Load() != s.holder
	})
}

// seatOf is that of the session which a path names, nil if it is not here.
func (s *carriedStage) seatOf(path string, p *player) *seat {
	_, id, _ := strings.Cut(p.actual(path), "?session=")
	id, _, _ = strings.Cut(id, ".")
	return s.venue.transport.seats.find(id)
}

// carried is a client on a carrier. A goroutine makes lines of what it hears.
type carried struct {
	stage      *carriedStage
	hasSession bool // while it is there
	stop       context.CancelFunc
	done       chan struct{}

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	lines   []string
	conn    *ws.Conn // nil until a WebSocket is open
	raw     net.Conn // below it
}

func (s *carriedStage) open(a *act) client {
	c := &carried{
		stage: s, hasSession: a.verb == verbOpens || a.isPoll(),
		done: make(chan struct{}), changed: make(chan struct{}),
	}
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	s.clients = append(s.clients, c)
	go func() {
		defer close(c.done)
		defer c.stop()
		if a.kind == WebSocket {
			c.speak(ctx, a)
		} else {
			c.ask(ctx, a)
		}
	}()
	return c
}

func (c *carried) hears(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	close(c.changed)
	c.changed = make(chan struct{})
}

// hear waits for n lines.
func (c *carried) hear(n int) (lines []string) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		if n < 0 {
			n = len(c.lines)
		}
		if len(c.lines) >= n {
			lines, c.lines = c.lines[:n:n], c.lines[n:]
			c.mu.Unlock()
			return lines
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.done:
			n = -1 // as many as there are
		case <-timeout.C:
			n = -1
		}
	}
}

// speak is a WebSocket.
func (c *carried) speak(ctx context.Context, a *act) {
	v := c.stage.venue
	var raw net.Conn
	dial := func(ctx context.Context, network, address string) (_ net.Conn, err error) {
		if v.dial != nil {
			raw, err = v.dial(ctx, network, address)
		} else {
			raw, err = new(net.Dialer).DialContext(ctx, network, address)
		}
		return raw, err
	}
	conn, response, err := ws.Dial(ctx, v.url+a.path, &ws.DialOptions{Header: a.header(), NetDial: dial, HandshakeTimeout: patience})
	if err != nil {
		if response == nil {
			c.breaks(ctx, err)
			return
		}
		body, _ := io.ReadAll(response.Body) // what of it there is
		c.hears("is refused: " + answered(response.StatusCode, response.Header, body))
		return
	}
	defer func() { _ = conn.CloseNow() }()
	c.mu.Lock()
	c.conn, c.raw = conn, raw
	c.mu.Unlock()
	c.hears(heardOpen(response.Header.Get(headerPosition)))
	for {
		typ, data, err := conn.Read(ctx)
		var closed *ws.CloseError
		switch {
		case err == nil:
			c.hears(heardMessage(typ == ws.MessageBinary, string(data)))
		case errors.As(err, &closed):
			c.hears(heardClose(uint16(closed.Code), closed.Reason))
			return
		default:
			c.breaks(ctx, err)
			return
		}
	}
}

// breaks is an end that nobody wanted, unless the client did.
func (c *carried) breaks(ctx context.Context, err error) {
	if ctx.Err() == nil {
		c.hears("breaks off: " + err.Error())
	}
}

// ask is a request of HTTP.
func (c *carried) ask(ctx context.Context, a *act) {
	v := c.stage.venue
	body := io.Reader(nil)
	if a.data != "" || a.verb == verbPosts {
		body = strings.NewReader(a.data)
	}
	r, err := http.NewRequestWithContext(ctx, a.requestMethod(), v.url, body)
	if err != nil {
		c.breaks(ctx, err)
		return
	}
	r.URL.Opaque = "//" + r.URL.Host + a.path // the path goes out as it is
	r.Header = a.header()
	response, err := v.client.Do(r)
	if err != nil {
		c.breaks(ctx, err)
		return
	}
	defer response.Body.Close()
	if a.kind == "" || response.StatusCode != http.StatusOK {
		content, err := io.ReadAll(response.Body)
		if err != nil {
			c.breaks(ctx, err)
			return
		}
		prefix := "< "
		if a.kind != "" {
			prefix = "is refused: "
		}
		c.hears(prefix + answered(response.StatusCode, response.Header, content))
		return
	}
	c.hears(heardOpen(response.Header.Get(headerPosition)))
	in := bufio.NewReader(response.Body)
	for {
		line, err := in.ReadString('\n')
		switch {
		case err == nil:
			c.hears(heardLine(strings.TrimSuffix(line, "\n")))
		case err == io.EOF && line == "":
			c.hears(heardEnd)
			return
		default:
			c.breaks(ctx, err)
			return
		}
	}
}

// answered is an answer as it is shown: of a problem, the name.
func answered(status int, header http.Header, body []byte) string {
	text := string(body)
	if header.Get("Content-Type") == problemType {
		var document struct{ Type string }
		if json.Unmarshal(body, &document) == nil {
			text = problemName(document.Type)
		}
	}
	return heardAnswer(status, text, header.Get)
}

func (c *carried) say(isBinary bool, data string) {
	c.mu.Lock()
	conn, raw := c.conn, c.raw
	c.mu.Unlock()
	var err error
	switch {
	case isBinary:
		err = conn.Write(c.stage.t.Context(), ws.MessageBinary, []byte(data))
	case utf8.ValidString(data):
		err = conn.Write(c.stage.t.Context(), ws.MessageText, []byte(data))
	default: // a client of ours does not send it
		_, err = raw.Write(wire.AppendMaskedFrame(nil, true, wire.Text, [4]byte{}, []byte(data)))
	}
	if err != nil {
		c.stage.t.Errorf("sending %q: %v", data, err)
	}
}

// leave returns when the client has left; the server may not know it yet.
func (c *carried) leave() { c.depart(true) }

// vanish is leave without a word.
func (c *carried) vanish() { c.depart(false) }

func (c *carried) depart(isPolite bool) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	switch {
	case conn == nil:
	case isPolite:
		_ = conn.Close(ws.StatusNormal, "")
	default:
		_ = conn.CloseNow()
	}
	c.stop()
	<-c.done
	for _, line := range c.hear(-1) {
		isOwn := conn != nil && (line == heardClose(uint16(ws.StatusNormal), "") || !isPolite && line == heardClose(uint16(wire.CloseAbnormal), ""))
		if !isOwn {
			c.stage.faults = append(c.stage.faults, fmt.Sprintf("a client that left had heard %q, too", line))
		}
	}
}

// finish ends the clients that are there, and checks that they have heard nothing more.
func (s *carriedStage) finish(p *player) {
	p.broker.letGo(false, false) // what it holds, after a failure
	go func() { _ = p.hub.Shutdown(s.t.Context()) }()
	for _, c := range s.clients {
		if s.isVirtual() {
			synctest.Wait()
		}
		select {
		case <-c.done:
		case <-time.After(patience):
			s.t.Error("a client is not told that the server shuts down")
			c.stop()
			<-c.done
		}
		for _, line := range c.hear(-1) {
			isEnd := line == heardEnd || line == heardClose(uint16(ws.StatusGoingAway), "going away") ||
				line == "< retry: 2000" || line == "<" || // an EventSource is told when to come back
				strings.HasPrefix(line, "< 200 ") || strings.Contains(line, `{"end":{"code":1001,`) || line == "<" || strings.HasPrefix(line, "is refused: 503 ")
			if !isEnd {
				s.faults = append(s.faults, fmt.Sprintf("at the end a client had heard %q, too", line))
			}
		}
	}
	if s.isVirtual() {
		elapse(time.Minute) // whatever the broker takes
	}
	until(s.t, "everybody gone", func() bool { return s.countSessions() == 0 })
	_ = p.hub.Close()
	s.venue.close()
}

// TestDialoguesOnCarriers plays every dialogue with real clients over every
// carrier that can carry it.
func TestDialoguesOnCarriers(t *testing.T) {
	for i := range carriers {
		carrier := &carriers[i]
		t.Run(carrier.name, func(t *testing.T) {
			carrier.skipInShort(t)
			for _, s := range scripts(t) {
				t.Run(s.name(), func(t *testing.T) {
					if why := carrier.cannot(s); why != "" {
						t.Skip(why)
					}
					if s.alone != "" && !(carrier.isVirtual && s.alone == timePasses) {
						t.Skip(s.alone)
					}
					got, faults := carry(t, s, carrier)
					compare(t, s, got)
					for _, fault := range faults {
						t.Errorf("%s: %s", s.file, fault)
					}
				})
			}
		})
	}
}

// carry plays s over a carrier. The faults are what clients heard besides.
func carry(t *testing.T, s *script, carrier *carrier) (got *script, faults []string) {
	t.Helper()
	play := func(t *testing.T) {
		p := newPlayer(t, s, !s.isBrokerSlow())
		_, o := s.site()
		o.Logger = quiet()
		stage := &carriedStage{t: t, carrier: carrier, venue: carrier.serve(t, p.hub, o)}
		p.stage = stage
		defer func() {
			stage.finish(p)
			faults = stage.faults
		}()
		got = p.play(!carrier.isVirtual)
	}
	if carrier.isVirtual {
		synctest.Test(t, play)
	} else {
		play(t)
	}
	return got, faults
}
