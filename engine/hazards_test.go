package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// allocated returns how many bytes are allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Cross-site hijacking: what a server takes for its own page when the Host is
// app.example over plain HTTP, and https://*.partner.example is listed.
func TestForeignOrigins(t *testing.T) {
	partners, err := handshake.ParseOrigins([]string{"https://*.partner.example"})
	if err != nil {
		t.Fatal(err)
	}
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.Origins = echo{}, partners
		address := start(t, s)
		status := func(origins ...string) int {
			c := connect(t, address)
			defer c.Close()
			fields := ""
			for _, o := range origins {
				fields += "Origin: " + o + "\r\n"
			}
			c.send(t, []byte(strings.Replace(opening, "Host: x\r\n", "Host: app.example\r\n"+fields, 1)))
			return c.response(t).StatusCode
		}
		for _, good := range []string{"http://app.example", "http://app.example:80", "HTTP://APP.example", "https://a.partner.example", "https://a.b.partner.example"} {
			if got := status(good); got != http.StatusSwitchingProtocols {
				t.Errorf("origin %q: %d", good, got)
			}
		}
		for _, bad := range []string{
			"http://evil.example", "http://app.example.evil.net", "http://evilapp.example", "http://app.exampl", "http://app.example.",
			"http://www.app.example", "https://app.example:8443", "https://partner.example", "https://evilpartner.example",
			"http://a.partner.example", "https://a.partner.example:8443", "https://*.partner.example", "https://.partner.example",
			"https://a.partner.example@evil.net", "https://evil.net#.partner.example", "https://evil.net/.partner.example",
			"https://evil.net\\.partner.example", "https://evil.net?.partner.example", "null", "NULL", "", "*", "app.example",
			"//app.example", "file://app.example", "ws://app.example", "http://app.example:8080", "http://app.example:080",
			"http://user@app.example", "http://app.example/", "http://app.example, http://evil.net", "http://app%2eexample",
			"http://127.0.0.1", "http://[::1]", "http://2130706433",
		} {
			if got := status(bad); got != http.StatusForbidden {
				t.Errorf("origin %q: %d", bad, got)
			}
		}
		if got := status("http://app.example", "http://app.example"); got != http.StatusBadRequest {
			t.Errorf("two origins: %d", got)
		}
	})
}

// Bombs: in one frame, in one-byte fragments, and behind a message that filled the
// window. Exactly the limit passes, one byte more ends with 1009, and a bomb of
// 64 MiB costs what the limit allows.
func TestBombs(t *testing.T) {
	const limit = 100_000
	bomb := 64 << 20
	if raceEnabled {
		bomb = 4 << 20 // to make one takes long then
	}
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		s.Options = engine.Options{MessageBytesMax: limit, FragmentsMax: 1 << 20, Compression: &deflate.Options{}, CloseTimeout: time.Second}
		address := start(t, s)
		for _, v := range []struct {
			name      string
			takeover  bool
			fragments int // bytes of each
			bytes     int
		}{
			{"the limit", false, 1 << 30, limit},
			{"one more", false, 1 << 30, limit + 1},
			{"fragmented, the limit", false, 1, limit},
			{"fragmented, one more", false, 1, limit + 1},
			{"takeover, the limit", true, 1 << 30, limit},
			{"takeover and fragmented, one more", true, 1, limit + 1},
			{"a bomb", false, 1 << 30, bomb},
			{"a bomb in fragments, with takeover", true, 100, bomb},
		} {
			c := connect(t, address)
			c.send(t, []byte(strings.Replace(opening, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1)))
			if r := c.response(t); r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Extensions") == "" {
				t.Fatal(r)
			}
			params, ok := next(t, n.open).Compression()
			if !ok {
				t.Fatal("it does not compress")
			}
			var sender deflate.Deflater
			o := deflate.Options{}.WithDefaults()
			sender.Init(params.FromClient(), &o)
			if v.takeover {
				c.send(t, compressed(sender.Append(nil, make([]byte, limit)), 1<<30))
				next(t, n.message)
			}
			input := compressed(sender.Append(nil, make([]byte, v.bytes)), v.fragments)
			var message string
			size := allocated(func() {
				go func() { _, _ = c.Write(input) }() // who is refused is not read to the end
				if v.bytes == limit {
					message = next(t, n.message)
				} else {
					c.closes(t, 1009)
				}
			})
			if v.bytes == limit && message != string(make([]byte, limit)) {
				t.Errorf("%s: %d bytes came", v.name, len(message))
			}
			if size > 20*limit {
				t.Errorf("%s: %d bytes were allocated", v.name, size)
			}
			c.Close()
			next(t, n.end)
			if len(n.message) != 0 {
				t.Errorf("%s: a message came that was too long", v.name)
			}
		}
	})
}

// compressed is a message in frames of at most size bytes.
func compressed(p []byte, size int) (frames []byte) {
	for first := true; first || len(p) > 0; first = false {
		part := p[:min(len(p), size)]
		p = p[len(part):]
		h := wire.Header{Fin: len(p) == 0, Opcode: wire.Continuation, Masked: true, Length: int64(len(part))}
		if first {
			h.Opcode, h.RSV = wire.Binary, wire.RSV1
		}
		frames = append(wire.AppendHeader(frames, h), part...) // a key of zeros
	}
	return frames
}

// A message of a million fragments, empty or not, ends at the limit and costs
// little until then.
func TestMillionFragments(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		address := start(t, s)
		for _, payload := range []string{"", "x"} {
			c := upgrade(t, address, masked(false, wire.Text, payload)...)
			flood := bytes.Repeat(masked(false, wire.Continuation, payload), 1_000_000)
			size := allocated(func() {
				go func() { _, _ = c.Write(flood) }()
				c.closes(t, 1009)
			})
			if size > 1<<20 {
				t.Errorf("%q: %d bytes were allocated", payload, size)
			}
			c.Close()
			if end := next(t, n.end); end.Sent != 1009 {
				t.Errorf("%+v", end)
			}
		}
	})
}

// A peer that sends pings and never reads: what it is owed does not pile up, and
// the time to write ends it.
func TestPingFloodOfAPeerThatDoesNotRead(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{WriteTimeout: 200 * time.Millisecond}
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		flood := bytes.Repeat(masked(true, wire.Ping, strings.Repeat("p", wire.ControlPayloadBytesMax)), 100)
		most := 0
		for {
			if _, err := c.Write(flood); err != nil {
				break
			}
			most = max(most, conn.Buffered())
		}
		if end := next(t, n.end); !errors.Is(end, engine.ErrWriteTimeout) {
			t.Errorf("%+v", end)
		}
		// The answers to one receive buffer, and those that goroutines are writing.
		if most > 256<<10 {
			t.Errorf("%d bytes were buffered", most)
		}
	})
}

// Pongs that nobody asked for are read away.
func TestPongFlood(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		c := upgrade(t, start(t, s))
		flood := append(bytes.Repeat(masked(true, wire.Pong, strings.Repeat("p", 125)), 200_000), text("and now this")...)
		if size := allocated(func() {
			c.send(t, flood)
			c.expect(t, wire.Text, "and now this")
		}); size > 1<<20 {
			t.Errorf("%d bytes were allocated for 200,000 pongs", size)
		}
	})
}

// Nothing of a message that fails is handed on, and everything before it is.
func TestNothingIsHeardOfAFailedFrame(t *testing.T) {
	const bad = "tainted\xff"
	huge := append([]byte{0x82, 0xff}, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4) // RFC 6455 §5.2: the highest bit must be 0
	sum := append([]byte{0x80, 0xff}, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4)
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		address := start(t, s)
		for name, v := range map[string]struct {
			input []byte
			code  wire.CloseCode
		}{
			"invalid text":             {text(bad), 1007},
			"invalid in a fragment":    {masked(false, wire.Text, bad), 1007},
			"invalid across fragments": {append(masked(false, wire.Text, "\xe2"), masked(true, wire.Continuation, "x")...), 1007},
			"cut at the end":           {text("\xe2\x82"), 1007},
			"reserved bits":            {append([]byte{0xc1}, text("x")[1:]...), 1002},
			"reserved opcode":          {masked(true, 3, "x"), 1002},
			"not masked":               {wire.AppendFrame(nil, true, wire.Text, []byte("x")), 1002},
			"fragmented ping":          {masked(false, wire.Ping, "x"), 1002},
			"message in a message":     {append(masked(false, wire.Text, "x"), text("y")...), 1002},
			"continuation of nothing":  {masked(true, wire.Continuation, "x"), 1002},
			"a length of 2^63":         {huge, 1002},
			"a sum past 2^63":          {append(masked(false, wire.Binary, "x"), sum...), 1009},
		} {
			c := upgrade(t, address, append(text("good "+name), v.input...)...)
			if got := next(t, n.message); got != "good "+name {
				t.Errorf("%s: %q", name, got)
			}
			c.closes(t, v.code)
			c.Close()
			if end := next(t, n.end); end.Sent != v.code || end.Err == nil {
				t.Errorf("%s: %+v", name, end)
			}
			if len(n.message) != 0 {
				t.Errorf("%s: %q was handed on", name, next(t, n.message))
			}
		}
	})
}

// Every length of a ping, a close reason and a message in parts comes back as it
// was sent, with memory that was full of something else before.
func TestNothingStale(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Loops = panics{n, ""}, 1 // an echo that takes notes
		address := start(t, s)
		swept := 0
		for length := range wire.ControlPayloadBytesMax + 1 {
			swept += engine.Sweep()
			c := upgrade(t, address)
			next(t, n.open)
			payload := strings.Repeat("p", length)
			c.send(t, masked(false, wire.Binary, payload))
			c.send(t, masked(true, wire.Ping, payload))
			c.expect(t, wire.Pong, payload)
			swept += engine.Sweep()
			c.send(t, masked(true, wire.Continuation, fmt.Sprint("end ", length)))
			c.expect(t, wire.Binary, payload+fmt.Sprint("end ", length))
			c.send(t, masked(true, wire.Close, string(wire.AppendClose(nil, 4001, payload[:max(0, length-2)]))))
			h, p := c.frame(t)
			if code, reason, err := wire.ParseClose(p); h.Opcode != wire.Close || code != 4001 || err != nil || strings.Trim(string(reason), "p") != "" {
				t.Fatalf("got %v %q", h.Opcode, p)
			}
			c.ends(t)
			if end := next(t, n.end); end.Reason != payload[:max(0, length-2)] {
				t.Fatalf("the reason became %q", end.Reason)
			}
		}
		if swept == 0 {
			t.Error("nothing was overwritten: nothing was tested")
		}
	})
}
