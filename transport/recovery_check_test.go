package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// heardObject is whatever a server sends.
type heardObject struct {
	ID    uint64
	OK    *heardReply
	Error *struct{ Type, Detail string }

	heardPublication
	Gap     *heardGap
	Message *heardPublication
	Vector  *heardVector

	Join, Leave, Presence *heardChanges

	End *struct {
		Code      int
		Reconnect bool
	}
}

type heardVector struct{ Channel, Vector string }

type heardReply struct {
	Session, Secret, User string
	Resumed               bool
	Position              hub.Position
	Duplicate             bool
	Publications          []heardPublication
	Gap                   *heardGap
	Count                 int
	From                  hub.Position
	SHA256                string
	Version               uint64
	Members               []heardMember
	Cursor                string
	Vector                string
}

type heardPublication struct {
	Channel  string
	Position hub.Position
	Key      string
	Data     json.RawMessage
}

type heardGap struct {
	Channel  string
	From, To hub.Position
	Reason   string
	Count    int
}

// hear takes one object.
func (c *modelClient) hear(object []byte) {
	var o heardObject
	if err := json.Unmarshal(object, &o); err != nil {
		c.failf("heard %q: %v", object, err)
		return
	}
	c.notef("hears %s", object)
	switch {
	case o.OK != nil || o.Error != nil:
		c.r.heard.replies++
		c.reply(&o, object)
	case o.Gap != nil:
		c.r.heard.gaps++
		if c.patterns[o.Gap.Channel] != nil || isPatternName(o.Gap.Channel) {
			c.patternGap(o.Gap)
		} else if a := c.accountOf(o.Gap.Channel); a != nil {
			c.gap(a, o.Gap)
		}
	case o.Message != nil:
		c.r.heard.messages++
		if o.Message.Channel != "@"+c.user {
			c.failf("a message in %s", o.Message.Channel)
			return
		}
		if c.messages == nil {
			c.messages = &account{channel: o.Message.Channel, self: true, isOpen: true}
		}
		c.publication(c.messages, o.Message)
	case o.Vector != nil:
		c.setVector(o.Vector)
	case o.Join != nil:
		c.changed(o.Join, "join")
	case o.Leave != nil:
		c.changed(o.Leave, "leave")
	case o.Presence != nil:
		c.changed(o.Presence, "presence")
	case o.Channel != "":
		c.r.heard.publications++
		if isPatternName(o.Channel) {
			c.patternPublication(&o.heardPublication)
		} else if a := c.accountOf(o.Channel); a != nil {
			c.publication(a, &o.heardPublication)
		}
	case o.End != nil:
		if o.End.Code != 4409 {
			c.hasEnded = true
		}
	}
}

// accountOf returns that of a channel that is subscribed to.
func (c *modelClient) accountOf(channel string) *account {
	if channel == "@"+c.user {
		if c.messages == nil {
			c.messages = &account{channel: channel, self: true, isOpen: true}
		}
		return c.messages
	}
	a := c.accounts[channel]
	if a == nil || !a.isOpen {
		c.failf("something of %s, which is not subscribed to", channel)
		return nil
	}
	return a
}

// isOwn reports whether the client has wanted not to have p.
func (c *modelClient) isOwn(a *account, p *truePublication) bool {
	return !a.self && p.publisher != "" && p.publisher == c.id
}

func (c *modelClient) publication(a *account, p *heardPublication) {
	l := c.r.truth(a.channel, p.Position.Epoch)
	after := l.after(p.Position.Offset - 1)
	if len(after) == 0 || after[0].offset != p.Position.Offset || after[0].wire != string(p.Data) || after[0].key != p.Key {
		c.failf("%v of %s is %s, which is not so", p.Position, a.channel, p.Data)
		return
	}
	if c.isOwn(a, &after[0]) {
		c.failf("%v of %s is its own", p.Position, a.channel)
	}
	before := a.position
	a.position = p.Position
	switch {
	case before.IsZero() && a == c.messages:
		return
	case before.Epoch != p.Position.Epoch:
		c.failf("%v of %s comes after %v, without a gap", p.Position, a.channel, before)
	case p.Position.Offset <= before.Offset:
		c.failf("%v of %s comes after %v", p.Position, a.channel, before)
	}
	for _, missed := range l.after(before.Offset) {
		if missed.offset >= p.Position.Offset {
			break
		}
		if !c.isOwn(a, &missed) {
			c.failf("%v of %s comes after %v, and %d did not", p.Position, a.channel, before, missed.offset)
			return
		}
	}
}

func (c *modelClient) gap(a *account, g *heardGap) {
	before := a.position
	isFrom := g.From == before || a == c.messages && before.IsZero()
	if !isFrom && g.From.Epoch == before.Epoch && g.From.Offset > before.Offset {
		isFrom = true // its own publications are passed over
		for _, p := range c.r.truth(a.channel, before.Epoch).after(before.Offset) {
			isFrom = isFrom && (p.offset > g.From.Offset || c.isOwn(a, &p))
		}
	}
	if !isFrom {
		c.failf("a gap of %s from %v, and it was at %v", a.channel, g.From, before)
	}
	if g.To == before || g.To.Epoch == before.Epoch && g.To.Offset < before.Offset {
		c.failf("a gap of %s from %v to %v", a.channel, g.From, g.To)
	}
	a.position = g.To
	from := uint64(0)
	switch {
	case before.Epoch == g.To.Epoch:
		from = before.Offset
	case before.IsZero() && g.From.Epoch == g.To.Epoch:
		from = g.From.Offset // what came before the first message is not known
	}
	missed := c.r.truth(a.channel, g.To.Epoch).after(from)
	missed = missed[:len(missed)-len(c.r.truth(a.channel, g.To.Epoch).after(g.To.Offset))]
	switch g.Reason {
	case "lost":
		// Publications held now were held when the gap was found.
		begin, newest := c.r.broker.held(a.channel)
		for _, p := range missed {
			if newest.Epoch == g.To.Epoch && p.offset > begin.Offset {
				c.failf("a gap of %s from %v to %v, and %d is held", a.channel, g.From, g.To, p.offset)
				return
			}
		}
	case "expired":
		c.r.heard.expired++
		for _, p := range missed {
			if !c.isOwn(a, &p) && (p.expires.IsZero() || time.Now().Before(p.expires)) {
				c.failf("%d of %s has expired, as a gap from %v to %v says, and it has not", p.offset, a.channel, g.From, g.To)
				return
			}
		}
	default:
		c.leftOut(a, g, missed)
	}
	if g.Count > len(missed) {
		c.failf("a gap of %s from %v to %v has %d, and there are %d", a.channel, g.From, g.To, g.Count, len(missed))
	}
}

// leftOut checks a gap of what was left out on purpose.
func (c *modelClient) leftOut(a *account, g *heardGap, missed []truePublication) {
	policy := c.r.policies[a.channel]
	if policy == nil {
		policy = &hub.Policy{}
	}
	c.r.heard.leftOut++
	isReplaced := false
	switch {
	case g.Reason == "dropped" && (policy.Slow == hub.DropOldest || policy.Slow == hub.Conflate):
	case g.Reason == "conflated" && policy.Slow == hub.Conflate, g.Reason == "rate" && (a.rate > 0 || policy.Rate > 0):
		isReplaced = c.r.queueMax > 100 // else the oldest are left out, too
	default:
		c.failf("a gap of %s from %v to %v has the reason %q", a.channel, g.From, g.To, g.Reason)
		return
	}
	newer := c.r.truth(a.channel, g.To.Epoch)
	for _, p := range missed {
		hasNewer := slices.ContainsFunc(newer.after(p.offset), func(q truePublication) bool { return q.key == p.key })
		if isReplaced && !hasNewer && !c.isOwn(a, &p) {
			c.failf("%d of %s is left out because of a newer one, as a gap from %v to %v says, and there is none", p.offset, a.channel, g.From, g.To)
			return
		}
	}
}

// reply takes the reply to a command.
func (c *modelClient) reply(o *heardObject, object []byte) {
	asked := c.asked[o.ID]
	if asked == nil {
		if o.ID == 0 && strings.HasSuffix(o.Error.Type, "/not-connected") {
			return // connect came too late
		}
		// Replies to commands of an earlier connection mean nothing any more.
		if o.ID == 0 || o.ID > c.connect || c.connect == 0 {
			c.failf("%s is no reply to anything", object)
		}
		return
	}
	delete(c.asked, o.ID)
	if o.Error != nil {
		c.failure(asked, o)
		return
	}
	switch asked.verb {
	case "connect":
		c.greeted(o.OK)
	case "subscribe":
		if asked.pattern != nil {
			c.patternSubscribed(asked, o.OK)
		} else {
			c.subscribed(asked, o.OK)
		}
	case "unsubscribe":
		delete(c.accounts, asked.channel)
		delete(c.patterns, asked.channel)
	case "publish":
		c.published(asked.own, o.OK.Position)
	case "history":
		c.history(asked, o.OK)
	case "presence":
		c.members(asked, o.OK)
	case "digest":
		c.digest(asked, o.OK)
	}
}

func (c *modelClient) failure(asked *askedModel, o *heardObject) {
	problem := o.Error.Type[strings.LastIndexByte(o.Error.Type, '/')+1:]
	isOver := problem == "shutdown" || problem == "unavailable" || problem == "shutting-down"
	switch {
	case isOver:
	case problem == "forbidden" && asked.verb == "publish":
	case c.r.isLate && (problem == "broker-unavailable" || problem == "broker"):
	default:
		c.failf("%s of %s fails: %s %s", asked.verb, asked.channel, problem, o.Error.Detail)
	}
	switch asked.verb {
	case "publish":
		c.done(asked.own)
	case "subscribe":
		delete(c.accounts, asked.channel)
		delete(c.patterns, asked.channel)
	}
}

func (c *modelClient) greeted(ok *heardReply) {
	if ok.Resumed && ok.Session != c.id {
		c.failf("session %s goes on as %s", c.id, ok.Session)
	}
	if !ok.Resumed && c.mustResume && c.wroteAt.Sub(c.heardAt) < DefaultSessionTimeout {
		c.failf("a session that has to be there does not go on")
	}
	if ok.Resumed {
		c.r.heard.resumed++
	} else {
		c.r.heard.begun++
		c.hasEnded = false
	}
	c.id, c.secret, c.node, c.isConnected, c.heardAt = ok.Session, ok.Secret, c.via, true, c.wroteAt
	for _, line := range c.outbox {
		c.posts = append(c.posts, []byte(line))
	}
	c.outbox = nil
}

func (c *modelClient) subscribed(asked *askedModel, ok *heardReply) {
	a := asked.account
	if a.isOpen {
		c.failf("%s is subscribed to twice", a.channel)
	}
	a.isOpen = true
	if a.presence {
		c.readRoster(a)
	}
	if !asked.since.IsZero() {
		if ok.Position != asked.since {
			c.failf("a subscription since %v begins at %v", asked.since, ok.Position)
		}
		return
	}
	a.position = ok.Position
	if asked.last == 0 && ok.Position.Epoch == asked.top.Epoch && ok.Position.Offset < asked.top.Offset {
		c.failf("a subscription to %s begins at %v, and when it was asked for that was at %v", a.channel, ok.Position, asked.top)
	}
	if l := c.r.truth(a.channel, ok.Position.Epoch); asked.last > 0 && ok.Position.Epoch == asked.top.Epoch {
		n := 0
		for _, p := range l.after(ok.Position.Offset) {
			if p.offset <= asked.top.Offset {
				n++
			}
		}
		if n > asked.last {
			c.failf("a subscription to the last %d of %s begins at %v, %d before %v", asked.last, a.channel, ok.Position, n, asked.top)
		}
	}
}

func (c *modelClient) published(own *ownPublication, at hub.Position) {
	c.done(own)
	if own.sent > 1 {
		c.r.heard.repeated++
	}
	after := c.r.truth(own.channel, at.Epoch).after(at.Offset - 1)
	if len(after) == 0 || after[0].offset != at.Offset || after[0].raw != own.raw {
		c.failf("its %s was published at %v, which is not so", own.raw, at)
	}
}

func (c *modelClient) done(own *ownPublication) {
	c.again = slices.DeleteFunc(c.again, func(o *ownPublication) bool { return o == own })
}

func (c *modelClient) history(asked *askedModel, ok *heardReply) {
	l := c.r.truth(asked.channel, ok.Position.Epoch)
	from := asked.since
	if ok.Gap != nil {
		if ok.Gap.From != asked.since {
			c.failf("history since %v has a gap from %v", asked.since, ok.Gap.From)
		}
		from = ok.Gap.To
	}
	for i, p := range ok.Publications {
		after := l.after(p.Position.Offset - 1)
		if len(after) == 0 || after[0].offset != p.Position.Offset || after[0].wire != string(p.Data) {
			c.failf("history has %v as %s, which is not so", p.Position, p.Data)
			return
		}
		if i == 0 && from.IsZero() {
			from = p.Position
			continue
		}
		if next := l.after(from.Offset); from.Epoch != p.Position.Epoch || len(next) == 0 || next[0].offset != p.Position.Offset {
			c.failf("history has %v behind %v", p.Position, from)
			return
		}
		from = p.Position
	}
	if asked.since.IsZero() && len(ok.Publications) > asked.last {
		c.failf("history has %d, and the last %d were asked for", len(ok.Publications), asked.last)
	}
}

func (c *modelClient) digest(asked *askedModel, ok *heardReply) {
	h := sha256.New()
	n := 0
	for _, p := range c.r.truth(asked.channel, ok.Position.Epoch).after(ok.From.Offset - 1) {
		if p.offset > ok.Position.Offset || ok.Count == 0 {
			break
		}
		n++
		raw := p.raw
		if strings.HasPrefix(raw, "{") { // JSON, as it stands in an envelope
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(raw)); err == nil {
				raw = compact.String()
			}
		}
		fmt.Fprintf(h, "%s:%d\x00%d\x00%s", ok.Position.Epoch, p.offset, len(raw), raw)
	}
	if n != ok.Count || hex.EncodeToString(h.Sum(nil)) != ok.SHA256 {
		c.failf("the digest of %d of %s is another one: %d, %s", n, asked.channel, ok.Count, ok.SHA256)
	}
}
