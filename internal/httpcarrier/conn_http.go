package httpcarrier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// AcceptHTTP makes a request of net/http a WebSocket, or refuses it, as a says. It returns
// when the connection has ended. origins admits pages of other origins; nil admits those of
// the same origin only. The error is that of ws.Accept; the client has been answered.
//
// The handler's goroutine reads. Calls that have another cause are made by a goroutine that
// lasts as long as there are any, and output is sent by a goroutine that lasts as long as
// something waits: a connection that is silent has one goroutine.
func AcceptHTTP(w http.ResponseWriter, r *http.Request, origins *handshake.Origins, a Admission) error {
	if a.Pending != nil {
		a = await(r, &a)
	}
	if a = a.decision(); a.Status != 0 {
		refuseHTTP(w, r, &a)
		return nil
	}
	c := &httpConn{handler: a.Handler, queueBytesMax: driver.DefaultQueueBytesMax}
	o := ws.AcceptOptions{Origins: origins, Subprotocols: a.Subprotocols, Header: a.Fields}
	if l := a.Limits; l != nil {
		o.Options = ws.Options{
			MessageBytesMax: l.MessageBytesMax, FragmentsMax: l.FragmentsMax, Compression: l.Compression,
			PingInterval: l.PingInterval, PingTimeout: l.PingTimeout, IdleTimeout: l.IdleTimeout,
			WriteTimeout: l.WriteTimeout, CloseTimeout: l.CloseTimeout,
		}
		c.queueBytesMax = l.QueueBytesMax
		if err := driver.Resolve("QueueBytesMax", &c.queueBytesMax, driver.DefaultQueueBytesMax); err != nil {
			o.QueueBytesMax = l.QueueBytesMax // Accept says so
		}
	}
	if o.QueueBytesMax == 0 {
		// The Conn decides what its queue has room for: for all frames of a call or for
		// none. It is told when all of it has left.
		o.QueueBytesMax, o.HighWaterBytes, o.LowWaterBytes = driver.NoLimit, 1, 1
		o.OnLowWater = func(*ws.Conn, int) { c.sent() }
	}
	conn, err := ws.Accept(w, r, &o)
	if err != nil {
		a.abandoned()
		return err
	}
	c.conn = conn
	c.serve(r.Context())
	return nil
}

// refuseHTTP answers a request that does not become a WebSocket. A client that neither sends
// what it has announced nor takes the answer has as long as for a write.
func refuseHTTP(w http.ResponseWriter, r *http.Request, a *Admission) {
	control, patience := http.NewResponseController(w), time.Now().Add(driver.DefaultWriteTimeout)
	_ = control.SetReadDeadline(patience) // what has no deadlines never blocks
	_ = control.SetWriteDeadline(patience)
	h := w.Header()
	for name, values := range a.Fields {
		h[name] = values
	}
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close") // what is behind it may be frames
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	body := a.Body
	if body == nil {
		body = []byte(http.StatusText(a.Status) + "\n")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(body) // a client that has gone is noticed by net/http
}

// httpConn is a Conn on goroutines.
//
// The goroutine that calls the handler holds turn, and makes the calls that have become due
// meanwhile before it gives it back.
type httpConn struct {
	conn          *ws.Conn
	handler       Handler
	queueBytesMax int
	others        sync.WaitGroup // the goroutines beside the reader

	turn sync.Mutex // held while the handler is called; locked before mu

	mu        sync.Mutex // guards what follows; not held while the handler is called
	timer     *time.Timer
	resumed   chan struct{} // closed by ResumeReading; nil while reading goes on
	panicked  any           // by a call of the handler
	inTurn    bool          // the holder of turn will look for due calls
	isCalling bool          // a goroutine is about to take turn
	woken     bool
	owesDrain bool
	isEmpty   bool // all was sent, and OnDrain is to be called for it
	closing   bool // Close was called
	over      bool // OnClose is next, and the last call
}

// serve reads until the connection ends.
func (c *httpConn) serve(ctx context.Context) {
	defer func() {
		_ = c.conn.CloseNow() // if a callback has ended this goroutine
	}()
	c.call(func() { c.handler.OnOpen(c) })
	c.read(ctx)
	if c.conn.Err() == nil { // ctx has ended, which is the server's
		_ = c.Close(driver.StatusGoingAway, "going away") // unless it is being closed
		<-c.conn.Done()
	}
	end, _ := errors.AsType[*driver.CloseError](c.conn.Err())
	c.mu.Lock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.call(func() { c.handler.OnClose(c, end) })
	c.others.Wait()
	if c.panicked != nil {
		panic(c.panicked)
	}
}

// messageKept is how long a message may be whose memory is used for the next.
const messageKept = 16 << 10

func (c *httpConn) read(ctx context.Context) {
	var memory []byte
	for {
		typ, p, err := c.conn.ReadAppend(ctx, memory[:0])
		if err != nil {
			return
		}
		c.call(func() {
			if !c.isClosing() {
				c.handler.OnMessage(c, typ, p)
			}
		})
		if memory = p; cap(p) > messageKept {
			memory = nil
		}
		if !c.awaitResume(ctx) {
			return
		}
	}
}

// awaitResume waits while reading is paused. It reports whether it goes on.
func (c *httpConn) awaitResume(ctx context.Context) bool {
	for {
		c.mu.Lock()
		resumed := c.resumed
		c.mu.Unlock()
		if resumed == nil {
			return true
		}
		select {
		case <-resumed:
		case <-c.conn.Done():
			return true // the next read says why
		case <-ctx.Done():
			return false
		}
	}
}

// call makes a call of the handler, and the calls due then.
func (c *httpConn) call(f func()) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	c.inTurn = true
	c.mu.Unlock()
	c.protect(f)
	c.callDue()
}

// callDue makes the calls that are due, until there are none. The caller holds turn.
func (c *httpConn) callDue() {
	for {
		c.mu.Lock()
		woken, drained := c.woken, c.isEmpty && !c.closing
		c.woken, c.isEmpty = false, false
		if c.over || !woken && !drained {
			c.inTurn = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if drained {
			c.protect(func() { c.handler.OnDrain(c) })
		}
		if woken {
			c.protect(func() { c.handler.OnWake(c) })
		}
	}
}

// protect makes a call that may panic: it ends the connection with 1011, and goes on in the
// goroutine of net/http's handler, which reports it.
func (c *httpConn) protect(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover()
		if value == nil {
			value = "runtime.Goexit was called"
		}
		c.mu.Lock()
		c.panicked = fmt.Sprintf("%v\n\nin a callback of a WebSocket:\n%s", value, debug.Stack())
		c.mu.Unlock()
		_ = c.Close(driver.StatusInternalError, "internal error")
	}()
	f()
	returned = true
}

// due sees to it that somebody calls callDue; mu is held.
func (c *httpConn) due() {
	if c.inTurn || c.isCalling || c.over {
		return
	}
	c.isCalling = true
	c.others.Go(func() {
		c.turn.Lock()
		defer c.turn.Unlock()
		c.mu.Lock()
		c.inTurn, c.isCalling = true, false
		c.mu.Unlock()
		c.callDue()
	})
}

// sent is called when all that was written has left.
func (c *httpConn) sent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owesDrain && c.conn.Buffered() == 0 {
		c.owesDrain, c.isEmpty = false, true
		c.due()
	}
}

// Write implements Conn.
func (c *httpConn) Write(typ driver.MessageType, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(len(p)); err != nil {
		return err
	}
	return c.conn.Enqueue(typ, p)
}

// WriteFrames implements Conn.
func (c *httpConn) WriteFrames(frames ...[]byte) error {
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(size); err != nil {
		return err
	}
	for _, f := range frames {
		for len(f) > 0 {
			h, n, err := wire.ParseHeader(f)
			if err != nil || n == 0 || !h.Fin || h.RSV != 0 || h.Masked || h.Length > int64(len(f)-n) {
				return errFrame
			}
			end := n + int(h.Length)
			if err := c.conn.Enqueue(driver.MessageType(h.Opcode), f[n:end]); err != nil {
				return err
			}
			f = f[end:]
		}
	}
	return nil
}

var errFrame = errors.New("httpcarrier: what is to be sent is not whole frames")

// admit asks whether size bytes may be written; mu is held.
func (c *httpConn) admit(size int) error {
	if err := c.mayWrite(); err != nil {
		return err
	}
	if waiting := c.conn.Buffered(); waiting > 0 && waiting+size > c.queueBytesMax {
		c.owesDrain = true
		return engine.ErrQueueFull
	}
	return nil
}

// mayWrite returns nil, or why nothing can be written any more; mu is held.
func (c *httpConn) mayWrite() error {
	if err := c.conn.Err(); err != nil {
		return err
	}
	if c.closing {
		return engine.ErrClosing
	}
	return nil
}

func (c *httpConn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// Close implements Conn.
func (c *httpConn) Close(code driver.StatusCode, reason string) error {
	if code != wire.CloseNoStatus && !code.OnWire() {
		return engine.ErrCloseCode
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.mayWrite(); err != nil {
		return err
	}
	c.closing = true
	c.resume() // the peer's close frame has to be read
	if c.over {
		return nil // OnClose is under way: there is nothing to close
	}
	c.others.Go(func() { _ = c.conn.Close(code, reason) })
	return nil
}

// CloseNow implements Conn.
func (c *httpConn) CloseNow() { _ = c.conn.CloseNow() }

// Wake implements Conn.
func (c *httpConn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.woken = true
	c.due()
}

// WakeAt implements Conn. A timer that fires in this moment wakes all the same.
func (c *httpConn) WakeAt(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.timer = wakeAt(c.timer, t, c.Wake)
	}
}

// Buffered implements Conn. A caller that learns that something waits may wait for OnDrain.
func (c *httpConn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.conn.Buffered()
	c.owesDrain = c.owesDrain || waiting > 0
	return waiting
}

// PauseReading implements Conn.
func (c *httpConn) PauseReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed == nil && !c.closing {
		c.resumed = make(chan struct{})
	}
}

// ResumeReading implements Conn.
func (c *httpConn) ResumeReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resume()
}

// resume is ResumeReading with mu held.
func (c *httpConn) resume() {
	if c.resumed != nil {
		close(c.resumed)
		c.resumed = nil
	}
}

// RemoteAddr implements Conn.
func (c *httpConn) RemoteAddr() net.Addr { return c.conn.NetConn().RemoteAddr() }
