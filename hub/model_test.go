package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// modelBroker is a broker whose every step is taken by a test: publications are
// delivered, lost or read in any order that the contract allows. Offsets have
// holes. Only the test's goroutine changes its logs.
type modelBroker struct {
	t         *testing.T
	isInstant bool // calls are answered at once
	keep      int  // publications held in each channel
	choose    func(n int) int
	during    func() // what else happens while an instant call is answered
	receiver  hub.Receiver
	epoch     int
	note      func(format string, args ...any)
	dress     func(*hub.Publication) // nil if nothing more is to be said of what is published
	channels  map[string]*modelLog

	mu    sync.Mutex // guards calls
	calls []*modelCall
}

type modelLog struct {
	name        string
	all         []*hub.Publication // of this epoch
	before      uint64             // the channel's position when it had none
	undelivered []*hub.Publication
	listening   bool
	hasLost     bool // without Lost being called
}

// modelCall is a Listen or a History under way.
type modelCall struct {
	log    *modelLog
	q      *hub.Query // nil for Listen
	isRead bool
	page   hub.Page
	done   chan error
}

func (b *modelBroker) IsImmediate() bool          { return b.isInstant }
func (b *modelBroker) Start(r hub.Receiver) error { b.receiver = r; return nil }
func (b *modelBroker) Close() error               { return nil }

func (b *modelBroker) Publish(_ hub.Message, _ hub.Retention, to hub.Completer, ticket uint64) {
	to.Published(ticket, hub.Published{Err: errors.New("not modelled")})
}

func (b *modelBroker) Mute(_ context.Context, channel string) error {
	l := b.channels[channel]
	l.listening, l.undelivered, l.hasLost = false, nil, false
	return nil
}

func (b *modelBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	b.channels[channel].listening = true
	page, err := b.call(ctx, &modelCall{log: b.channels[channel]})
	return page.Position, err
}

func (b *modelBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	return b.call(ctx, &modelCall{log: b.channels[channel], q: &q})
}

func (b *modelBroker) call(ctx context.Context, c *modelCall) (hub.Page, error) {
	if b.isInstant {
		if b.choose(12) == 0 && c.q != nil {
			return hub.Page{}, errors.New("out of order")
		}
		b.read(c)
		if c.q != nil {
			b.during()
		}
		return c.page, nil
	}
	c.done = make(chan error, 1)
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
	select {
	case err := <-c.done:
		return c.page, err
	case <-ctx.Done():
		b.mu.Lock()
		b.calls = slices.DeleteFunc(b.calls, func(o *modelCall) bool { return o == c })
		b.mu.Unlock()
		return hub.Page{}, ctx.Err()
	}
}

func (b *modelBroker) at(offset uint64) hub.Position {
	return hub.Position{Epoch: fmt.Sprint("e", b.epoch), Offset: offset}
}

func (b *modelBroker) top(l *modelLog) hub.Position {
	if n := len(l.all); n > 0 {
		return l.all[n-1].Position
	}
	return b.at(l.before)
}

func (b *modelBroker) held(l *modelLog) []*hub.Publication {
	return l.all[max(0, len(l.all)-b.keep):]
}

// read answers a call by the present state.
func (b *modelBroker) read(c *modelCall) {
	held := b.held(c.log)
	c.isRead = true
	b.note("read %+v of %s", c.q, c.log.name)
	c.page = hub.Page{Position: b.top(c.log)}
	if c.q == nil {
		return
	}
	since := c.q.Since
	first := 0
	begin := func() hub.Position {
		switch {
		case first < len(held) && first > 0:
			return held[first-1].Position
		case first < len(held) && held[0].Previous > 0:
			return b.at(held[0].Previous)
		case first < len(held):
			return b.at(c.log.before)
		}
		return c.page.Position
	}
	switch {
	case since.IsZero():
		if c.q.Last > 0 {
			first = max(0, len(held)-c.q.Last)
		}
	case since.Epoch != c.page.Position.Epoch || since.Offset > c.page.Position.Offset || since.Offset < begin().Offset:
		c.page.Gap = &hub.Gap{From: since, To: begin()}
	default:
		for first < len(held) && held[first].Position.Offset <= since.Offset {
			first++
		}
	}
	c.page.Begin = begin()
	c.page.Publications = slices.Clone(held[first:])
	if limit := c.q.Limit; limit > 0 && len(c.page.Publications) > limit {
		c.page.Publications = c.page.Publications[:limit]
		c.page.Position = c.page.Publications[limit-1].Position
	}
}

func (b *modelBroker) publish(l *modelLog) {
	top := b.top(l)
	p := &hub.Publication{Channel: l.name, Position: b.at(top.Offset + uint64(1+b.choose(3))), Previous: top.Offset}
	if len(l.all) == 0 && b.choose(2) == 0 {
		p.Previous = 0 // none is held
	}
	p.Data = []byte(p.Position.String())
	if b.dress != nil {
		b.dress(p)
	}
	l.all = append(l.all, p)
	b.note("published %v after %d", p.Position, p.Previous)
	if l.listening {
		l.undelivered = append(l.undelivered, p)
	}
}

func (b *modelBroker) deliver(l *modelLog) {
	if len(l.undelivered) > 0 {
		p := l.undelivered[0]
		l.undelivered = l.undelivered[1:]
		b.note("delivered %v", p.Position)
		b.receiver.Receive(p)
	}
}

func (b *modelBroker) announceLost(l *modelLog) {
	if l.hasLost {
		l.hasLost = false
		b.note("lost")
		b.receiver.Lost([]string{l.name, ""}[b.choose(2)])
	}
}

// newEpoch forgets everything, as a broker that was killed.
func (b *modelBroker) newEpoch() {
	b.epoch++
	for _, l := range b.channels {
		l.all, l.undelivered, l.before = nil, nil, uint64(b.choose(3))
		l.hasLost = l.listening
	}
}

// What may wait in a session of a modelRun.
const modelCountMax, modelBytesMax = 3, 16

// modelRun is what happens to a modelBroker and its clients.
type modelRun struct {
	t       *testing.T
	b       *modelBroker
	data    []byte // of which every choice takes a byte
	isOver  bool
	isQuiet bool // nothing is left to chance
	names   []string
	clients []*modelClient
	slow    *slowModel // nil without policies
	tag     uint64
	trace   []string
	told    milestones
	h       *hub.Hub
}

// modelClient is a session and its client's knowledge.
type modelClient struct {
	e        *edge
	accounts map[string]*modelAccount // by channel
	behind   behindTold
}

// modelAccount is what a client knows of a subscription.
type modelAccount struct {
	tag   uint64
	o     hub.SubscribeOptions
	begun bool
	last  hub.Position
	slowAccount
}

func (r *modelRun) choose(n int) int {
	if r.isQuiet {
		return n - 1
	}
	if len(r.data) == 0 {
		r.isOver = true
		return n - 1
	}
	c := int(r.data[0]) % n
	r.data = r.data[1:]
	return c
}

func (r *modelRun) failf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf(format+"\nsteps: %s", append(args, strings.Join(r.trace, ", "))...)
}

func (r *modelRun) log() *modelLog { return r.b.channels[r.names[r.choose(len(r.names))]] }

func (r *modelRun) step() {
	kind := r.choose(25)
	l := r.log()
	i := r.choose(len(r.clients))
	r.trace = append(r.trace, fmt.Sprint(kind, l.name, i))
	client := r.clients[i]
	a := client.accounts[l.name]
	switch kind {
	case 0, 1, 2, 3:
		r.b.publish(l)
	case 4, 5, 6, 7, 8:
		r.b.deliver(l)
	case 9:
		if len(l.undelivered) > 0 {
			l.undelivered, l.hasLost = l.undelivered[1:], true
		}
	case 10:
		r.b.announceLost(l)
	case 11, 12, 13, 14:
		r.take(client)
	case 15, 16:
		r.answer(nil)
	case 17:
		r.answer(errors.New("network down"))
	case 18:
		if c := r.pending(); c != nil && !c.isRead {
			r.b.read(c)
		}
	case 19, 20:
		if a == nil {
			r.subscribe(client, l)
		}
	case 21:
		if a != nil && r.choose(3) == 0 {
			client.e.Unsubscribe(0, l.name)
			client.behind.forget(l.name)
			delete(client.accounts, l.name)
		}
	case 22:
		<-time.After(100 * time.Millisecond) // of the bubble
	case 23:
		switch r.choose(4) {
		case 0:
			r.b.newEpoch()
		case 1, 2:
			r.settle()
		case 3:
			if r.slow != nil {
				r.slow.change()
			}
		}
	case 24:
		r.changeHealth(r.choose(2) == 0)
	}
	synctest.Wait()
	if r.slow != nil {
		r.slow.checkBounds(client)
	}
}

// during is what happens while an instant call is under way.
func (r *modelRun) during() {
	if r.isQuiet {
		return
	}
	for range r.choose(4) {
		l := r.log()
		switch r.choose(6) {
		case 0, 1:
			r.b.publish(l)
		case 2, 3:
			r.b.deliver(l)
		case 4:
			r.b.publish(l)
			r.b.deliver(l)
		case 5:
			l.hasLost = l.hasLost || l.listening
			r.b.announceLost(l)
		}
	}
}

func (r *modelRun) subscribe(client *modelClient, l *modelLog) {
	r.tag++
	a := &modelAccount{tag: r.tag}
	switch r.choose(4) {
	case 0:
		a.o.Last = 1 + r.choose(3)
	case 1, 2:
		if n := len(l.all); n > 0 {
			a.o.Since = l.all[r.choose(n)].Position
		}
	}
	if r.slow != nil {
		a.o.Rate = r.slow.wish()
		r.slow.since(l, &a.o)
	}
	client.accounts[l.name] = a
	r.b.note("subscribe %s %+v", l.name, a.o)
	client.e.Subscribe(a.tag, l.name, a.o)
}

func (r *modelRun) pending() *modelCall {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if len(r.b.calls) == 0 {
		return nil
	}
	return r.b.calls[r.choose(len(r.b.calls))]
}

// answer ends a call, by what was so when it was read or is so now.
func (r *modelRun) answer(err error) {
	c := r.pending()
	if c == nil {
		return
	}
	r.b.mu.Lock()
	r.b.calls = slices.DeleteFunc(r.b.calls, func(o *modelCall) bool { return o == c })
	r.b.mu.Unlock()
	if !c.isRead {
		r.b.read(c)
	}
	c.done <- err
}

// take checks all that is taken against the logs, and returns how much it was.
func (r *modelRun) take(client *modelClient) int {
	r.t.Helper()
	pushes, err := client.e.Take(nil)
	if len(pushes) > 0 {
		r.trace = append(r.trace, "took "+describe(pushes))
	}
	if err != nil {
		r.failf("Take: %v", err)
	}
	for _, p := range pushes {
		if p.Behind != nil {
			client.behind.note(r, p)
			continue
		}
		a := client.accounts[p.Channel]
		if o := p.Outcome; o != nil {
			switch {
			case o.Command != hub.CommandSubscribe || errors.Is(o.Err, hub.ErrUnsubscribed) || a == nil || o.Tag != a.tag:
				// of one that is gone
			case o.Err != nil:
				delete(client.accounts, p.Channel)
			case a.begun:
				r.failf("subscription %d begins twice", a.tag)
			case !a.o.Since.IsZero() && o.Position != a.o.Since:
				r.failf("subscription since %v begins at %v", a.o.Since, o.Position)
			default:
				a.begun, a.last = true, o.Position
				a.begin = o.Position
				r.told.begins(r, client, p.Channel, o.Position)
			}
			continue
		}
		if a == nil || !a.begun {
			r.failf("something of %s, which is not subscribed to: %s", p.Channel, describe(pushes))
		}
		if r.slow != nil {
			r.slow.check(client, r.b.channels[p.Channel], a, p)
			continue
		}
		r.check(r.b.channels[p.Channel], a, p)
	}
	r.told.agree(r, client, pushes)
	return len(pushes)
}

func (r *modelRun) check(l *modelLog, a *modelAccount, p hub.Push) {
	r.t.Helper()
	switch {
	case p.Gap != nil:
		if p.Gap.From != a.last {
			r.failf("a gap from %v, but the last position was %v", p.Gap.From, a.last)
		}
		// Publications that are held still were held when the gap was found.
		for _, q := range r.b.held(l) {
			if q.Position.Epoch == p.Gap.To.Epoch && q.Position.Offset <= p.Gap.To.Offset &&
				(a.last.Epoch != q.Position.Epoch || q.Position.Offset > a.last.Offset && a.last.Offset <= r.b.top(l).Offset) {
				r.failf("a gap from %v to %v, but %v is held", p.Gap.From, p.Gap.To, q.Position)
			}
		}
		a.last = p.Gap.To
	default:
		d := p.Delivery
		if d.Position.Epoch != a.last.Epoch || d.Position.Offset <= a.last.Offset {
			r.failf("%v came after %v", d.Position, a.last)
		}
		for _, q := range l.all {
			if q.Position.Epoch == d.Position.Epoch && q.Position.Offset > a.last.Offset && q.Position.Offset < d.Position.Offset {
				r.failf("%v came after %v, and %v did not", d.Position, a.last, q.Position)
			}
		}
		a.last = d.Position
	}
}

// settle lets everything come to rest: then everyone has everything.
func (r *modelRun) settle() {
	r.t.Helper()
	r.isQuiet = true
	r.rest()
	<-time.After(time.Minute) // of the bubble: what is to be tried again is
	r.rest()
	r.checkBehind()
	r.changeHealth(false)
	r.rest()
	r.checkBehind()
	if r.slow != nil {
		r.slow.settle()
		r.isQuiet = false
		return
	}
	r.isQuiet = false
	for i, client := range r.clients {
		for name, a := range client.accounts {
			l := r.b.channels[name]
			if top := r.b.top(l); !a.begun || a.last != top && len(l.all) > 0 {
				r.failf("%d: %s ended at %v (begun: %v), want %v", i, name, a.last, a.begun, top)
			}
		}
	}
}

func (r *modelRun) rest() {
	r.t.Helper()
	for round := 0; ; round++ {
		idle := true
		for _, l := range r.b.channels {
			for len(l.undelivered) > 0 {
				r.b.deliver(l)
				idle = false
			}
			r.b.announceLost(l)
		}
		synctest.Wait()
		for r.pending() != nil {
			r.answer(nil)
			synctest.Wait()
			idle = false
		}
		for _, client := range r.clients {
			if r.take(client) > 0 {
				idle = false
			}
			select {
			case <-client.e.woken:
				idle = false
			default:
			}
		}
		if synctest.Wait(); r.pending() != nil {
			idle = false
		}
		if idle {
			return
		}
		if round > 1000 {
			r.failf("it never comes to rest")
		}
	}
}

func runModel(t *testing.T, data []byte, isInstant bool, keep int, prepare func(*modelRun)) {
	synctest.Test(t, func(t *testing.T) {
		r := &modelRun{t: t, data: data, names: []string{"a", "b"}}
		r.b = &modelBroker{t: t, isInstant: isInstant, keep: keep, choose: r.choose, during: r.during, channels: make(map[string]*modelLog)}
		r.b.note = func(format string, args ...any) { r.trace = append(r.trace, fmt.Sprintf(format, args...)) }
		for _, name := range r.names {
			r.b.channels[name] = &modelLog{name: name}
		}
		if prepare != nil {
			prepare(r)
		}
		h := newHub(t, r.b, &hub.Options{QueueCountMax: modelCountMax, QueueBytesMax: modelBytesMax, NoHistory: keep == 0, Observer: r.told.observer()}) // pages have two or three, too
		r.h = h
		if r.slow != nil {
			r.slow.h = h
			h.SetPolicies(r.slow.policy)
		}
		for range 2 {
			r.clients = append(r.clients, &modelClient{e: connect(t, h), accounts: make(map[string]*modelAccount)})
		}
		for !r.isOver {
			r.step()
		}
		r.settle()
		// And everyone is live.
		for _, name := range r.names {
			r.b.publish(r.b.channels[name])
			r.b.deliver(r.b.channels[name])
		}
		r.settle()
	})
}

// TestModel takes random steps of everything that can happen between a broker
// and a subscriber: nothing is lost that history holds, nothing comes twice or
// out of order, every gap is true, and in the end everyone has everything.
func TestModel(t *testing.T) {
	for _, isInstant := range []bool{true, false} {
		for _, keep := range []int{0, 2, 5, 1000} {
			t.Run(fmt.Sprintf("instant %v keep %d", isInstant, keep), func(t *testing.T) {
				seeds := uint64(400)
				if raceEnabled || testing.Short() {
					seeds = 15
				}
				for seed := range seeds {
					random := rand.New(rand.NewPCG(seed, uint64(keep)))
					data := make([]byte, 100+random.IntN(900))
					for i := range data {
						data[i] = byte(random.Uint32())
					}
					runModel(t, data, isInstant, keep, nil)
				}
			})
		}
	}
}

func FuzzModel(f *testing.F) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 99))
		data := make([]byte, 300)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data, seed%2 == 0, byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte, isInstant bool, keep byte) {
		if len(data) > 4096 {
			t.Skip("longer runs find nothing that short ones do not")
		}
		runModel(t, data, isInstant, int(keep), nil)
	})
}
