package engine_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// loopSite answers requests on loops, by their paths, and tells a test of them.
type loopSite struct {
	engine.NopResponder
	asked chan engine.Exchange // of /later, /live and /until
	body  chan string
	woken chan engine.Exchange
	drain chan engine.Exchange
	large chan int64
	ended chan error
}

func newLoopSite() *loopSite {
	return &loopSite{
		asked: make(chan engine.Exchange, 100), body: make(chan string, 100), woken: make(chan engine.Exchange, 100),
		drain: make(chan engine.Exchange, 100), large: make(chan int64, 100), ended: make(chan error, 1000),
	}
}

// asking is an exchange's Value: what OnBody needs of the request.
type asking struct{ method, target string }

func (h *loopSite) route(r *engine.Request) engine.Route {
	if r.Path() == "/http" {
		return engine.Route{}
	}
	return engine.Route{Responder: h, BodyBytesMax: 100, EndsWithInput: r.Path() == "/until", Value: asking{r.Method(), strings.Clone(r.Target())}}
}

func field(name, value string) []byte {
	b, err := engine.AppendField(nil, name, value)
	if err != nil {
		panic(err)
	}
	return b
}

var eventStream = field("Content-Type", "text/event-stream")

func (h *loopSite) OnBody(x engine.Exchange, body []byte) {
	asked := x.Value().(asking)
	switch asked.target {
	case "/later", "/until":
		h.asked <- x
		h.body <- string(body)
	case "/live":
		_ = x.Begin(200, eventStream)
		h.asked <- x
	case "/stream":
		_ = x.Begin(200, eventStream)
		_ = x.WriteChunks(engine.AppendChunk(nil, []byte("first")))
		_ = x.Write([]byte("sec"), nil, []byte("ond"))
		_ = x.End()
	case "/panic":
		panic("at the request")
	case "/half":
		_ = x.Begin(200, nil)
		_ = x.Write([]byte("half"))
		panic("in the middle")
	case "/close":
		x.CloseAfter()
		_ = x.Respond(200, nil, []byte("bye"))
	case "/empty":
		_ = x.Respond(204, nil, nil)
	default:
		_ = x.Respond(200, field("X-Method", asked.method), append([]byte(asked.target), body...))
	}
}

func (h *loopSite) OnTooLarge(x engine.Exchange, length int64) {
	h.large <- length
	h.NopResponder.OnTooLarge(x, length)
}

func (h *loopSite) OnWake(x engine.Exchange)           { h.woken <- x }
func (h *loopSite) OnDrain(x engine.Exchange)          { h.drain <- x }
func (h *loopSite) OnEnd(_ engine.Exchange, err error) { h.ended <- err }

// serveSite makes s serve a loopSite, with net/http for the rest.
func serveSite(s *engine.Server) *loopSite {
	h := newLoopSite()
	s.Handler, s.HTTP, s.Route = echo{}, http.HandlerFunc(site), h.route
	return h
}

// dialogue is what a file of testdata/exchanges says: what a client sends, marked
// with >, and what it gets, with <. Doubled marks have no end of line.
type dialogue []step

type step struct {
	sends bool
	text  string
	end   bool
}

func readDialogue(t *testing.T, file string) (d dialogue) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		mark, text, _ := strings.Cut(line, " ")
		if mark == "#" || mark == "" {
			continue
		}
		sends := mark[0] == '>'
		if len(d) == 0 || d[len(d)-1].sends != sends {
			d = append(d, step{sends: sends})
		}
		s := &d[len(d)-1]
		switch {
		case text == "END":
			s.end = true
		case strings.HasSuffix(text, "LF"):
			s.text += strings.TrimSuffix(text, "LF") + "\n"
		case len(mark) == 2:
			s.text += text
		default:
			s.text += text + "\r\n"
		}
	}
	return d
}

var date = regexp.MustCompile(`Date: [^\r]{29}\r`)

// play has a client hold its side of d, in pieces of so many bytes.
func (d dialogue) play(t *testing.T, c net.Conn, piece int) {
	t.Helper()
	for _, s := range d {
		if s.sends {
			for rest := []byte(s.text); len(rest) > 0; {
				n := min(piece, len(rest))
				if _, err := c.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if s.end {
				if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		want := strings.ReplaceAll(s.text, "Date: DATE\r", "Date: "+http.TimeFormat+"\r")
		got := make([]byte, len(want))
		n, err := io.ReadFull(c, got)
		got = date.ReplaceAll(got[:n], []byte("Date: "+http.TimeFormat+"\r"))
		if err != nil || string(got) != want {
			t.Fatalf("got %v\n%s\nwant\n%s", err, got, want)
		}
		if s.end {
			if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
				t.Fatalf("got %q and %v where the end was expected", rest, err)
			}
		}
	}
}

// Every dialogue goes the same in memory, over sockets and over TLS, whole and byte
// by byte.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/exchanges/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	a := newAuthority(t)
	for _, file := range files {
		d := readDialogue(t, file)
		for _, piece := range []int{1 << 20, 1} {
			name := strings.TrimSuffix(filepath.Base(file), ".txt") + map[bool]string{true: ", bytewise"}[piece == 1]
			run := func(form string, s *engine.Server, listen func(testing.TB, *engine.Server) func() net.Conn) {
				t.Run(name+"/"+form, func(t *testing.T) {
					serveSite(s)
					c := listen(t, s)()
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(patience))
					d.play(t, c, piece)
				})
			}
			streams := &engine.Server{}
			streams.UseStreams()
			run("streams", streams, listenTCP)
			run("system", &engine.Server{}, listenTCP)
			run("TLS", &engine.Server{}, listenTLS(a.server(t), a.client()))
			t.Run(name+"/memory", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &engine.Server{}
					s.UseStreams()
					serveSite(s)
					c := listenInMemory(t, s)()
					defer c.Close()
					d.play(t, c, piece)
				})
			})
		}
	}
}

// An answer that comes later, from another goroutine, and what is read ahead
// meanwhile.
func TestAnswersComeLater(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		c := connect(t, start(t, s))
		const post = "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
		c.send(t, []byte(post+"one"+post))
		x := next(t, h.asked)
		if got := next(t, h.body); got != "one" {
			t.Errorf("%q", got)
		}
		c.send(t, []byte("two"))
		x.Wake()
		if got := next(t, h.woken); got != x {
			t.Error("another exchange woke")
		}
		if err := x.Respond(200, nil, []byte("1")); err != nil {
			t.Fatal(err)
		}
		c.expectBody(t, "1")
		y := next(t, h.asked)
		if got := next(t, h.body); got != "two" || y == x {
			t.Errorf("%q", got)
		}
		if err := x.Respond(200, nil, nil); err != engine.ErrExchangeOver {
			t.Errorf("a second answer: %v", err)
		}
		x.Wake()
		x.Abort()
		x.CloseAfter()
		if x.Value() != nil || x.Buffered() != 0 {
			t.Errorf("%v %d", x.Value(), x.Buffered())
		}
		if y.RemoteAddr().String() != c.LocalAddr().String() || y.ConnectionState() != nil || y.Value() == nil {
			t.Errorf("%v %v", y.RemoteAddr(), y.Value())
		}
		if err := y.Respond(200, nil, []byte("2")); err != nil {
			t.Fatal(err)
		}
		c.expectBody(t, "2")
		for range 2 {
			if err := next(t, h.ended); err != nil {
				t.Error(err)
			}
		}
		select {
		case x := <-h.woken:
			t.Errorf("%v woke", x)
		default:
		}
	})
}

// Streams: what is written elsewhere, and the ends.
func TestStreams(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		address := start(t, s)
		live := func(path string) (*raw, *http.Response, engine.Exchange) {
			c := connect(t, address)
			c.send(t, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
			x := next(t, h.asked)
			return c, c.response(t), x
		}
		c, r, x := live("/live")
		chunk := engine.AppendChunk(nil, []byte("data: x\n\n"))
		for range 100 {
			if err := x.WriteChunks(chunk, chunk); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.End(); err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != strings.Repeat("data: x\n\n", 200) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
		c.send(t, []byte("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")) // the connection lives
		c.expectBody(t, "/next")
		next(t, h.ended)

		c, r, x = live("/live") // the client ends its side, and reads on
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		if err := x.Write([]byte("still here")); err != nil {
			t.Fatal(err)
		}
		_ = x.End()
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "still here" {
			t.Errorf("%q %v", body, err)
		}
		c.ends(t)
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}

		c, _, _ = live("/live") // the client has gone
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		c.Close()
		if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
			t.Error(err)
		}

		c = connect(t, address)
		c.send(t, []byte("GET /until HTTP/1.1\r\nHost: x\r\n\r\n"))
		x = next(t, h.asked)
		_ = x.Begin(200, nil)
		c.response(t)
		c.Close()
		if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
			t.Error(err)
		}

		c, r, x = live("/live")
		x.Abort()
		if err := next(t, h.ended); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("a stream that was cut has an end")
		}
	})
}

// A client that has ended its side and then goes is noticed.
func TestHangUpIsNoticed(t *testing.T) {
	s := &engine.Server{}
	h := serveSite(s)
	c := connect(t, start(t, s))
	c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
	next(t, h.asked)
	tcp := c.Conn.(*net.TCPConn)
	_ = tcp.CloseWrite()
	_ = tcp.SetLinger(0)
	c.Close()
	if err := next(t, h.ended); !errors.Is(err, engine.ErrClientGone) {
		t.Error(err)
	}
}

func TestResponsesInDisorder(t *testing.T) {
	s := &engine.Server{}
	h := serveSite(s)
	c := connect(t, start(t, s))
	c.send(t, []byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"))
	x := next(t, h.asked)
	for name, tt := range map[string]struct{ got, want error }{
		"status 101":        {x.Respond(101, nil, nil), engine.ErrStatus},
		"status 600":        {x.Begin(600, nil), engine.ErrStatus},
		"no line end":       {x.Respond(200, []byte("A: b"), nil), engine.ErrField},
		"bare LF":           {x.Respond(200, []byte("A: b\n"), nil), engine.ErrField},
		"two lines in one":  {x.Respond(200, []byte("A: b\rC: d\r\n"), nil), engine.ErrField},
		"no colon":          {x.Respond(200, []byte("A\r\n"), nil), engine.ErrField},
		"an empty line":     {x.Respond(200, []byte("\r\n"), nil), engine.ErrField},
		"a length":          {x.Respond(200, []byte("content-length: 1\r\n"), nil), engine.ErrField},
		"a coding":          {x.Begin(200, []byte("Transfer-Encoding: x\r\n")), engine.ErrField},
		"content of a 204":  {x.Respond(204, nil, []byte("x")), engine.ErrNoContent},
		"stream of a 304":   {x.Begin(304, nil), engine.ErrNoContent},
		"Write before":      {x.Write([]byte("x")), engine.ErrNotBegun},
		"chunks before":     {x.WriteChunks([]byte("1\r\nx\r\n")), engine.ErrNotBegun},
		"End before":        {x.End(), engine.ErrNotBegun},
		"no handshake":      {x.Admit(engine.Admission{}), engine.ErrNotAHandshake},
		"the zero Exchange": {engine.Exchange{}.Respond(200, nil, nil), engine.ErrExchangeOver},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
	if _, err := engine.AppendField(nil, "A", "b\r\nC: d"); !errors.Is(err, engine.ErrField) {
		t.Errorf("%v", err)
	}
	if err := x.Begin(200, nil); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]error{"Begin": x.Begin(200, nil), "Respond": x.Respond(200, nil, nil)} {
		if got != engine.ErrResponseBegun {
			t.Errorf("%s: %v", name, got)
		}
	}
	_ = x.End()
	if r := c.response(t); r.StatusCode != 200 {
		t.Errorf("%v", r)
	}
}

// A responder that fails in the middle of a response cuts it, and its connection
// alone.
func TestPanicInAStream(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		address := start(t, s)
		c := connect(t, address)
		c.send(t, []byte("GET /half HTTP/1.1\r\nHost: x\r\n\r\n"))
		if b, _ := io.ReadAll(c.r); bytes.HasSuffix(b, []byte("0\r\n\r\n")) {
			t.Errorf("%q looks complete", b)
		}
		if err := next(t, h.ended); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Error(err)
		}
		c = connect(t, address)
		c.send(t, []byte("GET /fine HTTP/1.1\r\nHost: x\r\n\r\n"))
		c.expectBody(t, "/fine")
	})
}

// A client that sends too much reads the answer, and what it sends is dropped.
func TestTooLargeWhileSending(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		c := connect(t, start(t, s))
		const length = 4 << 20
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(append([]byte("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n"), make([]byte, length)...))
			sent <- err
		}()
		if got := next(t, h.large); got != length {
			t.Errorf("%d", got)
		}
		r := c.response(t)
		if body, err := io.ReadAll(r.Body); r.StatusCode != 413 || err != nil || len(body) == 0 || !r.Close {
			t.Errorf("%v %q %v", r, body, err)
		}
		if err := next(t, sent); err != nil {
			t.Errorf("the client was cut while it was sending: %v", err)
		}
		c.Close()
		if err := next(t, h.ended); err != nil {
			t.Error(err)
		}
	})
}

// A slow reader of a stream: the queue is bounded, and OnDrain says when it has
// been taken.
func TestStreamQueue(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.QueueBytesMax = 100_000
		h := serveSite(s)
		c := connect(t, start(t, s))
		c.send(t, []byte("GET /live HTTP/1.1\r\nHost: x\r\n\r\n"))
		x := next(t, h.asked)
		r := c.response(t)
		chunk := engine.AppendChunk(nil, bytes.Repeat([]byte("x"), 10_000))
		wrote := 0
		for x.Buffered() < 50_000 {
			if err := x.WriteChunks(chunk); err == nil {
				wrote += 10_000
			}
		}
		for {
			err := x.WriteChunks(chunk)
			if err == engine.ErrQueueFull {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			wrote += 10_000
		}
		if got := x.Buffered(); got > 100_000 {
			t.Errorf("%d bytes wait", got)
		}
		got := make(chan int, 1)
		go func() {
			body, _ := io.ReadAll(r.Body)
			got <- len(body)
		}()
		for next(t, h.drain) != x || x.Buffered() > 0 {
		}
		_ = x.End()
		if n := next(t, got); n != wrote {
			t.Errorf("%d bytes, want %d", n, wrote)
		}
	})
}

// Answers that are given while the loop is busy with the request are sent, in
// whichever moment they come.
func TestAnswersRaceWithTheLoop(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := serveSite(s)
		address := start(t, s)
		var clients sync.WaitGroup
		const connections, requests = 8, 500
		for range 2 {
			clients.Go(func() {
				for range connections * requests / 2 {
					x := <-h.asked
					<-h.body
					if err := x.Respond(200, nil, []byte("!")); err != nil {
						t.Errorf("Respond: %v", err)
					}
					<-h.ended
				}
			})
		}
		for range connections {
			c := connect(t, address)
			clients.Go(func() {
				for range requests {
					if _, err := c.Write([]byte("GET /later HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
						t.Error(err)
						return
					}
					r, err := http.ReadResponse(c.r, nil)
					if err != nil {
						t.Errorf("no answer: %v", err)
						_ = c.Close()
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
				}
			})
		}
		clients.Wait()
	})
}
