package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// packages is a folder with the clients of other protocols, installed once for
// all tests as testdata/npm/package-lock.json says, beside the scripts that drive
// them.
func packages(t *testing.T) string {
	t.Helper()
	program(t, "node", "nodejs")
	npm := program(t, "npm")
	dir, err := installPackages(npm)
	if err != nil {
		missing(t, err.Error())
	}
	return dir
}

var (
	packagesOnce sync.Once
	packagesDir  string // removed by TestMain
	packagesErr  error
)

func installPackages(npm string) (string, error) {
	packagesOnce.Do(func() {
		if packagesDir, packagesErr = os.MkdirTemp("", "godwit-interop-npm-"); packagesErr == nil {
			packagesErr = installNode(npm, packagesDir, "npm")
		}
	})
	return packagesDir, packagesErr
}

// A stage is where actors are: a process of Node, or a page of Chromium. An actor
// is a client of another protocol, told by name what to do. testdata/npm/actors.mjs
// says what can be told, and the drivers beside it what is seen.
type stage struct {
	name string // node or chromium
	tell func(commands ...map[string]any) error

	mu     sync.Mutex // guards what follows
	actors map[string]*inbox[seen]
	gone   bool // it tells nothing more
}

// seen is what an actor saw. Each event has some of the fields.
type seen struct {
	Conn, Event   string
	ID, Transport string
	Channel, Name string
	Tag, Text     string
	Code          int
	Recovered     bool
	WantsAck      bool
	Args          []json.RawMessage
	Data          json.RawMessage
	Meta          json.RawMessage
}

// String is for people.
func (s seen) String() string {
	b := &strings.Builder{}
	b.WriteString(s.Event)
	for _, part := range []string{s.Channel, s.Name, s.Tag, s.ID, s.Transport, s.Text, string(s.Data), string(s.Meta)} {
		if part != "" {
			b.WriteString(" " + brief(part))
		}
	}
	for _, arg := range s.Args {
		b.WriteString(" " + brief(string(arg)))
	}
	if s.Code != 0 {
		fmt.Fprint(b, " ", s.Code)
	}
	return b.String()
}

func newStage(name string) *stage { return &stage{name: name, actors: map[string]*inbox[seen]{}} }

func (s *stage) inbox(conn string) *inbox[seen] {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.actors[conn]
	if b == nil {
		b = newInbox[seen]()
		s.actors[conn] = b
		if s.gone {
			b.end()
		}
	}
	return b
}

// leave ends every wait for an actor.
func (s *stage) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for _, b := range s.actors {
		b.end()
	}
}

// startNodeStage starts a process that ends with the test.
func startNodeStage(t *testing.T) *stage {
	t.Helper()
	dir := packages(t)
	cmd := exec.Command(program(t, "node", "nodejs"), "--no-warnings", filepath.Join(dir, "node.mjs"))
	cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0") // certificates are made for the test
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := newStage("node")
	var telling sync.Mutex
	encoder := json.NewEncoder(in)
	s.tell = func(commands ...map[string]any) error {
		telling.Lock()
		defer telling.Unlock()
		for _, c := range commands {
			if err := encoder.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer s.leave()
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			s.hear(line)
		}
	}()
	t.Cleanup(func() {
		in.Close() // which ends it
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	if ready, ok := s.inbox("").next(); !ok || ready.Event != "ready" {
		t.Fatalf("Node does not start: %v", ready)
	}
	return s
}

// hear takes a line of what actors saw.
func (s *stage) hear(line []byte) {
	var e seen
	if err := json.Unmarshal(line, &e); err != nil {
		fmt.Fprintf(os.Stderr, "%s says %.200q: %v\n", s.name, line, err)
		return
	}
	if e.Conn == "" && e.Event == "threw" {
		fmt.Fprintf(os.Stderr, "in %s: %s\n", s.name, e.Text)
		return
	}
	s.inbox(e.Conn).put(e)
}

// packagesSite serves the packages and the scripts to pages, of any origin.
func packagesSite(t *testing.T) *httptest.Server {
	t.Helper()
	files := http.FileServer(http.Dir(packages(t)))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if strings.HasSuffix(r.URL.Path, ".mjs") {
			w.Header().Set("Content-Type", "text/javascript")
		}
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>actors</title><body>")
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	return site
}

// openPageStage opens a page in which actors are. The page may be of any origin;
// its scripts come from the site.
func openPageStage(t *testing.T, chromium context.Context, url string, site *httptest.Server) *stage {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	load := fmt.Sprintf("import(%q).then(() => {})", site.URL+"/browser.mjs")
	err := chromedp.Do(ctx) // a window, which must not end with the time for the page
	if err == nil {
		within, done := context.WithTimeout(ctx, patience)
		err = chromedp.Do(within, chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](load, chromedp.EvalAwaitPromise))
		done()
	}
	if err != nil {
		cancel()
		t.Fatalf("in the browser: %v", err)
	}
	s := newStage("chromium")
	s.tell = func(commands ...map[string]any) error {
		text, err := json.Marshal(commands)
		if err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void]("act("+string(text)+")"))
	}
	var loop sync.WaitGroup
	loop.Go(func() {
		defer s.leave()
		for {
			text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("take()", chromedp.EvalAwaitPromise))
			if err != nil {
				return
			}
			var events []json.RawMessage
			if err := json.Unmarshal([]byte(text), &events); err != nil {
				fmt.Fprintf(os.Stderr, "Chromium says %.200q: %v\n", text, err)
			}
			for _, e := range events {
				s.hear(e)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		loop.Wait()
	})
	return s
}

// actor is one client.
type actor struct {
	*stage
	conn string
	saw  *inbox[seen]
}

// open makes a client with a name of its own. How is what its driver is opened
// with: pairs of names and values.
func (s *stage) open(t *testing.T, conn, driver, library string, how ...any) *actor {
	t.Helper()
	a := &actor{s, conn, s.inbox(conn)}
	a.do(t, "open", append([]any{"driver", driver, "library", library}, how...)...)
	return a
}

// do tells it to do something: pairs of names and values.
func (a *actor) do(t *testing.T, what string, how ...any) {
	t.Helper()
	c := map[string]any{"do": what, "conn": a.conn}
	for i := 0; i < len(how); i += 2 {
		c[how[i].(string)] = how[i+1]
	}
	if err := a.tell(c); err != nil {
		t.Fatalf("%s is gone: %v", a.conn, err)
	}
}

// wants takes the next thing that it saw, which must be this event.
func (a *actor) wants(t *testing.T, event string) seen {
	t.Helper()
	e, ok := a.saw.next()
	if !ok {
		t.Fatalf("%s does not tell of %q", a.conn, event)
	}
	if e.Event != event {
		t.Fatalf("%s tells %v, want %q", a.conn, e, event)
	}
	return e
}

// until takes what it saw up to the first for which is says yes.
func (a *actor) until(t *testing.T, what string, is func(seen) bool) seen {
	t.Helper()
	var before []string
	for {
		e, ok := a.saw.next()
		if !ok {
			t.Fatalf("%s does not tell of %s, but of %q", a.conn, what, before)
		}
		if is(e) {
			return e
		}
		if e.Event == "threw" {
			t.Fatalf("waiting for %s of %s: %s", what, a.conn, e.Text)
		}
		if before = append(before, e.String()); len(before) > 20 {
			before = before[1:]
		}
	}
}

// untilEvent takes what it saw up to the first that is this event.
func (a *actor) untilEvent(t *testing.T, event string) seen {
	t.Helper()
	return a.until(t, event, func(e seen) bool { return e.Event == event })
}
