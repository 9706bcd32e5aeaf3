//go:build unix

package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/natstest"
	"github.com/godwit-io/godwit/ws"
)

// robin is three nodes that share a broker, with what sends each request to the next of
// them before.
type robin struct {
	*clustertest.Cluster
	balancer *clustertest.Balancer
	client   *http.Client

	losesNodes bool // what breaks off, or cannot be reached, is tried again
}

func startRobin(t *testing.T, more string) *robin {
	t.Helper()
	skipShort(t)
	r := &robin{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	t.Cleanup(r.client.CloseIdleConnections)
	settings := strings.Replace(protocolsConfig, "demo: false\n", "", 1)
	r.Cluster = clustertest.Start(t, clustertest.Options{Nodes: 3, Settings: fmt.Sprintf(settings, "") + brokerConfig(t) + more})
	r.balancer = clustertest.NewBalancer(t, r.Nodes...)
	return r
}

// brokerConfig is that of a broker which is started for the test.
func brokerConfig(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("broker: {url: [%q]}\n", natstest.Start(t, natstest.Config{}).URL())
}

// robinCount is how many numbered messages each reader is sent.
const robinCount = 200

// feed publishes numbered messages by way of the balancer, each at the next node, until
// all of them are accepted. A request whose node is lost goes again, with the same key.
func (r *robin) feed(t *testing.T, channel string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		key := fmt.Sprint(channel, "/", i)
		for tries := 0; ; tries++ {
			a := request(t, r.client, http.MethodPost, r.balancer.URL()+"/channels/"+channel, strconv.Itoa(i), "Idempotency-Key", key)
			text, err := io.ReadAll(a.Body)
			a.Body.Close()
			if err == nil && (a.StatusCode == http.StatusCreated || a.StatusCode == http.StatusOK) {
				break
			}
			if tries == 100 || a.StatusCode < 500 {
				t.Fatalf("number %d: %s %s", i, a.Status, text)
			}
		}
	}
}

// envelopeOf is a publication as clients read it.
type envelopeOf struct {
	Position string          `json:"position"`
	Data     json.RawMessage `json:"data"`
	Gap      json.RawMessage `json:"gap"`
	Error    json.RawMessage `json:"error"`
}

// record is what a reader got, which has to be each number once and in order.
type record struct {
	t        *testing.T
	who      string
	next     int
	position string
}

// take takes a publication; position is where it is.
func (c *record) take(data []byte, position string) {
	c.t.Helper()
	text := strings.Trim(string(data), `"`)
	if n, err := strconv.Atoi(text); err != nil || n != c.next {
		c.t.Fatalf("%s got %q behind %q, and %d was due", c.who, data, c.position, c.next)
	}
	c.next++
	c.position = position
}

// cut reports whether this is a moment to lose the connection and come back elsewhere.
func (c *record) cut() bool { return c.next%37 == 5 }

// envelope takes one as text. It says whether it was a publication.
func (c *record) envelope(text string) bool {
	c.t.Helper()
	var e envelopeOf
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Gap != nil && string(e.Gap) != "false" || e.Error != nil {
		c.t.Fatalf("%s got %s", c.who, text)
	}
	if e.Data == nil {
		return false
	}
	c.take(e.Data, e.Position)
	return true
}

// readers read a channel from a position to the last number, each in its way, and come
// back wherever the balancer sends them whenever record.cut says so.
var readers = []struct {
	name string
	read func(t *testing.T, r *robin, url string, c *record)
}{
	{"WebSocket", readWebSocket},
	{"event stream", readEventStream},
	{"JSON lines", readLines},
	{"long poll", func(t *testing.T, r *robin, url string, c *record) { readPages(t, r, url, c, "wait=20") }},
	{"page", func(t *testing.T, r *robin, url string, c *record) { readPages(t, r, url, c, "") }},
}

func readWebSocket(t *testing.T, r *robin, url string, c *record) {
	for c.next < robinCount {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http")+"?envelope=1&since="+c.position, nil)
		for err == nil && c.next < robinCount {
			var data []byte
			if _, data, err = conn.Read(ctx); err == nil && c.envelope(string(data)) && c.cut() {
				break
			}
		}
		cancel()
		if err != nil && !r.losesNodes {
			t.Fatal(err)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

func readEventStream(t *testing.T, r *robin, url string, c *record) {
	for c.next < robinCount {
		a := get(t, r.client, url, "Accept", "text/event-stream", "Last-Event-ID", c.position)
		id, isMessage := "", true
		for lines := bufio.NewScanner(a.Body); c.next < robinCount && lines.Scan(); {
			line := lines.Text()
			if text, ok := strings.CutPrefix(line, "id: "); ok {
				id = text
			} else if text, ok := strings.CutPrefix(line, "data: "); ok && isMessage {
				if c.take([]byte(text), id); c.cut() {
					break
				}
			} else if name, ok := strings.CutPrefix(line, "event: "); ok {
				if isMessage = false; name != "position" { // which says where the stream begins
					t.Fatalf("%s got %s", c.who, line)
				}
			} else if line == "" {
				isMessage = true
			}
		}
		a.Body.Close()
	}
}

func readLines(t *testing.T, r *robin, url string, c *record) {
	for c.next < robinCount {
		a := get(t, r.client, url+"?since="+c.position, "Accept", "application/x-ndjson")
		for lines := bufio.NewScanner(a.Body); c.next < robinCount && lines.Scan(); {
			if c.envelope(lines.Text()) && c.cut() {
				break
			}
		}
		a.Body.Close()
	}
}

func readPages(t *testing.T, r *robin, url string, c *record, prefer string) {
	for c.next < robinCount {
		var page struct {
			Position     string
			Publications []json.RawMessage
			Gap          bool
		}
		a := get(t, r.client, url+"?limit=7&since="+c.position, "Accept", "application/json", "Prefer", prefer)
		if r.losesNodes && a.StatusCode >= 500 {
			a.Body.Close()
			continue
		}
		text := body(t, a, http.StatusOK)
		if err := json.Unmarshal([]byte(text), &page); err != nil || page.Gap {
			t.Fatalf("%s got %s", c.who, text)
		}
		for _, p := range page.Publications {
			c.envelope(string(p))
		}
		c.position = page.Position
	}
}

// positionOf is where a channel is, at whatever node is asked.
func (r *robin) positionOf(t *testing.T, channel string) string {
	t.Helper()
	var page struct{ Position string }
	text := body(t, get(t, r.client, r.balancer.URL()+"/channels/"+channel+"?last=0"), http.StatusOK)
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		t.Fatal(err)
	}
	return page.Position
}

// TestRoundRobinChannels: what reads a channel goes on by position, at any node, and needs
// nothing of the node that it was at: nothing is lost, repeated or in another order.
func TestRoundRobinChannels(t *testing.T) {
	t.Parallel()
	r := startRobin(t, "")
	for _, reader := range readers {
		t.Run(reader.name, func(t *testing.T) {
			channel := "robin/" + strings.ReplaceAll(reader.name, " ", "-")
			c := &record{t: t, who: reader.name, position: r.positionOf(t, channel)}
			fed := make(chan struct{})
			go func() {
				defer close(fed)
				r.feed(t, channel, 0, robinCount)
			}()
			reader.read(t, r, r.balancer.URL()+"/channels/"+channel, c)
			<-fed
		})
	}
	r.everyNodeServed(t)
}

// everyNodeServed: or it would have been no proof.
func (r *robin) everyNodeServed(t *testing.T) {
	t.Helper()
	counts := r.balancer.Counts()
	if least := slices.Min(counts); least < 10 || slices.Max(counts) > 2*least {
		t.Errorf("the nodes were sent %v requests", counts)
	}
}

// A sessionLink is how a client of /connect hears, and how it says more.
type sessionLink struct {
	t    *testing.T
	r    *robin
	kind string

	messages chan string
	ended    chan struct{}
	err      error // when it has ended
	cancel   context.CancelFunc
	conn     *ws.Conn // of a WebSocket
	session  string   // ID.SECRET, where commands are POSTed
	id       int
}

// commands are lines, each with the next ID.
func (l *sessionLink) commands(bodies ...string) string {
	var b strings.Builder
	for _, body := range bodies {
		l.id++
		fmt.Fprintf(&b, "{\"id\":%d,%s}\n", l.id, body)
	}
	return b.String()
}

// open begins or resumes a session and subscribes. It returns when it is connected.
func (l *sessionLink) open(resume string, channel, position string) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	l.messages, l.ended, l.cancel = make(chan string, 10_000), make(chan struct{}), cancel
	connect := `"connect":{}`
	if id, secret, ok := strings.Cut(resume, "."); ok {
		connect = fmt.Sprintf(`"connect":{"resume":{"session":%q,"secret":%q}}`, id, secret)
	}
	begin := l.commands(connect, fmt.Sprintf(`"subscribe":{"channel":%q,"since":%q}`, channel, position))
	at := l.r.balancer.URL() + "/connect"
	switch l.kind {
	case "WebSocket":
		conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(at, "http"), &ws.DialOptions{Subprotocols: []string{"godwit.v1"}})
		if err != nil {
			l.t.Fatal(err)
		}
		l.conn = conn
		if err := conn.Write(ctx, ws.MessageText, []byte(begin)); err != nil {
			l.t.Fatal(err)
		}
		go func() {
			defer close(l.ended)
			defer conn.CloseNow()
			for {
				_, data, err := conn.Read(ctx)
				if err != nil {
					return
				}
				for line := range strings.Lines(string(data)) {
					l.messages <- line
				}
			}
		}()
	case "event stream", "JSON lines":
		accept, prefix := "application/x-ndjson", ""
		if l.kind == "event stream" {
			accept, prefix = "text/event-stream", "data: "
		}
		a := l.request(ctx, http.MethodPost, at, begin, accept)
		go func() {
			defer close(l.ended)
			defer a.Body.Close()
			lines := bufio.NewScanner(a.Body)
			for lines.Scan() {
				if line, ok := strings.CutPrefix(lines.Text(), prefix); ok && line != "" && line != "{}" {
					l.messages <- line
				}
			}
			l.err = lines.Err()
		}()
	case "long poll":
		go l.poll(ctx, at, begin)
	}
	for l.session = ""; l.session == ""; {
		l.heard(<-l.messages, func(data []byte, position string) { l.t.Errorf("it got %s before it was connected", data) })
	}
}

// request makes one, whose answer must be good.
func (l *sessionLink) request(ctx context.Context, method, url, content, accept string) *http.Response {
	q, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(content))
	if err != nil {
		l.t.Error(err)
		return nil
	}
	q.Header.Set("Content-Type", "application/x-ndjson")
	q.Header.Set("Accept", accept)
	q.Header.Set("Prefer", "wait=10")
	a, err := l.r.client.Do(q)
	if err != nil || a.StatusCode/100 != 2 {
		if ctx.Err() == nil {
			l.t.Errorf("%s %s: %v %v", method, url, a, err)
		}
		return nil
	}
	return a
}

// poll asks for page after page.
func (l *sessionLink) poll(ctx context.Context, at, begin string) {
	defer close(l.ended)
	method, url, content := http.MethodPost, at, begin
	session := ""
	for ctx.Err() == nil {
		a := l.request(ctx, method, url, content, "application/json")
		if a == nil {
			return
		}
		var page struct {
			Poll     int
			Messages []json.RawMessage
		}
		err := json.NewDecoder(a.Body).Decode(&page)
		a.Body.Close()
		if err != nil {
			if ctx.Err() == nil {
				l.t.Error(err)
			}
			return
		}
		for _, m := range page.Messages {
			if s := sessionShown(string(m)); s != "" {
				session = s
			}
			l.messages <- string(m)
		}
		method, url, content = http.MethodGet, fmt.Sprintf("%s?session=%s&ack=%d", at, session, page.Poll), ""
	}
}

// sessionShown is ID.SECRET in a reply to connect, "" in anything else.
func sessionShown(message string) string {
	var reply struct {
		OK struct{ Session, Secret string }
	}
	if json.Unmarshal([]byte(message), &reply) != nil || reply.OK.Session == "" {
		return ""
	}
	return reply.OK.Session + "." + reply.OK.Secret
}

// heard deals with a message.
func (l *sessionLink) heard(message string, take func(data []byte, position string)) {
	l.t.Helper()
	var m struct {
		envelopeOf
		ID  int
		End json.RawMessage
	}
	if err := json.Unmarshal([]byte(message), &m); err != nil || m.Error != nil || m.Gap != nil || m.End != nil {
		l.t.Fatalf("%s got %s", l.kind, message)
	}
	if s := sessionShown(message); s != "" {
		l.session = s
	}
	if m.Data != nil {
		take(m.Data, m.Position)
	}
}

// say hands on commands: in the WebSocket, or by POST to whatever node.
func (l *sessionLink) say(bodies ...string) {
	l.t.Helper()
	text := l.commands(bodies...)
	if l.conn != nil {
		if err := l.conn.Write(l.t.Context(), ws.MessageText, []byte(text)); err != nil {
			l.t.Fatal(err)
		}
		return
	}
	if a := l.request(l.t.Context(), http.MethodPost, l.r.balancer.URL()+"/connect?session="+url.QueryEscape(l.session), text, "*/*"); a != nil {
		a.Body.Close()
	}
}

// lose breaks the connection without a word.
func (l *sessionLink) lose() {
	l.cancel()
	<-l.ended
}

// next is the next message, which must come.
func (l *sessionLink) next() string {
	l.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case m := <-l.messages:
			return m
		case <-l.ended:
			select {
			case m := <-l.messages:
				return m
			default:
				l.t.Fatalf("%s has ended after %d commands in %s: %v", l.kind, l.id, l.session, l.err)
			}
		case <-limit.C:
			l.t.Fatalf("%s hears nothing more", l.kind)
		}
	}
}

// TestRoundRobinSessions: a session of /connect takes commands, publishes and is polled at any
// node, on each carrier, and its client comes back at any.
func TestRoundRobinSessions(t *testing.T) {
	t.Parallel()
	r := startRobin(t, "")
	for _, kind := range []string{"WebSocket", "event stream", "JSON lines", "long poll"} {
		t.Run(kind, func(t *testing.T) {
			channel := "robin/session/" + strings.ReplaceAll(kind, " ", "-")
			c := &record{t: t, who: kind, position: r.positionOf(t, channel)}
			l := &sessionLink{t: t, r: r, kind: kind}
			l.open("", channel, c.position)
			for sent := 0; c.next < robinCount; {
				if sent == c.next && sent < robinCount { // what it says itself comes back, in order
					var bodies []string
					for range 1 + sent%5 {
						if sent < robinCount {
							bodies = append(bodies, fmt.Sprintf(`"publish":{"channel":%q,"data":%d}`, channel, sent))
							sent++
						}
					}
					l.say(bodies...)
				}
				before := c.next
				l.heard(l.next(), c.take)
				if c.next > before && c.cut() && c.next == sent {
					l.lose()
					l.open(l.session, channel, c.position)
				}
			}
			l.lose()
			if kind != "WebSocket" {
				a, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, r.balancer.URL()+"/connect?session="+l.session, nil)
				if err != nil {
					t.Fatal(err)
				}
				if gone, err := r.client.Do(a); err != nil || gone.StatusCode != http.StatusNoContent {
					t.Errorf("its end: %v %v", gone, err)
				} else {
					gone.Body.Close()
				}
			}
		})
	}
	r.everyNodeServed(t)
}
