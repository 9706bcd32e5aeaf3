package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// A shutdown ends every kind of client in the way that makes it come back.
func TestShutdown(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) { testShutdown(t, driver) })
	}
}

func testShutdown(t *testing.T, driver string) {
	s := start(t, Config{Driver: driver, Demo: new(true)})

	conn, _, err := ws.Dial(t.Context(), s.url+"/channels/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() {
		_, _, err := conn.Read(context.Background())
		closed <- err
	}()
	streams := make(map[string]chan string)
	for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/channels/chat", nil)
		q.Header.Set("Accept", accept)
		p, err := http.DefaultTransport.RoundTrip(q) // returns with the header: it is subscribed
		if err != nil {
			t.Fatal(err)
		}
		rest := make(chan string, 1)
		streams[accept] = rest
		go func() {
			defer p.Body.Close()
			b, err := io.ReadAll(p.Body)
			if err != nil {
				b = append(b, err.Error()...)
			}
			rest <- string(b)
		}()
	}
	poll := make(chan answer, 1)
	go func() {
		poll <- s.do(t, http.MethodGet, "/channels/chat?last=0", "", "Accept", "application/json", "Prefer", "wait=60")
	}()
	for !strings.Contains(s.do(t, http.MethodGet, "/presence/chat", "").body, `"count":4`) {
	}

	begin := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took >= DefaultDrainTimeout {
		t.Errorf("it took %v although nobody held it up", took)
	}
	if err := <-closed; ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v", err)
	}
	for accept, rest := range streams {
		if text := <-rest; strings.Contains(text, "EOF") {
			t.Errorf("%s was cut: %q", accept, text)
		}
	}
	if a := <-poll; a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"publications":[]`) {
		t.Errorf("the long poll got %s %s", a.Status, a.body)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("it still accepts connections")
	}
	log := s.log.String()
	if strings.Count(log, "msg=serving") != 1 || strings.Count(log, "msg=stopping") != 1 || strings.Count(log, "msg=stopped") != 1 {
		t.Errorf("not one line each:\n%s", log)
	}
}

// While it drains, /readyz says so; what does not end is cut at the limit, to
// the millisecond.
func TestDrainLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		s, err := New(Config{Driver: driverGoroutine, DrainTimeout: 1500 * time.Millisecond, Logger: log.logger(), Demo: new(false)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := newPipes()
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, w) }()

		// A WebSocket that never answers the close frame.
		deaf := w.dial()
		defer deaf.Close()
		in := bufio.NewReader(deaf)
		io.WriteString(deaf, "GET /channels/chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		response, err := http.ReadResponse(in, nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(response, err)
		}
		// A request whose body does not come.
		halfway := w.dial()
		defer halfway.Close()
		io.WriteString(halfway, "POST /channels/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhal")
		ready := func() int {
			rec := httptest.NewRecorder()
			q := httptest.NewRequest(http.MethodGet, "http://localhost/readyz", nil)
			s.ServeHTTP(rec, q)
			return rec.Code
		}
		if code := ready(); code != http.StatusOK {
			t.Errorf("ready: %d", code)
		}
		synctest.Wait()
		begin := time.Now()
		cancel()
		frame := make([]byte, 4)
		if _, err := io.ReadFull(in, frame); err != nil || frame[0] != 0x88 || int(frame[2])<<8|int(frame[3]) != int(wire.CloseGoingAway) {
			t.Errorf("it began with % x, %v instead of a close frame with 1001", frame, err)
		}
		io.CopyN(io.Discard, in, int64(frame[1])-2)
		synctest.Wait()
		if code := ready(); code != http.StatusServiceUnavailable {
			t.Errorf("draining and ready: %d", code)
		}
		if rec := httptest.NewRecorder(); true {
			s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://localhost/healthz", nil))
			if rec.Code != http.StatusOK {
				t.Errorf("draining is not unhealthy: %d", rec.Code)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 1500*time.Millisecond {
			t.Errorf("it ended after %v", took)
		}
		if _, err := in.ReadByte(); err == nil {
			t.Error("the connection is left open")
		}
		if !strings.Contains(log.String(), `cut at the limit" connections=2 cut.websocket=1 cut.other=1`) {
			t.Errorf("the log does not say what was cut:\n%s", log)
		}
	})
}

// For as long as the delay a server that is going away says so, and goes on.
func TestDrainDelay(t *testing.T) {
	const delay = 30 * time.Second
	for _, skipped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Config{Driver: driverGoroutine, DrainDelay: delay, Logger: new(logBuffer).logger(), Demo: new(false)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			w := newPipes()
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ctx, w) }()
			ask := func(path string) int {
				c := w.dial()
				defer c.Close()
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				io.Copy(io.Discard, response.Body)
				return response.StatusCode
			}
			if code := ask("/readyz"); code != http.StatusOK {
				t.Errorf("ready: %d", code)
			}
			begin, want := time.Now(), delay
			cancel()
			synctest.Wait()
			for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK, "/channels/chat": http.StatusOK} {
				if code := ask(path); code != want {
					t.Errorf("%s: %d, want %d", path, code, want)
				}
			}
			if skipped {
				want = 10 * time.Second
				time.Sleep(want)
				s.SkipDrainDelay()
				s.SkipDrainDelay()
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("it ended after %v, want %v", took, want)
			}
		})
	}
}

// A connection waits for another request for as long as it is told.
func TestKeepaliveTimeout(t *testing.T) {
	for setting, want := range map[time.Duration]time.Duration{0: 620 * time.Second, 5 * time.Second: 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			_, w, stop := serveInMemory(t, Config{KeepaliveTimeout: setting})
			c := w.dial()
			defer c.Close()
			io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			in := bufio.NewReader(c)
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			begin := time.Now()
			if b, err := in.ReadByte(); err != io.EOF {
				t.Error(b, err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("it was kept for %v, want %v", took, want)
			}
			stop()
		})
	}
}

// A client that sends the header of its request slowly is cut.
func TestHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, stop := serveInMemory(t, Config{})
		c := w.dial()
		defer c.Close()
		begin := time.Now()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: local"); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(c)
		if took := time.Since(begin); took != headerTimeout {
			t.Errorf("it was cut after %v: %s", took, answer)
		}
		stop()
	})
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel() // a connection whose request was refused is read on for a while
	for _, limit := range []int{4 << 10, 16 << 10} {
		s := start(t, Config{Limits: Limits{HeaderBytes: limit}})
		// The header has some other lines, so "just below" leaves room for them. On a
		// connection that was used before, net/http reads its buffer's 4 KiB before
		// it begins to count.
		for _, c := range []struct {
			size       int
			connection string
			want       int
		}{
			{limit - 512, "close", http.StatusOK},
			{limit + 512, "close", http.StatusRequestHeaderFieldsTooLarge},
			{limit - 512, "keep-alive", http.StatusOK},
			{limit + 4096 + 512, "keep-alive", http.StatusRequestHeaderFieldsTooLarge},
		} {
			a := s.do(t, http.MethodGet, "/healthz", "", "X-Long", strings.Repeat("x", c.size), "Connection", c.connection)
			if a.StatusCode != c.want {
				t.Errorf("limit %d, header of about %d, %s: %s", limit, c.size, c.connection, a.Status)
			}
		}
	}
}

// A listener that fails is an error, and the server ends in good order.
func TestListenerFails(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Logger: new(logBuffer).logger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.bound()[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
