package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// requestsOf are what opens each lasting carrier.
func requestsOf(query string) map[string]string {
	get := "GET /channels/chat" + query + " HTTP/1.1\r\nHost: test\r\n"
	return map[string]string{
		"websocket": get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"sse":       get + "Accept: text/event-stream\r\n\r\n",
		"ndjson":    get + "Accept: application/x-ndjson\r\n\r\n",
	}
}

// openUnread opens a carrier on a loop and reads nothing. joined and closed are of its
// session.
func openUnread(t *testing.T, request string, p hub.Policy) (h *hub.Hub, nc net.Conn, closed chan error) {
	t.Helper()
	joined := make(chan struct{}, 1)
	closed = make(chan error, 1)
	h = newHub(t, nil, &hub.Options{Observer: &hub.Observer{
		Joined: func(*hub.Session, string) { joined <- struct{}{} },
		Closed: func(_ *hub.Session, why error) { closed <- why },
	}})
	h.SetPolicies(func(string) *hub.Policy { return &p })
	v := serveOnOneLoop(t, h, Options{Logger: quiet(), WriteTimeout: time.Hour, Heartbeat: time.Hour})
	t.Cleanup(v.close)
	nc, err := net.Dial("tcp", strings.TrimPrefix(v.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	<-joined
	return h, nc, closed
}

// With the policy disconnect a client that does not read is ended without a time-out of
// writing, and finds the reason behind what it had been sent.
func TestClientThatIsTooSlowIsDisconnected(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills what the kernel keeps for clients")
	}
	told := map[string]string{
		"websocket": "\x11\x9btoo slow", // 4507
		"sse":       `data: {"code":4507,"reason":"too slow","reconnect":true}`,
		"ndjson":    `{"end":{"code":4507,"reason":"too slow","reconnect":true}}`,
	}
	for name, request := range requestsOf("") {
		t.Run(name, func(t *testing.T) {
			h, nc, closed := openUnread(t, request, hub.Policy{Slow: hub.Disconnect})
			payload := []byte(strings.Repeat("x", 60<<10))
			for over := false; !over; { // more than the buffers of both kernels take
				if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Data: payload}); err != nil {
					t.Fatal(err)
				}
				select {
				case why := <-closed:
					if !errors.Is(why, hub.ErrSlow) {
						t.Errorf("closed because of %v", why)
					}
					over = true
				default:
				}
			}
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			all, _ := io.ReadAll(nc)
			if tail := string(all[max(0, len(all)-200):]); !strings.Contains(tail, told[name]) {
				t.Errorf("the last that came is %q", tail)
			}
		})
	}
}

// With the policy conflate a client that does not read for a while is told what was left
// out, and has the newest of each key then.
func TestClientThatIsSlowHasTheNewest(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills what the kernel keeps for clients")
	}
	for name, request := range requestsOf("?envelope=1") {
		t.Run(name, func(t *testing.T) {
			h, nc, _ := openUnread(t, request, hub.Policy{Slow: hub.Conflate, KeyPointer: "/k"})
			padding := strings.Repeat("x", 60<<10)
			publish := func(key string, n int) {
				data := fmt.Sprintf(`{"k":%q,"n":%d,"x":%q}`, key, n, padding)
				if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Kind: hub.JSON, Data: []byte(data)}); err != nil {
					t.Fatal(err)
				}
			}
			rounds := 0
			for ; rounds < 200; rounds++ { // more than the buffers of both kernels take
				publish("a", rounds)
				publish("b", rounds)
			}
			publish("end", rounds)
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			in := bufio.NewReaderSize(nc, 256<<10)
			seen := ""
			for !strings.Contains(seen, fmt.Sprintf(`{"k":"end","n":%d`, rounds)) {
				chunk := make([]byte, 64<<10)
				n, err := in.Read(chunk)
				if err != nil {
					t.Fatalf("%v after %q", err, seen[max(0, len(seen)-1000):])
				}
				seen += strings.ReplaceAll(string(chunk[:n]), strings.Repeat("x", 100), "")
			}
			for _, want := range []string{`"reason":"conflated","count":`, fmt.Sprintf(`{"k":"a","n":%d`, rounds-1), fmt.Sprintf(`{"k":"b","n":%d`, rounds-1)} {
				if !strings.Contains(seen, want) {
					t.Errorf("%s did not come", want)
				}
			}
		})
	}
}
