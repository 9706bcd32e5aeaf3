package transport

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// logLines is a log of lines that wait to be read.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// A close frame is how a WebSocket ends, and no error. A connection that breaks is one.
func TestLogOfEnds(t *testing.T) {
	for name, serve := range map[string]func(testing.TB, *hub.Hub, Options) *venue{
		"goroutines": serveOnGoroutines, "behind net/http": serveBehindHTTP, "one loop": serveOnOneLoop,
	} {
		for _, c := range []struct {
			end          func(c *ws.Conn)
			want, absent string
		}{
			{func(c *ws.Conn) { _ = c.Close(ws.StatusNormal, "") }, "close.code=1000", "error="},
			{func(c *ws.Conn) { _ = c.Close(4321, "done") }, "close.reason=done", "error="},
			{func(c *ws.Conn) { _ = c.NetConn().Close() }, "error=", "close.code"},
		} {
			log := make(logLines, 16)
			v := serve(t, newHub(t, nil, nil), Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			conn, _, err := ws.Dial(t.Context(), v.url+"/channels/chat", nil)
			if err != nil {
				t.Fatal(err)
			}
			c.end(conn)
			line := ""
			for !strings.Contains(line, "WebSocket ended") {
				line = <-log
			}
			_ = conn.CloseNow()
			v.close()
			if !strings.Contains(line, c.want) || strings.Contains(line, c.absent) {
				t.Errorf("%s: want %s and not %s: %s", name, c.want, c.absent, line)
			}
		}
	}
}

// shouter is a protocol at /shout/ that answers a message at length, when it may.
type shouter struct {
	asked, may chan struct{}
	*door      // for the rest
}

func (s *shouter) Serves(path string) bool                      { return strings.HasPrefix(path, "/shout/") }
func (s *shouter) Open(*Request) (dialect.OverSocket, *Refusal) { return s, nil }
func (s *shouter) Begin(_ time.Time, out *dialect.Effects)      { out.Answer = &dialect.Answer{Status: 101} }
func (s *shouter) Expire(time.Time, *dialect.Effects)           {}
func (s *shouter) Left()                                        {}
func (s *shouter) Receive(_ time.Time, _ dialect.Frame, out *dialect.Effects) {
	close(s.asked)
	<-s.may
	out.Frames = append(out.Frames, wire.AppendFrame(nil, true, wire.Binary, make([]byte, 16<<20)))
}

// A client that said why it leaves is not one whose connection broke, although the server was
// about to answer it.
func TestLogOfAnEndBeforeAnAnswer(t *testing.T) {
	for name, serve := range map[string]func(testing.TB, *hub.Hub, Options) *venue{
		"goroutines": serveOnGoroutines, "behind net/http": serveBehindHTTP, "one loop": serveOnOneLoop,
	} {
		log := make(logLines, 16)
		s := &shouter{asked: make(chan struct{}), may: make(chan struct{}), door: &door{}}
		v := serve(t, newHub(t, nil, nil), Options{
			Protocols: []Protocol{s},
			Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		conn, _, err := ws.Dial(t.Context(), v.url+"/shout/loud", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), ws.MessageText, []byte("hello?")); err != nil {
			t.Fatal(err)
		}
		<-s.asked
		_, _ = conn.NetConn().Write(wire.AppendMaskedFrame(nil, true, wire.Close, [4]byte{}, wire.AppendClose(nil, 4321, "done")))
		_ = conn.NetConn().Close()
		close(s.may)
		line := ""
		for !strings.Contains(line, "WebSocket ended") {
			line = <-log
		}
		_ = conn.CloseNow()
		v.close()
		if !strings.Contains(line, "close.code=4321") || strings.Contains(line, "error=") {
			t.Errorf("%s: %s", name, line)
		}
	}
}
