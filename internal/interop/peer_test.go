package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A peer is a program in testdata with another implementation in it, for both
// roles. It is told what to do by lines of JSON on its standard input and tells
// what happens by lines of JSON on its standard output:
//
//	listen  start a server with these options       listening  on this port
//	open    connect as a client                     open       protocol, extensions, the other side's header
//	send    one message, each part a frame          message    binary or text, data
//	ping    with this data                          ping, pong
//	close   with code and reason; 0 is none         closed     code, reason; also when it did not open
//	raw     put these bytes on the wire
//	abort   end the transport without a word
//
// Connections have names. The client of a peer's server says its name in the
// path of its request.
type peer struct {
	t       *testing.T
	traits  traits
	servers map[string]int // options to port

	telling sync.Mutex // guards in, also while the peer takes its time to read
	in      *json.Encoder

	mu     sync.Mutex // guards what follows
	events map[string]*inbox[event]
	gone   bool // it tells nothing more
	last   int
}

// traits are the differences between the peers that are not faults.
type traits struct {
	utf8Parts      bool // sends the parts of a text message as they are, also within a character
	tellsPings     bool
	emptyLastFrame bool // ends a message of several frames with an empty one
	wantsProtocol  bool // a client that offered subprotocols refuses a server that chooses none
}

type options struct {
	Protocols []string          `json:"protocols,omitempty"`
	Deflate   *params           `json:"deflate,omitempty"`
	Max       int64             `json:"max,omitempty"`
	Header    map[string]string `json:"header,omitempty"`
}

// params are those of permessage-deflate; nil is without it.
type params struct {
	ServerNoContextTakeover bool `json:"serverNoContextTakeover,omitempty"`
	ClientNoContextTakeover bool `json:"clientNoContextTakeover,omitempty"`
	ServerMaxWindowBits     int  `json:"serverMaxWindowBits,omitempty"`
	ClientMaxWindowBits     int  `json:"clientMaxWindowBits,omitempty"`
}

type command struct {
	Do   string `json:"do"`
	Conn string `json:"conn"`
	URL  string `json:"url,omitempty"`
	options
	Binary bool     `json:"binary,omitempty"`
	Parts  [][]byte `json:"parts,omitempty"`
	Data   []byte   `json:"data"`
	Code   int      `json:"code,omitempty"`
	Reason string   `json:"reason,omitempty"`
}

type event struct {
	Conn       string
	Event      string
	Port       int
	Protocol   string
	Extensions string
	Header     map[string]string
	Binary     bool
	Data       []byte
	Code       int
	Reason     string
	Text       string
}

// startPeer starts a peer that ends with the test.
func startPeer(t *testing.T, traits traits, name string, args ...string) *peer {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, in: json.NewEncoder(in), events: map[string]*inbox[event]{}, servers: map[string]int{}, traits: traits}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer p.leave()
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var ev event
			if err := json.Unmarshal(line, &ev); err != nil {
				fmt.Fprintf(os.Stderr, "%s says %q: %v\n", name, line, err)
				return
			}
			p.inbox(ev.Conn).put(ev)
		}
	}()
	t.Cleanup(func() {
		in.Close() // which ends it
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	ready, ok := p.inbox("").next()
	if !ok || ready.Event != "ready" {
		t.Fatalf("%s did not start: %+v", name, ready)
	}
	t.Log(ready.Text)
	return p
}

// startNode installs ws, as the lock file says, outside the tree.
func startNode(t *testing.T) *peer {
	t.Helper()
	node, npm, dir := program(t, "node", "nodejs"), program(t, "npm"), t.TempDir()
	if err := installNode(npm, dir, "node"); err != nil {
		missing(t, err.Error())
	}
	return startPeer(t, traits{utf8Parts: true, tellsPings: true, wantsProtocol: true}, node, filepath.Join(dir, "peer.mjs"))
}

// installNode copies a folder of testdata to dir, and installs the packages that
// it needs at the versions of its lock file.
func installNode(npm, dir, folder string) error {
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		return err
	}
	install := exec.Command(npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm cannot install the packages of %s (%v: %s)", folder, err, bytes.TrimSpace(said))
	}
	return nil
}

// startPython uses the system's Python, for which Debian packages websockets,
// before any other.
func startPython(t *testing.T) *peer {
	t.Helper()
	skipShort(t)
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		python, err := exec.LookPath(name)
		if err == nil && exec.Command(python, "-c", "import websockets.legacy.client").Run() == nil {
			return startPeer(t, traits{emptyLastFrame: true}, python, filepath.Join("testdata", "peer.py"))
		}
	}
	missing(t, "no python3 has the package websockets")
	return nil
}

func (p *peer) inbox(conn string) *inbox[event] {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.events[conn]
	if b == nil {
		b = newInbox[event]()
		p.events[conn] = b
		if p.gone {
			b.end()
		}
	}
	return b
}

// leave ends every wait for an event.
func (p *peer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	for _, b := range p.events {
		b.end()
	}
}

func (p *peer) tell(c command) {
	p.telling.Lock()
	defer p.telling.Unlock()
	if err := p.in.Encode(c); err != nil {
		p.t.Errorf("the peer has gone: %v", err)
	}
}

func (p *peer) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	return fmt.Sprintf("c%d", p.last)
}

// server returns the port of a server of the peer with these options. Equal
// options share one.
func (p *peer) server(t *testing.T, o options) int {
	t.Helper()
	key, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if port, ok := p.servers[string(key)]; ok {
		return port
	}
	name := "server-" + p.name()
	p.tell(command{Do: "listen", Conn: name, options: o})
	ev, ok := p.inbox(name).next()
	if !ok || ev.Event != "listening" {
		t.Fatalf("the peer does not listen: %+v", ev)
	}
	p.servers[string(key)] = ev.Port
	return ev.Port
}

// far is a peer's side of a connection.
type far struct {
	*peer
	conn   string
	events *inbox[event]
	opened event
}

func (f *far) do(c command) {
	c.Conn = f.conn
	f.tell(c)
}

func (f *far) send(binary bool, parts ...string) {
	c := command{Do: "send", Binary: binary}
	for _, part := range parts {
		c.Parts = append(c.Parts, []byte(part))
	}
	f.do(c)
}

// wants takes the next event, which must be of this kind.
func (f *far) wants(t *testing.T, kind string) event {
	t.Helper()
	ev, ok := f.events.next()
	if !ok {
		t.Fatalf("the peer does not tell of %q", kind)
	}
	if ev.Event != kind {
		ev.Data = ev.Data[:min(len(ev.Data), 100)]
		t.Fatalf("the peer tells %+v, want %q", ev, kind)
	}
	return ev
}

func (f *far) wantsMessage(t *testing.T, binary bool, data string) {
	t.Helper()
	ev := f.wants(t, "message")
	if ev.Binary != binary || string(ev.Data) != data {
		t.Fatalf("the peer received binary %t %s, want %t %s", ev.Binary, brief(string(ev.Data)), binary, brief(data))
	}
}

func (f *far) wantsClosed(t *testing.T, code int, reason string) {
	t.Helper()
	if ev := f.wants(t, "closed"); ev.Code != code || ev.Reason != reason {
		t.Fatalf("the peer was closed with %d %q (%s), want %d %q", ev.Code, ev.Reason, ev.Text, code, reason)
	}
}

// brief is a message for a person.
func brief(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(s[:60], "?"), len(s))
	}
	return fmt.Sprintf("%q", s)
}
