package roster

import (
	"context"
	"encoding/binary"
	"slices"
	"time"
)

// checkTimeout is how long a node may take to name the missed changes, and checkAgain how long it is
// left alone when it has not.
const (
	checkTimeout = 5 * time.Second
	checkAgain   = 2 * time.Second
)

// alive are the nodes that are.
func (r *Roster) alive() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := make([]string, 0, len(r.peers))
	for id := range r.peers {
		nodes = append(nodes, id)
	}
	slices.Sort(nodes)
	return nodes
}

// heardNote is called with what the heartbeat of another node says, see Note.
func (r *Roster) heardNote(node string, b []byte) {
	note, size := binary.Uvarint(b)
	r.mu.Lock()
	p := r.peers[node]
	isDue := false
	if p != nil && size > 0 {
		p.number = note
		isDue = note > p.checked && !p.isChecking && !p.isDoubted && time.Since(p.checkedAt) >= checkInterval
	}
	r.mu.Unlock()
	if isDue {
		r.doubt(node, 0)
	}
}

// doubt has a node asked for its missed changes, or all of them if node is "", after a delay.
func (r *Roster) doubt(node string, delay time.Duration) {
	nodes := []string{node}
	if node == "" {
		nodes = r.alive()
	}
	for _, id := range nodes {
		r.mu.Lock()
		p := r.peers[id]
		isNew := p != nil && !p.isDoubted
		if isNew {
			p.isDoubted = true
		}
		r.mu.Unlock()
		if isNew {
			r.plan.after(delay, func() { r.beginCheck(p) })
		}
	}
}

// beginCheck asks p, unless it is being asked: then again, afterwards.
func (r *Roster) beginCheck(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.peers[p.id] != p || p.isChecking || !p.isDoubted {
		return
	}
	p.isChecking, p.isDoubted = true, false
	r.tasks.add(func(ctx context.Context) { r.endCheck(p, r.check(ctx, p)) })
}

func (r *Roster) endCheck(p *peer, isDone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.isChecking, p.checkedAt = false, time.Now()
	if !isDone {
		p.isDoubted = true
	}
	if p.isDoubted && r.peers[p.id] == p {
		delay := missedDelay
		if !isDone {
			delay = checkAgain
		}
		r.plan.after(delay, func() { r.beginCheck(p) })
	}
}

// check asks a node of everything that is known of it. It returns false if it did not answer.
func (r *Roster) check(ctx context.Context, p *peer) bool {
	type asked struct {
		channel *channel
		known
	}
	r.mu.Lock()
	loads := p.loads
	r.mu.Unlock()
	var list []asked
	for _, c := range r.kept() {
		if number, ok := c.knownOf(p.id); ok {
			list = append(list, asked{c, known{c.name, number}})
		}
	}
	r.mu.Lock()
	asOf := p.number // if there is nothing, nothing was missed
	r.mu.Unlock()
	for isFirst := true; len(list) > 0; isFirst = false {
		bytes, n := 0, 0
		var query []known
		for n < len(list) && bytes < pageBytes {
			query = append(query, list[n].known)
			bytes += len(list[n].known.channel) + 12
			n++
		}
		limited, cancel := context.WithTimeout(ctx, checkTimeout)
		data, err := r.node.Ask(limited, p.id, askCheck, appendCheckQuery(nil, query))
		cancel()
		if err != nil {
			r.log.Debug("a node has not said what was missed of it", "node", p.id, "error", err)
			return false
		}
		answer, err := parseCheck(data)
		if err != nil {
			r.log.Warn("a node has an answer that cannot be read", "node", p.id, "error", err)
			return false
		}
		r.traffic.checked.Add(1)
		if isFirst || answer.asOf < asOf {
			asOf = answer.asOf
		}
		news := make(map[string]uint64, len(answer.news))
		for _, k := range answer.news {
			news[k.channel] = k.number
		}
		for _, a := range list[:n] {
			number, isNews := news[a.known.channel]
			a.channel.checked(p.id, a.number, answer.asOf, number, isNews)
		}
		list = list[n:]
	}
	r.mu.Lock()
	if p.loads == loads { // else something was left out
		p.checked = max(p.checked, asOf)
	}
	r.mu.Unlock()
	return true
}

// uncheck notes that something of a node is known as of the number asOf of its changes only: a
// check that was made meanwhile has left it out.
func (r *Roster) uncheck(node string, asOf uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.peers[node]; p != nil {
		p.checked = min(p.checked, asOf)
		p.loads++
	}
}

// knownOf is how far a node's members are known. It returns false if they are being loaded,
// or the channel is no matter.
func (c *channel) knownOf(node string) (number uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || c.stop == nil {
		return 0, false
	}
	s := c.sources[node]
	switch {
	case s == nil:
		return unknown, true
	case s.state == isKnown:
		return s.number, true
	case s.state == isUnknown && s.tries > 0:
		return unknown, true
	}
	return 0, false
}

// checked is told what a node has said of a channel, of which as much as before was known:
// as of the number asOf of all its changes, nothing else, or that it is at number.
func (c *channel) checked(node string, before, asOf, number uint64, isNews bool) {
	isAlive := c.r.isAlive(node)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || !isAlive {
		return
	}
	s := c.sources[node]
	if s == nil {
		s = &source{node: node}
		c.sources[node] = s
	}
	switch {
	case s.state == isLoading:
	case !isNews && s.state == isUnknown && before == unknown:
		s.state, s.tries = isKnown, 0
		s.number, s.seen = 0, asOf
	case s.state == isUnknown:
		c.reload(s)
	case isNews:
		// The changes that it names may be on their way.
		c.r.plan.after(arriveFor, func() { c.verify(s, asOf, number) })
	}
}

// verify loads the changes that have not come.
func (c *channel) verify(s *source, asOf, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || c.sources[s.node] != s || s.state != isKnown || s.number == number || s.seen > asOf {
		return
	}
	c.r.traffic.missed.Add(1)
	c.reload(s)
}

// giveCheck answers another node that asks for missed changes.
func (r *Roster) giveCheck(_ context.Context, _ string, data []byte) ([]byte, error) {
	r.asked.Store(time.Now().UnixNano())
	list, err := parseCheckQuery(data)
	if err != nil {
		return nil, err
	}
	answer := check{asOf: r.mirror.Number()}
	for _, k := range list {
		count, number := r.mirror.OwnCount(k.channel)
		isSame := number == k.number
		if k.number == unknown || number == 0 && k.number == 0 {
			isSame = number == 0 && count == 0
		}
		if !isSame {
			answer.news = append(answer.news, known{k.channel, number})
		}
	}
	return appendCheck(nil, &answer), nil
}
