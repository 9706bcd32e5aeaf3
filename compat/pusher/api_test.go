package pusher

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
)

// edge is a session that is subscribed to channels, as any edge has one.
type edge struct {
	*hub.Session
	t     testing.TB
	woken chan struct{}
}

func (f *fixture) edge(user string, channels ...string) *edge {
	f.t.Helper()
	e := &edge{t: f.t, woken: make(chan struct{}, 1)}
	var err error
	e.Session, err = f.hub.Connect("test", func() {
		select {
		case e.woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, ch := range channels {
		e.Subscribe(1, ch, hub.SubscribeOptions{Member: &access.Identity{User: user}})
		if o := e.take(); o.Outcome == nil || o.Outcome.Err != nil {
			f.t.Fatalf("%s: %+v", ch, o.Outcome)
		}
	}
	return e
}

// take waits for the next push.
func (e *edge) take() hub.Push {
	e.t.Helper()
	for {
		pushes, err := e.Take(nil)
		if len(pushes) > 1 {
			e.t.Fatalf("%d pushes at once", len(pushes))
		}
		if len(pushes) == 1 {
			return pushes[0]
		}
		if err != nil {
			e.t.Fatal(err)
		}
		<-e.woken
	}
}

// heard is what was published, as far as other edges can see it.
func (e *edge) heard() string {
	e.t.Helper()
	p := e.take()
	if p.Delivery == nil {
		e.t.Fatalf("no publication: %+v", p)
	}
	event := ""
	if a := p.Delivery.Attributes; a != nil {
		event = a.Event
	}
	return fmt.Sprintf("%s %s %q %s", p.Channel, []string{"text", "bytes", "JSON"}[p.Delivery.Kind], event, p.Delivery.Data)
}

// The vector of Pusher's documentation, as its request.
func TestTheRequestOfTheDocumentation(t *testing.T) {
	f := newFixture(t, nil, app.App{ID: "3", Key: "278d425bdf160c739803", Secret: app.Secret("7ad3773142a6692b25b8")})
	f.now = time.Unix(1353088179+599, 0)
	const target = "/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	const body = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	e := f.edge("", "project-3")
	defer e.Close()
	if status, answer := f.ask("POST", target, body); status != 200 || answer != "{}" {
		t.Fatalf("%d %s", status, answer)
	}
	if got, want := e.heard(), `project-3 JSON "foo" {"some":"data"}`; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	f.now = f.now.Add(2 * time.Second)
	if status, answer := f.ask("POST", target, body); status != 401 || !strings.Contains(answer, "600 s") {
		t.Errorf("of a request that is too old: %d %s", status, answer)
	}
}

// The messages that others hear of publications here.
func TestPublications(t *testing.T) {
	f := newFixture(t, nil)
	e := f.edge("", "news", "@ann")
	defer e.Close()
	for _, p := range []struct{ body, want string }{
		{`{"name":"e","channel":"news","data":"text"}`, `news text "e" text`},
		{`{"name":"e","channels":["news","news"],"data":"[1, 2]"}`, `news JSON "e" [1, 2]`},
		{`{"name":"e","channel":"news","data":"[1, 2"}`, `news text "e" [1, 2`},
		{`{"name":"e","channel":"news","data":"17"}`, `news text "e" 17`},
		{`{"name":"e","channel":"news","data":""}`, `news text "e" `},
		{`{"name":"message","channel":"news","data":"x"}`, `news text "" x`},
		{`{"name":"error","channel":"news","data":"x"}`, `news text "event:error" x`},
		{`{"name":"e","channel":"#server-to-user-ann","data":"x"}`, `@ann text "e" x`},
		{`{"name":"e","channel":"news","data":"x","socket_id":"123.456"}`, `news text "e" x`},
		{`{"name":"e","channel":"news","data":"x","socket_id":null}`, `news text "e" x`},
	} {
		f.trigger(p.body)
		if got := e.heard(); got != p.want {
			t.Errorf("%s: heard %s, want %s", p.body, got, p.want)
		}
	}
	// A socket ID is of a session, whatever it speaks.
	id, _ := protocol.SocketID(e.ID())
	f.trigger(`{"name":"e","channel":"news","data":"not for it","socket_id":"` + id + `"}`)
	f.trigger(`{"name":"e","channel":"news","data":"next"}`)
	if got, want := e.heard(), `news text "e" next`; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

// The fault of a request is told with the status that libraries know.
func TestRequestsThatAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("x", 10<<10)
	channels := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(`"c%d"`, i)
		}
		return strings.Join(names, ",")
	}
	batch := strings.Repeat(`,{"name":"e","channel":"c","data":"x"}`, 11)[1:]
	for _, r := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/apps/app/events", ``, 400, "event looks like"},
		{"POST", "/apps/app/events", `[]`, 400, "event looks like"},
		{"POST", "/apps/app/events", `{"name":7}`, 400, "name cannot be of the type number"},
		{"POST", "/apps/app/events", `{"channel":"c","data":"x"}`, 400, "name is missing"},
		{"POST", "/apps/app/events", `{"name":"` + long[:200] + `","channel":"c","data":"x"}`, 200, ""},
		{"POST", "/apps/app/events", `{"name":"` + long[:201] + `","channel":"c","data":"x"}`, 400, "201 characters"},
		{"POST", "/apps/app/events", `{"name":"a\u0000b","channel":"c","data":"x"}`, 400, "control character"},
		{"POST", "/apps/app/events", `{"name":"e","channel":"c"}`, 400, "data is missing"},
		{"POST", "/apps/app/events", `{"name":"e","channel":"c","data":{"a":1}}`, 400, "data cannot be of the type object"},
		{"POST", "/apps/app/events", `{"name":"e","channel":"c","data":"` + long + `"}`, 200, ""},
		{"POST", "/apps/app/events", `{"name":"e","channel":"c","data":"x` + long + `"}`, 413, "10240 bytes"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x"}`, 400, "1 to 100 channels"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channels":[` + channels(100) + `]}`, 200, ""},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channels":[` + channels(101) + `]}`, 400, "1 to 100 channels"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channel":"c","channels":["d"]}`, 400, "both"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channel":"a b"}`, 400, "Invalid channel name"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channel":"@ann"}`, 400, "belong to users"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channel":"c","socket_id":"x"}`, 400, "socket_id"},
		{"POST", "/apps/app/events", `{"name":"e","data":"x","channel":"c","info":"cache"}`, 400, "not to be had"},
		{"POST", "/apps/app/batch_events", `{"batch":[]}`, 400, "1 to 10 events"},
		{"POST", "/apps/app/batch_events", `{"batch":[null]}`, 400, "null"},
		{"POST", "/apps/app/batch_events", `{"batch":[` + batch + `]}`, 400, "1 to 10 events"},
		{"POST", "/apps/app/batch_events", `{"batch":[{"name":"e","channel":"c","data":"x"},{"name":"e","data":"x"}]}`, 400, "batch[1]"},
		{"POST", "/apps/app/batch_events", `{"batch":[{"name":"e","channels":["c","d"],"data":"x"}]}`, 400, "batch[0]"},
		{"GET", "/apps/app/channels/a%20b", ``, 400, "Invalid channel name"},
		{"GET", "/apps/app/channels/news/users", ``, 400, "presence channels alone"},
		{"GET", "/apps/app/nothing", ``, 404, "nothing at"},
		{"GET", "/apps/app/channels/", ``, 200, ""},
		{"GET", "/apps/app", ``, 404, "nothing at"},
		{"GET", "/apps/app/channels/x/y", ``, 404, "nothing at"},
		{"GET", "/apps/app/users/x", ``, 404, "nothing at"},
		{"GET", "/apps/nobody/channels", ``, 404, "no app"},
		{"GET", "/apps/app/events", ``, 405, "POST"},
		{"POST", "/apps/app/channels", `{}`, 405, "GET"},
		{"POST", "/apps/app/events", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "longer than 1048576 bytes"},
	} {
		if status, answer := f.call(r.method, r.path, r.body); status != r.status || !strings.Contains(answer, r.says) {
			t.Errorf("%s %s %.80s: %d %.200s; want %d, %q", r.method, r.path, r.body, status, answer, r.status, r.says)
		}
	}
}

func TestAnAppThatIsDisabled(t *testing.T) {
	a := testApp()
	a.Disabled = true
	f := newFixture(t, nil, a)
	if status, answer := f.call("GET", "/apps/app/channels", ""); status != 403 {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := f.ask("GET", "/apps/app/channels", ""); status != 401 {
		t.Errorf("without a signature: %d", status)
	}
}

// Whatever is changed of a request that is signed, it is refused.
func TestRequestsWithWrongSignatures(t *testing.T) {
	f := newFixture(t, nil)
	const path, body = "/apps/app/events", `{"name":"e","channel":"c","data":"x"}`
	good := f.signed("POST", path, body)
	if status, answer := f.ask("POST", good, body); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	change := func(name, value string) string {
		u, _ := url.Parse(good)
		q := u.Query()
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		return path + "?" + q.Encode()
	}
	signature := change("auth_signature", "")
	for about, r := range map[string]struct{ target, body string }{
		"no signature":               {signature, body},
		"an empty one":               {signature + "&auth_signature=", body},
		"a short one":                {change("auth_signature", "00"), body},
		"one in capitals":            {strings.Replace(good, "auth_signature="+param(good, "auth_signature"), "auth_signature="+strings.ToUpper(param(good, "auth_signature")), 1), body},
		"two":                        {good + "&auth_signature=00", body},
		"another body":               {good, strings.Replace(body, "x", "y", 1)},
		"no body":                    {good, ""},
		"no digest":                  {change("body_md5", ""), body},
		"another digest":             {change("body_md5", strings.Repeat("0", 32)), body},
		"a parameter more":           {good + "&info=user_count", body},
		"another key":                {change("auth_key", "other"), body},
		"no key":                     {change("auth_key", ""), body},
		"another version":            {change("auth_version", "2.0"), body},
		"another time":               {change("auth_timestamp", "1800000001"), body},
		"no time":                    {change("auth_timestamp", "now"), body},
		"a time that overflows":      {change("auth_timestamp", "9223372036854775807"), body},
		"a query that is none":       {good + "&%zz=1", body},
		"more parameters than count": {good + strings.Repeat("&a=1", 200), body},
		"another path":               {strings.Replace(good, "/events", "/batch_events", 1), body},
	} {
		if status, answer := f.ask("POST", r.target, r.body); status != 401 && status != 400 || strings.Contains(answer, param(good, "auth_signature")) && !strings.Contains(r.target, param(good, "auth_signature")) {
			t.Errorf("%s: %d %s", about, status, answer)
		}
	}
	status, answer := f.ask("POST", change("auth_signature", "00"), body)
	if !strings.Contains(answer, `POST\n/apps/app/events\nauth_key=app-key&`) {
		t.Errorf("it does not say what was to be signed: %d %s", status, answer)
	}
}

func param(target, name string) string {
	u, _ := url.Parse(target)
	return u.Query().Get(name)
}

// Behind a proxy or a prefix, a library may have signed the path with it or without it.
func TestSignaturesBehindAPrefix(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Prefix = "/ws" })
	for _, signed := range []string{"/ws/apps/app/channels", "/apps/app/channels"} {
		for _, asked := range []string{"/ws/apps/app/channels", "/apps/app/channels"} {
			target := asked + strings.TrimPrefix(f.signed("GET", signed, ""), signed)
			if status, answer := f.ask("GET", target, ""); status != 200 {
				t.Errorf("%s, signed as %s: %d %s", asked, signed, status, answer)
			}
		}
	}
	// An encoded path is signed as it is sent, or decoded.
	for _, signed := range []string{"/apps/app/users/a%2Fb/terminate_connections", "/apps/app/users/a/b/terminate_connections"} {
		target := "/apps/app/users/a%2Fb/terminate_connections" + strings.TrimPrefix(f.signed("POST", signed, "{}"), signed)
		if status, answer := f.ask("POST", target, "{}"); status != 200 {
			t.Errorf("signed as %s: %d %s", signed, status, answer)
		}
	}
}

// Members and channels, as back ends see them.
func TestListsOfChannels(t *testing.T) {
	f := newFixture(t, nil)
	for user, channels := range map[string][]string{
		"ann": {"news", "presence-x", "private-y", "@ann", "a/b"}, "bob": {"presence-x"}, "": {"news", "cache-z"},
	} {
		defer f.edge(user, channels...).Close()
	}
	defer f.edge("ann", "presence-x").Close()
	f.trigger(`{"name":"e","channel":"cache-z","data":"newest"}`)
	info := func(names string) protocol.Parameter { return protocol.Parameter{Name: "info", Value: names} }
	prefix := func(p string) protocol.Parameter {
		return protocol.Parameter{Name: "filter_by_prefix", Value: p}
	}
	for _, r := range []struct {
		path   string
		params []protocol.Parameter
		status int
		want   string
	}{
		{"channels", nil, 200, `{"channels":{"cache-z":{},"news":{},"presence-x":{},"private-y":{}}}`},
		{"channels", []protocol.Parameter{prefix("presence-"), info("user_count")}, 200, `{"channels":{"presence-x":{"user_count":2}}}`},
		{"channels", []protocol.Parameter{prefix("presence-nobody")}, 200, `{"channels":{}}`},
		{"channels", []protocol.Parameter{info("user_count")}, 400, `user_count is of presence channels alone: ask with filter_by_prefix=presence-`},
		{"channels", []protocol.Parameter{prefix("n"), info("subscription_count")}, 200, `{"channels":{"news":{"subscription_count":2}}}`},
		{"channels/news", nil, 200, `{"occupied":true}`},
		{"channels/nobody", []protocol.Parameter{info("subscription_count")}, 200, `{"occupied":false,"subscription_count":0}`},
		{"channels/presence-x", []protocol.Parameter{info("user_count,subscription_count")}, 200, `{"occupied":true,"user_count":2,"subscription_count":3}`},
		{"channels/news", []protocol.Parameter{info("user_count")}, 400, `user_count is of presence channels alone`},
		{"channels/news", []protocol.Parameter{info("cache")}, 400, `cache is of cache channels alone`},
		{"channels/news", []protocol.Parameter{info("colour")}, 400, `info "colour" is not to be had here; there are user_count, subscription_count, cache`},
		{"channels/private-cache-y", []protocol.Parameter{info("cache")}, 200, `{"occupied":false,"cache":null}`},
		{"channels/presence-x/users", nil, 200, `{"users":[{"id":"ann"},{"id":"bob"}]}`},
		{"channels/presence-nobody/users", nil, 200, `{"users":[]}`},
	} {
		status, answer := f.call("GET", "/apps/app/"+r.path, "", r.params...)
		if sorted(answer) != sorted(r.want) || status != r.status {
			t.Errorf("%s %v: %d %s, want %s", r.path, r.params, status, answer, r.want)
		}
	}
	f.now = time.Now()
	status, answer := f.call("GET", "/apps/app/channels/cache-z", "", info("cache"))
	var cached struct {
		Cache struct {
			Data string
			TTL  int
		}
	}
	if err := json.Unmarshal([]byte(answer), &cached); err != nil || status != 200 || cached.Cache.Data != "newest" || cached.Cache.TTL < 590 || cached.Cache.TTL > 600 {
		t.Errorf("the newest event: %d %s", status, answer)
	}
	// What was published where, if that is asked for.
	status, answer = f.call("POST", "/apps/app/events", `{"name":"e","channels":["news","presence-x"],"data":"x","info":"user_count,subscription_count"}`)
	if want := `{"channels":{"news":{"subscription_count":2},"presence-x":{"user_count":2,"subscription_count":3}}}`; status != 200 || answer != want {
		t.Errorf("%d %s, want %s", status, answer, want)
	}
	status, answer = f.call("POST", "/apps/app/batch_events", `{"batch":[{"name":"e","channel":"news","data":"x"},{"name":"e","channel":"presence-x","data":"x","info":"user_count"}]}`)
	if want := `{"batch":[{},{"user_count":2}]}`; status != 200 || answer != want {
		t.Errorf("%d %s, want %s", status, answer, want)
	}
}

// sorted makes lists of users comparable: their order is told by the clock.
func sorted(answer string) string {
	return strings.Replace(answer, `{"id":"bob"},{"id":"ann"}`, `{"id":"ann"},{"id":"bob"}`, 1)
}

// Each app sees its own channels and users, whichever others there are.
func TestAppsDoNotSeeEachOther(t *testing.T) {
	shop, other := testApp(), testApp()
	shop.Prefix = "shop/"
	other.ID, other.Key, other.Prefix = "other", "other-key", "other/"
	f := newFixture(t, nil, shop, other)
	defer f.edge("shop/ann", "shop/presence-x", "other/news", "@shop%2Fann").Close()
	defer f.edge("other/bob", "shop/presence-x").Close()
	for path, want := range map[string]string{"channels": `{"channels":{"presence-x":{}}}`, "channels/presence-x/users": `{"users":[{"id":"ann"}]}`, "channels/news": `{"occupied":false}`} {
		if status, answer := f.call("GET", "/apps/app/"+path, ""); status != 200 || answer != want {
			t.Errorf("%s: %d %s, want %s", path, status, answer, want)
		}
	}
	if status, answer := f.call("GET", "/apps/other/channels", ""); status != 401 {
		t.Errorf("with the key of another: %d %s", status, answer)
	}
	for channel, want := range map[string]string{"shop/x": "app", "shop/x/y": "app", "other/": "other", "shopping/x": "", "x": "", "": ""} {
		got := ""
		if a := f.server.appOfChannel(channel); a != nil {
			got = a.ID
		}
		if got != want {
			t.Errorf("%q is a channel of %q, want %q", channel, got, want)
		}
	}
}

// An app publishes no more than it may.
func TestPublicationsAreLimited(t *testing.T) {
	a := testApp()
	a.PublicationsPerSecond, a.PublicationBytesMax = 3, 5
	f := newFixture(t, nil, a)
	f.trigger(`{"name":"e","channels":["a","b"],"data":"12345"}`)
	w := httptest.NewRecorder()
	body := `{"name":"e","channels":["a","b"],"data":"x"}`
	f.ServeHTTP(w, httptest.NewRequest("POST", f.signed("POST", "/apps/app/events", body), strings.NewReader(body)))
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if status, _ := f.call("POST", "/apps/app/events", `{"name":"e","channel":"a","data":"123456"}`); status != 413 {
		t.Errorf("of a payload that is too long: %d", status)
	}
}

func FuzzAPI(f *testing.F) {
	f.Add("/apps/app/events", `{"name":"e","channel":"c","data":"x"}`, "info=user_count")
	f.Add("/apps/app/batch_events", `{"batch":[{"name":"e","channel":"c","data":"x","info":""}]}`, "")
	f.Add("/apps/app/channels/a%2Fb", ``, "info=cache&a[]=1")
	f.Add("/apps/app/users/%00/terminate_connections", `{}`, "%zz")
	x := newFixture(f, nil)
	f.Fuzz(func(t *testing.T, path, body, query string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.RawQuery != "" || strings.ContainsAny(path, " \r\n#?") || !strings.HasPrefix(path, "/apps/") {
			return
		}
		for _, target := range []string{x.signed("POST", path, body), x.signed("GET", path, body), path + "?" + url.PathEscape(query)} {
			for _, method := range []string{"POST", "GET"} {
				status, answer := x.ask(method, target, body)
				isOK := status == 200 && json.Valid([]byte(answer))
				if !isOK && (status < 400 || status > 499 || answer == "") {
					t.Errorf("%s %s: %d %s", method, target, status, answer)
				}
			}
		}
	})
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte(`{"name":"e","channels":["c"],"data":"x","socket_id":"1.2","info":"user_count"}`))
	f.Add([]byte(`{"batch":[{"name":"e","channel":"c","data":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := parseEvent(body); err == nil {
			again, _ := json.Marshal(e)
			if back, err := parseEvent(again); err != nil || back.Name != e.Name || len(back.Channels) != len(e.Channels) {
				t.Errorf("%q is read as %+v, and %q as %+v, %v", body, e, again, back, err)
			}
		}
		if list, err := parseBatch(body); err == nil && (len(list) == 0 || len(list) > batchMax) {
			t.Errorf("%q is a batch of %d", body, len(list))
		}
		_, _ = parseInfos(string(body), "cache")
		if params, f := parameters(string(body)); f == nil && len(params) > parametersMax {
			t.Errorf("%q has %d parameters", body, len(params))
		}
	})
}
