package socketio

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

type starter = func(Options, transport.Options) *site

// Clients hear each other and what others publish, and others hear them.
func TestClientsHearEverybody(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		ann, bob, silent := s.join("/chat", ""), s.join("/chat", "&self=1"), s.join("/chat", "&self=0")
		ann.send(`42/chat,7["said","hello"]`)
		for _, p := range []*peer{bob, silent} {
			p.expect(`42/chat,["said","hello"]`)
		}
		first, second := ann.read(), ann.read() // in either order
		if strings.HasPrefix(first, "43") {
			first, second = second, first
		}
		if first != `42/chat,["said","hello"]` || !strings.HasPrefix(second, `43/chat,7[{"position":"`) {
			t.Errorf("the sender is told %s and %s", first, second)
		}
		page, err := s.hub.History(t.Context(), "chat", hub.Query{})
		if err != nil || len(page.Publications) != 1 {
			t.Fatal(page, err)
		}
		if p := page.Publications[0]; p.Kind != hub.Text || string(p.Data) != "hello" || p.Attributes.Event != "said" || p.Publisher != ann.sid {
			t.Errorf("published %+v", p)
		}
		s.publish("chat", "", "from curl")
		for _, p := range []*peer{ann, bob, silent} {
			p.expect(`42/chat,["message","from curl"]`)
		}
		bob.send(`451-/chat,["file",{"_placeholder":true,"num":0}]`)
		bob.sendBytes([]byte{1, 2})
		for _, p := range []*peer{ann, bob, silent} {
			p.expect(`451-/chat,["file",{"_placeholder":true,"num":0}]`, "b:\x01\x02")
		}
		silent.send(`42/chat,["mine",1]`)
		silent.send(`42/chat,9["mine",2]`)
		if got := silent.read(); !strings.HasPrefix(got, "43/chat,9[") {
			t.Errorf("its own event comes back: %s", got)
		}
		roster, err := s.hub.ListMembers("chat", hub.PresenceQuery{})
		if err != nil || len(roster.Members) != 3 || roster.Members[0].Transport != "socketio" {
			t.Errorf("%+v, %v", roster, err)
		}
	})
}

// Namespaces of one client are sessions of their own.
func TestNamespaces(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		p := s.dial("")
		p.join("/", "")
		first := p.sid
		p.join("/a/b", "")
		if p.sid == first {
			t.Error("two namespaces have one id")
		}
		s.publish("main", "", "1")
		p.expect(`42["message","1"]`)
		s.publish("a/b", "", "2")
		p.expect(`42/a/b,["message","2"]`)
		p.send("41/a/b,")
		s.gone(p.sid)
		s.publish("a/b", "", "3")
		s.publish("main", "", "4")
		p.expect(`42["message","4"]`)
		p.send("40/a//b,")
		if got := p.read(); !strings.HasPrefix(got, `44/a//b,{"message":"Invalid namespace","data":{"type":"https://godwit.io/problems/bad-channel-name"`) {
			t.Error(got)
		}
		p.join("/a/b", "")
		p.send(`42/elsewhere,["x"]`) // which it is not in
		if code := p.expectEnd(); code == 0 {
			t.Error("the connection was not closed")
		}
		s.gone(p.sid)
	})
}

// A client over polling has what one on a WebSocket has.
func TestPolling(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		const path = "/socket.io/?EIO=4&transport=polling"
		status, body := s.get(path)
		var open struct{ SID string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &open); status != http.StatusOK || err != nil {
			t.Fatal(status, body, err)
		}
		at := path + "&sid=" + open.SID
		if status, body := s.post(at, "40/chat,"); status != http.StatusOK {
			t.Fatal(status, body)
		}
		_, body = s.get(at)
		if !strings.HasPrefix(body, `40/chat,{"sid":"`) {
			t.Fatal(body)
		}
		if status, body := s.post(at, "42/chat,[\"said\",1]\x1e42/chat,[\"said\",2]"); status != http.StatusOK {
			t.Fatal(status, body)
		}
		var got string
		for strings.Count(got, "\x1e") < 1 {
			_, body := s.get(at)
			if got += body; !strings.HasSuffix(got, `,2]`) {
				got += "\x1e"
			}
		}
		if got != "42/chat,[\"said\",1]\x1e42/chat,[\"said\",2]" {
			t.Errorf("%q", got)
		}
	})
}

// When the hub goes away clients are not told that they may not come back.
func TestShutdownEndsTheTransport(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		p := s.join("/chat", "")
		if err := s.hub.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if code := p.expectEnd(); code != 1001 {
			t.Errorf("closed with %d", code)
		}
		late := s.dial("")
		late.send("40/chat,")
		if code := late.expectEnd(); code != 1001 {
			t.Errorf("one that comes late is closed with %d", code)
		}
	})
}

// Too many handshakes are refused by a status, after which clients try again.
func TestHandshakesArePaced(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{SessionsPerSecond: 1})
		refused := 0
		for range 200 {
			r, err := http.Get(s.url + "/socket.io/?EIO=4&transport=polling")
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "" {
				refused++
			}
		}
		if refused == 0 {
			t.Error("none was refused")
		}
	})
}

func TestFilesOfTheClient(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"socket.io.min.js": "client", "secret.txt": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		none, some := start(Options{}, transport.Options{}), start(Options{ClientDir: dir}, transport.Options{})
		if status, body := none.get("/socket.io/socket.io.js"); status != http.StatusNotFound || !strings.Contains(body, "socketio.client_dir") {
			t.Errorf("%d %s", status, body)
		}
		if status, body := some.get("/socket.io/socket.io.min.js"); status != http.StatusOK || body != "client" {
			t.Errorf("%d %s", status, body)
		}
		if status, body := some.get("/socket.io/socket.io.js"); status != http.StatusNotFound || !strings.Contains(body, "socket.io.js") {
			t.Errorf("%d %s", status, body)
		}
		for _, path := range []string{"/socket.io/secret.txt", "/socket.io/../secret.txt", "/socket.io/socket.io.js%2F..%2Fsecret.txt", "/other"} {
			if some.server.Serves(path) {
				t.Errorf("%s is served", path)
			}
		}
	})
}

func TestOptionsThatAreRefused(t *testing.T) {
	s := newSite(t, "goroutine", Options{}, transport.Options{})
	one := 1
	for what, o := range map[string]Options{
		"Main": {Main: "a//b"}, "Backend": {AsksConnect: true}, "Recovery": {Recovery: -time.Second}, "RecordsMax": {RecordsMax: -1}, "ClientDir": {ClientDir: "/nowhere/at/all"},
		"names no event": {Rules: []Rule{{Subscribe: &one}}}, "one of": {Rules: []Rule{{Event: "a"}}}, "another one": {Rules: []Rule{{Event: "a", Publish: &one}, {Event: "a", Subscribe: &one}}},
		"0 to 9": {Rules: []Rule{{Event: "a", Publish: new(-1)}}},
	} {
		if _, err := New(s.channels, &o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
