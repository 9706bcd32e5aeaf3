package engineio_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestWebSocket(t *testing.T) {
	h := hooks{open: func(s *engineio.Socket) {
		if s.Transport() != engineio.WebSocket || s.RemoteAddr() == nil || len(s.SID()) != 20 {
			t.Errorf("%v, %v, %q", s.Transport(), s.RemoteAddr(), s.SID())
		}
		_ = s.Write(engineio.MessageText, []byte("welcome"))
	}}
	onBoth(t, engineio.Options{MaxPayload: 1000}, h, func(t *testing.T, s *site) {
		c, sid := s.openSocket(t)
		c.hears("4welcome")
		c.say("4hello")
		c.hears("4hello")
		c.sayBytes(1, 2, 3)
		c.hearsBytes(1, 2, 3)
		c.say("bAQID")
		c.hearsBytes(1, 2, 3)
		c.say("4")
		c.hears("4")
		long := "4" + strings.Repeat("x", 999)
		c.say(long)
		c.hears(long)

		other := s.dial(t, socket4+"&sid="+sid) // there is one
		other.ends()
		c.say("4still here")
		c.hears("4still here")

		_ = c.Close(ws.StatusNormal, "")
		if r := next(t, s.reasons); r != engineio.ReasonTransportClose {
			t.Error(r)
		}
		c, _ = s.openSocket(t)
		_ = c.Close(ws.StatusGoingAway, "") // a page that is left; the answer has the same code
		if r := next(t, s.reasons); r != engineio.ReasonTransportClose {
			t.Error(r)
		}
		for says, want := range map[string]engineio.Reason{
			"1": engineio.ReasonTransportClose, "abc": engineio.ReasonParseError, "": engineio.ReasonParseError, "2": engineio.ReasonParseError,
			"4" + strings.Repeat("x", 1000): engineio.ReasonTooLarge,
		} {
			c, _ = s.openSocket(t)
			c.say(says)
			c.ends()
			if r := next(t, s.reasons); r != want {
				t.Errorf("%.10q: %v, want %v", says, r, want)
			}
		}
		c, _ = s.openSocket(t)
		_ = c.CloseNow()
		if r := next(t, s.reasons); r != engineio.ReasonTransportClose && r != engineio.ReasonTransportError {
			t.Error(r)
		}
	})
}

// A client that cannot take bytes gets them as text.
func TestBase64OnWebSocket(t *testing.T) {
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		c := s.dial(t, socket4+"&b64=1")
		c.next()
		c.say("bAQID")
		c.hears("bAQID")
	})
}

// Messages are compressed if that is agreed on, and messages that were encoded before are not.
func TestCompression(t *testing.T) {
	long := strings.Repeat("x", 1000)
	h := hooks{message: func(s *engineio.Socket, typ engineio.MessageType, data []byte) {
		_ = s.Write(typ, data)
		_ = s.WritePackets(engineio.AppendMessage(nil, typ, data))
	}}
	onBoth(t, engineio.Options{Compression: &deflate.Options{}}, h, func(t *testing.T, s *site) {
		conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"?"+socket4, &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if _, ok := conn.Compression(); !ok {
			t.Error("messages are not compressed")
		}
		c := &socket{t, conn}
		c.next()
		for range 3 {
			c.say("4" + long)
			c.hears("4" + long)
			c.hears("4" + long)
		}
	})
}

func TestVersion3(t *testing.T) {
	onBoth(t, engineio.Options{AllowEIO3: true}, hooks{}, func(t *testing.T, s *site) {
		c := s.dial(t, "EIO=3&transport=websocket")
		if _, p := c.next(); !bytes.HasPrefix(p, []byte(`0{"sid":"`)) {
			t.Errorf("%q", p)
		}
		c.say("4hello")
		c.hears("4hello")
		c.sayBytes(4, 1, 2)
		c.hearsBytes(4, 1, 2)
		c.say("2")
		c.hears("3")
		c.sayBytes(9)
		c.ends()

		const poll3 = "EIO=3&transport=polling&sid="
		a := s.do(t, "GET", poll3, "")
		length, open, _ := strings.Cut(a.body, ":")
		if fmt.Sprint(len(open)) != length {
			t.Fatalf("%q", a.body)
		}
		sid, _ := opened(t, open)
		if a := s.do(t, "POST", poll3+sid, "4:4€😀", "Content-Type", "text/plain;charset=UTF-8"); a.status != 200 || a.body != "ok" {
			t.Errorf("%+v", a)
		}
		if a := s.do(t, "GET", poll3+sid, ""); a.body != "4:4€😀" || a.header.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Errorf("%+v", a)
		}
		const octets = "\x00\x02\xff4a\x01\x03\xff\x04\x01\x02"
		if a := s.do(t, "POST", poll3+sid, octets, "Content-Type", "application/octet-stream"); a.status != 200 {
			t.Errorf("%+v", a)
		}
		if a := s.do(t, "GET", poll3+sid, ""); a.body != octets || a.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%+v", a)
		}
		if a := s.do(t, "GET", poll4+"&sid="+sid, ""); a.status != 400 || !strings.Contains(a.body, `"code":3`) {
			t.Errorf("another version than at the handshake: %+v", a)
		}
		a = s.do(t, "GET", "EIO=3&transport=polling&b64=1", "")
		_, open, _ = strings.Cut(a.body, ":")
		sid, _ = opened(t, open)
		s.do(t, "POST", poll3+sid, "6:b4AQI=", "Content-Type", "text/plain;charset=UTF-8")
		if a := s.do(t, "GET", poll3+sid, ""); a.body != "6:b4AQI=" {
			t.Errorf("%+v", a)
		}
	})
}

// A message arrives however it is written, over both transports.
func TestWrites(t *testing.T) {
	text, binary := []byte("hello"), []byte{1, 2, 3}
	frame := func(op wire.Opcode, p []byte) []byte { return wire.AppendFrame(nil, true, op, p) }
	two := engineio.AppendMessage(engineio.AppendMessage(nil, engineio.MessageText, text), engineio.MessageBinary, binary)
	writes := map[string]func(s *engineio.Socket) error{
		"Write": func(s *engineio.Socket) error {
			return errors.Join(s.Write(engineio.MessageText, text), s.Write(engineio.MessageBinary, binary))
		},
		"WriteFrames": func(s *engineio.Socket) error {
			return s.WriteFrames(frame(wire.Text, text), frame(wire.Binary, binary))
		},
		"WriteFrames, together": func(s *engineio.Socket) error {
			return s.WriteFrames(append(frame(wire.Text, text), frame(wire.Binary, binary)...))
		},
		"WritePackets, together": func(s *engineio.Socket) error { return s.WritePackets(two) },
		"WritePackets": func(s *engineio.Socket) error {
			return s.WritePackets(engineio.AppendMessage(nil, engineio.MessageText, text), engineio.AppendMessage(nil, engineio.MessageBinary, binary))
		},
		"nothing": func(s *engineio.Socket) error { return errors.Join(s.WritePackets(), s.WriteFrames()) },
	}
	wrong := map[string]struct {
		write func(s *engineio.Socket) error
		want  error
	}{
		"a type":             {func(s *engineio.Socket) error { return s.Write(9, text) }, engineio.ErrMessageType},
		"no text":            {func(s *engineio.Socket) error { return s.Write(engineio.MessageText, []byte{0xFF}) }, engineio.ErrNotUTF8},
		"half a frame":       {func(s *engineio.Socket) error { return s.WriteFrames(frame(wire.Text, text)[:3]) }, engineio.ErrFrame},
		"a ping":             {func(s *engineio.Socket) error { return s.WriteFrames(frame(wire.Ping, nil)) }, engineio.ErrFrame},
		"a fragment":         {func(s *engineio.Socket) error { return s.WriteFrames(wire.AppendFrame(nil, false, wire.Text, text)) }, engineio.ErrFrame},
		"a frame, then none": {func(s *engineio.Socket) error { return s.WriteFrames(frame(wire.Text, text), []byte{0x81}) }, engineio.ErrFrame},
	}
	h := hooks{message: func(s *engineio.Socket, _ engineio.MessageType, data []byte) {
		if w, ok := wrong[string(data)]; ok {
			if err := w.write(s); !errors.Is(err, w.want) {
				t.Errorf("%s: %v, want %v", data, err, w.want)
			}
		} else if err := writes[string(data)](s); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		_ = s.Write(engineio.MessageText, []byte("."))
	}}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		c, _ := s.openSocket(t)
		sid, _ := s.open(t)
		for name := range writes {
			c.say("4" + name)
			s.post(t, sid, "4"+name)
			if name == "nothing" {
				c.hears("4.")
				s.hears(t, sid, "4.")
				continue
			}
			c.hears("4hello")
			c.hearsBytes(1, 2, 3)
			c.hears("4.")
			s.hears(t, sid, "4hello\x1ebAQID\x1e4.")
		}
		for name := range wrong {
			c.say("4" + name)
			s.post(t, sid, "4"+name)
			c.hears("4.")
			s.hears(t, sid, "4.")
		}
	})
}

// A packet cannot be sent as what it is not, and a text with a separator not over polling.
func TestPollingCannotSend(t *testing.T) {
	done := make(chan struct{}, 2)
	h := hooks{open: func(s *engineio.Socket) {
		if err := s.Write(engineio.MessageText, []byte("a\x1eb")); !errors.Is(err, engineio.ErrSeparator) {
			t.Error(err)
		}
		if err := s.WritePackets(wire.AppendFrame(nil, true, wire.Text, []byte("5"))); !errors.Is(err, engineio.ErrFrame) {
			t.Error(err)
		}
		done <- struct{}{}
	}}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		s.open(t)
		next(t, done)
	})
}

// Close is heard behind what was written.
func TestClose(t *testing.T) {
	h := hooks{message: func(s *engineio.Socket, _ engineio.MessageType, data []byte) {
		_ = s.Write(engineio.MessageText, data)
		s.Close(4001, "bye")
		if err := s.Write(engineio.MessageText, data); !errors.Is(err, engineio.ErrClosed) {
			t.Errorf("a write behind Close: %v", err)
		}
		s.Close(1000, "again")
	}}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		c, _ := s.openSocket(t)
		c.say("4x")
		c.hears("4x")
		if code := c.ends(); code != 4001 {
			t.Errorf("the code is %d", code)
		}
		if r := next(t, s.reasons); r != engineio.ReasonForcedClose {
			t.Error(r)
		}
		sid, _ := s.open(t)
		s.post(t, sid, "4x\x1e4dropped")
		s.hears(t, sid, "4x\x1e1")
		if r := next(t, s.reasons); r != engineio.ReasonForcedClose {
			t.Error(r)
		}
		if a := s.poll(t, sid); a.status != 400 {
			t.Errorf("%+v", a)
		}
	})
}

// A panic ends its session and no other.
func TestPanic(t *testing.T) {
	h := hooks{message: func(s *engineio.Socket, typ engineio.MessageType, data []byte) {
		if string(data) == "panic" {
			panic("as it was told")
		}
		_ = s.Write(typ, data)
	}}
	onBoth(t, engineio.Options{Log: quiet()}, h, func(t *testing.T, s *site) {
		c, _ := s.openSocket(t)
		other, _ := s.openSocket(t)
		c.say("4panic")
		if code := c.ends(); code != ws.StatusInternalError {
			t.Errorf("the code is %d", code)
		}
		if r := next(t, s.reasons); r != engineio.ReasonPanic {
			t.Error(r)
		}
		sid, _ := s.open(t)
		if a := s.post(t, sid, "4panic"); a.status != 400 {
			t.Errorf("%+v", a)
		}
		if r := next(t, s.reasons); r != engineio.ReasonPanic {
			t.Error(r)
		}
		other.say("4x")
		other.hears("4x")
	})
}

// Wakes come in turn, from anywhere, and at their time.
func TestWake(t *testing.T) {
	sockets := make(chan *engineio.Socket, 1)
	h := hooks{
		open: func(s *engineio.Socket) { sockets <- s },
		wake: func(s *engineio.Socket) { _ = s.Write(engineio.MessageText, []byte("awake")) },
	}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		c, _ := s.openSocket(t)
		one := next(t, sockets)
		one.Wake()
		c.hears("4awake")
		began := time.Now()
		one.WakeAt(began.Add(time.Hour))
		one.WakeAt(time.Time{})
		one.WakeAt(began.Add(50 * time.Millisecond))
		c.hears("4awake")
		if took := time.Since(began); took < 50*time.Millisecond {
			t.Errorf("it was early: %v", took)
		}
		sid, _ := s.open(t)
		one = next(t, sockets)
		one.Wake()
		s.hears(t, sid, "4awake")
		began = time.Now()
		one.WakeAt(began.Add(50 * time.Millisecond))
		s.hears(t, sid, "4awake")
		if took := time.Since(began); took < 50*time.Millisecond {
			t.Errorf("it was early: %v", took)
		}
	})
}
