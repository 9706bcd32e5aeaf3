package relay

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

func pipe() (here, there net.Conn) { return net.Pipe() }

// slowConn is a connection whose other side reads nothing until it is let.
type slowConn struct {
	let    chan struct{}
	closed chan struct{}
	await  []byte        // a frame
	came   chan struct{} // closed when it has been written
	once   sync.Once
	b      bytes.Buffer
}

func (c *slowConn) Read([]byte) (int, error) { <-c.closed; return 0, io.EOF }

func (c *slowConn) Write(p []byte) (int, error) {
	select {
	case <-c.let:
	case <-c.closed:
		return 0, io.ErrClosedPipe
	}
	if bytes.HasSuffix(p, c.await) {
		c.once.Do(func() { close(c.came) })
	}
	return c.b.Write(p)
}

func (c *slowConn) Close() error { close(c.closed); return nil }

// A guest that does not read costs a bounded amount of memory: it is told of its losses
// when it reads again.
func TestSlowGuest(t *testing.T) {
	lostFrame := endFrame(pubcodec.AppendString(beginFrame(nil, frameLost), "c"), 0)
	c := &slowConn{let: make(chan struct{}), closed: make(chan struct{}), await: lostFrame, came: make(chan struct{})}
	b := started(t, receiver{})
	if _, err := b.Listen(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Host(c); err != nil {
		t.Fatal(err)
	}
	const n, size = 200, 1 << 20
	h := b.house.Load()
	p := &hub.Publication{Channel: "c", Position: hub.Position{Epoch: "E", Offset: 1}, Data: make([]byte, size)}
	other := &hub.Publication{Channel: "other", Data: p.Data}
	for range n {
		h.guest.receive(p)
		h.guest.receive(other)
	}
	close(c.let)
	<-c.came
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	delivered, lost := 0, 0
	for r := newFrameReader(&c.b); ; {
		kind, f, err := r.next()
		if err != nil {
			break
		}
		switch {
		case kind == frameDeliver && lost == 0:
			delivered++
		case kind == frameLost && f.String() == "c":
			lost++
		default:
			t.Errorf("a frame of type %d", kind)
		}
	}
	if most := waitingBytesMax/size + 2; delivered == 0 || delivered > most || lost == 0 {
		t.Errorf("%d were delivered, of at most %d, and %d losses announced", delivered, most, lost)
	}
}

// readOnly is a connection from which something comes, and that takes anything.
type readOnly struct{ io.Reader }

func (readOnly) Write(p []byte) (int, error) { return len(p), nil }
func (readOnly) Close() error                { return nil }

// FuzzFrames: reading any input of the other process, in either direction, ends in time.
func FuzzFrames(f *testing.F) {
	frame := func(kind byte, add func([]byte) []byte) []byte {
		return endFrame(add(beginFrame(nil, kind)), 0)
	}
	f.Add(frame(frameListen, func(b []byte) []byte { return pubcodec.AppendString(pubcodec.AppendUint(b, 1), "c") }))
	f.Add(frame(frameListenPattern, func(b []byte) []byte { return pubcodec.AppendString(pubcodec.AppendUint(b, 1), "a/*") }))
	f.Add(frame(framePublish, func(b []byte) []byte {
		b = pubcodec.AppendRetention(pubcodec.AppendUint(b, 1), hub.Retention{Count: 1})
		return pubcodec.AppendMessage(b, &hub.Message{Channel: "c", Data: []byte("x")})
	}))
	f.Add(frame(frameDeliver, func(b []byte) []byte {
		b = pubcodec.AppendString(pubcodec.AppendString(b, "c"), "E")
		return pubcodec.AppendPublication(b, &hub.Publication{})
	}))
	f.Add(frame(framePublished, func(b []byte) []byte {
		b = appendError(pubcodec.AppendUint(b, 1), io.EOF)
		return pubcodec.AppendBool(pubcodec.AppendPosition(b, hub.Position{}), false)
	}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		here := started(t, receiver{})
		done, err := here.Host(readOnly{bytes.NewReader(b)})
		if err != nil {
			t.Fatal(err)
		}
		<-done
		r := newRemote(readOnly{bytes.NewReader(b)}, receiver{})
		<-r.done
		r.close()
	})
}

// Errors that mean something to a hub mean the same on the other side.
func TestErrors(t *testing.T) {
	for _, err := range append(remoteErrors, nil) {
		f := pubcodec.Fields{B: appendError(nil, err)}
		if got := takeError(&f); got != err || f.Rest() != nil {
			t.Errorf("%v became %v", err, got)
		}
	}
	f := pubcodec.Fields{B: appendError(nil, io.ErrNoProgress)}
	if got := takeError(&f); got == nil || got.Error() != io.ErrNoProgress.Error() || f.Rest() != nil {
		t.Error(got)
	}
	if f = (pubcodec.Fields{B: []byte{77}}); takeError(&f) != nil || f.Err == nil {
		t.Error("a number that nobody has given")
	}
}
