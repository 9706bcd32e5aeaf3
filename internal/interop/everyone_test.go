package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

const everyonePage = "../../docs/everyone-hears-everyone.md"

// everyone is one channel with a client of each protocol in it. All but curl are in
// one page of Chromium, beside the back end of Pusher in Node.
type everyone struct {
	*piesocketScene
	curl                                                  *inbox[string]
	events, socket, jsonSocket, session, socketio, pusher *actor
	sockjs, jsonSockjs, pie, back                         *actor
}

// everyoneChannel is what they meet in.
const everyoneChannel = "everyone"

// speakers are the publishers, in the order of the page. Each message has the code that a
// reader would write for it.
var speakers = []struct {
	name     string
	messages []spoken
}{
	{"curl", []spoken{
		{"-d hello", func(t *testing.T, x *everyone) { x.post(t, "", "-d", "hello") }},
		{`--json '{"n":1}'`, func(t *testing.T, x *everyone) { x.post(t, "", "--json", `{"n":1}`) }},
		{"--data-binary @bytes", func(t *testing.T, x *everyone) {
			x.post(t, "", "-H", "Content-Type: application/octet-stream", "--data-binary", "@"+write(t, t.TempDir(), "bytes", "\x00\xff"))
		}},
		{"-d hello '…?event=news'", func(t *testing.T, x *everyone) { x.post(t, "?event=news", "-d", "hello") }},
	}},
	{"EventSource", []spoken{
		{`fetch(url, {method: "POST", body: "hello"})`, func(t *testing.T, x *everyone) { x.events.do(t, "send", "type", "text/plain", "data", "hello") }},
		{`… body: JSON.stringify({n: 1})`, func(t *testing.T, x *everyone) { x.events.do(t, "send", "type", "application/json", "data", `{"n":1}`) }},
		{`… body: bytes`, func(t *testing.T, x *everyone) {
			x.events.do(t, "send", "type", "application/octet-stream", "data", someBytes)
		}},
		{`fetch(url + "?event=news", …)`, func(t *testing.T, x *everyone) {
			x.events.do(t, "send", "type", "text/plain", "data", "hello", "query", "?event=news")
		}},
	}},
	{"WebSocket", []spoken{
		{`send("hello")`, func(t *testing.T, x *everyone) { x.socket.do(t, "send", "data", "hello") }},
		{`send('{"n":1}')`, func(t *testing.T, x *everyone) { x.socket.do(t, "send", "data", `{"n":1}`) }},
		{`the same with ?json=1`, func(t *testing.T, x *everyone) { x.jsonSocket.do(t, "send", "data", `{"n":1}`) }},
		{`send(bytes)`, func(t *testing.T, x *everyone) { x.socket.do(t, "send", "data", someBytes) }},
	}},
	{"godwit.v1", []spoken{
		{`"data":"hello"`, func(t *testing.T, x *everyone) { x.session.do(t, "publish", "fields", map[string]any{"data": "hello"}) }},
		{`"data":{"n":1}`, func(t *testing.T, x *everyone) {
			x.session.do(t, "publish", "fields", map[string]any{"data": map[string]any{"n": 1}})
		}},
		{`"data_base64":"AP8="`, func(t *testing.T, x *everyone) {
			x.session.do(t, "publish", "fields", map[string]any{"data_base64": "AP8="})
		}},
		{`"event":"news","data":"hello"`, func(t *testing.T, x *everyone) {
			x.session.do(t, "publish", "fields", map[string]any{"event": "news", "data": "hello"})
		}},
	}},
	{"Socket.IO", []spoken{
		{`send("hello")`, func(t *testing.T, x *everyone) { x.emit(t, "message", "hello") }},
		{`emit("news", "hello")`, func(t *testing.T, x *everyone) { x.emit(t, "news", "hello") }},
		{`emit("news", {n: 1})`, func(t *testing.T, x *everyone) { x.emit(t, "news", map[string]any{"n": 1}) }},
		{`emit("news", bytes)`, func(t *testing.T, x *everyone) { x.emit(t, "news", someBytes) }},
		{`emit("news", 1, "b")`, func(t *testing.T, x *everyone) { x.emit(t, "news", 1, "b") }},
		{`emit("news", {b: bytes})`, func(t *testing.T, x *everyone) { x.emit(t, "news", map[string]any{"b": someBytes}) }},
	}},
	{"SockJS", []spoken{
		{`send("hello")`, func(t *testing.T, x *everyone) { x.sockjs.do(t, "send", "data", "hello") }},
		{`send('{"n":1}')`, func(t *testing.T, x *everyone) { x.sockjs.do(t, "send", "data", `{"n":1}`) }},
		{`the same with ?json=1`, func(t *testing.T, x *everyone) { x.jsonSockjs.do(t, "send", "data", `{"n":1}`) }},
	}},
	{"Pusher", []spoken{
		{`trigger("everyone", "news", "hello")`, func(t *testing.T, x *everyone) { x.trigger(t, "news", "hello") }},
		{`trigger("everyone", "news", {n: 1})`, func(t *testing.T, x *everyone) { x.trigger(t, "news", map[string]any{"n": 1}) }},
	}},
	{"PieSocket", []spoken{
		{`send("hello")`, func(t *testing.T, x *everyone) { x.pie.do(t, "send", "channel", everyoneChannel, "data", "hello") }},
		{`publish("news", "hello")`, func(t *testing.T, x *everyone) { x.piePublish(t, "news", "hello") }},
		{`publish("news", {n: 1})`, func(t *testing.T, x *everyone) { x.piePublish(t, "news", map[string]any{"n": 1}) }},
		{`send(bytes)`, func(t *testing.T, x *everyone) { x.pie.do(t, "send", "channel", everyoneChannel, "data", someBytes) }},
	}},
}

type spoken struct {
	code  string
	speak func(t *testing.T, x *everyone)
}

// someBytes are those of the page: 00 ff.
var someBytes = map[string]any{"$bytes": "AP8="}

// listeners are the subscribers, in the order of the page, and how it is written there.
var listeners = []struct {
	name string
	hear func(t *testing.T, x *everyone) string
}{
	{"curl", func(t *testing.T, x *everyone) string {
		line, ok := x.curl.next()
		for ok && (line == "{}" || line == "") {
			line, ok = x.curl.next()
		}
		return envelope(line)
	}},
	{"EventSource", func(t *testing.T, x *everyone) string {
		e := x.events.untilEvent(t, "message")
		if e.Name == "message" {
			return heard(e)
		}
		return fmt.Sprintf("event %s: %s", e.Name, heard(e))
	}},
	{"WebSocket", func(t *testing.T, x *everyone) string {
		x.jsonSocket.untilEvent(t, "message") // which hears the same
		return written(x.socket.untilEvent(t, "message").Data)
	}},
	{"godwit.v1", func(t *testing.T, x *everyone) string { return envelope(x.session.untilEvent(t, "message").Text) }},
	{"Socket.IO", func(t *testing.T, x *everyone) string {
		e := x.socketio.untilEvent(t, "message")
		args := []string{fmt.Sprintf("%q", e.Name)}
		for _, arg := range e.Args {
			args = append(args, withBytes(arg))
		}
		return "(" + strings.Join(args, ", ") + ")"
	}},
	{"SockJS", func(t *testing.T, x *everyone) string {
		x.jsonSockjs.untilEvent(t, "message") // which hears the same
		return heard(x.sockjs.untilEvent(t, "message"))
	}},
	{"Pusher", func(t *testing.T, x *everyone) string {
		e := x.pusher.untilEvent(t, "message")
		return fmt.Sprintf("(%q, %s)", e.Name, e.Data)
	}},
	{"PieSocket", func(t *testing.T, x *everyone) string { return written(x.pie.untilEvent(t, "frame").Data) }},
}

// envelope is an envelope without the fields that are different each time.
func envelope(line string) string {
	return varying.ReplaceAllString(line, "")
}

var varying = regexp.MustCompile(`"(channel|position|time)":"[^"]*",?`)

// written is a message of a WebSocket for the page.
func written(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	return withBytes(data)
}

// withBytes is a value of an application for the page.
func withBytes(value json.RawMessage) string {
	return marked.ReplaceAllStringFunc(string(value), func(found string) string {
		b, _ := base64.StdEncoding.DecodeString(marked.FindStringSubmatch(found)[1])
		return fmt.Sprintf("bytes <% x>", b)
	})
}

var marked = regexp.MustCompile(`\{"\$bytes":"([^"]*)"\}`)

func (x *everyone) post(t *testing.T, query string, args ...string) {
	t.Helper()
	args = append([]string{"-sSfk", "https://" + x.host + "/channels/" + everyoneChannel + query}, args...)
	if out, err := exec.Command(program(t, "curl"), args...).CombinedOutput(); err != nil {
		t.Fatalf("curl: %v: %s", err, out)
	}
}

func (x *everyone) emit(t *testing.T, name string, args ...any) {
	t.Helper()
	x.socketio.do(t, "emit", "name", name, "args", args)
}

func (x *everyone) trigger(t *testing.T, name string, data any) {
	t.Helper()
	if said := x.back.calls(t, "trigger", everyoneChannel, name, data); said != "{}" {
		t.Errorf("the back end is answered %s", said)
	}
}

func (x *everyone) piePublish(t *testing.T, name string, data any) {
	t.Helper()
	x.pie.do(t, "publish", "channel", everyoneChannel, "name", name, "data", data)
}

func meetEveryone(t *testing.T) *everyone {
	t.Helper()
	x := &everyone{piesocketScene: newPiesocketScene(t)}
	https, wss, channel := "https://"+x.host, "wss://"+x.host, "/channels/"+everyoneChannel
	x.curl = programEvents(t, program(t, "curl"), "-skN", "-H", "Accept: application/x-ndjson", https+channel)
	if line, ok := x.curl.next(); !ok || line != "{}" {
		t.Fatalf("curl hears %q", line)
	}
	x.events = x.page.open(t, "EventSource", "eventsource", "", "url", https+channel, "names", []string{"news", "binary"})
	x.socket = x.page.open(t, "WebSocket", "websocket", "", "url", wss+channel)
	x.jsonSocket = x.page.open(t, "WebSocket ?json=1", "websocket", "", "url", wss+channel+"?json=1")
	x.session = x.page.open(t, "godwit.v1", "session", "", "url", wss+"/connect", "channel", everyoneChannel)
	x.socketio = x.page.open(t, "Socket.IO", "socketio", "socket.io-client", "url", https, "namespace", "/"+everyoneChannel)
	x.sockjs = x.page.open(t, "SockJS", "sockjs", "sockjs-client", "url", https+"/sockjs/"+everyoneChannel)
	x.jsonSockjs = x.page.open(t, "SockJS ?json=1", "sockjs", "sockjs-client", "url", https+"/sockjs/"+everyoneChannel+"?json=1")
	name, port := splitHost(t, x.host)
	x.pusher = x.page.open(t, "Pusher", "pusher", "pusher-js", "key", appKey, "options", map[string]any{"wsHost": name, "wssPort": port, "forceTLS": true, "enabledTransports": []string{"ws", "wss"}})
	x.pie = x.page.open(t, "PieSocket", "piesocket", "piesocket-js", "options", x.options(map[string]any{"notifySelf": 1}))
	x.pie.do(t, "subscribe", "channel", everyoneChannel)
	for _, a := range []*actor{x.events, x.socket, x.jsonSocket, x.session, x.socketio, x.sockjs, x.jsonSockjs, x.pusher, x.pie} {
		a.untilEvent(t, "open")
	}
	x.pusher.subscribes(t, everyoneChannel)
	x.back = startNodeStage(t).open(t, "Pusher's back end", "pusherapi", "pusher", "options", map[string]any{
		"appId": appID, "key": appKey, "secret": appSecret, "host": name, "port": port, "useTLS": true,
	})
	return x
}

// TestEveryoneHearsEveryone: each publication is heard by all, once, and as the page says:
// its tables are what is heard. With -update they are written anew.
func TestEveryoneHearsEveryone(t *testing.T) {
	x := meetEveryone(t)
	var tables strings.Builder
	for _, s := range speakers {
		fmt.Fprintf(&tables, "\n### %s\n\n| |", s.name)
		rows := make([]string, len(listeners))
		for i, l := range listeners {
			rows[i] = "| " + l.name + " |"
		}
		for _, m := range s.messages {
			fmt.Fprintf(&tables, " %s |", cell(m.code))
			m.speak(t, x)
			for i, l := range listeners {
				rows[i] += " " + cell(l.hear(t, x)) + " |"
			}
		}
		tables.WriteString("\n|" + strings.Repeat("---|", len(s.messages)+1) + "\n" + strings.Join(rows, "\n") + "\n")
	}
	x.nothingMore(t)
	fmt.Fprintf(&tables, "\n### Who is there\n\n`GET /presence/everyone` shows each of them, with what carries it: %s.\n", x.presence(t))

	golden.ComparePart(t, everyonePage, "<!-- tables -->\n", "\n<!-- /tables -->", tables.String())
}

// presence is what carries the members of the channel. Each client has its own.
func (x *everyone) presence(t *testing.T) string {
	t.Helper()
	response := request(t, x.client, http.MethodGet, "https://"+x.host+"/presence/"+everyoneChannel, "", "Authorization", "Bearer "+serverKey)
	var answer struct {
		Count       int
		Connections []struct{ Transport string }
	}
	if err := json.Unmarshal([]byte(body(t, response, http.StatusOK)), &answer); err != nil {
		t.Fatal(err)
	}
	carriers := map[string]int{}
	for _, c := range answer.Connections {
		carriers[c.Transport]++
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(carriers)) {
		names = append(names, fmt.Sprintf("%d `%s`", carriers[name], name))
	}
	if answer.Count != 10 { // a WebSocket and a SockJS more than there are protocols
		t.Errorf("%d are there: %s", answer.Count, names)
	}
	return strings.Join(names, ", ")
}

// nothingMore has one last message come to everyone, so that a second copy of another
// would have been found.
func (x *everyone) nothingMore(t *testing.T) {
	t.Helper()
	x.post(t, "", "-d", "the end")
	for _, l := range listeners {
		if got := l.hear(t, x); !strings.Contains(got, "the end") {
			t.Errorf("%s hears %s more than once", l.name, got)
		}
	}
}

// cell is code in a cell of a table.
func cell(text string) string {
	text = strings.ReplaceAll(text, "|", `\|`)
	if strings.ContainsRune(text, '`') {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}
