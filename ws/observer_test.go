//go:build !js

package ws_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// recorder notes what an Observer is told, and uses the connection while it is.
type recorder struct {
	mu   sync.Mutex
	seen []string
	pong bool // answer a ping with a message of its own
}

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
}

func (r *recorder) OnOpen(c *ws.Conn) { r.add("open " + c.Subprotocol()) }

func (r *recorder) OnFrame(c *ws.Conn, f ws.Frame) {
	way := "<"
	if f.Sent {
		way = ">"
	}
	s := fmt.Sprintf("%s %v %d", way, f.Opcode, f.Bytes)
	if !f.Fin {
		s += " not last"
	}
	if f.Compressed {
		s += " compressed"
	}
	r.add(s)
	if r.pong && f.Opcode == wire.Ping && !f.Sent {
		if err := c.Write(background, ws.MessageText, []byte("from within")); err != nil {
			r.add(err.Error())
		}
	}
}

func (r *recorder) OnClose(c *ws.Conn, e *ws.CloseError) {
	r.add(fmt.Sprintf("close %d", e.Code))
	if c.Err() != e {
		r.add("Err is something else")
	}
}

func TestObserverSeesEveryFrameInOrder(t *testing.T) {
	r := &recorder{pong: true}
	inBubble(t, &ws.Options{Observer: r}, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Send(false, wire.Text, "ab")
		peer.Send(true, wire.Ping, "p")
		peer.Send(true, wire.Continuation, "c")
		read(t, conn, ws.MessageText, "abc")
		peer.Want(`text "from within"`)
		peer.Want(`pong "p"`)
		m, err := ws.Prepare(ws.MessageBinary, []byte("prepared"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.WritePrepared(background, m); err != nil {
			t.Fatal(err)
		}
		if err := conn.WriteFrames(background, wire.AppendFrame(nil, false, wire.Text, []byte("1")), wire.AppendFrame(nil, true, wire.Continuation, nil)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Enqueue(ws.MessageText, []byte("queued")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		peer.Close(4000, "")
		if _, _, err := conn.Read(background); ws.CloseStatus(err) != 4000 {
			t.Fatal(err)
		}
	})
	want := []string{
		"open ", "< text 2 not last", "< ping 1", "> pong 1", "> text 11", "< continuation 1",
		"> binary 8", "> text 1 not last", "> continuation 0", "> text 6", "< close 2", "> close 2", "close 4000",
	}
	if !slices.Equal(slices.Sorted(slices.Values(r.seen)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("seen\n%s\nwant\n%s", strings.Join(r.seen, "\n"), strings.Join(want, "\n"))
	}
	if r.seen[0] != want[0] || r.seen[len(r.seen)-1] != want[len(want)-1] {
		t.Errorf("OnOpen is not first or OnClose not last: %q", r.seen)
	}
}

func TestObserverSeesCompression(t *testing.T) {
	r := &recorder{}
	options := ws.Options{Compression: &deflate.Options{}, Observer: r}
	s := serve(t, echo(&ws.AcceptOptions{Options: options}), false)
	conn := dial(t, s.URL, &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
	long := strings.Repeat("all work and no play ", 100)
	if err := conn.Write(background, ws.MessageText, []byte(long)); err != nil {
		t.Fatal(err)
	}
	read(t, conn, ws.MessageText, long)
	if err := conn.Close(ws.StatusNormal, ""); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	compressed := 0
	for _, s := range r.seen {
		if strings.HasSuffix(s, " compressed") {
			compressed++
		}
	}
	if compressed != 2 {
		t.Errorf("%d compressed frames in %q", compressed, r.seen)
	}
}

func TestConnAndCloseErrorLogThemselves(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, conn *ws.Conn, peer *wstest.Peer) {
		peer.Close(4001, "bye\n")
		_, _, err := conn.Read(background)
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("ended", "conn", conn, "end", err)
		for _, want := range []string{`conn.remote="peer of a"`, "conn.compressed=false", "end.code=4001", `end.reason="bye\n"`, "end.sent=4001"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s is not in %s", want, b.String())
			}
		}
	})
}
