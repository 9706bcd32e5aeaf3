package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// recoveryRun is a server, its clients, and the truth about both.
type recoveryRun struct {
	dice
	fault string
	tell  func(string) // nil: nobody listens
	count int          // of payloads, which are all different
	heard heardCounts

	// How the server is, for the whole script:
	isLate    bool // its broker takes its time
	isGuarded bool
	retention hub.Retention
	queueMax  int
	policies  map[string]*hub.Policy // of channels for slow clients

	disconnects bool // one of them ends sessions
	backlogMax  int  // bytes in a carrier at which no more is taken

	began   time.Time
	cleared map[string]uint64 // the newest offset that was removed, by channel that patterns match and epoch

	hub       *hub.Hub
	transport *Transport
	broker    *truthBroker
	node      int // ascends with each start
	guard     *lateGuard
	carried   *carriedRecovery // nil without sockets

	names   []string
	mu      sync.Mutex // guards truths, copies and twice
	twice   []string
	truths  map[string]*truth // by channel and epoch
	copies  map[string]int    // how often a payload was published by a session, or with a key in an epoch
	clients []*modelClient
	strays  []stray // requests that come late
}

// truth is what was published in an epoch of a channel.
type truth struct {
	publications []truePublication // by ascending offset
}

type truePublication struct {
	offset    uint64
	wire      string // the payload as it stands in JSON
	raw       string
	publisher string
	key       string
	expires   time.Time // zero for never
}

// after returns the publications behind an offset.
func (l *truth) after(offset uint64) []truePublication {
	if l == nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(l.publications, offset+1, func(p truePublication, o uint64) int {
		switch {
		case p.offset < o:
			return -1
		case p.offset > o:
			return 1
		}
		return 0
	})
	return l.publications[i:]
}

func (r *recoveryRun) truth(channel, epoch string) *truth {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.truths[channel+" "+epoch]
	if l == nil {
		return nil
	}
	return &truth{l.publications}
}

func newRecoveryRun(seed uint64, tell func(string)) *recoveryRun {
	r := &recoveryRun{
		dice: dice(seed), tell: tell, names: []string{"a", "b", "c"},
		truths: make(map[string]*truth), copies: make(map[string]int), began: time.Now(), cleared: make(map[string]uint64),
	}
	r.isLate, r.isGuarded = r.isOne(3), r.isOne(2)
	r.retention = hub.Retention{Count: []int{3, 12, 1000}[r.roll(3)], Age: []time.Duration{time.Minute, 2 * time.Second}[r.roll(2)], KeyAge: 24 * time.Hour}
	r.queueMax = []int{3, 500}[r.roll(2)]
	r.backlogMax = []int{200, 100 << 10}[r.roll(2)]
	r.policies = make(map[string]*hub.Policy)
	for _, name := range r.names {
		if r.isOne(2) {
			p := &hub.Policy{Slow: []hub.SlowPolicy{hub.Disconnect, hub.DropOldest, hub.Conflate}[r.roll(3)]}
			if r.isOne(3) {
				p.Rate = 1 + r.roll(5)
			}
			r.policies[name] = p
			r.disconnects = r.disconnects || p.Slow == hub.Disconnect
			r.notef("policy of %s: %v, rate %d", name, p.Slow, p.Rate)
		}
	}
	r.notef("late %v, guarded %v, retention %v, queue %d, backlog %d", r.isLate, r.isGuarded, r.retention, r.queueMax, r.backlogMax)
	r.start()
	for i := range 3 {
		r.clients = append(r.clients, newModelClient(r, i))
	}
	return r
}

func (r *recoveryRun) notef(format string, args ...any) {
	if r.tell != nil {
		r.tell(fmt.Sprintf(format, args...))
	}
}

func (r *recoveryRun) failf(format string, args ...any) {
	if r.fault == "" {
		r.fault = fmt.Sprintf(format, args...)
	}
}

// start begins a node, which knows nothing of the one before.
func (r *recoveryRun) start() {
	inner, err := membroker.New(nil)
	if err != nil {
		panic(err)
	}
	r.node++
	r.broker = &truthBroker{Broker: inner, r: r}
	r.guard = &lateGuard{r: r}
	if r.hub, err = hub.New(r.broker, &hub.Options{Retention: r.retention, QueueCountMax: r.queueMax}); err != nil {
		panic(err)
	}
	policies := r.policies
	r.hub.SetPolicies(func(channel string) *hub.Policy { return policies[channel] })
	o := &Options{Logger: quiet()}
	if r.isGuarded {
		o.Guard = r.guard
	}
	r.transport = newTransport(r.hub, o)
	<-time.After(time.Millisecond) // nothing is published at the moment at which histories begin
}

// stop ends a node, with or without a goodbye.
func (r *recoveryRun) stop(isGraceful bool) {
	if isGraceful {
		ctx, cancel := context.WithCancel(context.Background())
		var ended sync.WaitGroup
		ended.Go(func() { _ = r.hub.Shutdown(ctx) })
		synctest.Wait()
		for _, c := range r.clients {
			for _, w := range slices.Clone(c.wires) {
				w.turn()
			}
		}
		cancel()
		ended.Wait()
	}
	for _, c := range r.clients {
		for _, w := range slices.Clone(c.wires) {
			if !isGraceful && !w.isCut {
				c.lose(w)
			}
			w.hangUp()
		}
	}
	r.broker.letGo(true)
	_ = r.hub.Close()
	synctest.Wait()
	r.guard.decideAll()
	synctest.Wait()
	if n := len(r.transport.seats.m); n != 0 {
		r.failf("%d sessions are left when the hub is closed", n)
	}
	if g := r.guard; g.entered != g.left.Load() {
		r.failf("%d clients have come, and the Guard was told of the end of %d", g.entered, g.left.Load())
	}
}

func (r *recoveryRun) finish() {
	r.stop(false)
	r.wait()
}

// wait waits until what goes on by itself has come to rest.
func (r *recoveryRun) wait() { synctest.Wait() }

func (r *recoveryRun) payload(prefix string) string {
	r.count++
	return fmt.Sprint(prefix, r.count)
}

// publish publishes as a back end.
func (r *recoveryRun) publish(channel string) {
	m := hub.Message{Channel: channel, Kind: hub.Text, Data: []byte(r.payload("b"))}
	if r.isOne(4) {
		m.Kind, m.Data = hub.JSON, fmt.Appendf(nil, `{"n": %d}`, r.count)
	}
	if r.isOne(5) {
		m.Attributes = &hub.Attributes{Event: "e", Key: fmt.Sprint("k", r.roll(3))}
	}
	if r.isOne(8) {
		m.Attributes = &hub.Attributes{Expires: time.Now().Add([]time.Duration{50 * time.Millisecond, time.Second}[r.roll(2)])}
	}
	r.notef("published in %s: %s", channel, m.Data)
	r.hub.BeginPublish("", m, ignored{}, 0)
}

type ignored struct{}

func (ignored) Published(uint64, hub.Published) {}

// note takes down a publication, the first time that it is seen.
func (r *recoveryRun) note(p *hub.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := p.Channel + " " + p.Position.Epoch
	l := r.truths[name]
	if l == nil {
		l = &truth{}
		r.truths[name] = l
	}
	wire := string(p.Data)
	if p.Kind == hub.Text {
		wire = `"` + wire + `"`
	} else {
		wire = fmt.Sprintf(`{"n":%s}`, wire[len(`{"n": `):len(wire)-1])
	}
	one := truePublication{offset: p.Position.Offset, wire: wire, raw: string(p.Data), publisher: p.Publisher}
	if p.Attributes != nil {
		one.key, one.expires = p.Attributes.Key, p.Attributes.Expires
	}
	i := len(l.publications) - len(l.after(one.offset-1))
	if i < len(l.publications) && l.publications[i].offset == one.offset {
		return
	}
	// A copy, as somebody may be reading it.
	l.publications = slices.Insert(slices.Clip(l.publications), i, one)
	if p.Publisher != "" {
		name := one.raw + " " + p.Publisher
		if strings.Contains(one.raw, "k") { // with an idempotency key
			name = one.raw + " " + p.Position.Epoch
		}
		if r.copies[name]++; r.copies[name] > 1 {
			r.twice = append(r.twice, fmt.Sprintf("%s is published twice, then at %v", wire, p.Position))
		}
	}
}

// truthBroker is a membroker of which it is known what it has accepted, and that may
// take its time.
type truthBroker struct {
	*membroker.Broker
	r *recoveryRun

	publishing sync.Mutex // so that whatever can be read was noted

	mu      sync.Mutex // guards what follows
	gates   []chan error
	answers []func()
	isOver  bool
}

func (b *truthBroker) IsImmediate() bool { return !b.r.isLate }

type trueCompleter struct {
	b  *truthBroker
	m  hub.Message
	to hub.Completer
}

func (c *trueCompleter) Published(ticket uint64, p hub.Published) {
	b := c.b
	if p.Err == nil && !p.Duplicate {
		b.r.note(&hub.Publication{Channel: c.m.Channel, Position: p.Position, Kind: c.m.Kind, Data: c.m.Data, Publisher: c.m.Publisher, Attributes: c.m.Attributes})
	}
	if !b.r.isLate {
		c.to.Published(ticket, p)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, func() { c.to.Published(ticket, p) })
}

func (b *truthBroker) Publish(m hub.Message, retention hub.Retention, to hub.Completer, ticket uint64) {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	b.Broker.Publish(m, retention, &trueCompleter{b, m, to}, ticket)
}

func (b *truthBroker) Start(r hub.Receiver) error { return b.Broker.Start(&noting{r, b.r}) }

// noting takes publications down before they are delivered.
type noting struct {
	hub.Receiver
	r *recoveryRun
}

func (n *noting) Receive(p *hub.Publication) {
	n.r.note(p)
	n.Receiver.Receive(p)
}

// pass waits until the script lets a call through.
func (b *truthBroker) pass(ctx context.Context) error {
	if !b.r.isLate {
		return nil
	}
	b.mu.Lock()
	if b.isOver {
		b.mu.Unlock()
		return nil
	}
	gate := make(chan error, 1)
	b.gates = append(b.gates, gate)
	b.mu.Unlock()
	select {
	case err := <-gate:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *truthBroker) Listen(ctx context.Context, channel string) (p hub.Position, err error) {
	if b.r.isLate {
		p, err = b.Broker.Listen(ctx, channel)
		if wrong := b.pass(ctx); wrong != nil {
			return hub.Position{}, wrong
		}
		return p, err
	}
	return b.Broker.Listen(ctx, channel)
}

func (b *truthBroker) Mute(ctx context.Context, channel string) error {
	if err := b.pass(ctx); err != nil {
		return err
	}
	return b.Broker.Mute(ctx, channel)
}

func (b *truthBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if err := b.pass(ctx); err != nil {
		return hub.Page{}, err
	}
	b.publishing.Lock()
	defer b.publishing.Unlock()
	return b.Broker.History(ctx, channel, q)
}

// letGo lets the oldest of what waits through, or everything.
func (b *truthBroker) letGo(everything bool) (any bool) {
	b.mu.Lock()
	gates, answers := b.gates, b.answers
	if !everything {
		gates, answers = gates[:min(1, len(gates))], answers[:min(1, len(answers))]
	}
	b.gates, b.answers = b.gates[len(gates):], b.answers[len(answers):]
	b.mu.Unlock()
	for _, gate := range gates {
		gate <- nil
	}
	for _, answer := range answers {
		answer()
	}
	return len(gates)+len(answers) > 0
}

// held is the oldest position that the history of a channel still has, and the newest.
func (b *truthBroker) held(channel string) (begin, newest hub.Position) {
	page, err := b.Broker.History(context.Background(), channel, hub.Query{})
	if err != nil {
		return hub.Position{}, hub.Position{}
	}
	return page.Begin, page.Position
}

// lateGuard allows most acts, at once or when the script says.
type lateGuard struct {
	r       *recoveryRun
	pending []func()
	entered int64
	left    atomic.Int64 // also of sessions that nobody came back to, by their timers
}

var errModelRefused = &access.Refusal{Cause: access.Denied, Reason: "the model refuses it"}

func (g *lateGuard) Identify(*Request, func(*Client, error)) {
	panic(errors.New("no requests are read"))
}

func (g *lateGuard) Authorize(_ *Client, act *Act, later func(error)) (decided bool, _ error) {
	var err error
	if act.Action == access.Publish && g.r.isOne(12) {
		err = errModelRefused
	}
	if g.r.isOne(3) {
		g.pending = append(g.pending, func() { later(err) })
		return false, nil
	}
	return true, err
}

func (g *lateGuard) Leave(*Client) { g.left.Add(1) }

// visit is a visitor of a guarded server, whose identity may be known later.
func (g *lateGuard) visit(user string) *visitor {
	v := &visitor{guard: g}
	g.entered++
	client := &Client{Identity: &access.Identity{Kind: access.Token, User: user}}
	if g.r.isOne(3) {
		g.pending = append(g.pending, func() { v.know(client, nil) })
	} else {
		v.know(client, nil)
	}
	return v
}

func (g *lateGuard) decide() (any bool) {
	if len(g.pending) == 0 {
		return false
	}
	first := g.pending[0]
	g.pending = g.pending[1:]
	first()
	return true
}

func (g *lateGuard) decideAll() {
	for g.decide() {
	}
}
