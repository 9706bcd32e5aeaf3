package pusher

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The fault of a URL is told on a connection that is accepted: no page sees the
// status of a handshake.
func TestConnectionsThatAreRefused(t *testing.T) {
	off := testApp()
	off.ID, off.Key, off.Disabled = "off", "off-key", true
	shop := testApp()
	shop.Prefix, off.Prefix = "shop/", "off/"
	s := newFixture(t, nil, shop, off).serve()
	for path, want := range map[string]int{
		"/app/nobody?protocol=7": protocol.CodeUnknownApp, "/app/?protocol=7": protocol.CodeUnknownApp, "/app/off-key?protocol=7": protocol.CodeAppDisabled,
		"/app/app-key/x?protocol=7": protocol.CodePath, "/app/app-key": protocol.CodeNoProtocol, "/app/app-key?protocol=": protocol.CodeNoProtocol,
		"/app/app-key?protocol=x": protocol.CodeVersion, "/app/app-key?protocol=4": protocol.CodeUnsupported, "/app/app-key?protocol=8": protocol.CodeUnsupported,
		"/app/app-key?%zz": protocol.CodeVersion,
	} {
		c := dial(t, s, path)
		var said struct{ Code int }
		if err := json.Unmarshal([]byte(c.hear("pusher:error")), &said); err != nil || said.Code != want {
			t.Errorf("%s: told %d, want %d", path, said.Code, want)
		}
		if got := c.closed(); got != want {
			t.Errorf("%s: closed with %d, want %d", path, got, want)
		}
	}
	for _, path := range []string{"/app/app-key?protocol=5", "/app/app-key/?client=x&protocol=6"} {
		dial(t, s, path).hear("pusher:connection_established")
	}
	r, err := http.Get(s.URL + "/app/app-key?protocol=7")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusBadRequest {
		t.Errorf("without a handshake: %s", r.Status)
	}
}

// An app has as many connections as it may, and room again when one has gone.
func TestConnectionsAreCounted(t *testing.T) {
	a := testApp()
	a.ConnectionsMax = 1
	f := newFixture(t, nil, a)
	s := f.serve()
	first := connect(t, s)
	if got := dial(t, s, "/app/app-key?protocol=7").closed(); got != protocol.CodeOverQuota {
		t.Errorf("closed with %d", got)
	}
	stats := func() app.Stats { return f.apps.ByID("app").Stats() }
	if got := stats(); got.Connections != 1 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	if err := first.conn.Close(1000, ""); err != nil {
		t.Fatal(err)
	}
	second := dial(t, s, "/app/app-key?protocol=7")
	for h, err := second.next(); err != nil || h.Event != "pusher:connection_established"; h, err = second.next() {
		second = dial(t, s, "/app/app-key?protocol=7") // until the server knows that the first one has gone
	}
}

// A conversation of three sockets: private channels, members, client events, and a
// publication that leaves one of them out.
func TestSockets(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	ann, bob, eve := connect(t, s), connect(t, s), connect(t, s)
	if got, want := ann.subscribe("presence-x", `{"user_id":"ann","user_info":{"n":1}}`), `{"presence":{"ids":["ann"],"hash":{"ann":{"n":1}},"count":1}}`; got != want {
		t.Errorf("ann is told %s, want %s", got, want)
	}
	bob.subscribe("presence-x", `{"user_id":"bob"}`)
	if got, want := ann.hear("pusher_internal:member_added"), `{"user_id":"bob"}`; got != want {
		t.Errorf("ann is told %s, want %s", got, want)
	}
	eve.say(`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":%q,"channel_data":"{\"user_id\":\"ann\"}"}}`,
		protocol.AuthSubscription(testKey, testSecret, ann.id, "presence-x", `{"user_id":"ann"}`))
	eve.hear("pusher:subscription_error")
	if said := eve.hear("pusher:error"); !strings.Contains(said, eve.id+`:presence-x:{\"user_id\":\"ann\"}`) {
		t.Errorf("eve is not told what was to be signed: %s", said)
	}
	eve.say(`{"event":"client-x","channel":"presence-x","data":1}`)
	eve.hear("pusher:error")
	bob.say(`{"event":"client-x","channel":"presence-x","data":{"a":1}}`)
	h, err := ann.next()
	if err != nil || h.Event != "client-x" || string(h.Data) != `{"a":1}` || h.User != "bob" || h.Channel != "presence-x" {
		t.Errorf("ann hears %+v, %v", h, err)
	}
	f.trigger(`{"name":"e","channel":"presence-x","data":"not for ann","socket_id":"` + ann.id + `"}`)
	f.trigger(`{"name":"e","channel":"presence-x","data":"for all"}`)
	for _, want := range []string{"not for ann", "for all"} { // and nothing of its own
		if got := bob.hear("e"); got != want {
			t.Errorf("bob hears %s, want %s", got, want)
		}
	}
	if got := ann.hear("e"); got != "for all" {
		t.Errorf("ann hears %s", got)
	}
	if err := bob.conn.Close(1000, ""); err != nil {
		t.Fatal(err)
	}
	if got, want := ann.hear("pusher_internal:member_removed"), `{"user_id":"bob"}`; got != want {
		t.Errorf("ann is told %s, want %s", got, want)
	}
}

// A further connection of a user that is there is no new member, and the member has not
// gone before its last connection has.
func TestMembersAreUsers(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	ann := connect(t, s)
	ann.subscribe("presence-x", `{"user_id":"ann"}`)
	first, second := connect(t, s), connect(t, s)
	first.subscribe("presence-x", `{"user_id":7,"user_info":"first"}`)
	ann.hear("pusher_internal:member_added")
	if got, want := second.subscribe("presence-x", `{"user_id":"7","user_info":"second"}`), `{"presence":{"ids":["ann","7"],"hash":{"ann":null,"7":"first"},"count":2}}`; got != want {
		t.Errorf("the second of a user is told %s, want %s", got, want)
	}
	first.say(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
	first.say(`{"event":"pusher:ping","data":{}}`)
	first.hear("pusher:pong")
	other := connect(t, s)
	other.subscribe("presence-x", `{"user_id":"zoe"}`) // a member that left before it would be told of first
	if got, want := ann.hear("pusher_internal:member_added"), `{"user_id":"zoe"}`; got != want {
		t.Errorf("ann is told %s, want %s", got, want)
	}
	second.conn.CloseNow()
	if got, want := ann.hear("pusher_internal:member_removed"), `{"user_id":"7"}`; got != want {
		t.Errorf("ann is told %s, want %s", got, want)
	}
}

// Users: messages to one, and the end of all their connections.
func TestUsersOfSockets(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	ann, bob := connect(t, s), connect(t, s)
	for c, id := range map[*client]string{ann: "ann", bob: "bob"} {
		data := `{"id":"` + id + `"}`
		c.say(`{"event":"pusher:signin","data":{"auth":%q,"user_data":%q}}`, protocol.AuthUser(testKey, testSecret, c.id, data), data)
		c.hear("pusher:signin_success")
		c.subscribe("#server-to-user-"+id, "")
	}
	bob.subscribe("presence-x", `{"user_id":"ann"}`) // which makes bob nobody else's connection
	f.trigger(`{"name":"letter","channel":"#server-to-user-ann","data":"hello"}`)
	if got := ann.hear("letter"); got != "hello" {
		t.Errorf("ann hears %s", got)
	}
	if status, answer := f.call("POST", "/apps/app/users/ann/terminate_connections", "{}"); status != 200 || answer != "{}" {
		t.Errorf("%d %s", status, answer)
	}
	if got := ann.closed(); got != protocol.CodeUnauthorized {
		t.Errorf("ann is closed with %d", got)
	}
	bob.say(`{"event":"pusher:ping","data":{}}`)
	bob.hear("pusher:pong")
}

// Private channels are closed to clients without a signature, and open to others that
// were granted them.
func TestOtherEdgesHearClients(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	e := f.edge("x", "private-x")
	defer e.Close()
	ann := connect(t, s)
	ann.subscribe("private-x", "")
	ann.say(`{"event":"client-x","channel":"private-x","data":{"a": 1}}`)
	if got, want := e.heard(), `private-x JSON "client-x" {"a": 1}`; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	e.Publish(2, hub.Message{Channel: "private-x", Kind: hub.Binary, Data: []byte{1, 2, 3}})
	if got := ann.hear("binary"); got != "AQID" {
		t.Errorf("ann hears %s", got)
	}
	if err := (&access.Identity{Kind: access.Anonymous}); access.May(err, nil, access.Subscribe, "private-x") {
		t.Error("everybody may subscribe")
	}
}

// An app that is removed, or has another secret, lets no earlier client stay.
func TestAppsThatChange(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	ann := connect(t, s)
	changed := testApp()
	changed.ClientEvents = false
	if err := f.apps.Replace([]app.App{changed}); err != nil {
		t.Fatal(err)
	}
	ann.subscribe("private-x", "")
	ann.say(`{"event":"client-x","channel":"private-x","data":1}`)
	if said := ann.hear("pusher:error"); !strings.Contains(said, "enable this feature") {
		t.Errorf("ann is told %s", said)
	}
	changed.Secret = app.Secret("another-secret")
	if err := f.apps.Replace([]app.App{changed}); err != nil {
		t.Fatal(err)
	}
	ann.say(`{"event":"pusher:ping","data":{}}`)
	if got := ann.closed(); got != protocol.CodeUnauthorized {
		t.Errorf("ann is closed with %d", got)
	}
}

// A server that goes away has its clients come back, and leaves the next one a second.
func TestShutdown(t *testing.T) {
	f := newFixture(t, nil)
	ann := connect(t, f.serve())
	done := make(chan error, 1)
	go func() { done <- f.hub.Shutdown(context.Background()) }()
	if got := ann.closed(); got != protocol.CodeOverCapacity {
		t.Errorf("ann is closed with %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Where there is no WebSocket, the same is said over HTTP.
func TestFallback(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		var err error
		if o.Origins, err = handshake.ParseOrigins([]string{"https://page.example"}); err != nil {
			t.Fatal(err)
		}
	})
	s := f.serve()
	base := s.URL + "/pusher/app/app-key/17/abcdefgh/"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	post := func(path, body string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, "POST", path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "https://page.example")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	stream := post(base+"xhr_streaming?protocol=7&client=js&version=8.6.0&t=1&n=1", "")
	defer stream.Body.Close()
	if stream.StatusCode != 200 || stream.Header.Get("Access-Control-Allow-Origin") != "https://page.example" {
		t.Fatalf("%s %v", stream.Status, stream.Header)
	}
	lines := bufio.NewScanner(stream.Body)
	next := func() string {
		for lines.Scan() {
			if line := lines.Text(); strings.Trim(line, "h") != "" {
				return line
			}
		}
		t.Fatal("the stream has ended: ", lines.Err())
		return ""
	}
	if got := next(); got != "o" {
		t.Fatalf("it begins with %s", got)
	}
	hear := func() (h heard) {
		line := next()
		var messages []string
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "a")), &messages); err != nil || len(messages) != 1 {
			t.Fatalf("%s: %v", line, err)
		}
		if err := json.Unmarshal([]byte(messages[0]), &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := hear(); h.Event != "pusher:connection_established" {
		t.Fatalf("heard %+v", h)
	}
	send := func(message string) {
		body, _ := json.Marshal([]string{message})
		r := post(base+"xhr_send?t=1&n=2", string(body))
		defer r.Body.Close()
		if r.StatusCode != 204 {
			t.Fatalf("%s: %s", message, r.Status)
		}
	}
	if r := post(base+"xhr_send", "[]"); r.StatusCode != 204 { // the answer to a heartbeat
		t.Errorf("of nothing: %s", r.Status)
	}
	send(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
	if h := hear(); h.Event != "pusher_internal:subscription_succeeded" {
		t.Fatalf("heard %+v", h)
	}
	f.trigger(`{"name":"e","channel":"news","data":"hello"}`)
	if h := hear(); h.Event != "e" || h.data() != "hello" {
		t.Fatalf("heard %+v", h)
	}
	// A stream ends before pusher-js gives it up, and says that the client is to come back.
	large, _ := json.Marshal(map[string]string{"name": "e", "channel": "news", "data": strings.Repeat("x", 10<<10)})
	received := 0
	for ended := false; !ended; {
		f.trigger(string(large))
		line := next()
		received += len(line)
		if ended = strings.HasSuffix(line, "]") && strings.HasPrefix(line, "c[4200"); received > 240<<10 {
			t.Fatalf("%d bytes have come, and the stream goes on", received)
		}
		if !ended && received > streamBytesMax {
			if line := next(); !strings.HasPrefix(line, "c[4200,") {
				t.Fatalf("behind %d bytes comes %.100s", received, line)
			}
			ended = true
		}
	}
	r := post(s.URL+"/pusher/app/nobody/1/abcdefgh/xhr?protocol=7", "")
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if got := string(body); got != "o\n" {
		t.Errorf("of an app that is not there: %s %q", r.Status, got)
	}
	r = post(s.URL+"/pusher/app/nobody/1/abcdefgh/xhr?protocol=7", "")
	body, _ = io.ReadAll(r.Body)
	r.Body.Close()
	if got := string(body); !strings.HasPrefix(got, `a["{\"event\":\"pusher:error\"`) {
		t.Errorf("of an app that is not there: %s %q", r.Status, got)
	}
}

// The endpoint for development signs for one app, and for pages of admitted origins.
func TestDevelopment(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Development = func() string { return "app" } })
	s := f.serve()
	ann := connect(t, s)
	ask := func(path, origin string, form url.Values) (*http.Response, string) {
		r, _ := http.NewRequest("POST", s.URL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response, string(body)
	}
	var answer signed
	r, body := ask("/pusher/auth", s.URL, url.Values{"socket_id": {ann.id}, "channel_name": {"presence-x"}, "user_id": {"ann"}, "user_info": {`{"n":1}`}})
	if err := json.Unmarshal([]byte(body), &answer); err != nil || r.Header.Get("Access-Control-Allow-Origin") != s.URL {
		t.Fatalf("%s %v %s", r.Status, r.Header, body)
	}
	ann.say(`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":%q,"channel_data":%q}}`, answer.Auth, answer.Channel)
	if got := ann.hear("pusher_internal:subscription_succeeded"); !strings.Contains(got, `{"ann":{"n":1}}`) {
		t.Errorf("told %s", got)
	}
	_, body = ask("/pusher/user-auth", "", url.Values{"socket_id": {ann.id}})
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(body)
	}
	ann.say(`{"event":"pusher:signin","data":{"auth":%q,"user_data":%q}}`, answer.Auth, answer.User)
	ann.hear("pusher:signin_success")
	for about, form := range map[string]url.Values{
		"no socket": {"channel_name": {"private-x"}}, "a public channel": {"socket_id": {ann.id}, "channel_name": {"x"}},
		"an encrypted channel": {"socket_id": {ann.id}, "channel_name": {"private-encrypted-x"}},
		"info that is no JSON": {"socket_id": {ann.id}, "channel_name": {"presence-x"}, "user_info": {"{"}},
	} {
		if r, body := ask("/pusher/auth", "", form); r.StatusCode != 403 {
			t.Errorf("%s: %s %s", about, r.Status, body)
		}
	}
	if r, body := ask("/pusher/auth", "https://evil.example", url.Values{"socket_id": {ann.id}, "channel_name": {"private-x"}}); r.StatusCode != 403 || strings.Contains(body, testKey) {
		t.Errorf("another page: %s %s", r.Status, body)
	}
	other := newFixture(t, func(o *Options) { o.NoFallback = true })
	for path, want := range map[string]bool{"/pusher/auth": false, "/pusher/user-auth": false, "/pusher/app/app-key/1/a/xhr": false, "/apps/app/channels": true} {
		if got := other.server.ServesHTTP(path); got != want {
			t.Errorf("%s is served: %v", path, got)
		}
		if status, _ := other.ask("POST", path, ""); !want && status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}
