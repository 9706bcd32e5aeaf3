package transport

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
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
