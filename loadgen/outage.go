package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// outageCalm is how long everybody is connected before the server is killed, by
	// default: a server tells clients anew when to come back with its heartbeats, which
	// are 15 s apart by default. outagePause is how long they are after all are back.
	outageCalm  = 20 * time.Second
	outagePause = 3 * time.Second

	// outageTick is a stretch in which the server's CPU is read: the system counts it in
	// steps of 10 ms.
	outageTick = 250 * time.Millisecond
)

// outage is a storm whose server is killed.
//
//	start ─ open all ─ calm ─ kill -9 ─ start ─────────── all are back ─ calm ─ nothing is missing?
//	                    numbers are published all the time, and clients resume behind their position
type outage struct {
	*run
	server  commanded
	carrier carrier
	publish func(ctx context.Context, text string) (place, error)
	watched *watched // nil: the server is not observed
	feed    *feed
	clients []*returner

	isUp     atomic.Bool // the server listens
	killed   atomic.Int64
	attempts atomic.Int64
	sentAway atomic.Int64
	back     atomic.Int64
	done     chan struct{} // closed when everybody is back

	mu     sync.Mutex  // guards what follows, and returner.away
	opened map[int]int // clients that came back, by second since the server was killed
	tried  map[int]int // attempts
}

// stormOfServer is Storm with a server that is started here.
func stormOfServer(ctx context.Context, target string, o Options) (*Report, error) {
	r, err := prepare(KindStorm, target, o)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, err // which checkTarget would have found
	}
	page := *u
	page.RawQuery = ""
	page.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	dialer, err := newHTTPDialer(page.String(), &r.o)
	if err != nil {
		return nil, err
	}
	s := &outage{run: r, feed: newFeed(strconv.FormatUint(rand.Uint64(), 36))}
	s.server = &command{line: r.o.Storm.Server, address: dialer.address, timeout: r.o.HandshakeTimeout}
	s.carrier = &eventCarrier{dialer: dialer, target: target, header: r.o.Header, bytesMax: messageBytesBeside}
	isSocket, hasSessions := u.Scheme == "ws" || u.Scheme == "wss", slices.Contains(r.o.Subprotocols, sessionSubprotocol)
	switch {
	case isSocket && hasSessions:
		if s.carrier, err = newSessionCarrier(target, &r.o, rand.Float64); err != nil {
			return nil, err
		}
	case isSocket:
		s.carrier = &socketCarrier{dialer: newDialer(target, &r.o), random: rand.Float64}
	case hasSessions:
		return nil, invalid("sessions are on WebSockets; write for example ws://127.0.0.1:8000/channels/bench")
	}
	publisher := newNumberPublisher(page.String(), &r.o)
	defer publisher.close()
	s.publish = publisher.publish
	s.watched = &watched{find: func() (*observer, error) { return observeListeners(target) }}
	return s.play(ctx)
}

// observeListeners observes the processes that listen at a URL of this machine.
func observeListeners(target string) (*observer, error) {
	pids := listenersOf(target)
	if len(pids) == 0 {
		return nil, errors.New("nobody is seen to listen")
	}
	return observeProcesses(pids)
}

// play runs the storm.
func (s *outage) play(ctx context.Context) (*Report, error) {
	r := s.run
	r.tick = outageTick
	r.report.Load.Rate = r.o.Rate
	if err := s.server.start(ctx); err != nil {
		return nil, err
	}
	defer s.server.kill()
	s.isUp.Store(true)
	r.ending, r.end = context.WithCancel(context.WithoutCancel(ctx))
	defer s.close()
	s.observeServer(ctx)
	s.clients = make([]*returner, r.o.Connections)
	s.opened, s.tried = map[int]int{}, map[int]int{}
	r.openAll(ctx, s.open)
	s.clients = slices.DeleteFunc(s.clients, func(c *returner) bool { return c == nil })
	if len(s.clients) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.opening = newRecorder() // only of the storm from here on
	r.from, r.until = r.now(), math.MaxInt64
	r.startSampling(ctx)
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var publisher sync.WaitGroup
	publisher.Go(func() { s.publishLoop(publishing) })
	err := s.rounds(ctx)
	stop()
	publisher.Wait()
	if err != nil {
		return nil, err
	}
	s.drain(ctx)
	s.close()
	s.describe()
	if len(r.report.Rounds) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	r.latency.collect()
	return r.finish(), nil
}

// rounds kills the server again and again. The error is that it does not come back.
func (s *outage) rounds(ctx context.Context) error {
	for n := range s.o.Storm.Rounds {
		s.hold(ctx, "calm", s.o.Storm.Calm)
		if s.cut.Load() {
			return nil
		}
		if err := s.round(ctx, n+1); err != nil {
			return err
		}
		if s.cut.Load() {
			return nil
		}
	}
	s.hold(ctx, "calm", outagePause)
	return nil
}

// observeServer begins to observe the server that has been started, if that can be done.
func (s *outage) observeServer(ctx context.Context) {
	if s.watched == nil || !s.watched.look() {
		s.unseen = true
		return
	}
	if s.run.server == nil {
		o := *s.watched.now
		o.read, o.threads, o.peak = s.watched.read, nil, nil
		s.run.server = &o
		s.before, _ = o.read(ctx)
	}
}

// open opens subscription i, which it tries again where the server wants that.
func (s *outage) open(ctx context.Context, i int) error {
	trying, stop := context.WithTimeout(ctx, s.o.Duration)
	defer stop()
	c := &returner{outage: s, index: i}
	if err := c.connect(trying, 0); err != nil {
		return err
	}
	c.ledger.first = s.feed.end() - 1
	s.clients[i] = c
	s.work.Go(c.followLoop)
	return nil
}

// round kills the server once, and waits until all clients are back.
func (s *outage) round(ctx context.Context, number int) error {
	s.mu.Lock()
	for _, c := range s.clients {
		c.away = neverBack
	}
	clear(s.opened)
	clear(s.tried)
	done := make(chan struct{})
	s.done = done
	dropped := int(s.run.open.Load())
	s.mu.Unlock()
	s.attempts.Store(0)
	s.sentAway.Store(0)
	s.back.Store(0)
	samples := len(s.report.Samples)

	began := s.now()
	s.killed.Store(int64(began))
	s.isUp.Store(false)
	s.server.kill()
	s.dipped = true
	if err := s.server.start(ctx); err != nil {
		return err
	}
	s.isUp.Store(true)
	down := s.now() - began
	s.observeServer(ctx)

	limit := time.NewTimer(s.o.Duration - down)
	defer limit.Stop()
	ticker := time.NewTicker(s.tick)
	defer ticker.Stop()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-limit.C:
			waiting = false
		case <-ctx.Done():
			s.interrupt()
			waiting = false
		case <-ticker.C:
		}
		s.sample(ctx)
		s.progress(Progress{Phase: fmt.Sprintf("kill %d of %d", number, s.o.Storm.Rounds), Done: int(s.back.Load()), Of: len(s.clients), Elapsed: s.now() - began})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if missing := int64(len(s.clients)) - s.back.Load(); missing > 0 && !s.cut.Load() {
		s.tally.addMany("not back in time", fmt.Sprintf("%d clients were not back after %v", missing, s.o.Duration), missing)
	}
	away := make([]time.Duration, len(s.clients))
	for i, c := range s.clients {
		away[i] = c.away
	}
	round := summarizeRound(dropped, s.attempts.Load(), away)
	round.Down, round.SentAway = millis(down), s.sentAway.Load()
	for _, n := range s.opened {
		round.MostBackAt = max(round.MostBackAt, n)
	}
	for _, n := range s.tried {
		round.MostTried = max(round.MostTried, n)
	}
	for _, sample := range s.report.Samples[samples:] {
		round.PeakCores = max(round.PeakCores, sample.Cores)
	}
	s.report.Rounds = append(s.report.Rounds, round)
	return nil
}

// publishLoop publishes the numbers, each at its time and none twice: whether a number was
// published whose answer was lost is not known.
func (s *outage) publishLoop(ctx context.Context) {
	var clock alarm
	for clock.wait(ctx, time.Duration(float64(time.Second)/s.o.Rate)) {
		if !s.isUp.Load() {
			continue // it would be a number that nobody can have
		}
		n := s.feed.begin()
		if at, err := s.publish(ctx, s.feed.text(n)); err == nil {
			s.feed.settle(n, at)
		} else if s.isUp.Load() && ctx.Err() == nil && s.now()-time.Duration(s.killed.Load()) > time.Second {
			s.tally.addError("publishing", err)
		}
	}
}

// drain waits until every client has what it is owed.
func (s *outage) drain(ctx context.Context) {
	var clock alarm
	for began := s.now(); s.now()-began < s.o.Drain && !s.cut.Load(); {
		if !slices.ContainsFunc(s.clients, func(c *returner) bool { return !c.has() }) {
			return
		}
		if !clock.wait(ctx, s.tick) {
			return
		}
	}
}

// close ends all subscriptions and waits for their work. It may be called again.
func (s *outage) close() {
	s.end()
	for _, c := range s.clients {
		if c != nil {
			c.leave()
		}
	}
	s.work.Wait()
}

// describe says in the report what became of the numbers.
func (s *outage) describe() {
	f := &Feed{}
	f.Published, f.Unanswered = s.feed.counts()
	for _, c := range s.clients {
		c.ledger.miss(s.feed, s.feed.end())
		f.Deliveries += int64(c.ledger.deliveries)
		f.Announced += int64(c.ledger.announced)
		f.Lost += int64(c.ledger.lost)
		f.Repeated += int64(c.ledger.repeated)
	}
	s.report.Feed = f
	s.tally.addMany(ErrorLost, "a client misses what the server had taken, and was not told so", f.Lost)
	s.tally.addMany(ErrorRepeated, "a client got a publication a second time", f.Repeated)
}

// returner is one client, with one subscription after the other.
type returner struct {
	*outage
	index    int
	position string        // behind which it resumes
	told     time.Duration // when the server wants it back; 0: it has not said
	away     time.Duration // in this round; guarded by outage.mu

	mu       sync.Mutex // guards what follows
	follower follower
	hasLeft  bool
	ledger   ledger
}

// connect opens a subscription, after a wait, and again and again until ctx ends. An error
// that the server has not caused by being away, or asked for, is counted.
func (c *returner) connect(ctx context.Context, wait time.Duration) error {
	var clock alarm
	for n := 0; ; n++ {
		if !clock.wait(ctx, wait) {
			return ctx.Err()
		}
		c.attempts.Add(1)
		if c.isUp.Load() {
			c.count(c.tried)
		}
		wasUp := c.isUp.Load()
		f, err := c.carrier.follow(ctx, c.index, c.position)
		if err == nil {
			return c.adopt(f)
		}
		wait = c.pauseOf(n + 1)
		if away, ok := errors.AsType[*sentAway](err); ok {
			c.sentAway.Add(1)
			wait = away.after
			if _, isStream := c.carrier.(*eventCarrier); isStream {
				c.told = away.after
			}
			continue
		}
		if ctx.Err() == nil && wasUp && c.isUp.Load() {
			if c.killed.Load() == 0 {
				return err // a server that does not take clients at all
			}
			c.tally.addError("coming back", err)
		}
	}
}

// pauseOf is how long the client waits before attempt n.
func (c *returner) pauseOf(n int) time.Duration { return c.carrier.pause(n, c.told) }

// count adds one to this second of a round.
func (c *returner) count(seconds map[int]int) {
	second := int((c.now() - time.Duration(c.killed.Load())) / time.Second)
	c.outage.mu.Lock()
	defer c.outage.mu.Unlock()
	seconds[second]++
}

// adopt takes a subscription that was opened.
func (c *returner) adopt(f follower) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasLeft {
		f.close()
		return net.ErrClosed
	}
	c.follower = f
	return nil
}

// leave ends the subscription for good.
func (c *returner) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hasLeft = true
	if c.follower != nil {
		c.follower.close()
	}
}

// followLoop follows, and comes back when the subscription is lost.
func (c *returner) followLoop() {
	for {
		err := c.follow()
		if c.ending.Err() != nil {
			return
		}
		c.run.open.Add(-1)
		if c.isUp.Load() && !c.wasKilled() {
			c.tally.addError("connection lost in the calm", err)
		}
		if c.connect(c.ending, c.pauseOf(0)) != nil {
			return
		}
		c.run.open.Add(1)
		c.isBack()
	}
}

// wasKilled reports whether the server was killed and this client is not back yet.
func (c *returner) wasKilled() bool {
	c.outage.mu.Lock()
	defer c.outage.mu.Unlock()
	return c.away == neverBack
}

// isBack notes that the client is back.
func (c *returner) isBack() {
	away := c.now() - time.Duration(c.killed.Load())
	c.count(c.opened)
	c.outage.mu.Lock()
	first := c.away == neverBack
	if first {
		c.away = away
	}
	c.outage.mu.Unlock()
	if !first {
		return
	}
	c.latency.shard(c.index).recordMessage(0, true, true, away)
	if c.back.Add(1) == int64(len(c.clients)) {
		close(c.done)
	}
}

// follow hears until the subscription is lost.
func (c *returner) follow() error {
	c.mu.Lock()
	f := c.follower
	c.mu.Unlock()
	defer f.close()
	for {
		h, err := f.next()
		if told := f.retry(); told > 0 {
			c.told = told
		}
		if err != nil {
			return err
		}
		if h.position != "" {
			c.position = h.position
		}
		c.mu.Lock()
		if h.isGap {
			c.ledger.announce(parsePlace(h.position))
		} else if n, ok := c.feed.number(h.text); ok {
			c.ledger.receive(c.feed, n)
		}
		c.mu.Unlock()
	}
}

// has reports whether the client has all that it is owed.
func (c *returner) has() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ledger.has(c.feed)
}
