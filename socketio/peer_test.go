package socketio

import (
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws/wire"
)

// peer is a client without a network: a session whose frames the test reads, and the
// messages that the test sends on it.
type peer struct {
	t       *testing.T
	c       *client
	version int

	mu       sync.Mutex // guards the rest
	sent     []string
	buffered int
	closed   bool
	paused   bool
	wakeAt   time.Time
}

func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newPeer(t *testing.T, s *Server) *peer { return newPeerOf(t, s, 4) }

func newPeerOf(t *testing.T, s *Server, version int) *peer {
	p := &peer{t: t, version: version}
	p.c = newClient(s, p, "handshake", time.Now())
	p.c.begin()
	return p
}

// join lets a peer into a namespace, and returns its socket.
func (p *peer) join(namespace string) *Socket {
	p.t.Helper()
	connect := "0"
	if namespace != "/" {
		connect += namespace + ","
	}
	p.say(connect)
	for _, text := range p.take() {
		if strings.HasPrefix(text, "40") {
			p.c.mu.Lock()
			defer p.c.mu.Unlock()
			return p.c.socket(namespace)
		}
	}
	p.t.Fatalf("not let in to %s", namespace)
	return nil
}

// say sends messages, without the digit 4; a message that begins with b: is bytes in hex.
func (p *peer) say(messages ...string) {
	p.t.Helper()
	for _, m := range messages {
		if b, ok := strings.CutPrefix(m, "b:"); ok {
			data, err := hex.DecodeString(b)
			if err != nil {
				p.t.Fatal(err)
			}
			p.c.receive(engineio.MessageBinary, data)
			clear(data) // it is valid until receive returns
			continue
		}
		data := []byte(m)
		p.c.receive(engineio.MessageText, data)
		clear(data)
	}
	synctest.Wait()
}

var sidPattern = regexp.MustCompile(`"(sid|pid)":"[^"]*"`)

// take returns what has arrived since the last time.
func (p *peer) take() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent
	p.sent = nil
	return sent
}

// expect checks what has arrived since the last time, in order. Identifiers are shown as *.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	got := p.take()
	for i := range got {
		got[i] = sidPattern.ReplaceAllString(got[i], `"$1":"*"`)
	}
	if !slices.Equal(got, want) {
		p.t.Fatalf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// vanish ends the session.
func (p *peer) vanish(r engineio.Reason) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.c.ended(reasonOf(r))
	synctest.Wait()
}

func (p *peer) isClosed() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *peer) isPaused() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

func (p *peer) WritePackets(frames ...[]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return engineio.ErrClosed
	}
	for _, f := range frames {
		for len(f) > 0 {
			h, n, err := wire.ParseHeader(f)
			if err != nil || n == 0 {
				p.t.Errorf("%x is no frame: %v", f, err)
				return err
			}
			payload := f[n : n+int(h.Length)]
			if h.Opcode == wire.Binary {
				p.sent = append(p.sent, "b:"+hex.EncodeToString(payload))
			} else {
				p.sent = append(p.sent, string(payload))
			}
			f = f[n+int(h.Length):]
		}
	}
	return nil
}

// Close is that of an engine: OnClose comes later, from elsewhere.
func (p *peer) Close(uint16, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		go p.c.ended(ReasonServerClose)
	}
}

func (p *peer) SID() string                   { return "engine-session-id-20" }
func (p *peer) Version() int                  { return p.version }
func (p *peer) Transport() engineio.Transport { return engineio.WebSocket }
func (p *peer) RemoteAddr() net.Addr          { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7} }

func (p *peer) Buffered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffered
}

func (p *peer) WakeAt(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeAt = t
}

func (p *peer) PauseReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
}

func (p *peer) ResumeReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
}
