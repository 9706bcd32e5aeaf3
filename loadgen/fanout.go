package loadgen

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws"
)

func (f *FanoutOptions) check() error {
	if f.Publish != "" && strings.Count(f.Publish, payloadMark) != 1 {
		return invalid("%.200q is not a message to publish: it must have %s once", f.Publish, payloadMark)
	}
	return nil
}

// publisherURL is where the publisher connects.
func (f *FanoutOptions) publisherURL(target string) string {
	if f.PublisherURL != "" {
		return f.PublisherURL
	}
	u, err := url.Parse(target)
	if err != nil || !strings.Contains(u.Path, "/channels/") {
		return target
	}
	q := u.Query()
	q.Set("self", "0")
	u.RawQuery = q.Encode()
	return u.String()
}

// Fanout measures a server that sends what one connection publishes to many that
// have subscribed. On its own it speaks to a channel's URL of Godwit, or to any
// server that sends what it gets to everybody on the same URL; Options.Fanout is
// for other protocols. It returns what Echo returns.
func Fanout(ctx context.Context, target string, o Options) (*Report, error) {
	r, d, err := newRun(ctx, KindFanout, target, o)
	if err != nil {
		return nil, err
	}
	f := &fanout{broadcast: newBroadcast(r, 1), typ: ws.MessageText, subscribers: make([]*subscriber, r.o.Connections), hurry: make(chan struct{})}
	f.write = f.send
	if r.o.Binary {
		f.typ = ws.MessageBinary
	}
	r.dialAll(ctx, d, func(i int, conn *ws.Conn) {
		s := &subscriber{listener: f.newListener(i), fanout: f, conn: conn}
		f.subscribers[i] = s
		r.work.Go(s.loop)
	})
	f.subscribers = slices.DeleteFunc(f.subscribers, func(s *subscriber) bool { return s == nil })
	if len(f.subscribers) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	for _, s := range f.subscribers {
		f.listeners = append(f.listeners, s.listener)
	}
	defer f.close()
	if err := f.openPublisher(ctx, d); err != nil {
		return nil, err
	}
	f.openSlow(ctx, d)
	if err := f.probe(ctx); err != nil {
		return nil, err
	}
	r.work.Go(func() { f.publish(0) })
	r.measure(ctx)
	f.drain(ctx)
	f.drainSlow(ctx)
	f.close()
	r.latency.collect()
	f.account()
	return r.finish(), nil
}

// fanout is a broadcast over WebSockets.
type fanout struct {
	*broadcast
	typ         ws.MessageType
	subscribers []*subscriber
	publisher   *ws.Conn
	slow        []*slowPeer
	hurry       chan struct{} // closed when the slow peers are to read all that there is
}

func (f *fanout) openPublisher(ctx context.Context, d *dialer) error {
	p := *d
	p.url = f.o.Fanout.publisherURL(d.url)
	c, err := p.dial(ctx, f.o.Connections)
	if err != nil {
		return fmt.Errorf("loadgen: the publisher cannot connect: %w", err)
	}
	f.publisher = c.conn
	f.work.Go(func() { // what it gets is for nobody, but pings want to be answered
		var buffer []byte
		for {
			_, message, err := c.conn.ReadAppend(context.Background(), buffer[:0])
			if err != nil {
				if f.ending.Err() == nil {
					f.tally.addError("the publisher's connection was lost", err)
				}
				return
			}
			buffer = message
		}
	})
	for _, text := range f.o.Fanout.PublisherFirst {
		if err := c.conn.Write(ctx, ws.MessageText, []byte(text)); err != nil {
			return fmt.Errorf("loadgen: the publisher cannot send: %w", err)
		}
	}
	return nil
}

// send publishes.
func (f *fanout) send(_ context.Context, _ int, number uint64) error {
	b := f.payloads.take(f.sender(0), number)
	defer f.payloads.give(b)
	message, typ := *b, f.typ
	if t := f.o.Fanout.Publish; t != "" {
		before, after, _ := strings.Cut(t, payloadMark)
		message = append(append([]byte(before), message...), after...)
	}
	return f.publisher.Write(context.Background(), typ, message) // if it fails, its reader finds out why
}

// close ends all connections and waits for their work. It may be called again.
func (f *fanout) close() {
	f.end()
	conns := []*ws.Conn{f.publisher}
	for _, s := range f.subscribers {
		conns = append(conns, s.conn)
		if f.cut.Load() {
			_ = s.conn.CloseNow()
		}
	}
	for _, p := range f.slow {
		if p.conn != nil { // it is not asked to read a farewell
			_ = p.conn.CloseNow()
		}
	}
	closeAll(conns)
	f.work.Wait()
}

// subscriber is a listener with a WebSocket.
type subscriber struct {
	*listener
	fanout *fanout
	conn   *ws.Conn
}

// loop subscribes and reads until the connection ends.
func (s *subscriber) loop() {
	var err error
	for _, text := range s.o.Fanout.Subscribe {
		if err = s.conn.Write(context.Background(), ws.MessageText, []byte(text)); err != nil {
			break
		}
	}
	var buffer []byte
	for err == nil {
		var message []byte
		var typ ws.MessageType
		if typ, message, err = s.conn.ReadAppend(context.Background(), buffer[:0]); err != nil {
			break
		}
		buffer = message
		now := s.now()
		if s.o.Fanout.Publish == "" {
			s.takeWhole(typ, message, now)
		} else {
			s.search(message, now)
		}
	}
	s.leave(err)
}

// takeWhole takes a message that must be a publication and nothing else.
func (s *subscriber) takeWhole(typ ws.MessageType, message []byte, now time.Duration) {
	from, number, rest, found, ok := s.payloads.find(message)
	switch {
	case found && from >= 0 && from != s.sender(0):
		s.strangers.Add(1)
	case !found || len(message) != s.o.Size:
		s.tally.add(ErrorUnexpected, fmt.Sprintf("%.60q of %d bytes", message, len(message)))
	case !ok || len(rest) > 0:
		s.noteDamaged(message, from, number, now)
	case typ != s.fanout.typ:
		s.tally.add(ErrorWrongType, typ.String()+" instead of "+s.fanout.typ.String())
	default:
		s.receive(number, now, true)
	}
}
