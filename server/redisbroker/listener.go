package redisbroker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// listener keeps a line to one server, and everything subscribed to that is wanted of it.
// Its loop is the only one that subscribes, so what is wanted and what is so never
// disagree for long.
type listener struct {
	b   *Broker
	be  *backend
	key string // of backend.listeners

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	mu      sync.Mutex // guards what follows; no other lock is taken with it
	address string
	topics  map[string]*topic
	dirty   []*topic // what may have to be subscribed to, or no more, or looked at
	line    *line    // nil while there is none
	err     error    // why there is none
	settled bool     // everything that was wanted when it began is on

	probed atomic.Int64 // when a probe has come last, in Unix nanoseconds
}

// topic is something to subscribe to. Its fields are guarded by the mutex of its listener, but
// those up to isAll: they never change once the listener has it.
type topic struct {
	name      string
	part      *partition
	isPattern bool      // it is a pattern of Redis
	isProbe   bool      // it is wanted always
	isAll     bool      // all channels, for patterns
	channel   *channel  // whose topic it is, or nil
	bus       *busTopic // whose topic it is, or nil

	wanted  bool
	on      bool            // it is subscribed to on the line of the listener
	was     bool            // it has been on before, so something may have been missed
	isDirty bool            // it is in dirty
	flushed bool            // what the server has sent until now is to be heard first
	waiting []chan struct{} // closed when it is on
}

func newListener(b *Broker, be *backend, key string) *listener {
	l := &listener{b: b, be: be, key: key, wake: make(chan struct{}, 1), topics: make(map[string]*topic)}
	l.ctx, l.cancel = context.WithCancel(b.ctx)
	return l
}

// end ends the loop.
func (l *listener) end() { l.cancel() }

// move says where the server is. It is called again when that may have changed.
func (l *listener) move(address string) {
	l.mu.Lock()
	line := l.line
	isNew := l.address != address
	l.address = address
	l.mu.Unlock()
	if isNew && line != nil {
		line.end(errMoved)
	}
}

var errMoved = errors.New("redis: another server is the master")

// trouble is why the listener hears nothing, or nil.
func (l *listener) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		return l.err
	}
	return nil
}

// isSettled reports whether it hears everything that was wanted when its line began.
func (l *listener) isSettled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.line != nil && l.settled
}

// add has the loop see to a topic.
func (l *listener) add(t *topic) {
	l.mu.Lock()
	l.topics[t.name] = t
	l.mark(t)
	l.mu.Unlock()
	l.wakeUp()
}

// want says whether a topic is wanted. with may change it, under the mutex. done, if it is not nil, is closed once
// the topic is on and everything was heard that was sent before this call.
func (l *listener) want(part *partition, name string, wanted bool, with func(*topic), done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[name]
	switch {
	case t == nil && !wanted:
		return
	case t == nil:
		t = &topic{name: name, part: part}
		l.topics[name] = t
	}
	t.wanted = wanted
	if with != nil {
		with(t)
	}
	if done != nil {
		t.waiting, t.flushed = append(t.waiting, done), true
	}
	l.mark(t)
	l.wakeUp()
}

// mark puts t among the topics to look at; mu is held.
func (l *listener) mark(t *topic) {
	if !t.isDirty {
		t.isDirty = true
		l.dirty = append(l.dirty, t)
	}
}

func (l *listener) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// takeTopics gives up the topics of a partition, which another server has now.
func (l *listener) takeTopics(part *partition) (taken []*topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, t := range l.topics {
		if t.part == part {
			delete(l.topics, name)
			t.on, t.isDirty = false, false
			taken = append(taken, t)
		}
	}
	kept := l.dirty[:0]
	for _, t := range l.dirty {
		if t.part != part {
			kept = append(kept, t)
		}
	}
	clear(l.dirty[len(kept):])
	l.dirty = kept
	return taken
}

// loop keeps a line until the listener ends.
func (l *listener) loop() {
	pause := time.Duration(0)
	for l.ctx.Err() == nil {
		if pause > 0 && !l.b.wait(l.ctx, pause) {
			return
		}
		l.mu.Lock()
		address := l.address
		l.mu.Unlock()
		if address == "" {
			pause = retryMin
			continue
		}
		line, err := l.dial(address)
		if err == nil {
			began := time.Now()
			err = l.serve(line)
			line.end(err)
			if time.Since(began) > time.Second {
				pause = 0
			}
		}
		l.mu.Lock()
		l.line, l.err = nil, lineError(address, err)
		err = l.err
		l.mu.Unlock()
		l.b.note(err)
		select {
		case l.b.look <- struct{}{}: // the partitions may be elsewhere
		default:
		}
		pause = min(max(2*pause, retryMin), retryMax)
	}
}

// serve uses a line until it is dead, and returns why it is.
func (l *listener) serve(line *line) error {
	l.mu.Lock()
	l.line, l.err, l.settled = line, nil, false
	if l.address != line.address {
		l.mu.Unlock()
		return errMoved
	}
	for _, t := range l.topics {
		t.on = false
		l.mark(t)
	}
	l.mu.Unlock()
	l.probed.Store(time.Now().UnixNano())
	probe := time.NewTicker(probeInterval)
	defer probe.Stop()
	var retry <-chan time.Time
	for {
		more, err := l.settle(line)
		if err != nil {
			return err
		}
		switch more {
		case settledAgain:
			continue
		case settledAll:
			l.mu.Lock()
			l.settled = true
			l.mu.Unlock()
		}
		if retry = nil; more == settledLater {
			retry = time.After(4 * retryMin)
		}
		select {
		case <-l.wake:
		case <-retry:
		case <-line.dead:
			return line.err
		case <-l.ctx.Done():
			return l.ctx.Err()
		case <-probe.C:
			if err := l.probe(line); err != nil {
				return err
			}
		}
	}
}

// What settle leaves.
const (
	settledAll = iota
	settledAgain
	settledLater // Redis could not say where channels are
)

// settle subscribes to what is wanted and not on, and ends what is on and not wanted, some
// of it at a time.
func (l *listener) settle(line *line) (more int, err error) {
	batch, subscribe, unsubscribe, flush := l.next()
	if len(batch) == 0 {
		return settledAll, nil
	}
	if flush {
		if err := l.tell(line, subscribe, unsubscribe); err != nil {
			return 0, err
		}
	}
	var channels []*channel
	hasMissed := false
	var missed []*busTopic
	var doubtful []*channel
	l.mu.Lock()
	for _, t := range unsubscribe {
		t.on, t.was = false, false // if it is wanted again, it is so from then on
		if !t.wanted && l.topics[t.name] == t {
			delete(l.topics, t.name)
		}
	}
	for _, t := range subscribe {
		if l.topics[t.name] != t {
			continue // it has another listener now
		}
		t.on = true
		hasMissed = hasMissed || t.was && t.isAll
		if t.was && t.bus != nil {
			missed = append(missed, t.bus)
		}
		if t.channel != nil {
			doubtful = append(doubtful, t.channel)
		}
		t.was = true
	}
	for _, t := range batch {
		switch {
		case l.topics[t.name] != t:
		case t.on != t.wanted: // it has changed meanwhile
			l.mark(t)
		case t.on && t.channel != nil:
			channels = append(channels, t.channel)
		case t.on && !t.flushed:
			for _, done := range t.waiting {
				close(done)
			}
			t.waiting = nil
		}
	}
	l.mu.Unlock()
	for _, c := range doubtful {
		l.b.deliveries.doubt(c)
	}
	for _, t := range missed {
		t.miss(l.b)
	}
	if hasMissed {
		l.b.receiver.Lost("")
	}
	if !l.b.locate(l.ctx, l.be, channels) {
		l.mu.Lock()
		for _, c := range channels {
			if t := l.topics[c.part.channelTopic(c.name)]; t != nil {
				l.mark(t)
			}
		}
		l.mu.Unlock()
		return settledLater, nil
	}
	return settledAgain, nil
}

// next takes the topics to look at.
func (l *listener) next() (batch, subscribe, unsubscribe []*topic, flush bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.dirty), subscribeMax)
	batch = append(batch, l.dirty[:n]...)
	left := copy(l.dirty, l.dirty[n:])
	clear(l.dirty[left:])
	if l.dirty = l.dirty[:left]; left == 0 {
		l.dirty = nil
	}
	for _, t := range batch {
		flush = flush || t.flushed
		t.isDirty, t.flushed = false, false
		switch {
		case t.wanted && !t.on:
			subscribe = append(subscribe, t)
		case !t.wanted && t.on:
			unsubscribe = append(unsubscribe, t)
		case !t.wanted:
			if l.topics[t.name] == t {
				delete(l.topics, t.name)
			}
		}
	}
	return batch, subscribe, unsubscribe, flush || len(subscribe)+len(unsubscribe) > 0
}

// tell has the server do it, and waits until it has.
func (l *listener) tell(line *line, subscribe, unsubscribe []*topic) error {
	line.fault.Store(nil)
	commands := append(l.commands("SUBSCRIBE", subscribe), l.commands("UNSUBSCRIBE", unsubscribe)...)
	token := strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := line.send(append(commands, []string{"PING", token})...); err != nil {
		return err
	}
	limit := time.NewTimer(silenceMax)
	defer limit.Stop()
	for {
		select {
		case got := <-line.pongs:
			if got != token {
				continue
			}
			if fault := line.fault.Load(); fault != nil {
				err, _ := refusalOf(*fault)
				return err
			}
			return nil
		case <-line.dead:
			return line.err
		case <-l.ctx.Done():
			return l.ctx.Err()
		case <-limit.C:
			return errSilent
		}
	}
}

var errSilent = errors.New("redis: the connection that listens is silent")

// commands are those for topics. In a cluster all topics of one command are of one slot.
func (l *listener) commands(verb string, topics []*topic) (commands [][]string) {
	by := make(map[*partition][]string)
	var plain, patterns []string
	for _, t := range topics {
		switch {
		case t.isPattern:
			patterns = append(patterns, t.name)
		case l.be.isCluster:
			by[t.part] = append(by[t.part], t.name)
		default:
			plain = append(plain, t.name)
		}
	}
	if len(plain) > 0 {
		commands = append(commands, append([]string{verb}, plain...))
	}
	if len(patterns) > 0 {
		commands = append(commands, append([]string{"P" + verb}, patterns...))
	}
	for _, names := range by {
		commands = append(commands, append([]string{"S" + verb}, names...))
	}
	return commands
}

// probe finds out whether the line is alive, and whether its server is the one that is
// published to: a connection can be in the best of health at a server that nobody uses any
// more.
func (l *listener) probe(line *line) error {
	if line.silence() > silenceMax {
		return errSilent
	}
	if err := line.send([]string{"PING", "probe"}); err != nil {
		return err
	}
	var probe *topic
	l.mu.Lock()
	for _, t := range l.topics {
		if t.isProbe && t.on {
			probe = t
			break
		}
	}
	l.mu.Unlock()
	if probe == nil {
		return nil
	}
	sent := time.Now()
	l.b.task(func() {
		ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
		defer cancel()
		if err := l.be.tell(ctx, probe.name, strconv.FormatInt(sent.UnixNano(), 10)); err != nil {
			return // nothing is known
		}
		// What was published has gone to the line before the answer came to the client;
		// the line has as long again to bring it.
		if l.b.wait(l.ctx, callTimeout) && l.probed.Load() < sent.UnixNano() {
			line.end(errDeaf)
		}
	})
	return nil
}

var errDeaf = errors.New("redis: the connection that listens is at a server that is not published to")

// hearProbe is called with a probe.
func (l *listener) hearProbe(data []byte) {
	if sent, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		l.probed.Store(max(sent, l.probed.Load()))
	}
}

// unsubscribed is called when a server ends a subscription, which it does by itself when
// it gives a slot away.
func (b *Broker) unsubscribed(name string, from *line) {
	be := b.backend.Load()
	if be == nil {
		return
	}
	for _, l := range be.all() {
		l.mu.Lock()
		if t := l.topics[name]; t != nil && t.on && t.wanted && l.line == from {
			t.on = false
			l.mark(t)
			l.wakeUp()
		}
		l.mu.Unlock()
	}
}
