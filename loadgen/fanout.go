package loadgen

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

const (
	// payloadMark is where the payload goes in FanoutOptions.Publish.
	payloadMark = "{payload}"

	// publishMarker begins every payload, so that it can be found.
	publishMarker = "godwit:"

	// probePause is how long the publisher waits until everybody has a probe, before
	// it publishes another, and probesMax how often it does.
	probePause = 250 * time.Millisecond
	probesMax  = 40
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
	f := &fanout{run: r, payloads: newPayloads(r.o.Size, publishMarker), audience: newAudience(r.o.Window), typ: ws.MessageText,
		subscribers: make([]*subscriber, r.o.Connections), times: make([]atomic.Int64, r.o.Window)}
	if r.o.Binary {
		f.typ = ws.MessageBinary
	}
	f.measuring.Store(notYet)
	r.openAll(ctx, d, func(i int, conn *ws.Conn) {
		s := &subscriber{fanout: f, conn: conn, shard: r.latency.shard(i)}
		f.subscribers[i] = s
		r.work.Go(s.loop)
	})
	live := f.subscribers[:0]
	for _, s := range f.subscribers {
		if s != nil {
			live = append(live, s)
		}
	}
	if f.subscribers = live; len(live) == 0 {
		return nil, r.nothing(ctx)
	}
	defer f.close()
	if err := f.openPublisher(ctx, d); err != nil {
		return nil, err
	}
	if err := f.probe(ctx); err != nil {
		return nil, err
	}
	r.work.Go(f.publish)
	r.measure(ctx)
	f.drain(ctx)
	f.close()
	r.latency.collect()
	f.missing()
	return r.finish(), nil
}

// fanout is what the publisher and the subscribers of a run share. Publications
// are numbered from 0; the first ones are probes.
type fanout struct {
	*run
	payloads    *payloads
	typ         ws.MessageType
	audience    *audience
	subscribers []*subscriber
	publisher   *ws.Conn

	measuring atomic.Uint64  // the number of the first publication that is no probe
	published atomic.Uint64  // how many, probes included
	times     []atomic.Int64 // closed loop: when each publication of the window was sent
	began     time.Duration  // open loop: of the schedule
}

const notYet = 1 << numberBits

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
					f.tally.failed("the publisher's connection was lost", err)
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

// probe publishes until every subscriber has got something, so that what is
// measured does not begin before all are subscribed.
func (f *fanout) probe(ctx context.Context) error {
	var clock alarm
	for range probesMax {
		if err := f.write(f.published.Load()); err != nil {
			return fmt.Errorf("loadgen: the publisher cannot send: %w", err)
		}
		f.published.Add(1)
		for waited := time.Duration(0); waited < probePause; waited += tickMin / 10 {
			if f.deaf() == 0 {
				return f.settle(ctx)
			}
			if !clock.wait(ctx, tickMin/10) {
				return ctx.Err()
			}
		}
		f.progress(Progress{Phase: "waiting for subscribers", Done: len(f.subscribers) - f.deaf(), Of: len(f.subscribers)})
	}
	why := ""
	if kinds := f.tally.errors(); len(kinds) > 0 {
		why = fmt.Sprintf("; %s (%s)", kinds[0].Kind, kinds[0].Example)
	}
	return fmt.Errorf("loadgen: %d of %d subscribers got nothing of %d publications%s: does this URL send what one connection says to the others?", f.deaf(), len(f.subscribers), f.published.Load(), why)
}

// settle waits until nobody has a probe to come, and plans the rest.
func (f *fanout) settle(ctx context.Context) error {
	probes := f.published.Load()
	var clock alarm
	for range probesMax {
		behind := 0
		for _, s := range f.subscribers {
			if !s.gone.Load() && s.next.Load() < probes {
				behind++
			}
		}
		if behind == 0 {
			break // if not: whoever has missed a probe is treated as if it had it
		}
		if !clock.wait(ctx, tickMin/10) {
			return ctx.Err()
		}
	}
	members := make([]*membership, len(f.subscribers))
	for i, s := range f.subscribers {
		members[i] = &s.membership
	}
	f.audience.begin(probes, members)
	f.plan()
	f.began = f.from - f.o.Warmup
	f.measuring.Store(probes) // from here on subscribers look at what is above
	return nil
}

// deaf is how many subscribers are connected and have got nothing.
func (f *fanout) deaf() (n int) {
	for _, s := range f.subscribers {
		if !s.gone.Load() && s.next.Load() == 0 {
			n++
		}
	}
	return n
}

// publish is the publisher's work.
func (f *fanout) publish() {
	if f.o.Rate > 0 {
		f.publishOpen()
		return
	}
	for f.now() < f.until {
		number, ok := f.audience.publish()
		if !ok {
			select {
			case <-f.audience.room:
				continue
			case <-f.ending.Done():
				return
			}
		}
		now := f.now()
		f.times[number%uint64(len(f.times))].Store(int64(now))
		if f.measured(now) {
			f.due.Add(1)
		}
		if f.write(number) != nil {
			return // its reader finds out why
		}
		f.published.Store(number + 1)
	}
}

func (f *fanout) publishOpen() {
	plan := schedule{f.o.Rate}
	first := f.measuring.Load()
	clock := alarm{exact: f.o.dial == nil}
	var free time.Duration
	for i := int64(0); plan.due(i) < f.until-f.began; i++ {
		due := f.began + plan.due(i)
		if !clock.wait(f.ending, due-f.now()) {
			return
		}
		if f.measured(due) {
			f.due.Add(1)
			f.lateness.shard(0).latency(f.now() - max(due, free))
		}
		number := first + uint64(i)
		if f.write(number) != nil {
			return
		}
		f.published.Store(number + 1)
		free = f.now()
	}
}

// sentAt says when a publication was sent or due, and whether its latency counts.
func (f *fanout) sentAt(number uint64) (at time.Duration, timed bool) {
	first := f.measuring.Load()
	if number < first {
		return 0, false
	}
	if f.o.Rate > 0 {
		at = f.began + schedule{f.o.Rate}.due(int64(number-first))
	} else {
		at = time.Duration(f.times[number%uint64(len(f.times))].Load())
	}
	return at, f.measured(at)
}

// write publishes.
func (f *fanout) write(number uint64) error {
	b := f.payloads.take(0, number)
	defer f.payloads.give(b)
	message, typ := *b, f.typ
	if t := f.o.Fanout.Publish; t != "" {
		before, after, _ := strings.Cut(t, payloadMark)
		message = append(append([]byte(before), message...), after...)
	}
	return f.publisher.Write(context.Background(), typ, message)
}

// drain waits until all subscribers have everything, for the drain time at most.
func (f *fanout) drain(ctx context.Context) {
	if f.cut.Load() {
		return
	}
	var clock alarm
	began := f.now()
	for f.now()-began < f.o.Drain {
		behind := 0
		for _, s := range f.subscribers {
			if !s.gone.Load() && s.next.Load() < f.published.Load() {
				behind++
			}
		}
		if behind == 0 && f.now()-began >= tickMin/10 { // the publisher's last may be under way
			return
		}
		f.progress(Progress{Phase: "waiting for the last deliveries", Elapsed: f.now() - began, Total: f.o.Drain})
		if !clock.wait(ctx, tickMin/10) {
			f.interrupt()
			return
		}
	}
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
	closeAll(conns)
	f.work.Wait()
}

// missing counts what has not been delivered.
func (f *fanout) missing() {
	if f.cut.Load() {
		return
	}
	for i, s := range f.subscribers {
		if left := f.published.Load() - min(s.next.Load(), f.published.Load()); left > 0 {
			f.tally.addMany("not delivered in time", fmt.Sprintf("subscriber %d had %d publications to come %v after the end", i, left, f.o.Drain), int64(left))
		}
	}
}

// subscriber is one connection that receives.
type subscriber struct {
	*fanout
	conn  *ws.Conn
	shard *shard
	next  atomic.Uint64 // the number of the publication to come
	gone  atomic.Bool
	membership
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
			s.whole(typ, message, now)
		} else {
			s.search(message, now)
		}
	}
	s.leave(err)
}

// whole takes a message that must be a publication and nothing else.
func (s *subscriber) whole(typ ws.MessageType, message []byte, now time.Duration) {
	number, rest, found, ok := s.payloads.find(message)
	switch {
	case !found || len(message) != s.o.Size:
		s.tally.add(ErrorUnexpected, fmt.Sprintf("%.60q of %d bytes", message, len(message)))
	case !ok || len(rest) > 0:
		s.tally.add(ErrorDamaged, fmt.Sprintf("%.60q", message))
	case typ != s.typ:
		s.tally.add(ErrorWrongType, typ.String()+" instead of "+s.typ.String())
	default:
		s.receive(number, now)
	}
}

// search takes all publications that are in a message.
func (s *subscriber) search(message []byte, now time.Duration) {
	for rest := message; ; {
		number, after, found, ok := s.payloads.find(rest)
		switch {
		case !found:
			return
		case !ok:
			s.tally.add(ErrorDamaged, fmt.Sprintf("%.60q", rest))
		default:
			s.receive(number, now)
		}
		rest = after
	}
}

// receive notes a publication.
func (s *subscriber) receive(number uint64, now time.Duration) {
	first, next := s.measuring.Load(), s.next.Load()
	if number < next {
		if number >= first {
			s.tally.add("repeated publication", fmt.Sprintf("number %d came when %d was due", number, next))
		}
		return
	}
	s.next.Store(number + 1)
	if number < first {
		return // a probe; earlier ones may have come before the subscription
	}
	due := max(next, first)
	s.tally.addMany("publication left out", fmt.Sprintf("number %d came when %d was due", number, due), int64(number-due))
	at, timed := s.sentAt(number)
	s.shard.message(s.o.Size, s.measured(now), timed, now-at)
	if s.o.Rate == 0 {
		s.audience.have(due, number+1)
	}
}

// leave counts the end of a connection.
func (s *subscriber) leave(err error) {
	s.gone.Store(true)
	if s.ending.Err() == nil {
		s.open.Add(-1)
		s.tally.failed("connection lost", err)
	}
	s.audience.leave(&s.membership, s.next.Load())
}
