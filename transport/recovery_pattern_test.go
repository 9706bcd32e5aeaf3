package transport

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// patternNames are channels that clients have by patterns alone, and modelPatterns
// those; both match all of them.
var (
	patternNames  = []string{"p/x", "p/y", "p/z"}
	modelPatterns = []string{"p/*", "p/**"}
)

// patternAccount is what a client knows of a subscription to a pattern (docs/protocol.md
// §5.5).
type patternAccount struct {
	pattern string
	vector  string // the newest, "" while there is none
	isOpen  bool   // on this connection
	known   map[string]patternKnown
	begun   int         // the place among patterns that have begun; more than any while it has not
	given   *hub.Vector // with which it went on, on this connection or the one before; nil for none
}

// patternKnown is how far a client has come in a channel of a pattern.
type patternKnown struct {
	position hub.Position
	isTold   bool // by the server; else it is what was newest when the subscription was known to have begun
}

// askPattern subscribes to a pattern, or ends that.
func (c *modelClient) askPattern() {
	if len(c.asked) > 40 || !c.isUp() {
		return
	}
	name := modelPatterns[c.r.roll(len(modelPatterns))]
	a := c.patterns[name]
	switch {
	case a == nil:
		a = &patternAccount{pattern: name, known: make(map[string]patternKnown), begun: math.MaxInt}
		c.patterns[name] = a
		c.say(c.subscribePattern(a))
	case a.isOpen && c.r.isOne(4) && !c.isLeaving(name):
		id := c.next()
		c.asked[id] = &askedModel{verb: "unsubscribe", channel: name, pattern: a}
		c.say(fmt.Sprintf(`{"id":%d,"unsubscribe":{"channel":%q}}`, id, name))
	}
}

// subscribePattern is the command that asks for a pattern from where the client is.
func (c *modelClient) subscribePattern(a *patternAccount) string {
	id := c.next()
	c.asked[id] = &askedModel{verb: "subscribe", channel: a.pattern, pattern: a, isAgain: a.vector != ""}
	options := ""
	if a.vector != "" {
		options = fmt.Sprintf(`,"since":%q`, a.vector)
		a.given, _ = hub.ParseVector(a.vector)
	}
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q%s}}`, id, a.pattern, options)
}

// resubscribePatterns are the commands that ask for all patterns again, in the order in
// which they have begun (docs/protocol.md §6.2): what a later one has begun with is newer
// than what the earlier ones may still be owed.
func (c *modelClient) resubscribePatterns() (lines []string) {
	accounts := slices.Collect(maps.Values(c.patterns))
	slices.SortFunc(accounts, func(a, b *patternAccount) int {
		return cmp.Or(cmp.Compare(a.begun, b.begun), cmp.Compare(a.pattern, b.pattern))
	})
	for _, a := range accounts {
		lines = append(lines, c.subscribePattern(a))
	}
	return lines
}

// patternSubscribed takes the reply.
func (c *modelClient) patternSubscribed(asked *askedModel, ok *heardReply) {
	a := asked.pattern
	switch {
	case a.isOpen:
		c.failf("%s is subscribed to twice", a.pattern)
	case ok.Vector == "":
		c.failf("a subscription to %s has no vector", a.pattern)
	}
	a.isOpen, a.vector = true, ok.Vector
	c.opened++
	if !asked.isAgain {
		c.begun++
		a.begun = c.begun
		c.expectFromNow(a)
	}
}

// expectFromNow notes that everything is owed from the newest publication on, or from before.
func (c *modelClient) expectFromNow(a *patternAccount) {
	for _, name := range patternNames {
		a.known[name] = patternKnown{position: c.r.top(name)}
	}
}

// setVector takes a newer vector.
func (c *modelClient) setVector(v *heardVector) {
	a := c.patterns[v.Channel]
	if a == nil || !a.isOpen {
		c.failf("a vector of %s, which is not subscribed to", v.Channel)
		return
	}
	a.vector = v.Vector
}

// clear removes the history of a channel that patterns match.
func (r *recoveryRun) clear(name string) {
	r.notef("the history of %s is cleared", name)
	top := r.top(name)
	r.cleared[name+" "+top.Epoch] = top.Offset
	_ = r.broker.Clear(context.Background(), name)
}

func isPatternName(channel string) bool { return slices.Contains(patternNames, channel) }

// openPatterns are the patterns that are subscribed to on this connection.
func (c *modelClient) openPatterns() (open []*patternAccount) {
	for _, name := range slices.Sorted(maps.Keys(c.patterns)) {
		if a := c.patterns[name]; a.isOpen {
			open = append(open, a)
		}
	}
	return open
}

// patternPublication checks a publication in a channel that patterns match.
func (c *modelClient) patternPublication(p *heardPublication) {
	open := c.openPatterns()
	if len(open) == 0 {
		c.failf("something of %s, which no subscription matches", p.Channel)
		return
	}
	l := c.r.truth(p.Channel, p.Position.Epoch)
	after := l.after(p.Position.Offset - 1)
	if len(after) == 0 || after[0].offset != p.Position.Offset || after[0].wire != string(p.Data) || after[0].key != p.Key {
		c.failf("%v of %s is %s, which is not so", p.Position, p.Channel, p.Data)
		return
	}
	// What came after a vector comes again when that is given, once for each pattern.
	at := fmt.Sprint(p.Channel, " ", p.Position)
	if c.times[at]++; c.times[at] > c.opened {
		c.failf("%v of %s comes %d times on a connection on which %d subscriptions began", p.Position, p.Channel, c.times[at], c.opened)
	}
	c.r.heard.matched++
	wasTold := false
	for _, a := range open {
		wasTold = wasTold || a.known[p.Channel].isTold
		c.advance(a, p)
	}
	c.share(p.Channel, p.Position, wasTold)
}

// missing is the first offset between two positions of an epoch that a pattern owes, 0 if
// there is none.
func (c *modelClient) missing(a *patternAccount, channel string, after, before hub.Position) uint64 {
	for _, p := range c.r.truth(channel, before.Epoch).after(after.Offset) {
		if p.offset >= before.Offset {
			break
		}
		if !a.isGiven(channel) && p.offset <= c.r.cleared[channel+" "+before.Epoch] {
			continue // it was removed before the vector knew anything of the channel
		}
		return p.offset
	}
	return 0
}

// isGiven reports whether the vector with which a pattern went on has a channel.
func (a *patternAccount) isGiven(channel string) bool {
	if a.given == nil {
		return false
	}
	_, ok := a.given.Positions[channel]
	return ok
}

// share notes a position for patterns that are not subscribed to again yet: a client has
// one position of a channel.
func (c *modelClient) share(channel string, at hub.Position, wasTold bool) {
	for _, a := range c.patterns {
		before := a.known[channel]
		if a.isOpen || before.position.Epoch == at.Epoch && before.position.Offset >= at.Offset {
			continue
		}
		isNext := before.position.Epoch == at.Epoch && c.missing(a, channel, before.position, at) == 0
		if wasTold || isNext {
			a.known[channel] = patternKnown{at, true}
		}
	}
}

// advance notes a publication for a pattern, behind which none is missing.
func (c *modelClient) advance(a *patternAccount, p *heardPublication) {
	before := a.known[p.Channel]
	isNew := before.position.Epoch != p.Position.Epoch
	switch {
	case isNew && before.isTold:
		c.failf("%v of %s comes after %v, without a gap", p.Position, p.Channel, before.position)
		return
	case isNew: // the channel has begun anew, and the client had nothing of it
	case p.Position.Offset <= before.position.Offset:
		return
	default:
		if missed := c.missing(a, p.Channel, before.position, p.Position); missed > 0 {
			c.failf("%v of %s comes after %v for %s, and %d did not", p.Position, p.Channel, before.position, a.pattern, missed)
			return
		}
	}
	a.known[p.Channel] = patternKnown{p.Position, true}
}

// patternGap checks a gap of a channel that patterns match, or of a pattern.
func (c *modelClient) patternGap(g *heardGap) {
	if a := c.patterns[g.Channel]; a != nil {
		if !a.isOpen || !g.To.IsZero() {
			c.failf("a gap of %s to %v, open: %v", g.Channel, g.To, a.isOpen)
			return
		}
		c.r.heard.unnamed++
		if c.r.node == 1 && !c.r.isLate && len(c.r.cleared) == 0 && c.r.retention.Count >= 1000 && c.r.retention.Age >= time.Minute && time.Since(c.r.began) < time.Minute {
			c.failf("%s has a gap of which the channels are not known, and nothing was lost", g.Channel)
		}
		c.expectFromNow(a) // publications behind the gap come
		return
	}
	open := c.openPatterns()
	if len(open) == 0 {
		c.failf("a gap of %s, which no subscription matches", g.Channel)
		return
	}
	l := c.r.truth(g.Channel, g.To.Epoch)
	from := uint64(0)
	if g.From.Epoch == g.To.Epoch {
		from = g.From.Offset
	}
	for _, a := range open { // what came before anybody had the channel is not meant
		if known := a.known[g.Channel].position; g.From.IsZero() && known.Epoch == g.To.Epoch {
			from = max(from, known.Offset)
		}
	}
	missed := l.after(min(from, g.To.Offset))
	missed = missed[:len(missed)-len(l.after(g.To.Offset))]
	switch g.Reason {
	case "lost":
		begin, newest := c.r.broker.held(g.Channel)
		for _, p := range missed {
			if newest.Epoch == g.To.Epoch && p.offset > begin.Offset {
				c.failf("a gap of %s from %v to %v, and %d is held", g.Channel, g.From, g.To, p.offset)
				return
			}
		}
	case "expired":
		for _, p := range missed {
			if p.expires.IsZero() || time.Now().Before(p.expires) {
				c.failf("%d of %s has expired, as a gap from %v to %v says, and it has not", p.offset, g.Channel, g.From, g.To)
				return
			}
		}
	default:
		c.failf("a gap of %s from %v to %v has the reason %q", g.Channel, g.From, g.To, g.Reason)
		return
	}
	if g.Count > len(missed) && !g.From.IsZero() && g.From.Epoch == g.To.Epoch {
		c.failf("a gap of %s from %v to %v has %d, and there are %d", g.Channel, g.From, g.To, g.Count, len(missed))
	}
	for _, a := range open {
		before := a.known[g.Channel]
		isLess := before.position.Epoch == g.To.Epoch && g.To.Offset <= before.position.Offset
		if before.isTold && !g.From.IsZero() && g.From.Epoch == before.position.Epoch && g.From.Offset > before.position.Offset {
			from := g.From
			from.Offset++
			if c.missing(a, g.Channel, before.position, from) > 0 {
				c.failf("a gap of %s from %v, and %s was at %v", g.Channel, g.From, a.pattern, before.position)
				return
			}
		}
		if !isLess {
			a.known[g.Channel] = patternKnown{g.To, true}
		}
	}
	c.share(g.Channel, g.To, !g.From.IsZero())
}

// checkPatternsRest checks that a client has everything that its patterns match.
func (c *modelClient) checkPatternsRest() {
	for _, a := range c.patterns {
		if !a.isOpen {
			c.failf("%s is not open when everything is at rest", a.pattern)
			continue
		}
		for _, name := range patternNames {
			top, known := c.r.top(name), a.known[name]
			from := known.position.Offset
			if known.position.Epoch != top.Epoch {
				from = 0
				if !known.isTold {
					continue // there was another node, and the client had nothing of the channel before
				}
			}
			if !a.isGiven(name) {
				from = max(from, c.r.cleared[name+" "+top.Epoch])
			}
			if missed := c.r.truth(name, top.Epoch).after(from); len(missed) > 0 {
				c.failf("%s ends at %v of %s, and the newest is %v", a.pattern, known.position, name, top)
			}
		}
	}
}
