package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// An eventClient follows an event stream for as long as the test, and tells what
// an application would be told, a line each:
//
//	position ID      where the stream begins
//	message ID DATA
//	gap DATA
type eventClient func(t *testing.T, url string) *inbox[string]

// eventClients are implementations of EventSource, and what people do without one.
func eventClients(t *testing.T) map[string]eventClient {
	clients := map[string]eventClient{"Python": pythonEvents, "curl": curlEvents}
	dir := t.TempDir()
	var once sync.Once
	var failed error
	for _, name := range []string{"eventsource 2", "eventsource 4", "undici", "event-source-polyfill"} {
		clients[name] = func(t *testing.T, url string) *inbox[string] {
			node, npm := program(t, "node", "nodejs"), program(t, "npm")
			if once.Do(func() { failed = installNode(npm, dir, "events") }); failed != nil {
				missing(t, failed.Error())
			}
			return programEvents(t, node, "--no-warnings", filepath.Join(dir, "events.mjs"), name, url)
		}
	}
	clients["Chromium"] = func(t *testing.T, url string) *inbox[string] { return chromiumEvents(t, chromiumtest.Shared(t), url) }
	return clients
}

// programEvents is a program that prints the lines.
func programEvents(t *testing.T, name string, args ...string) *inbox[string] {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	told := newInbox[string]()
	var reader sync.WaitGroup
	reader.Go(func() {
		defer told.end()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			told.put(lines.Text())
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reader.Wait()
		_ = cmd.Wait()
	})
	return told
}

func pythonEvents(t *testing.T, url string) *inbox[string] {
	return programEvents(t, program(t, "/usr/bin/python3", "python3"), filepath.Join("testdata", "events.py"), url)
}

// curlEvents runs curl again when it has ended, with the last ID, as a script does.
func curlEvents(t *testing.T, url string) *inbox[string] {
	path := program(t, "curl")
	told := newInbox[string]()
	ctx, cancel := context.WithCancel(background)
	var loop sync.WaitGroup
	loop.Go(func() {
		defer told.end()
		last := ""
		for ctx.Err() == nil {
			args := []string{"-sN", "-H", "Accept: text/event-stream", url}
			if last != "" {
				args = append(args, "-H", "Last-Event-ID: "+last)
			}
			cmd := exec.CommandContext(ctx, path, args...)
			out, err := cmd.StdoutPipe()
			if err != nil || cmd.Start() != nil {
				return
			}
			last = readEvents(out, last, told)
			_ = cmd.Wait()
		}
	})
	t.Cleanup(func() {
		cancel()
		loop.Wait()
	})
	return told
}

// readEvents reads a stream to its end and returns the last ID. An event that is
// not whole does not count (HTML §9.2.6).
func readEvents(r io.Reader, last string, told *inbox[string]) string {
	kind, data, id := "message", "", last
	for lines := bufio.NewScanner(r); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			kind = value
		case "data":
			data = value
		case "id":
			id = value
		case "":
			switch last = id; {
			case data == "":
			case kind == "message":
				told.put("message " + last + " " + data)
			default:
				told.put(kind + " " + data)
			}
			kind, data = "message", ""
		}
	}
	return last
}

// chromiumEvents is the EventSource of a page of the server's origin. The page is
// one that uses no channels itself and may use them.
func chromiumEvents(t *testing.T, chromium context.Context, url string) *inbox[string] {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	origin, _, _ := strings.Cut(url, "/channels/")
	script := `
		const lines = []
		let more = () => {}
		const tell = (...words) => { lines.push(words.join(" ")); more() }
		globalThis.take = async () => {
			if (lines.length === 0) await new Promise((resolve) => { more = resolve })
			return lines.shift()
		}
		const source = new EventSource("` + url + `")
		source.onmessage = (e) => tell("message", e.lastEventId, e.data)
		source.addEventListener("position", (e) => tell("position", e.lastEventId))
		source.addEventListener("gap", (e) => tell("gap", e.data))
		source.onerror = () => { if (source.readyState === 2) tell("gave up") }`
	if err := chromedp.Do(ctx, chromedp.Navigate(origin+"/welcome/base.css"), chromedp.Evaluate[chromedp.Void]("{"+script+"}")); err != nil {
		cancel()
		t.Fatalf("in the browser: %v", err)
	}
	told := newInbox[string]()
	var loop sync.WaitGroup
	loop.Go(func() {
		defer told.end()
		for {
			line, err := chromedp.Run(ctx, chromedp.Evaluate[string]("take()", chromedp.EvalAwaitPromise))
			if err != nil {
				return
			}
			told.put(line)
		}
	})
	t.Cleanup(func() {
		cancel()
		loop.Wait()
	})
	return told
}

// breaker is a proxy of connections that can be cut.
type breaker struct {
	net.Listener
	passed *inbox[string] // targets of connections that have ended
	ended  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	target string     // "": connections are ended at once
	open   map[net.Conn]bool
}

func newBreaker(t *testing.T, target string) *breaker {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: ln, passed: newInbox[string](), target: target, open: map[net.Conn]bool{}}
	b.ended.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			b.ended.Go(func() { b.pass(near) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		b.cut("")
		b.ended.Wait()
	})
	return b
}

// cut ends the open connections, and sends later ones to target.
func (b *breaker) cut(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target = target
	for c := range b.open {
		_ = c.Close()
	}
}

// turn sends what comes from now on to target, and leaves the rest alone.
func (b *breaker) turn(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target = target
}

func (b *breaker) pass(near net.Conn) {
	defer near.Close()
	b.mu.Lock()
	target := b.target
	b.open[near] = true
	b.mu.Unlock()
	defer func() {
		b.passed.put(target)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, near)
	}()
	if target == "" {
		return
	}
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer far.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

// eventCases are what may happen to a stream. Each begins when the client knows
// where it is, ends with the message "last", and says what the client is told
// between.
var eventCases = []struct {
	name string
	run  func(t *testing.T, s *eventScene)
	want []string
}{
	{"cut before the first event", func(t *testing.T, s *eventScene) {
		s.breaker.cut("")
		s.publish(t, "one")
		s.publish(t, "two")
		s.breaker.turn(s.host)
		s.publish(t, "last")
	}, []string{"message one", "message two", "message last"}},
	{"cut after an event", func(t *testing.T, s *eventScene) {
		s.publish(t, "one")
		s.await(t, "message one")
		s.breaker.cut("")
		s.publish(t, "two")
		s.publish(t, "three")
		s.breaker.turn(s.host)
		s.await(t, "message three") // before the next, so that it comes live
		s.publish(t, "last")
	}, []string{"message one", "message two", "message three", "message last"}},
	{"server full", func(t *testing.T, s *eventScene) {
		s.publish(t, "one")
		s.await(t, "message one")
		s.breaker.cut("")
		s.publish(t, "two")
		leave := s.occupy(t)
		s.breaker.turn(s.host)
		for { // until the client was there and left again
			if target, ok := s.breaker.passed.next(); !ok {
				t.Fatal("the client does not come back to a full server")
			} else if target != "" {
				break
			}
		}
		leave()
		s.publish(t, "last")
	}, []string{"message one", "message two", "message last"}},
	{"draining", func(t *testing.T, s *eventScene) {
		s.publish(t, "one")
		s.await(t, "message one")
		old := s.process
		s.launch(t)
		s.breaker.turn(s.host)
		if err := old.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.publish(t, "two")
		s.await(t, "message two")
		s.publish(t, "last")
	}, []string{"message one", "gap", "message two", "message last"}},
	{"restarted", func(t *testing.T, s *eventScene) {
		s.publish(t, "one")
		s.await(t, "message one")
		if err := s.process.Kill(); err != nil {
			t.Fatal(err)
		}
		s.launch(t)
		s.publish(t, "two")
		s.breaker.turn(s.host)
		s.publish(t, "last")
	}, []string{"message one", "gap", "message two", "message last"}},
}

// eventScene is a server behind a breaker, and one client.
type eventScene struct {
	host    string
	process *os.Process
	breaker *breaker
	channel string
	told    *inbox[string]
	got     []string
}

// connectionsMax is how many connections the servers allow.
const connectionsMax = 4

func (s *eventScene) launch(t *testing.T) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "demo: false\nlimits:\n  connections: %d\n", connectionsMax), 0o600); err != nil {
		t.Fatal(err)
	}
	s.host, s.process = launchGodwit(t, 15*time.Second, "--config", config)
}

// publish publishes, as soon as there is a connection for it.
func (s *eventScene) publish(t *testing.T, text string) {
	t.Helper()
	for {
		response := request(t, oneRequest, http.MethodPost, "http://"+s.host+s.channel, text, "Content-Type", "text/plain")
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusCreated:
			return
		case http.StatusServiceUnavailable:
		default:
			t.Fatal(response.Status)
		}
	}
}

// oneRequest uses a connection for one request.
var oneRequest = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// occupy takes every connection that the server allows, until leave.
func (s *eventScene) occupy(t *testing.T) (leave func()) {
	t.Helper()
	var streams []io.Closer
	for attempts := 0; len(streams) < connectionsMax; attempts++ {
		if attempts > 5000 {
			t.Fatalf("somebody else keeps %d connections", connectionsMax-len(streams))
		}
		response := get(t, oneRequest, "http://"+s.host+"/channels/occupied", "Accept", "text/event-stream")
		isIn := false
		for lines := bufio.NewScanner(response.Body); !isIn && lines.Scan(); {
			isIn = lines.Text() == "event: position"
		}
		if !isIn { // an older connection has not quite gone
			response.Body.Close()
			continue
		}
		streams = append(streams, response.Body)
	}
	return func() {
		for _, stream := range streams {
			_ = stream.Close()
		}
	}
}

// await reads what the client is told up to a line that is what, whatever its ID.
func (s *eventScene) await(t *testing.T, what string) {
	t.Helper()
	for {
		line, ok := s.told.next()
		if !ok {
			t.Fatalf("%q did not come; it was told %q", what, s.got)
		}
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "message":
			_, data, _ := strings.Cut(rest, " ")
			line = kind + " " + data
		case "gap", "position":
			line = kind
		}
		if kind != "position" { // a client that comes back is told again
			s.got = append(s.got, line)
		}
		if line == what {
			return
		}
	}
}

// Whatever happens to a stream, no client loses a message without being told.
func TestEventSources(t *testing.T) {
	if testing.Short() {
		t.Skip("every client waits two seconds before it comes back")
	}
	clients := eventClients(t)
	for _, c := range eventCases {
		for name, client := range clients {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := &eventScene{channel: "/channels/events"}
				s.launch(t)
				s.breaker = newBreaker(t, s.host)
				s.told = client(t, "http://"+s.breaker.Addr().String()+s.channel)
				s.await(t, "position")
				c.run(t, s)
				s.await(t, "message last")
				if got, want := fmt.Sprintf("%q", s.got), fmt.Sprintf("%q", c.want); got != want {
					t.Errorf("it was told %s\nwant %s", got, want)
				}
			})
		}
	}
}
