package transport

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// doorkeeper is a protocol at /door/ that has its clients wait before they are let in, and
// counts those there are.
type doorkeeper struct {
	wait   time.Duration
	inside atomic.Int64
	left   chan struct{}
}

func (k *doorkeeper) Serves(path string) bool { return strings.HasPrefix(path, "/door/") }

func (k *doorkeeper) Open(r *Request) (dialect.OverSocket, *Refusal) {
	return &door{keeper: k, refuses: strings.HasSuffix(r.Path(), "/closed")}, nil
}

type door struct {
	keeper  *doorkeeper
	refuses bool
	due     time.Time
}

func (d *door) Transport() string                            { return "door" }
func (d *door) Agree(string, bool)                           {}
func (d *door) Subprotocols() []string                       { return nil }
func (d *door) Deadline() time.Time                          { return d.due }
func (d *door) Push(time.Time, []hub.Push, *dialect.Effects) {}
func (d *door) End(reason error, out *dialect.Effects)       { out.Closing = dialect.ClosingOf(reason) }

func (d *door) Begin(now time.Time, _ *dialect.Effects) {
	d.keeper.inside.Add(1)
	d.due = now.Add(d.keeper.wait)
}

func (d *door) Receive(_ time.Time, _ dialect.Frame, out *dialect.Effects) {
	out.Closing = &dialect.Closing{End: EndClient, Code: clientproto.CloseNormal, Reason: "bye"}
}

func (d *door) Expire(_ time.Time, out *dialect.Effects) {
	d.due = time.Time{}
	if d.refuses {
		out.Answer = &dialect.Answer{Err: hub.ErrShutdown}
		out.Closing = &dialect.Closing{End: EndRefused}
		return
	}
	out.Answer = &dialect.Answer{Status: 101}
	out.Frames = append(out.Frames, wire.AppendFrame(nil, true, wire.Text, []byte("come in")))
}

func (d *door) Left() {
	d.keeper.inside.Add(-1)
	d.keeper.left <- struct{}{}
}

// A dialect may have a client wait for the answer to its handshake, and is told once when
// the conversation is over, whichever side has ended it.
func TestProtocolThatLetsWait(t *testing.T) {
	k := &doorkeeper{wait: 50 * time.Millisecond, left: make(chan struct{}, 8)}
	s := newSite(t, siteOptions{transport: Options{Protocols: []Protocol{k}}})
	for name, end := range map[string]func(c *socketClient){
		"this side": func(c *socketClient) {
			c.send(text, "leave")
			c.expectClose(1000, "bye")
		},
		"the client": func(c *socketClient) { _ = c.conn.Close(1000, "") },
		"the net":    func(c *socketClient) { _ = c.conn.CloseNow() },
	} {
		began := time.Now()
		c := s.socket("/door/front")
		if took := time.Since(began); took < k.wait {
			t.Errorf("%s: let in after %v", name, took)
		}
		c.expect(text, "come in")
		if n := k.inside.Load(); n != 1 {
			t.Errorf("%s: %d are inside", name, n)
		}
		end(c)
		<-k.left
	}
	_, response, err := s.trySocket("/door/closed")
	if err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("refused with %v, %v", response, err)
	}
	<-k.left
	if n := k.inside.Load(); n != 0 {
		t.Errorf("%d are inside", n)
	}
}
