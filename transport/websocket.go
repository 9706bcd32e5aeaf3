package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// CloseLost is the close code of a bare WebSocket whose position can no longer
// be served. A bare payload has no place to say so; with ?envelope=1 a gap is
// announced and the stream goes on.
const (
	CloseLost       ws.StatusCode = 4410
	closeLostReason               = "position lost"
)

// serveWebSocket makes r a WebSocket on channel: what the client sends is
// published, what is published is sent to it, one message each.
//
// It is subscribed before the handshake is answered, so a client that has seen
// its WebSocket open misses nothing that is published from then on, and whatever
// can be wrong is said in an HTTP response, the last one on its connection.
func (t *Transport) serveWebSocket(w http.ResponseWriter, r *http.Request, channel string) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		closeHTTP1(w, r)
		refuseQuery(w, err)
		return
	}
	// Accept checks too, but nobody should be seen in presence whose handshake
	// is going to fail.
	request := handshake.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Host: r.Host, Secure: r.TLS != nil, Content: r.ContentLength != 0, Header: r.Header,
	}
	if _, fault := handshake.Check(&request, &handshake.Policy{Origins: t.o.Origins}); fault != nil {
		refuseUpgrade(w, r, fault)
		return
	}

	opened := time.Now()
	form, encode := FormFrame, encodeFrame
	if q.envelope {
		form, encode = FormEnvelope, encodeEnvelope
	}
	looped := &loopSocket{t: t, channel: channel, opened: opened, form: form, encode: encode}
	woken := newSignal()
	wake := woken.wake
	if t.o.Engine != nil {
		wake = looped.wake
	}
	session, err := t.hub.Connect(WebSocket, wake)
	if err != nil {
		closeHTTP1(w, r)
		t.refuseHub(w, r, err)
		return
	}
	keep := false
	defer func() {
		if !keep {
			session.Close()
		}
	}()
	o := hub.SubscribeOptions{Since: q.since, Last: max(0, q.last), ExcludeSelf: !q.self}
	header := make(http.Header)
	if q.envelope { // there, the client follows positions
		if o.Since, err = t.begin(r.Context(), channel, q); err == nil {
			header.Set(headerPosition, o.Since.String())
		}
	}
	if err == nil {
		err = session.Subscribe(r.Context(), channel, o)
	}
	if err != nil {
		closeHTTP1(w, r)
		t.refuseHub(w, r, err)
		return
	}

	if t.o.Engine != nil {
		looped.session, keep = session, true
		looped.serveOnLoop(w, r, header)
		return
	}
	conn, err := ws.Accept(w, r, &ws.AcceptOptions{
		Options: ws.Options{
			MessageBytesMax: int64(t.o.BodyBytesMax),
			PingInterval:    t.o.Heartbeat,
			WriteTimeout:    t.o.WriteTimeout,
		},
		Origins: t.o.Origins,
		Header:  header,
		Refuse:  refuseUpgrade,
	})
	if err != nil {
		t.o.Logger.DebugContext(r.Context(), "handshake failed", "channel", channel, "error", err)
		return
	}
	s := socket{
		t: t, conn: conn, session: session, woken: woken, channel: channel, opened: opened,
		form: form, encode: encode,
	}
	end := s.run(r.Context())
	t.observe.ended(WebSocket, end)
	t.o.Logger.DebugContext(r.Context(), "WebSocket ended", "channel", channel, "session", session.ID(), "end", string(end), "error", conn.Err())
}

// refuseUpgrade answers a handshake that failed as a problem, with the status
// that RFC 6455 gives to the fault.
func refuseUpgrade(w http.ResponseWriter, _ *http.Request, f *handshake.Fault) {
	h := w.Header()
	for name, values := range f.Header {
		h[name] = values
	}
	var p Problem
	switch {
	case f.Rule == handshake.RuleOrigin && f.Status == http.StatusForbidden:
		p = *ProblemOrigin
	case f.Rule == handshake.RuleMethod:
		p = *ProblemMethod
	case f.Status == http.StatusUpgradeRequired:
		p = *ProblemUpgradeVersion
	default:
		p = *ProblemUpgrade
	}
	p.Status = f.Status
	p.Write(w, f.Reason)
}

// socket is one WebSocket. The handler's goroutine reads from the client and
// publishes; a second one takes from the session and writes. Either may end it.
type socket struct {
	t       *Transport
	conn    *ws.Conn
	session *hub.Session
	woken   signal
	channel string
	opened  time.Time
	form    hub.Form
	encode  func(*hub.Publication) []byte

	// Of the writing goroutine:
	pushes []hub.Push
	frames [][]byte
}

// run returns when both goroutines are done and the connection is closed.
//
// A panic in either, of a broker or an observer, closes the connection with 1011
// and goes on in the handler's goroutine, where whoever serves it recovers. In
// the one that writes it would otherwise end the process.
func (s *socket) run(ctx context.Context) (end End) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wrote := make(chan End, 1)
	var panicked any // by the writing goroutine; known once it has ended
	go func() {
		defer func() {
			if v := recover(); v != nil {
				panicked = fmt.Sprintf("%v\n\nin the goroutine that writes to a WebSocket:\n%s", v, debug.Stack())
				s.failed()
				wrote <- EndFailure
			}
		}()
		wrote <- s.write(ctx)
	}()
	returned := false
	defer func() {
		if !returned { // a panic passes
			s.failed()
			cancel()
			<-wrote
		}
	}()
	end = s.read(ctx)
	returned = true
	cancel()
	if e := <-wrote; e != "" {
		end = e // the writer ended it, and the reader only saw that
	}
	_ = s.conn.CloseNow()
	if panicked != nil {
		panic(panicked)
	}
	return end
}

// failed tells the client that it is not its fault.
func (s *socket) failed() {
	_ = s.conn.Close(ws.StatusInternalError, "internal error")
}

// read publishes what the client sends until the connection ends.
func (s *socket) read(ctx context.Context) End {
	for {
		typ, data, err := s.conn.Read(ctx)
		if err != nil {
			if s.conn.Err() == nil { // the server ends the request, not the client
				_ = s.conn.Close(ws.StatusGoingAway, "going away")
				return EndShutdown
			}
			return readEnd(err)
		}
		kind := hub.Text
		if typ == ws.MessageBinary {
			kind = hub.Binary
		}
		start := time.Now()
		_, _, err = s.session.Publish(ctx, hub.Message{Channel: s.channel, Kind: kind, Data: data})
		switch {
		case err == nil:
			s.t.observe.published(WebSocket, len(data), start)
		case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
			// The session ends too, and the writer closes with 1001, which tells
			// the client that what it sent last went nowhere.
		case errors.Is(err, hub.ErrTooLarge):
			_ = s.conn.Close(ws.StatusMessageTooBig, detail(err))
			return EndRefused
		case errors.Is(err, hub.ErrTextNotUTF8):
			_ = s.conn.Close(wire.CloseInvalidPayload, detail(err))
			return EndRefused
		default:
			s.t.o.Logger.ErrorContext(ctx, "publish failed", "channel", s.channel, "error", err)
			_ = s.conn.Close(ws.StatusInternalError, "could not publish")
			return EndFailure
		}
	}
}

// readEnd says which end an error of Read is.
func readEnd(err error) End {
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		switch closed.Sent {
		case ws.StatusMessageTooBig, ws.StatusUnsupportedData, wire.CloseInvalidPayload, wire.CloseProtocolError:
			return EndRefused
		}
		if errors.Is(closed.Err, ws.ErrWriteTimeout) {
			return EndSlow
		}
	}
	return EndClient
}

// write sends what the session is owed until it or ctx ends. "" is an end that
// was not its own doing.
func (s *socket) write(ctx context.Context) End {
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-s.woken:
		}
		pushes, failure := s.session.Take(ctx, s.pushes[:0])
		lost, err := s.send(ctx, pushes)
		s.pushes = recycle(pushes)
		switch {
		case err != nil:
			if ctx.Err() == nil && errors.Is(err, ws.ErrWriteTimeout) {
				return EndSlow
			}
			return "" // the reader knows more
		case lost:
			_ = s.conn.Close(CloseLost, closeLostReason)
			return EndLost
		case failure == nil:
			continue
		}
		end := s.t.takeFailed(ctx, failure)
		switch end {
		case EndShutdown:
			_ = s.conn.Close(ws.StatusGoingAway, "going away")
		case EndFailure:
			_ = s.conn.Close(ws.StatusInternalError, "could not read history")
		case EndClient:
			return ""
		}
		return end
	}
}

// send writes pushes in one system call, up to a gap that cannot be announced.
func (s *socket) send(ctx context.Context, pushes []hub.Push) (lost bool, err error) {
	frames, sent, lost := framesOf(s.frames[:0], pushes, s.form, s.encode, s.opened)
	if len(frames) > 0 {
		if err = s.conn.WriteFrames(ctx, frames...); err == nil {
			s.t.observe.delivered(WebSocket, sent)
		}
	}
	if cap(frames) > pushesKept {
		frames = nil
	}
	clear(frames)
	s.frames = frames[:0]
	return lost, err
}

// framesOf appends the frames that pushes are to frames. lost says that there is a
// gap, behind them, that a client of bare payloads cannot be told.
func framesOf(frames [][]byte, pushes []hub.Push, form hub.Form, encode func(*hub.Publication) []byte, opened time.Time) (_ [][]byte, sent batch, lost bool) {
	for _, push := range pushes {
		if push.Gap == nil {
			frame := push.Delivery.Encoded(form, encode)
			frames = append(frames, frame)
			sent.add(push.Delivery.Publication, len(frame), opened)
			continue
		}
		if form == FormFrame {
			return frames, sent, true
		}
		frames = append(frames, appendTextFrame(nil, appendGapObject(nil, push.Gap)))
	}
	return frames, sent, false
}
