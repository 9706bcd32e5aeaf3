package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/ws"
)

// Every protocol is served on both drivers, on the channel that curl has, and named in
// metrics and presence.
func TestOtherProtocols(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		stop := listenTo(t, s, "chat", "main")

		pusher := pie(t, s, "/app/app-key?protocol=7&client=js&version=8.6.0&flash=false")
		expectText(t, "Pusher", hears(t, pusher), `"event":"pusher:connection_established"`)
		expectText(t, "Pusher", says(t, pusher, `{"event":"pusher:subscribe","data":{"auth":"","channel":"chat"}}`), "subscription_succeeded")

		socketio := pie(t, s, "/socket.io/?EIO=4&transport=websocket")
		expectText(t, "Engine.IO", hears(t, socketio), `0{"sid":`)
		expectText(t, "Socket.IO", says(t, socketio, "40/chat,"), `40/chat,{"sid":`)

		sockjs := pie(t, s, "/sockjs/chat/000/abcdefgh/websocket")
		expectText(t, "SockJS", hears(t, sockjs), "o")

		piesocket := pie(t, s, "/v4/chat?api_key=app-key")
		expectText(t, "PieSocket", hears(t, piesocket), "system::connected")

		// A message of one of them is heard by all.
		expectText(t, "Socket.IO hears itself", says(t, socketio, `42/chat,["greeting",{"n":1}]`), `42/chat,["greeting",{"n":1}`)
		expectText(t, "Pusher", hears(t, pusher), `"event":"greeting"`)
		expectText(t, "SockJS", hears(t, sockjs), `a["{\"n\":1}"]`)
		expectText(t, "PieSocket", hears(t, piesocket), `{"event":"greeting","data":{"n":1}}`)
		if err := piesocket.Write(t.Context(), ws.MessageText, []byte(`{"event":"pie","data":"hi"}`)); err != nil {
			t.Fatal(err)
		}
		expectText(t, "Socket.IO", hears(t, socketio), `42/chat,["pie","hi"`)
		expectText(t, "Pusher", hears(t, pusher), `"event":"pie"`)
		expectText(t, "SockJS", hears(t, sockjs), `pie`)

		carried := make(map[string]bool)
		for _, session := range s.hub.Sessions() {
			carried[session.Transport()] = true
		}
		metrics := s.do(t, "GET", "/metrics", "").body
		for _, name := range []string{"pusher", "socketio", "sockjs-websocket", "piesocket"} {
			if !carried[name] {
				t.Errorf("no session is carried by %s: %v", name, carried)
			}
			if !strings.Contains(metrics, `godwit_connections{transport="`+name+`"} 1`) {
				t.Errorf("metrics have no %s", name)
			}
		}

		// Without a WebSocket.
		a := s.do(t, "GET", "/socket.io/?EIO=4&transport=polling", "")
		if a.StatusCode != 200 || !strings.HasPrefix(a.body, `0{"sid":`) {
			t.Errorf("polling: %s %s", a.Status, a.body)
		}
		s.leaveSocketIO(t, a)
		if a := s.do(t, "GET", "/sockjs/chat/info", ""); a.StatusCode != 200 || !strings.Contains(a.body, `"websocket":true`) {
			t.Errorf("info: %s %s", a.Status, a.body)
		}
		if a := s.do(t, "POST", "/sockjs/chat/000/ijklmnop/xhr", ""); a.StatusCode != 200 || a.body != "o\n" {
			t.Errorf("xhr: %s %q", a.Status, a.body)
		}
		if a := s.do(t, "POST", "/apps/app/events", `{}`); a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusBadRequest {
			t.Errorf("the API of Pusher: %s %s", a.Status, a.body)
		}
		for _, path := range []string{"/socket.io/?EIO=4&transport=polling", "/sockjs/chat/info", "/apps/app/channels"} {
			if a := s.do(t, "GET", path, "", "Host", "evil.example"); a.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s for another host: %s", path, a.Status)
			}
		}
		stop()

		// The end reaches everybody, and nobody is waited for.
		ends := make(chan string)
		conns := map[string]*ws.Conn{"Pusher": pusher, "SockJS": sockjs, "PieSocket": piesocket, "Socket.IO": socketio}
		for name, conn := range conns {
			go func() {
				var err error
				for err == nil {
					_, _, err = conn.Read(t.Context())
				}
				ends <- fmt.Sprint(name, " ", ws.CloseStatus(err))
			}()
		}
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- s.stop() }()
		for range conns {
			if end := <-ends; strings.HasSuffix(end, " 0") || strings.HasSuffix(end, "-1") {
				t.Error("without a close code: ", end)
			}
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > s.Config().DrainTimeout-time.Second {
			t.Errorf("it took %v:\n%s", took, s.log.String()[max(0, len(s.log.String())-3000):])
		}
	})
}

// listenTo keeps channels occupied by streams, until stop.
func listenTo(t *testing.T, s *running, channels ...string) (stop func()) {
	t.Helper()
	var bodies []io.Closer
	for _, channel := range channels {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/channels/"+channel, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/event-stream")
		p, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || p.StatusCode != 200 {
			t.Fatal(p, err)
		}
		bodies = append(bodies, p.Body)
	}
	return func() {
		for _, b := range bodies {
			_ = b.Close()
		}
	}
}

// Where nothing is served, it is said what is missing.
func TestOtherProtocolsNotFound(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver, Anonymous: &access.Grants{}})
		for path, want := range map[string]string{
			"/app/app-key": "without apps", "/v3/chat": "without apps", "/apps/app/events": "without apps",
			"/sockjs": "/sockjs/CHANNEL", "/sockjs/": "/sockjs/CHANNEL", "/appendix": "/channels/",
		} {
			if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusNotFound || !strings.Contains(a.body, want) {
				t.Errorf("%s: %s %s", path, a.Status, a.body)
			}
		}
	})
}

// A protocol that is switched off is not there.
func TestOtherProtocolsOff(t *testing.T) {
	s := start(t, Config{
		SocketIO: SocketIO{Enabled: new(false)}, SockJS: SockJS{Enabled: new(false)}, Pusher: Pusher{Enabled: new(false)}, PieSocket: PieSocket{Enabled: new(false)},
	})
	for _, path := range []string{"/socket.io/?EIO=4&transport=polling", "/sockjs/chat/info", "/apps/app/channels", "/app/app-key", "/v3/chat", "/api/publish", "/pusher/auth"} {
		if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if len(s.Others()) != 0 {
		t.Errorf("%v", s.Others())
	}
	s = start(t, Config{Pusher: Pusher{Fallback: new(false)}})
	if a := s.do(t, "POST", "/pusher/app/app-key/000/abcdefgh/xhr", ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("the fallback of Pusher: %s", a.Status)
	}
}
