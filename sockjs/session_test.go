package sockjs_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// each runs a test for every form of a session on both drivers.
func each(t *testing.T, forms []string, run func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string)) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		for _, form := range forms {
			t.Run(form, func(t *testing.T) {
				run(t, func(h sockjs.Handler, o *sockjs.Options) *site {
					s := serve(h, o)
					s.t = t
					return s
				}, form)
			})
		}
	})
}

func TestEcho(t *testing.T) {
	each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		p := serve(echo{}, nil).peer(form).open()
		if status := p.send(`["a","b\u2028\"","` + "\U0001F426" + `"]`); status != 204 {
			t.Error(status)
		}
		var got []string
		for len(got) < 3 { // a WebSocket has a frame for each
			frame := p.received()
			got = append(got, strings.Split(strings.Trim(frame, "a[]"), ",")...)
		}
		if want := `"a","b\u2028\"","` + "\U0001F426" + `"`; strings.Join(got, ",") != want {
			t.Errorf("%s, want %s", got, want)
		}
		if status := p.send(`[]`); status != 204 {
			t.Error(status)
		}
		p.send(`["last"]`)
		p.expect(`a["last"]`)
	})
}

// The callbacks of a session come in order, and OnClose is the last.
func TestCallbacks(t *testing.T) {
	each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(func(s *sockjs.Session, call string) {
			switch call {
			case "open":
				s.SetValue("mine")
			case "message bye":
				if s.Value() != "mine" {
					t.Error(s.Value())
				}
				if err := s.Send("goodbye"); err != nil {
					t.Error(err)
				}
				s.Close(4001, `because "of" it`)
				if err := s.Send("too late"); !errors.Is(err, sockjs.ErrClosed) {
					t.Error(err)
				}
				s.Close(4002, "again")
				s.Wake()
			}
		})
		p := serve(h, nil).peer(form).open()
		h.expect(t, "open")
		p.send(`["x","bye","not heard"]`)
		h.expect(t, "message x", "message bye", `close 4001 "because \"of\" it" false`)
		p.expect(`a["goodbye"]`)
		p.expect(`c[4001,"because \"of\" it"]`)
		if form == "websocket" {
			p.expect("end")
			return
		}
		p.expect(`c[4001,"because \"of\" it"]`)
		if status := p.send(`["x"]`); status != http.StatusNotFound {
			t.Error(status)
		}
	})
}

// A session that is held waits for a decision, and messages written meanwhile come
// behind o.
func TestHold(t *testing.T) {
	each(t, append([]string{"raw"}, forms...), func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(nil)
		held := make(chan *sockjs.Session, 1)
		s := serve(nil, &sockjs.Options{Decide: func(s *sockjs.Session, r *sockjs.Request) sockjs.Handler {
			if r.Base() != "/echo" || r.Query() != "last=10" || !r.RemoteAddr().IsValid() || r.Transport() != s.Transport() || (r.HTTP() == nil) == (r.Loop() == nil) {
				t.Errorf("%q %q", r.Base(), r.Query())
			}
			s.Hold()
			if err := s.Send("early"); err != nil {
				t.Error(err)
			}
			s.Wake()
			held <- s
			return h
		}})
		p := s.peer(form)
		p.name += "/" + form + "?last=10"
		first := make(chan string)
		go func() { first <- p.firstOf() }()
		session := <-held
		h.expect(t, "wake")
		if err := session.WriteFrames(wire.AppendFrame(nil, true, wire.Text, []byte("later"))); err != nil {
			t.Error(err)
		}
		session.Accept()
		h.expect(t, "open")
		want := "o"
		if form == "raw" {
			want = "early"
		}
		if got := <-first; got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// firstOf begins a session whose name has the whole rest of the URL, and returns the first
// frame.
func (p *peer) firstOf() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := p.s.base + "/7/" + p.name
	if p.form == "raw" {
		url = p.s.base + "/websocket?last=10"
	}
	if p.form == "raw" || p.form == "websocket" {
		conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), nil)
		if err != nil {
			return err.Error()
		}
		defer conn.CloseNow()
		_, m, err := conn.Read(ctx)
		if err != nil {
			return err.Error()
		}
		return string(m)
	}
	method := http.MethodPost
	if p.form == "eventsource" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err.Error()
	}
	got, err := p.s.client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer got.Body.Close()
	for {
		b := make([]byte, 4096)
		n, err := got.Body.Read(b)
		for _, line := range strings.FieldsFunc(string(b[:n]), func(r rune) bool { return r == '\r' || r == '\n' }) {
			if line = strings.TrimPrefix(line, "data: "); !strings.HasPrefix(line, "hh") {
				return line
			}
		}
		if err != nil {
			return err.Error()
		}
	}
}

// A session that is refused says why, without o, at once and later; OnClose is called for a
// Handler that Decide has returned.
func TestRefuse(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprint("later ", later), func(t *testing.T) {
			each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
				h := newEvents(nil)
				server := newEvents(nil)
				s := serve(server, &sockjs.Options{Decide: func(s *sockjs.Session, r *sockjs.Request) sockjs.Handler {
					if !later {
						s.Close(4403, "no")
						return h
					}
					s.Hold()
					go s.Close(4403, "no")
					return h
				}})
				p := s.peer(form)
				p.expect(`c[4403,"no"]`)
				h.expect(t, `close 4403 "no" false`)
				if n := s.server.Stats(); n.Opened != 0 || n.Refused != 1 {
					t.Errorf("%+v", n)
				}
			})
		})
	}
}

// A Handler of the Server is not told of sessions that Decide has refused.
func TestRefusedWithoutHandler(t *testing.T) {
	each(t, []string{"websocket", "xhr"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(nil)
		s := serve(h, &sockjs.Options{Decide: func(s *sockjs.Session, _ *sockjs.Request) sockjs.Handler {
			s.Close(4403, "no")
			return nil
		}})
		s.peer(form).expect(`c[4403,"no"]`)
		if len(h.calls) != 0 {
			t.Error(<-h.calls)
		}
	})
}

// A callback that panics ends its session and no other.
func TestPanics(t *testing.T) {
	each(t, []string{"websocket", "xhr_streaming"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(func(_ *sockjs.Session, call string) {
			if call == "message panic" {
				panic("in OnMessage")
			}
		})
		var decides atomic.Bool
		s := serve(h, &sockjs.Options{Decide: func(s *sockjs.Session, _ *sockjs.Request) sockjs.Handler {
			if decides.Load() {
				panic("in Decide")
			}
			return nil
		}})
		p, other := s.peer(form).open(), s.peer(form).open()
		h.expect(t, "open", "open")
		if status := p.send(`["panic"]`); form != "websocket" && status != 500 {
			t.Error(status)
		}
		h.expect(t, `close 1011 "internal error" false`)
		p.expect(`c[1011,"internal error"]`)
		other.send(`["x"]`)
		h.expect(t, "message x")
		decides.Store(true)
		s.peer(form).expect(`c[1011,"internal error"]`)
	})
}

// WriteFrames unwraps what was made for WebSockets: text is a message, bytes are base64.
func TestWriteFrames(t *testing.T) {
	data := bytes.Repeat([]byte{0, 0xff, '"'}, 100)
	frames := [][]byte{
		wire.AppendFrame(nil, true, wire.Text, []byte(`say "hi"`)),
		wire.AppendFrame(wire.AppendFrame(nil, true, wire.Binary, data), true, wire.Text, nil),
	}
	b64 := base64.StdEncoding.EncodeToString(data)
	each(t, append([]string{"raw"}, forms...), func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(func(s *sockjs.Session, call string) {
			if call != "open" {
				return
			}
			for _, wrong := range [][]byte{{0x81}, {0x81, 2, 'a'}, {0x01, 1, 'a'}, {0xc1, 1, 'a'}, {0x88, 0}, {0x81, 0x81, 0, 0, 0, 0, 'a'}} {
				if err := s.WriteFrames(wrong); !errors.Is(err, sockjs.ErrFrame) {
					t.Errorf("%x: %v", wrong, err)
				}
			}
			if err := s.WriteFrames(frames...); err != nil {
				t.Error(err)
			}
			if err := s.Send("\xff"); !errors.Is(err, sockjs.ErrNotUTF8) {
				t.Error(err)
			}
		})
		p := serve(h, nil).peer(form)
		if form == "raw" {
			p.expect(`say "hi"`)
			p.expect(string(data))
			p.expect("")
			return
		}
		p.open()
		p.expect(`a["say \"hi\"","` + b64 + `",""]`)
	})
}

// A raw WebSocket has no frames of SockJS: text and bytes both ways, and a close frame.
func TestRawWebSocket(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "message bye" {
				s.Close(3000, "Go away!")
			}
		})
		s := serve(h, nil)
		conn, _, err := ws.Dial(t.Context(), "ws://"+s.host+"/echo/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		for _, m := range []struct {
			typ  ws.MessageType
			text string
		}{{ws.MessageText, `["a"]`}, {ws.MessageBinary, "b"}, {ws.MessageText, ""}, {ws.MessageText, "bye"}} {
			if err := conn.Write(t.Context(), m.typ, []byte(m.text)); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = conn.Read(t.Context())
		h.expect(t, "open", `message ["a"]`, "binary b", "message ", "message bye", `close 3000 "Go away!" false`)
		if end, ok := errors.AsType[*ws.CloseError](err); !ok || end.Code != 3000 || end.Reason != "Go away!" {
			t.Error(err)
		}
	})
}

// Input of a WebSocket that is no frame ends it, and so does a message that is too long.
func TestBrokenFrames(t *testing.T) {
	each(t, []string{`["a`, `{}`, `[1]`, `["` + strings.Repeat("x", 11) + `"]`}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, payload string) {
		h := newEvents(nil)
		p := serve(h, &sockjs.Options{MessageBytesMax: 10}).peer("websocket").open()
		h.expect(t, "open")
		p.send(payload)
		if len(payload) > 10 {
			p.expect(`c[1009,"the message is longer than is taken here"]`)
			h.expect(t, `close 1009 "the message is longer than is taken here" false`)
		} else {
			h.expect(t, `close 3000 "Broken framing." false`)
		}
		p.expect("end")
	})
}

// A client that leaves is noticed.
func TestLeave(t *testing.T) {
	each(t, []string{"websocket", "xhr_streaming", "eventsource"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(nil)
		s := serve(h, nil)
		p := s.peer(form).open()
		h.expect(t, "open")
		p.leave()
		h.expect(t, `close 1002 "Connection interrupted" true`)
		if form != "websocket" {
			again := &peer{s: s, t: t, form: "xhr", name: p.name}
			again.expect(`c[1002,"Connection interrupted"]`)
		}
	})
}

// A WebSocket that says goodbye is no accident.
func TestClientCloses(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		h := newEvents(nil)
		p := serve(h, nil).peer("websocket").open()
		if err := p.conn.Close(1000, "done"); err != nil {
			t.Error(err)
		}
		h.expect(t, "open", `close 1000 "done" true`)
	})
}

// A message may be sent from any goroutine, and each arrives once, in the order of its
// sender, whatever the transport.
func TestConcurrentSends(t *testing.T) {
	const senders, messages = 4, 200
	each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		opened := make(chan *sockjs.Session, 1)
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "open" {
				opened <- s
			}
		})
		p := serve(h, &sockjs.Options{ResponseLimit: 1000}).peer(form).open()
		session := <-opened
		var all sync.WaitGroup
		for sender := range senders {
			all.Go(func() {
				for i := range messages {
					if err := session.Send(fmt.Sprintf("%d %d", sender, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var next [senders]int
		for total := 0; total < senders*messages; {
			frame := p.received()
			for _, text := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(frame, "a["), "]"), ",") {
				var sender, i int
				if _, err := fmt.Sscanf(text, `"%d %d"`, &sender, &i); err != nil || next[sender] != i {
					t.Fatalf("%q in %.100q, want %d: %v", text, frame, next[sender], err)
				}
				next[sender]++
				total++
			}
		}
		all.Wait()
	})
}

// A session of requests whose queue is full is closed, because a message was lost.
func TestQueueFull(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "message go" {
				for i := range 3 {
					if err := s.Send("x"); (i < 2) != (err == nil) || i == 2 && !errors.Is(err, sockjs.ErrQueueFull) {
						t.Error(i, err)
					}
				}
			}
		})
		p := serve(h, &sockjs.Options{QueueMessagesMax: 2}).peer("xhr").open()
		h.expect(t, "open")
		p.send(`["go"]`)
		h.expect(t, "message go", `close 1008 "too much waits for this client" false`)
		p.expect(`c[1008,"too much waits for this client"]`)
	})
}

// What waits for the next poll is counted, and OnDrain says when it has left.
func TestDrain(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		opened := make(chan *sockjs.Session, 1)
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "open" {
				opened <- s
			}
		})
		p := serve(h, nil).peer("xhr").open()
		session := <-opened
		h.expect(t, "open")
		if n := session.Buffered(); n != 0 {
			t.Error(n)
		}
		_ = session.Send("abc")
		if n := session.Buffered(); n != 1024 {
			t.Error(n)
		}
		p.expect(`a["abc"]`)
		h.expect(t, "drain")
	})
}

// A program that pauses is given no more messages, not even the rest of a request, which is
// answered when all of it was heard.
func TestPause(t *testing.T) {
	each(t, []string{"websocket", "xhr"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		paused := make(chan *sockjs.Session, 1)
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "message 1" {
				s.PauseReading()
				paused <- s
			}
		})
		p := serve(h, nil).peer(form).open()
		h.expect(t, "open")
		answered := make(chan int, 1)
		go func() {
			status := p.send(`["0","1","2"]`)
			p.send(`["3"]`)
			answered <- status
		}()
		session := <-paused
		h.expect(t, "message 0", "message 1")
		session.Wake()
		h.expect(t, "wake") // and no message
		session.ResumeReading()
		h.expect(t, "message 2")
		if form == "websocket" {
			h.expect(t, "wake")
		}
		h.expect(t, "message 3")
		if status := <-answered; status != 204 {
			t.Error(status)
		}
	})
}

func TestSessionSaysWhatItIs(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		ids := make(chan string, 10)
		h := newEvents(func(s *sockjs.Session, call string) {
			if call == "open" {
				if s.RemoteAddr() == nil {
					t.Error("no address")
				}
				ids <- s.ID() + " " + s.Transport().String()
			}
		})
		s := serve(h, nil)
		seen := map[string]bool{}
		for _, form := range []string{"websocket", "xhr", "xhr_streaming", "eventsource"} {
			p := s.peer(form).open()
			id, transport, _ := strings.Cut(<-ids, " ")
			if seen[id] || strings.Contains(id, p.name) || id == "" {
				t.Error(id)
			}
			seen[id] = true
			if want := map[string]string{"websocket": "websocket", "xhr": "xhr-polling", "xhr_streaming": "xhr-streaming", "eventsource": "eventsource"}[form]; transport != want {
				t.Error(transport)
			}
		}
		if n := s.server.Stats(); n.Sessions != 4 || n.WebSockets != 1 || n.Opened != 4 || n.Waiting != 1 {
			t.Errorf("%+v", n)
		}
	})
}

func TestWakeAt(t *testing.T) {
	each(t, []string{"websocket", "xhr", "xhr_streaming"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		begun := time.Now()
		h := newEvents(func(s *sockjs.Session, call string) {
			switch call {
			case "open":
				s.WakeAt(begun.Add(time.Hour))
				s.WakeAt(begun.Add(30 * time.Millisecond))
			case "wake":
				if d := time.Since(begun); d < 30*time.Millisecond {
					t.Error("early:", d)
				}
			}
		})
		serve(h, nil).peer(form).open()
		h.expect(t, "open", "wake")
	})
}

// Close ends everybody, tells new ones, and waits for OnClose.
func TestServerCloses(t *testing.T) {
	each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		h := newEvents(nil)
		s := serve(h, nil)
		p := s.peer(form).open()
		h.expect(t, "open")
		frames := make(chan string, 1)
		go func() {
			frames <- p.next()
			if form == "websocket" {
				p.next() // the close frame is answered
			}
		}()
		if form == "xhr" {
			for s.server.Stats().Waiting != 0 {
				time.After(0)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		const reason = `"the server is going away"`
		if got := <-frames; got != `c[1001,`+reason+`]` {
			t.Error(got)
		}
		select {
		case got := <-h.calls:
			if got == "drain" {
				got = <-h.calls
			}
			if got != "close 1001 "+reason+" false" {
				t.Error(got)
			}
		default:
			t.Error("OnClose was not called before Shutdown returned")
		}
		s.peer(form).expect(`c[1001,` + reason + `]`)
	})
}

// A callback belongs to its request, also while many wait on one loop.
func TestCallbacksOfJSONP(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		s := serve(echo{}, &sockjs.Options{Transports: sockjs.AllTransports(), Origins: anyone(t)})
		const clients = 20
		peers := make([]*peer, clients)
		got := make([]string, clients)
		var all sync.WaitGroup
		for i := range peers {
			p := s.peer("xhr").open()
			peers[i] = p
			all.Go(func() {
				r := p.request(t.Context(), http.MethodGet, fmt.Sprintf("jsonp?c=callback%d", 10+i), nil)
				defer r.Body.Close()
				b, _ := io.ReadAll(r.Body)
				got[i] = string(b)
			})
		}
		for s.server.Stats().Waiting != 0 {
			runtime.Gosched()
		}
		for i, p := range peers {
			p.send(fmt.Sprintf(`["%d"]`, i))
		}
		all.Wait()
		for i := range peers {
			if want := fmt.Sprintf("/**/callback%d(\"a[\\\"%d\\\"]\");\r\n", 10+i, i); got[i] != want {
				t.Errorf("%q, want %q", got[i], want)
			}
		}
	})
}

// NoLimit is none.
func TestNoLimit(t *testing.T) {
	each(t, append([]string{"raw"}, forms...), func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		const no = sockjs.NoLimit
		p := serve(echo{}, &sockjs.Options{
			DecisionTimeout: no, Heartbeat: no, DisconnectDelay: no, ResponseLimit: no, MessageBytesMax: no, BodyBytesMax: no,
			QueueMessagesMax: no, QueueBytesMax: no, SessionsMax: no,
		}).peer(form)
		text := strings.Repeat("x", 5<<20)
		if form == "raw" {
			conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(p.s.base, "http")+"/websocket", &ws.DialOptions{Options: ws.Options{MessageBytesMax: no}})
			if err != nil {
				t.Fatal(err)
			}
			p.read(conn)
			p.send(text)
			if got := p.next(); got != text {
				t.Errorf("%d bytes", len(got))
			}
			return
		}
		if form == "websocket" {
			conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url("websocket"), "http"), &ws.DialOptions{Options: ws.Options{MessageBytesMax: no}})
			if err != nil {
				t.Fatal(err)
			}
			p.read(conn)
		}
		p.open()
		if status := p.send(`["` + text + `"]`); status != 204 {
			t.Error(status)
		}
		if got := p.received(); got != `a["`+text+`"]` {
			t.Errorf("%d bytes", len(got))
		}
	})
}
