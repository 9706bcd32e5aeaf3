package interop

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// protocolsConfig is a server with every protocol, whose limits are those of a
// test that sends all it has at once.
const protocolsConfig = `
demo: false
heartbeat: 15s
origins: [%s]
history: {count: 50000}
limits:
  publications_per_second_session: 1000000
  publications_per_second_address: 1000000
  requests_per_second: 1000000
  handshakes_per_second: 1000000
`

// serveProtocols runs a server with every protocol, for pages of these origins
// besides its own. More is more of its configuration.
func serveProtocols(t *testing.T, more string, origins ...string) (host string) {
	t.Helper()
	host, _ = launchProtocols(t, more, "127.0.0.1:0", origins...)
	return host
}

// launchProtocols is serveProtocols at an address, with a process that can be killed.
func launchProtocols(t *testing.T, more, listen string, origins ...string) (host string, process *os.Process) {
	t.Helper()
	var quoted []string
	for _, o := range origins {
		quoted = append(quoted, strconv.Quote(o))
	}
	path := write(t, t.TempDir(), "godwit.yaml", fmt.Sprintf(protocolsConfig, strings.Join(quoted, ", "))+more)
	return launchGodwit(t, 15*time.Second, "--config", path, "--listen", listen)
}

// restart kills a server and starts another at its address.
func restart(t *testing.T, process *os.Process, host, more string, origins ...string) {
	t.Helper()
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	for { // until the address is free
		conn, err := net.Dial("tcp", host)
		if err != nil {
			break
		}
		conn.Close()
	}
	launchProtocols(t, more, host, origins...)
}

// numbersCount is how many numbered messages go each way.
const numbersCount = 10_000

// numbered checks that from each sender come all numbers, in order, once. A
// message is the sender's name, a dash and the number.
type numbered struct {
	next  map[string]int // the number that is due from each
	open  int            // senders that are not done
	count int            // of each
}

func newNumbered(senders ...string) *numbered { return newNumberedTimes(numbersCount, senders...) }

func newNumberedTimes(count int, senders ...string) *numbered {
	n := &numbered{next: map[string]int{}, open: len(senders), count: count}
	for _, s := range senders {
		n.next[s] = 0
	}
	return n
}

// take says whether text was all that was due, and fails if something else was.
func (n *numbered) take(t *testing.T, who, text string) (done bool) {
	t.Helper()
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		t.Fatalf("%s heard %s, which is no number", who, brief(text))
	}
	due, known := n.next[text[:i]]
	if got, err := strconv.Atoi(text[i+1:]); err != nil || !known || got != due || due == n.count {
		t.Fatalf("%s heard %s, and %s-%d was due", who, brief(text), text[:i], due)
	}
	n.next[text[:i]]++
	if due == n.count-1 {
		n.open--
	}
	return n.open == 0
}

// bare is a WebSocket of a channel in this process: the other side of the clients.
func bare(t *testing.T, host, channel, query string, header ...string) *near {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	o := &ws.DialOptions{Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		o.Header.Set(header[i], header[i+1])
	}
	conn, _, err := ws.Dial(ctx, "ws://"+host+"/channels/"+channel+query, o)
	if err != nil {
		t.Fatal(err)
	}
	return newNear(t, conn)
}

// ignored is what an actor tells beside the messages.
const ignored = "\x00"

// numbers has an actor and a WebSocket of the channel send each other
// numbersCount messages at the same time. send has the actor send; text is what a
// message says that it heard, "" for an event that is no message. The actor hears itself, too,
// if it is among its own senders. Header is what the WebSocket shows.
func numbers(t *testing.T, host, channel string, a *actor, hearsItself bool, send func(prefix string), text func(seen) string, header ...string) {
	t.Helper()
	numbersWith(t, bare(t, host, channel, "?self=0", header...), a, hearsItself, send, text, func(data string) string { return data })
}

// numbersWith is numbers with a WebSocket that there is already, and with what the
// actor sent in what that hears.
func numbersWith(t *testing.T, n *near, a *actor, hearsItself bool, send func(prefix string), text func(seen) string, sent func(string) string) {
	t.Helper()
	numbersTimes(t, numbersCount, n, a, hearsItself, send, text, sent)
}

// numbersTimes is numbersWith so many messages each way.
func numbersTimes(t *testing.T, count int, n *near, a *actor, hearsItself bool, send func(prefix string), text func(seen) string, sent func(string) string) {
	t.Helper()
	written := make(chan error, 1)
	go func() {
		for i := range count {
			if err := n.Write(background, ws.MessageText, []byte("socket-"+strconv.Itoa(i))); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	send(a.conn + "-")
	senders := []string{"socket"}
	if hearsItself {
		senders = append(senders, a.conn)
	}
	due := newNumberedTimes(count, senders...)
	for done := false; !done; {
		e, ok := a.saw.next()
		if !ok {
			t.Fatalf("%s heard no more, and what is due is %v", a.conn, due.next)
		}
		if s := text(e); s != "" {
			if s != ignored {
				done = due.take(t, a.conn, s)
			}
		} else if e.Event != "upgraded" && e.Event != "state" {
			t.Fatalf("%s tells %v among the numbers", a.conn, e)
		}
	}
	due = newNumberedTimes(count, a.conn)
	for done := false; !done; {
		m, ok := n.messages.next()
		if !ok {
			t.Fatalf("the WebSocket heard no more, and what is due is %v", due.next)
		}
		done = due.take(t, "the WebSocket", sent(string(m.Data)))
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// post publishes to a channel, and returns the answer.
func post(t *testing.T, host, channel, typ, body string, header ...string) *http.Response {
	t.Helper()
	return request(t, http.DefaultClient, http.MethodPost, "http://"+host+"/channels/"+channel, body, append([]string{"Content-Type", typ}, header...)...)
}

// socketioConfig turns on the settings that are off by default.
const socketioConfig = `
socketio: {eio3: true}
`

// tokensSecret signs the tokens of servers that have tokensConfig.
const tokensSecret = "only for this test, of 32 bytes."

// serverKey is one of a back end, at servers that have openConfig or tokensConfig. Such
// a key is all that reaches closed channels without a signature.
const serverKey = "gk_onlyforthesetestsofothers"

// keysConfig has serverKey.
var keysConfig = fmt.Sprintf(`
keys:
  - name: back-end
    hash: "sha256:%x"
    grants: {subscribe: ["**"], publish: ["**"], history: ["**"], presence: ["**"], manage: ["**"]}
`, sha256.Sum256([]byte(serverKey)))

// openConfig is keysConfig, and everybody may everything that is not closed.
var openConfig = keysConfig + `
anonymous: {subscribe: ["**"], publish: ["**"], history: ["**"], presence: ["**"]}
`

// tokensConfig has clients that may nothing without a token.
const tokensConfig = `
tokens: [{secret: "` + tokensSecret + `"}]
`

// sockjsConfig has every transport, and the client that iframes need from a site.
func sockjsConfig(site string) string {
	return fmt.Sprintf("\nsockjs: {jsonp: true, htmlfile: true, client_url: %q}\n", site+"/node_modules/sockjs-client/dist/sockjs.js")
}

// splitHost returns the name and the port of an address.
func splitHost(t *testing.T, host string) (name string, port int) {
	t.Helper()
	name, text, err := net.SplitHostPort(host)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name, port
}
