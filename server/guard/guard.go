package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// Settings are what a Guard decides by. They are not modified once in use.
type Settings struct {
	Identities *identity.Identities // nil: everybody may do everything, except in closed channels
	Hooks      *hooks.Hooks         // nil: the application is not asked
	Policies   *Policies
	Limits     Limits

	// Forward names the header fields of requests that the hooks hand on.
	Forward []string

	users users
}

// isOpen reports whether everybody may do everything, except in closed channels.
func (s *Settings) isOpen() bool {
	return (s.Identities == nil || s.Identities.IsOpen()) && (s.Hooks == nil || !s.Hooks.Asks())
}

// Options are the same as long as a Guard lasts. The zero value works.
type Options struct {
	// Address is that of the client behind a request, which may have come through
	// proxies. It is invalid for a client of this machine that has none, and
	// unspecified (0.0.0.0) for one of which it is not known. Default: that of the
	// connection.
	Address func(*transport.Request) netip.Addr

	// Keyed reports whether the client of a request shows the key of an app, which its
	// protocol looks at: neither tokens nor the hook connect count there. It must be quick
	// and must not block. Default: none does.
	Keyed func(*transport.Request) bool

	// Refused is told of every refusal: of which action, 0 for none yet, and why. It
	// must be quick and must not block.
	Refused func(access.Action, access.Cause)

	// RefusedTo is told of every refusal of an act: the client, the act and the reason. It must be
	// quick, must not block, and must not keep what it is given.
	RefusedTo func(c *transport.Client, act *transport.Act, why *access.Refusal)

	// Limited is told of every refusal because of a limit: which of LimitKinds. It
	// must be quick and must not block.
	Limited func(kind string)

	// UserCounted is told of every connection and request of a user that begins, with 1, and that has
	// ended, with -1; UserElsewhere is how many the user has on other nodes, as far as is known. Both must
	// be quick and must not block. Default: there are no other nodes.
	UserCounted   func(user string, n int)
	UserElsewhere func(user string) int

	// Verified is told of every token or key that was shown: which of Verifications it
	// came to. It must be quick and must not block.
	Verified func(outcome string)

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Guard is a transport.Guard. Make it with New.
type Guard struct {
	o        Options
	settings atomic.Pointer[Settings]
	limiter  limiter
}

// New returns a Guard that decides by s.
func New(o Options, s *Settings) *Guard {
	if o.Address == nil {
		o.Address = func(r *transport.Request) netip.Addr { return r.RemoteAddr().Addr() }
	}
	if o.Keyed == nil {
		o.Keyed = func(*transport.Request) bool { return false }
	}
	if o.Refused == nil {
		o.Refused = func(access.Action, access.Cause) {}
	}
	if o.RefusedTo == nil {
		o.RefusedTo = func(*transport.Client, *transport.Act, *access.Refusal) {}
	}
	if o.Verified == nil {
		o.Verified = func(string) {}
	}
	if o.Limited == nil {
		o.Limited = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Guard{o: o, limiter: newLimiter(o.Limited)}
	if o.UserCounted != nil {
		g.limiter.counted = o.UserCounted
	}
	if o.UserElsewhere != nil {
		g.limiter.elsewhere = o.UserElsewhere
	}
	g.settings.Store(s)
	return g
}

// Replace has the Guard decide by s from now on, and returns what it decided by, of
// which Unused says when it can be closed. It is asked about each message of a socket;
// for what else was decided there is Stands.
func (g *Guard) Replace(s *Settings) *Settings { return g.settings.Swap(s) }

// Settings are what the Guard decides by.
func (g *Guard) Settings() *Settings { return g.settings.Load() }

// state is what the Guard knows of a client, as its Client.State.
type state struct {
	rate    *ratelimit.Bucket      // of its publications
	isLocal bool                   // no rates hold for it
	counted atomic.Pointer[string] // the user under which it was counted, nil if it was not
	fields  [][2]string            // of its request, for hooks
}

// IsOpenTo implements transport.OpenGuard: clients of this machine may do everything where
// nothing is configured that says otherwise, except in closed channels.
func (g *Guard) IsOpenTo(r *transport.Request) bool {
	return g.settings.Load().isOpen() && isLocal(g.address(r)) && isOnlyOpen(r.Path())
}

// address is where the client of r is.
func (g *Guard) address(r *transport.Request) netip.Addr { return g.o.Address(r).Unmap().WithZone("") }

// Identify implements transport.Guard.
func (g *Guard) Identify(r *transport.Request, done func(*transport.Client, error)) {
	s := g.use()
	answered := func(c *transport.Client, err error) {
		s.users.leave()
		done(c, err)
	}
	g.identify(s, r, answered)
}

func (g *Guard) identify(s *Settings, r *transport.Request, done func(*transport.Client, error)) {
	c := &transport.Client{Address: g.address(r)}
	own := &state{isLocal: isLocal(c.Address), rate: new(ratelimit.Bucket)}
	c.State = own
	if !own.isLocal {
		if refusal := g.limiter.request(g.o.Now(), c.Address, r.IsUpgrade(), &s.Limits); refusal != nil {
			g.refuse(done, refusal)
			return
		}
	}
	if own.isLocal && s.isOpen() && isOnlyOpen(r.Path()) {
		done(nil, nil) // nothing is guarded
		return
	}
	own.fields = pick(r, s.Forward)
	if s.isOpen() {
		g.welcome(s, c, access.Everybody, nil, done)
		return
	}
	if g.o.Keyed(r) {
		g.welcome(s, c, keyed, nil, done)
		return
	}
	var asks *hooks.ConnectRequest
	if s.Hooks.AsksConnect() {
		asks = &hooks.ConnectRequest{
			Path: strings.Clone(r.Path()), Query: WithoutToken(r.Query()), Address: addressText(c.Address), Fields: own.fields,
		}
	}
	s.Identities.Identify(r, func(id *access.Identity, err error) {
		g.verified(id, err)
		if err == nil && asks != nil && (id.Kind == access.Anonymous || id.Kind == access.Open) {
			s.Hooks.Connect(*asks, func(id *access.Identity, err error) { g.welcome(s, c, id, err, done) })
			return
		}
		g.welcome(s, c, id, err, done)
	})
}

// keyed is the identity of a client before its protocol says whose key it shows: it may do
// nothing.
var keyed = &access.Identity{Kind: access.Application}

// What a token or key that was shown came to.
const (
	Valid       = "valid"
	Invalid     = "invalid"
	Unavailable = "unavailable" // it is not known: the keys of its issuer cannot be had
)

// Verifications returns all of them. The caller owns the slice.
func Verifications() []string { return []string{Valid, Invalid, Unavailable} }

func (g *Guard) verified(id *access.Identity, err error) {
	var r *access.Refusal
	switch {
	case errors.As(err, &r) && r.Cause == access.Unavailable:
		g.o.Verified(Unavailable)
	case err != nil:
		g.o.Verified(Invalid)
	case id.Kind == access.Token || id.Kind == access.Key:
		g.o.Verified(Valid)
	}
}

// welcome ends Identify.
func (g *Guard) welcome(s *Settings, c *transport.Client, id *access.Identity, err error, done func(*transport.Client, error)) {
	if err != nil {
		g.refuse(done, err)
		return
	}
	c.Identity = id
	own := c.State.(*state)
	if id.User != "" && id.Kind != access.Key {
		if refusal := g.limiter.enter(id.User, &s.Limits); refusal != nil {
			g.refuse(done, refusal)
			return
		}
		own.counted.Store(&id.User)
	}
	done(c, nil)
}

func (g *Guard) refuse(done func(*transport.Client, error), err error) {
	g.count(0, err)
	done(nil, err)
}

// count tells of a refusal.
func (g *Guard) count(a access.Action, err error) {
	if r, ok := err.(*access.Refusal); ok {
		g.o.Refused(a, r.Cause)
	}
}

// tell tells of what was decided about an act, if it is a refusal.
func (g *Guard) tell(c *transport.Client, act *transport.Act, err error) {
	if r, ok := err.(*access.Refusal); ok {
		g.o.Refused(act.Action, r.Cause)
		g.o.RefusedTo(c, act, r)
	}
}

// Leave implements transport.Guard.
func (g *Guard) Leave(c *transport.Client) {
	if user := c.State.(*state).counted.Swap(nil); user != nil {
		g.limiter.leave(*user)
	}
}

// Authorize implements transport.Guard. The application decides where it is asked,
// for everybody but back ends; else grants and the rules of the channel do. Rates
// come last, so that an act that is not allowed uses nothing up.
func (g *Guard) Authorize(c *transport.Client, act *transport.Act, later func(error)) (decided bool, err error) {
	s := g.settings.Load()
	known, refusal := s.client(c)
	if refusal != nil {
		g.tell(c, act, refusal)
		return true, refusal
	}
	if refusal := s.refusePattern(known.Identity, act.Action, act.Channel); refusal != nil {
		g.tell(c, act, refusal)
		return true, refusal
	}
	c = known
	switch {
	case s.asksToRead(c.Identity, act.Action, act.Channel):
		if !s.users.enter() { // it was replaced this moment
			return g.Authorize(c, act, later)
		}
		own := c.State.(*state)
		s.Hooks.Subscribe(hooks.SubscribeRequest{
			Session: act.Session, Identity: c.Identity, Channel: act.Channel, Address: addressText(c.Address), Fields: own.fields,
		}, func(err error) {
			s.users.leave()
			g.tell(c, act, err)
			later(err)
		})
		return false, nil
	case s.asksToPublish(c.Identity, act.Action, act.Channel):
		if !s.users.enter() {
			return g.Authorize(c, act, later)
		}
		if err := g.limiter.publication(g.o.Now(), c, act, s); err != nil {
			s.users.leave()
			g.tell(c, act, err)
			return true, err
		}
		g.askPublish(s, c, act, later)
		return false, nil
	}
	err = g.decide(s, c, act)
	g.tell(c, act, err)
	return true, err
}

// asksToRead reports whether the application decides about a subscription, and about
// what shows the same of a channel to clients without grants that could exclude it.
// Back ends are not asked about.
func (s *Settings) asksToRead(id *access.Identity, a access.Action, channel string) bool {
	isRead := a == access.Subscribe || id.Kind == access.Open && (a == access.History || a == access.Presence)
	return isRead && id.Kind != access.Key && s.asksSubscribe(channel)
}

// asksSubscribe reports whether the application is asked about a channel, or about a
// pattern as a whole.
func (s *Settings) asksSubscribe(channel string) bool {
	if !access.IsPattern(channel) {
		return s.Hooks.AsksSubscribe(channel)
	}
	pattern, err := access.ParsePattern(channel)
	if err != nil {
		return false
	}
	all, _ := s.Hooks.AsksSubscribeAll(pattern)
	return all
}

// refusePattern refuses a pattern about a part of which the application decides: it can
// be asked about a channel, and about a pattern that is all its own.
func (s *Settings) refusePattern(id *access.Identity, a access.Action, channel string) *access.Refusal {
	if !access.IsPattern(channel) || id.Kind == access.Key || a == access.Answer { // grants alone decide about methods
		return nil
	}
	if a != access.Subscribe {
		return &access.Refusal{Cause: access.Denied, Reason: "a pattern can only be subscribed to; name one channel"}
	}
	pattern, err := access.ParsePattern(channel)
	if err != nil {
		return &access.Refusal{Cause: access.Denied, Reason: err.Error()}
	}
	if all, some := s.Hooks.AsksSubscribeAll(pattern); some && !all {
		return &access.Refusal{Cause: access.Denied, Reason: "the application decides about some channels that this pattern matches; subscribe to these by name, and to a pattern without them"}
	}
	return nil
}

// asksToPublish reports whether the application decides about a publication.
func (s *Settings) asksToPublish(id *access.Identity, a access.Action, channel string) bool {
	return a == access.Publish && id.Kind != access.Key && s.Hooks.AsksPublish(channel)
}

// client is c as the Settings know it by now.
func (s *Settings) client(c *transport.Client) (*transport.Client, *access.Refusal) {
	if s.isRevoked(c.Identity) {
		return nil, revoked()
	}
	id := s.current(c.Identity)
	switch id {
	case c.Identity:
		return c, nil
	case nil:
		return nil, unknownByNow()
	}
	return &transport.Client{Identity: id, Address: c.Address, State: c.State}, nil
}

// decide decides without the application. The error is nil or an *access.Refusal.
func (g *Guard) decide(s *Settings, c *transport.Client, act *transport.Act) error {
	if !access.May(c.Identity, s.Policies.rules(act.Channel), act.Action, act.Channel) {
		return transport.Deny(c.Identity, act)
	}
	if act.Action == access.Publish {
		if refusal := g.limiter.publication(g.o.Now(), c, act, s); refusal != nil {
			return refusal
		}
	}
	return nil
}

// askPublish has the application decide about a publication, which it may change.
func (g *Guard) askPublish(s *Settings, c *transport.Client, act *transport.Act, later func(error)) {
	m := act.Message
	r := hooks.PublishRequest{
		Session: act.Session, Identity: c.Identity, Channel: act.Channel, Kind: m.Kind, Data: m.Data,
		Address: addressText(c.Address), Fields: c.State.(*state).fields,
	}
	if a := m.Attributes; a != nil {
		r.Event, r.Key, r.Trace = a.Event, a.Key, a.Trace
	}
	s.Hooks.Publish(r, func(answer hooks.PublishAnswer, err error) {
		s.users.leave()
		if err == nil && s.isRevoked(c.Identity) {
			err = revoked()
		}
		if err == nil && answer.Changed {
			m.Kind, m.Data = answer.Kind, answer.Data
			if a := m.Attributes; a != nil && !a.Shape.Fits(m.Kind, m.Data) {
				plain := *a
				plain.Shape = 0
				m.Attributes = &plain
			}
		}
		g.tell(c, act, err)
		later(err)
	})
}

// Explain says what would be decided about an action, and why.
func (g *Guard) Explain(id *access.Identity, a access.Action, channel string) access.Decision {
	s := g.settings.Load()
	d := access.Decision{Action: a, Channel: channel}
	if id == nil {
		id = access.Everybody
	}
	const decides = "the application decides, each time: hooks.%s is asked about this channel"
	switch {
	case s.asksToRead(id, a, channel):
		d.Reason = fmt.Sprintf(decides, "subscribe")
		return d
	case s.asksToPublish(id, a, channel):
		d.Reason = fmt.Sprintf(decides, "publish")
		return d
	}
	return access.Decide(id, s.Policies.rules(channel), a, channel)
}

// Rules are what everybody may do in a channel, nil for none.
func (g *Guard) Rules(channel string) *access.Rules {
	return g.settings.Load().Policies.rules(channel)
}

// pick copies the fields of a request that hooks hand on: cookies only if they count.
func pick(r *transport.Request, names []string) (fields [][2]string) {
	for _, name := range names {
		if strings.EqualFold(name, "Cookie") && !r.AdmitsCookies() {
			continue
		}
		for _, value := range r.Values(name) {
			fields = append(fields, [2]string{name, strings.Clone(value)})
		}
	}
	return fields
}

// WithoutToken is a query without what may be a token in it.
func WithoutToken(query string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name != "token" && !strings.Contains(name, "%") {
			kept = append(kept, part)
		}
	}
	return strings.Clone(strings.Join(kept, "&"))
}

func addressText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// isLocal reports whether a client is a program of this machine.
func isLocal(a netip.Addr) bool { return !a.IsValid() || a.IsLoopback() }
