package transport

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// A session that is ended is over on a loop although its client takes nothing: it does
// not wait for a time-out of writing.
func TestEndReachesClientsThatDoNotRead(t *testing.T) {
	const get = "GET /channels/chat HTTP/1.1\r\nHost: test\r\n"
	for name, request := range map[string]string{
		"websocket": get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"sse":       get + "Accept: text/event-stream\r\n\r\n",
		"ndjson":    get + "Accept: application/x-ndjson\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			joined, closed := make(chan struct{}, 1), make(chan error, 1)
			h := newHub(t, nil, &hub.Options{Observer: &hub.Observer{
				Joined: func(*hub.Session, string) { joined <- struct{}{} },
				Closed: func(_ *hub.Session, why error) { closed <- why },
			}})
			v := serveOnOneLoop(t, h, Options{Logger: quiet(), WriteTimeout: time.Hour, Heartbeat: time.Hour})
			defer v.close()
			nc, err := net.Dial("tcp", strings.TrimPrefix(v.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
			if _, err := io.WriteString(nc, request); err != nil {
				t.Fatal(err)
			}
			<-joined
			for range 300 { // more than the buffers of both kernels take
				if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.Text, Data: []byte(strings.Repeat("x", 60<<10))}); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			h.EndSessions(func(*hub.Session) bool { return true }, &hub.Ended{Code: 4403, Reason: "enough"})
			select {
			case err := <-closed:
				if took := time.Since(began); took > 3*time.Second { // the close handshake would take longer
					t.Errorf("it ended after %v with %v", took, err)
				}
			case <-time.After(patience):
				t.Error("the session goes on")
			}
		})
	}
}
