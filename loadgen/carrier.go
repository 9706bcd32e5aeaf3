package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/loadgen/internal/eventstream"
	"github.com/godwit-io/godwit/loadgen/internal/http1"
	"github.com/godwit-io/godwit/ws"
)

// heard is what a client hears on a channel of Godwit's.
type heard struct {
	text     string // of a publication
	position string // behind which the client goes on; "" if it is what it was
	isGap    bool
}

// follower is a subscription, for one goroutine; close may be called by others.
type follower interface {
	// next waits for the next thing heard.
	next() (heard, error)

	// retry is how long the server wants the client to wait before it comes back; 0 if it
	// has not said.
	retry() time.Duration

	close()
}

// carrier opens subscriptions. It is safe for concurrent use.
type carrier interface {
	// follow opens subscription i behind a position, or with "" at what comes next. The
	// error is a *sentAway where the server says when to come back.
	follow(ctx context.Context, i int, position string) (follower, error)

	// pause is how long a client waits before attempt n, from 0 on, that was told to come
	// back after a time, or with 0 was not.
	pause(n int, told time.Duration) time.Duration
}

// sentAway is an answer of a server that takes no more at the moment.
type sentAway struct {
	after time.Duration
	err   error
}

func (e *sentAway) Error() string { return e.err.Error() }
func (e *sentAway) Unwrap() error { return e.err }

// eventCarrier has event streams, and does what an EventSource does.
type eventCarrier struct {
	dialer   *httpDialer
	target   string
	header   http.Header
	bytesMax int
}

// eventPause is what browsers wait, about, that were not told.
const eventPause = 3 * time.Second

func (c *eventCarrier) pause(_ int, told time.Duration) time.Duration {
	return cmp.Or(told, eventPause)
}

func (c *eventCarrier) follow(ctx context.Context, i int, position string) (follower, error) {
	fields := http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}
	if position != "" {
		fields.Set("Last-Event-ID", position)
	}
	request, err := requestOf(http.MethodGet, c.target, nil, userAgent, fields, c.header)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.dialer.timeout)
	defer cancel()
	conn, err := c.dialer.dial(ctx, i)
	if err != nil {
		return nil, err
	}
	done := c.dialer.bound(ctx, conn)
	f := &eventFollower{conn: conn, parser: eventstream.Parser{BytesMax: c.bytesMax}, buffer: make([]byte, followBytes)}
	if _, err = conn.Write(request); err == nil {
		err = f.open()
	}
	if err != nil {
		f.close()
		return nil, err
	}
	done()
	return f, nil
}

// followBytes is the memory of a subscription for reading.
const followBytes = 2 << 10

// eventFollower is one of its streams.
type eventFollower struct {
	conn   net.Conn
	reader http1.Reader
	parser eventstream.Parser
	buffer []byte
	unread []byte // of buffer
	piece  []byte // of the content, in buffer
	first  *heard // read already by open
	isOver bool
}

// open reads until the stream has said something: a stream that ends before that was opened
// only to say when to come back.
func (f *eventFollower) open() error {
	h, err := f.next()
	if err == nil {
		f.first = &h
		return nil
	}
	if after := f.retry(); after > 0 && errors.Is(err, errPeerEnded) {
		return &sentAway{after, fmt.Errorf("the server opened and ended the stream, and wants the client back after %v", after)}
	}
	return err
}

func (f *eventFollower) next() (heard, error) {
	if f.first != nil {
		h := *f.first
		f.first = nil
		return h, nil
	}
	for {
		e, n, ok, err := f.parser.Next(f.piece)
		f.piece = f.piece[n:]
		switch {
		case err != nil:
			return heard{}, err
		case ok:
			h := heard{position: string(f.parser.LastID)}
			switch string(e.Name) {
			case "":
				h.text = string(e.Data)
			case gapEvent:
				h.isGap = true
			}
			return h, nil
		}
		if err := f.read(); err != nil {
			return heard{}, err
		}
	}
}

// read reads the next piece of the content.
func (f *eventFollower) read() error {
	for {
		kind, content, n, err := f.reader.Next(f.unread)
		f.unread = f.unread[n:]
		switch {
		case err != nil:
			return err
		case kind == http1.Head:
			if err := f.check(); err != nil {
				return err
			}
		case kind == http1.Content:
			f.piece = content
			return nil
		case kind == http1.End || f.isOver:
			return errPeerEnded
		case kind == http1.More:
			n, err := f.conn.Read(f.buffer)
			f.unread = f.buffer[:n]
			if errors.Is(err, io.EOF) {
				f.isOver, err = true, nil // what came before it counts
			}
			if err != nil && n == 0 {
				return whyEnded(err)
			}
		}
	}
}

// check returns an error unless the response is an event stream.
func (f *eventFollower) check() error {
	p := f.reader.Response()
	if refused := refusalOf(p); refused != nil {
		if after, ok := parseRetryAfter(string(p.RetryAfter)); ok {
			return &sentAway{after, refused}
		}
		return refused
	}
	if !bytes.HasPrefix(bytes.ToLower(p.ContentType), []byte("text/event-stream")) {
		return fmt.Errorf("the server answered %d with %.100q and not with an event stream", p.Status, p.ContentType)
	}
	return nil
}

func (f *eventFollower) retry() time.Duration { return f.parser.Retry }

func (f *eventFollower) close() { resetConn(f.conn) }

// socketCarrier has WebSockets. Nothing tells a client of those when to come back but
// Retry-After, so it has a policy of its own: exponential, with full jitter.
type socketCarrier struct {
	dialer *dialer
	random func() float64
}

const (
	socketPauseMin = time.Second
	socketPauseMax = 30 * time.Second
)

func (c *socketCarrier) pause(n int, _ time.Duration) time.Duration {
	most := min(socketPauseMin<<min(n, 10), socketPauseMax)
	return time.Duration(c.random() * float64(most))
}

func (c *socketCarrier) follow(ctx context.Context, i int, position string) (follower, error) {
	d := *c.dialer
	u, err := url.Parse(d.url)
	if err != nil { // which checkTarget would have found
		return nil, err
	}
	q := u.Query()
	q.Set("envelope", "1")
	if position != "" {
		q.Set("since", position)
	}
	u.RawQuery = q.Encode()
	d.url = u.String()
	o := d.options
	o.NetDial = d.from(i).DialContext
	conn, response, err := ws.Dial(ctx, d.url, &o)
	if err == nil {
		return &socketFollower{conn: conn, begin: response.Header.Get("Godwit-Position")}, nil
	}
	if response != nil {
		if after, ok := parseRetryAfter(response.Header.Get("Retry-After")); ok {
			return nil, &sentAway{after + time.Duration(c.random()*float64(time.Second)), err}
		}
	}
	return nil, err
}

// socketFollower is one of its WebSockets.
type socketFollower struct {
	conn  *ws.Conn
	begin string // the position behind which it begins, until that was heard
}

func (f *socketFollower) next() (heard, error) {
	if f.begin != "" {
		h := heard{position: f.begin}
		f.begin = ""
		return h, nil
	}
	_, message, err := f.conn.Read(context.Background())
	if err != nil {
		return heard{}, err
	}
	var e struct {
		Position string
		Data     json.RawMessage
		Gap      *struct{ To string }
	}
	if err := json.Unmarshal(message, &e); err != nil {
		return heard{}, fmt.Errorf("the server sent %.100q, which is no envelope of a channel", message)
	}
	h := heard{position: e.Position}
	if e.Gap != nil {
		h.isGap, h.position = true, e.Gap.To
	} else if json.Unmarshal(e.Data, &h.text) != nil {
		h.text = "" // of somebody else: not a text
	}
	return h, nil
}

func (f *socketFollower) retry() time.Duration { return 0 }

func (f *socketFollower) close() { reset(f.conn) }

// parseRetryAfter reads whole seconds, which is what a server under load says.
func parseRetryAfter(text string) (time.Duration, bool) {
	seconds, err := strconv.ParseUint(text, 10, 20)
	return time.Duration(seconds) * time.Second, err == nil
}

// resetConn is reset for a connection that is no WebSocket.
func resetConn(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
