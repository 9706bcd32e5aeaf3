//go:build linux

package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// Clients of all protocols are told in the words of theirs that a server goes away for
// another, in time, and the other one has them back at once: the app for development, and
// what was published before, included.
func TestHandOverOfOtherProtocols(t *testing.T) {
	if testing.Short() {
		t.Skip("two servers begin, and end")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		c := Config{Driver: driver, DrainTimeout: 10 * time.Second}
		old := start(t, c)
		c.Listen = old.Config().Listen
		type protocol struct{ name, path, hello, ends string }
		protocols := []protocol{
			{"Pusher", "/app/app-key?protocol=7", "pusher:connection_established", "closed 4100"},
			{"Socket.IO", "/socket.io/?EIO=4&transport=websocket", `0{"sid":`, "closed 10"},
			{"SockJS", "/sockjs/chat/000/abcdefgh/websocket", "o", "c[10"},
			{"PieSocket", "/v4/chat?api_key=app-key", "system::connected", "closed 10"},
		}
		ends := make(chan string, len(protocols)+2)
		for _, p := range protocols {
			conn := pie(t, old, p.path)
			expectText(t, p.name, hears(t, conn), p.hello)
			if p.name == "Socket.IO" {
				expectText(t, p.name, says(t, conn, "40/chat,"), `40/chat,{"sid":`)
			}
			go func() {
				var heard []string
				for {
					_, b, err := conn.Read(t.Context())
					if err != nil {
						heard = append(heard, fmt.Sprintf("closed %d", ws.CloseStatus(err)))
						break
					}
					heard = append(heard, string(b))
				}
				if all := strings.Join(heard, "\n"); !strings.Contains(all, p.ends) {
					ends <- p.name + " ended with " + all
					return
				}
				ends <- ""
			}()
		}
		opened := old.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "").body
		sid, _, _ := strings.Cut(strings.TrimPrefix(opened, `0{"sid":"`), `"`)
		old.do(t, "POST", "/socket.io/?EIO=4&transport=polling&sid="+sid, "40/chat,")
		old.do(t, "GET", "/socket.io/?EIO=4&transport=polling&sid="+sid, "")
		old.do(t, "POST", "/sockjs/chat/000/polling/xhr", "")
		asked := make(chan struct{}, 2)
		polls := func(name, method, path, want string) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { asked <- struct{}{} }})
			r, err := http.NewRequestWithContext(ctx, method, old.url+path, nil)
			if err != nil {
				ends <- err.Error()
				return
			}
			p, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				ends <- name + ": " + err.Error()
				return
			}
			defer p.Body.Close()
			if b, err := io.ReadAll(p.Body); err != nil || !strings.Contains(string(b), want) {
				ends <- fmt.Sprintf("%s: %s, %v", name, b, err)
				return
			}
			ends <- ""
		}
		go polls("Socket.IO without a WebSocket", "GET", "/socket.io/?EIO=4&transport=polling&sid="+sid, "1")
		go polls("SockJS without a WebSocket", "POST", "/sockjs/chat/000/polling/xhr", "c[10")
		old.await(t, func() bool { return old.hub.SessionCount() == len(protocols)+2 })

		<-asked
		<-asked

		began := time.Now()
		next, err := old.succeed(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for range cap(ends) {
			if wrong := <-ends; wrong != "" {
				t.Error(wrong)
			}
		}
		if err := old.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > c.DrainTimeout-time.Second {
			t.Errorf("it took %v", took)
		}
		for _, p := range protocols {
			expectText(t, p.name, hears(t, pie(t, next, p.path)), p.hello)
		}
		if a := next.do(t, "POST", "/sockjs/chat/000/polling/xhr", ""); a.body != "o\n" {
			t.Errorf("SockJS: %s", a.body)
		}
	})
}
