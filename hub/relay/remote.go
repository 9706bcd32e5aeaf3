package relay

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

// ErrGone is the error of everything that is asked of the other process once it has gone.
var ErrGone = errors.New("relay: the process that has the histories has gone")

// ErrTooMuch is the outcome of a publication while too much waits for the other process.
var ErrTooMuch = errors.New("relay: too much waits for the process that has the histories")

// waitingBytesMax is how much may wait for the connection before publications are
// refused, and before deliveries are left out and announced as lost.
const waitingBytesMax = 64 << 20

// remote is the Broker in the other process, as this one sees it. It has the contract
// of hub.Broker.
type remote struct {
	line     *line
	receiver hub.Receiver
	events   *events
	done     chan struct{} // closed when the connection has ended, and all that came over it was told

	mu         sync.Mutex // guards what follows
	why        error      // it is of no more use: ErrGone, or hub.ErrClosed; nil until then
	last       uint64     // number of a publication or a call
	publishing map[uint64]publishing
	calls      map[uint64]*call
}

type publishing struct {
	to     hub.Completer
	ticket uint64
}

// call is a call that waits for its reply.
type call struct {
	channel string
	done    chan struct{} // closed when the reply is there
	err     error
	take    func(c *call, f *pubcodec.Fields) // takes the answer; nil for none

	// The answer. It is read when done is closed, and not before.
	position hub.Position
	page     hub.Page
	list     []hub.ChannelInfo
}

func newRemote(conn io.ReadWriteCloser, r hub.Receiver) *remote {
	m := &remote{
		line: newLine(conn), receiver: r, done: make(chan struct{}),
		publishing: make(map[uint64]publishing), calls: make(map[uint64]*call),
	}
	m.events = newEvents(m)
	go m.line.writeLoop()
	go m.events.loop()
	go m.readLoop()
	return m
}

// close ends the connection, and waits for a delivery under way.
func (m *remote) close() {
	m.end(hub.ErrClosed)
	m.line.close()
	<-m.line.done
	<-m.done
}

// Publish has the contract of hub.Broker.
func (m *remote) Publish(msg hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	m.mu.Lock()
	if err := m.why; err != nil {
		m.mu.Unlock()
		to.Published(ticket, hub.Published{Err: err})
		return
	}
	m.last++
	number := m.last
	m.publishing[number] = publishing{to, ticket}
	m.mu.Unlock()
	if !m.line.send(waitingBytesMax, func(dst []byte) []byte {
		start := len(dst)
		dst = pubcodec.AppendUint(beginFrame(dst, framePublish), number)
		dst = pubcodec.AppendMessage(pubcodec.AppendRetention(dst, r), &msg)
		return endFrame(dst, start)
	}) {
		err := ErrTooMuch
		if m.line.isClosed() {
			err = ErrGone
		}
		m.published(number, hub.Published{Err: err})
	}
}

// published tells of an outcome, once.
func (m *remote) published(number uint64, p hub.Published) {
	m.mu.Lock()
	w, is := m.publishing[number]
	delete(m.publishing, number)
	m.mu.Unlock()
	if is {
		w.to.Published(w.ticket, p)
	}
}

// ask sends a call and waits for its reply.
func (m *remote) ask(ctx context.Context, kind byte, c *call, add func(dst []byte) []byte) error {
	c.done = make(chan struct{})
	m.mu.Lock()
	if err := m.why; err != nil {
		m.mu.Unlock()
		return err
	}
	m.last++
	number := m.last
	m.calls[number] = c
	m.mu.Unlock()
	// A hub makes a bounded number of calls at a time, so there is no limit here.
	m.line.send(maxInt, func(dst []byte) []byte {
		start := len(dst)
		return endFrame(add(pubcodec.AppendUint(beginFrame(dst, kind), number)), start)
	})
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.calls, number)
		m.mu.Unlock()
		return ctx.Err()
	}
}

const maxInt = int(^uint(0) >> 1)

// readLoop takes what comes until the connection ends. What may ask for something when it
// is told goes to the loop of events, as the reply comes here.
func (m *remote) readLoop() {
	r := newFrameReader(m.line.conn)
	var epoch string // of the last delivery; all have the same
	for {
		kind, f, err := r.next()
		if err != nil || m.take(kind, &f, &epoch) != nil {
			break
		}
	}
	m.line.close()
	m.end(ErrGone)
	m.events.end()
}

// end answers all waiting calls, and later ones, with why.
func (m *remote) end(why error) {
	m.mu.Lock()
	if m.why == nil {
		m.why = why
	}
	calls, waiting := m.calls, m.publishing
	m.calls, m.publishing = nil, nil
	m.mu.Unlock()
	for _, c := range calls {
		c.err = why
		close(c.done)
	}
	if why == ErrGone {
		why = hub.ErrUnanswered // they may have been published
	}
	for _, w := range waiting {
		m.events.add(event{kind: framePublished, publishing: w, published: hub.Published{Err: why}})
	}
}

// take takes a frame.
func (m *remote) take(kind byte, f *pubcodec.Fields, epoch *string) error {
	switch kind {
	case framePublished:
		number := f.Uint()
		p := hub.Published{Err: takeError(f), Position: f.Position(), Duplicate: f.Bool()}
		if f.Rest() == nil {
			m.mu.Lock()
			w, is := m.publishing[number]
			delete(m.publishing, number)
			m.mu.Unlock()
			if is {
				m.events.add(event{kind: kind, publishing: w, published: p})
			}
		}
	case frameDeliver:
		channel, of := f.String(), f.Bytes()
		if string(of) != *epoch {
			*epoch = string(of)
		}
		p := f.Publication(channel, *epoch)
		if f.Rest() == nil {
			m.events.add(event{kind: kind, delivered: p})
		}
	case frameLost:
		channel := f.String()
		if f.Rest() == nil {
			m.events.add(event{kind: kind, lost: channel})
		}
	case framePart, frameReply:
		return m.reply(kind, f)
	default:
		return errFrame
	}
	return f.Err
}

// reply takes the reply to a call, or a part of a page before it.
func (m *remote) reply(kind byte, f *pubcodec.Fields) error {
	number := f.Uint()
	m.mu.Lock()
	c := m.calls[number]
	if kind == frameReply {
		delete(m.calls, number)
	}
	m.mu.Unlock()
	if c == nil {
		return nil // no caller waits for it any more
	}
	if kind == framePart {
		for len(f.B) > 0 && f.Err == nil {
			c.page.Publications = append(c.page.Publications, f.Publication(c.channel, f.String()))
		}
		return f.Err
	}
	if c.err = takeError(f); c.err == nil && c.take != nil {
		c.take(c, f)
	}
	if f.Rest() != nil {
		c.err = errFrame
	}
	close(c.done)
	return f.Err
}

// Listen has the contract of hub.Broker.
func (m *remote) Listen(ctx context.Context, channel string) (hub.Position, error) {
	c := &call{take: func(c *call, f *pubcodec.Fields) { c.position = f.Position() }}
	if err := m.ask(ctx, frameListen, c, channelOnly(channel)); err != nil {
		return hub.Position{}, err
	}
	return c.position, nil
}

func channelOnly(channel string) func([]byte) []byte {
	return func(dst []byte) []byte { return pubcodec.AppendString(dst, channel) }
}

// Mute has the contract of hub.Broker.
func (m *remote) Mute(ctx context.Context, channel string) error {
	return m.ask(ctx, frameMute, &call{}, channelOnly(channel))
}

// ListenPattern has the contract of hub.PatternBroker.
func (m *remote) ListenPattern(ctx context.Context, pattern string) error {
	return m.ask(ctx, frameListenPattern, &call{}, channelOnly(pattern))
}

// MutePattern has the contract of hub.PatternBroker.
func (m *remote) MutePattern(ctx context.Context, pattern string) error {
	return m.ask(ctx, frameMutePattern, &call{}, channelOnly(pattern))
}

// Clear has the contract of hub.ClearingBroker.
func (m *remote) Clear(ctx context.Context, channel string) error {
	return m.ask(ctx, frameClear, &call{}, channelOnly(channel))
}

// Health has the contract of hub.HealthBroker.
func (m *remote) Health(ctx context.Context) error {
	return m.ask(ctx, frameHealth, &call{}, func(dst []byte) []byte { return dst })
}

// History has the contract of hub.Broker.
func (m *remote) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	c := &call{channel: channel, take: func(c *call, f *pubcodec.Fields) {
		c.page.Position, c.page.Begin = f.Position(), f.Position()
		if f.Bool() {
			c.page.Gap = f.Gap()
		}
	}}
	if err := m.ask(ctx, frameHistory, c, func(dst []byte) []byte {
		return pubcodec.AppendQuery(pubcodec.AppendString(dst, channel), q)
	}); err != nil {
		return hub.Page{}, err
	}
	return c.page, nil
}

// listPage is how many channels are asked for at a time.
const listPage = 1000

// List has the contract of hub.ListingBroker.
func (m *remote) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	if q.Limit <= 0 {
		return nil, hub.ErrListLimit
	}
	var list []hub.ChannelInfo
	for after, left := q.After, true; left && len(list) < q.Limit; {
		ask := listPage
		if q.Match == nil {
			ask = min(ask, q.Limit-len(list))
		}
		c := &call{take: func(c *call, f *pubcodec.Fields) {
			for len(f.B) > 0 && f.Err == nil {
				c.list = append(c.list, f.ChannelInfo())
			}
		}}
		if err := m.ask(ctx, frameList, c, func(dst []byte) []byte {
			return pubcodec.AppendInt(pubcodec.AppendString(dst, after), int64(ask))
		}); err != nil {
			return nil, err
		}
		left = len(c.list) == ask
		for _, info := range c.list {
			after = info.Name
			if (q.Match == nil || q.Match(info.Name)) && len(list) < q.Limit {
				list = append(list, info)
			}
		}
	}
	return list, nil
}
