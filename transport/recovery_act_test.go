package transport

import (
	"context"
	"slices"
	"time"
)

// recoveryAct is what may happen.
type recoveryAct int

// recoveryActs are all there are, each with how often it happens.
var recoveryActs = []struct {
	weight int
	do     func(r *recoveryRun, c *modelClient)
}{
	{12, func(r *recoveryRun, _ *modelClient) { r.publish(r.names[r.roll(len(r.names))]) }},
	{2, func(r *recoveryRun, _ *modelClient) {
		name := r.names[r.roll(len(r.names))]
		for range r.roll(12) {
			r.publish(name)
		}
	}},
	{2, func(r *recoveryRun, c *modelClient) { r.publish("@" + c.user) }},
	{16, func(_ *recoveryRun, c *modelClient) { c.turn() }},
	{14, func(r *recoveryRun, c *modelClient) { c.receive(1 << 30) }},
	{6, func(r *recoveryRun, c *modelClient) {
		if c.wire != nil {
			c.receive(r.roll(len(c.wire.down) + 1))
		}
	}},
	{14, func(_ *recoveryRun, c *modelClient) { c.ask() }},
	{14, func(_ *recoveryRun, c *modelClient) { c.send() }},
	{6, func(_ *recoveryRun, c *modelClient) { c.poll() }},
	{4, func(_ *recoveryRun, c *modelClient) {
		if c.wire != nil {
			c.lose(c.wire)
		}
	}},
	{4, func(r *recoveryRun, c *modelClient) { c.notice(r.isOne(4)) }},
	{8, func(r *recoveryRun, c *modelClient) {
		if !c.isUp() || r.isOne(8) {
			c.reconnect(wireKind(r.roll(int(wireKinds))))
		}
	}},
	{4, func(r *recoveryRun, _ *modelClient) { r.elapse() }},
	{1, func(r *recoveryRun, _ *modelClient) {
		name := r.names[r.roll(len(r.names))]
		r.notef("the history of %s is cleared", name)
		_ = r.broker.Clear(context.Background(), name)
	}},
	{6, func(r *recoveryRun, _ *modelClient) { r.publish(patternNames[r.roll(len(patternNames))]) }},
	{1, func(r *recoveryRun, _ *modelClient) {
		name := patternNames[r.roll(len(patternNames))]
		for range r.roll(12) {
			r.publish(name)
		}
		if r.isOne(4) {
			r.clear(name)
		}
	}},
	{4, func(_ *recoveryRun, c *modelClient) { c.askPattern() }},
	{8, func(r *recoveryRun, _ *modelClient) { r.broker.letGo(false) }},
	{8, func(r *recoveryRun, _ *modelClient) { r.guard.decide() }},
	{2, func(r *recoveryRun, _ *modelClient) {
		if n := len(r.strays); n > 0 {
			i := r.roll(n)
			s := r.strays[i]
			r.strays = append(r.strays[:i:i], r.strays[i+1:]...)
			r.arrive(s)
		}
	}},
	{1, func(r *recoveryRun, c *modelClient) {
		switch {
		case r.isOne(4):
			isGraceful := r.isOne(2)
			r.notef("another node, graceful: %v", isGraceful)
			r.stop(isGraceful)
			r.start()
		case c.wire != nil && c.wire.kind == wireSocket && r.isOne(2):
			c.notef("says goodbye")
			c.hasEnded = true
			w := c.wire
			c.abandon()
			w.goodbye()
		}
	}},
	{1, func(r *recoveryRun, _ *modelClient) {
		if r.isOne(3) {
			r.settle()
		}
	}},
}

func (r *recoveryRun) step(s recoveryStep) {
	r.dice = dice(s.seed)
	c := r.clients[r.roll(len(r.clients))]
	recoveryActs[s.act].do(r, c)
	if r.isLate {
		r.wait()
	}
}

// elapse lets time pass.
func (r *recoveryRun) elapse() {
	d := []time.Duration{time.Millisecond, 200 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 31 * time.Second}[r.roll(5)]
	if d > time.Second { // a broker that takes longer has failed
		for r.broker.letGo(true) {
			r.wait()
		}
	}
	r.notef("%v pass", d)
	<-time.After(d)
	r.wait()
}

// turn has the server look at one of the carriers.
func (c *modelClient) turn() (any bool) {
	for _, w := range slices.Clone(c.wires) {
		if w.turn() {
			any = true
		}
	}
	return any
}

// notice has the server know of carriers that have broken.
func (c *modelClient) notice(isAll bool) (any bool) {
	for i := 0; i < len(c.wires); i++ {
		if w := c.wires[i]; !w.isGone && (w.isCut || w.isEnded) {
			w.hangUp()
			any = true
			if !isAll {
				return any
			}
			i = -1
		}
	}
	return any
}

// settle lets everything come to rest, with nothing lost any more. Then everybody has
// everything.
func (r *recoveryRun) settle() {
	r.notef("everything comes to rest")
	r.rest()
	passes := 0
	if r.watches() {
		passes = 1
	}
	if r.hasRates() {
		passes = 6 // one publication of each key, at one a second
	}
	for ; passes > 0 && r.fault == ""; passes-- {
		<-time.After(joinsPass)
		r.wait()
		r.rest()
	}
	for _, c := range r.clients {
		c.checkRest()
		c.checkPatternsRest()
		for _, a := range c.accounts {
			if a.presence {
				c.checkRoster(a)
			}
		}
	}
	r.checkTwice()
}

// hasRates reports whether a client is given the newest publication a while later.
func (r *recoveryRun) hasRates() bool {
	for _, p := range r.policies {
		if p.Rate > 0 {
			return true
		}
	}
	for _, c := range r.clients {
		for _, a := range c.accounts {
			if a.rate > 0 {
				return true
			}
		}
	}
	return false
}

func (r *recoveryRun) rest() {
	for round := 0; r.fault == ""; round++ {
		any := r.broker.letGo(true)
		r.guard.decideAll()
		r.wait()
		for _, s := range r.strays {
			r.arrive(s)
			any = true
		}
		r.strays = nil
		for _, c := range r.clients {
			if c.rest() {
				any = true
			}
		}
		r.wait()
		if !any && len(r.guard.pending) == 0 {
			break
		}
		if round > 1000 {
			r.failf("it does not come to rest")
		}
	}
}

// checkTwice checks that nothing was published twice.
func (r *recoveryRun) checkTwice() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fault := range r.twice {
		r.failf("%s", fault)
	}
}

// rest does what is to be done for a client.
func (c *modelClient) rest() (any bool) {
	if c.notice(true) {
		any = true
	}
	if c.turn() {
		any = true
	}
	if !c.isUp() {
		c.reconnect(wireKind(c.r.roll(int(wireKinds))))
		any = true
	}
	for c.send() {
		any = true
	}
	if c.turn() {
		any = true
	}
	if c.receive(1 << 30) {
		any = true
	}
	if c.poll() {
		any = true
	}
	return any
}

// checkRest checks that a client has everything.
func (c *modelClient) checkRest() {
	for id, a := range c.asked {
		c.failf("command %d, %s of %s, has no reply", id, a.verb, a.channel)
	}
	if len(c.again) > 0 {
		c.failf("%d publications have no reply", len(c.again))
	}
	accounts := []*account{}
	for _, a := range c.accounts {
		accounts = append(accounts, a)
	}
	if c.messages != nil && !c.messages.position.IsZero() {
		accounts = append(accounts, c.messages)
	}
	for _, a := range accounts {
		top := c.r.top(a.channel)
		if !a.isOpen || a.position.Epoch != top.Epoch {
			c.failf("%s ends at %v, open: %v, and the newest is %v", a.channel, a.position, a.isOpen, top)
			continue
		}
		for _, p := range c.r.truth(a.channel, top.Epoch).after(a.position.Offset) {
			if !c.isOwn(a, &p) {
				c.failf("%s ends at %v, and the newest is %v", a.channel, a.position, top)
				break
			}
		}
	}
}
