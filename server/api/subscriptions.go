package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// stateNames are those of sessions of /connect, by whether they have a connection.
var stateNames = map[bool]string{true: "attached", false: "waiting"}

// subscribeTimeout is how long a broker may take to begin a subscription until the answer
// is that this is not known.
const subscribeTimeout = 15 * time.Second

// manages reports whether the caller manages all channels, or one of the session.
func (c *call) manages(s *hub.Session) bool {
	if c.managesAll() {
		return true
	}
	for _, name := range s.Channels() {
		if c.may(access.Manage, name) {
			return true
		}
	}
	return false
}

// showSession is GET sessions/{session}.
func (c *call) showSession() *fault {
	s := c.o.Hub.FindSession(c.part)
	if s == nil || !c.manages(s) {
		return noSession()
	}
	return c.answer(http.StatusOK, append(c.appendSession(nil, s, ""), '\n'))
}

// asksFor is what a body asks for that subscribes.
type asksFor struct {
	channel string
	options hub.SubscribeOptions
}

// readSubscription reads a body that subscribes, and decides whether the caller may.
func (c *call) readSubscription() (a asksFor, f *fault) {
	if _, f := c.contentType(jsonType); f != nil {
		return a, f
	}
	b, f := c.body(c.o.BodyBytesMax)
	if f != nil {
		return a, f
	}
	if f := checkJSON(b, "the body"); f != nil {
		return a, f
	}
	o, f := readObject(string(b), 0, "the body", "channel", "since", "last")
	if f != nil {
		return a, f
	}
	const saysChannel = "the name of the channel, a string"
	if a.channel, f = o.text("channel", saysChannel); f != nil {
		return a, f
	}
	if o.raw("channel") == "" {
		return a, o.wrong("channel", saysChannel)
	}
	const saysSince = "a position, behind which the subscription begins"
	since, f := o.text("since", saysSince)
	if f != nil {
		return a, f
	}
	if since != "" {
		var err error
		if a.options.Since, err = hub.ParsePosition(since); err != nil {
			return a, o.wrong("since", saysSince)
		}
	}
	if last := o.raw("last"); last != "" {
		n, err := strconv.ParseUint(last, 10, 31)
		if err != nil || since != "" {
			return a, o.wrong("last", "how many publications the subscription begins with, a whole number, without since")
		}
		a.options.Last = int(n)
	}
	return a, c.authorize(access.Manage, a.channel)
}

// subscribeSession is POST sessions/{session}/subscriptions.
func (c *call) subscribeSession() *fault {
	a, f := c.readSubscription()
	if f != nil {
		return f
	}
	s := c.o.Hub.FindSession(c.part)
	if s == nil {
		return &fault{problem: transport.ProblemNotFound, detail: "there is no session with this ID; it may have ended"}
	}
	if s.Transport() != transport.Session {
		return ofOneChannel(s)
	}
	o, f := c.await(s.Add(a.channel, a.options))
	switch {
	case f != nil:
		return f
	case errors.Is(o.Err, hub.ErrClosed) && s.HasEnded():
		return &fault{problem: transport.ProblemNotFound, detail: "the session has ended"}
	case o.Err != nil:
		return c.faultOf(o.Err)
	}
	c.o.Logger.Info("session subscribed", "session", s.ID(), "user", userOf(s), "channel", a.channel, "by", c.id.String())
	dst := textMember([]byte{'{'}, "session", s.ID())
	dst = textMember(dst, "channel", a.channel)
	dst = textMember(dst, "position", o.Position.String())
	return c.answer(http.StatusCreated, append(dst, "}\n"...))
}

func ofOneChannel(s *hub.Session) *fault {
	return &fault{problem: &transport.Problem{Problem: clientproto.ProblemOneChannel}, detail: "the transport of this session is " + s.Transport() + ", which has one channel as long as it lasts"}
}

// await waits for the outcome of a subscription.
func (c *call) await(outcome <-chan hub.Outcome) (hub.Outcome, *fault) {
	ctx, cancel := context.WithTimeout(c.r.Context(), subscribeTimeout)
	defer cancel()
	select {
	case o := <-outcome:
		return o, nil
	case <-ctx.Done():
		return hub.Outcome{}, c.faultOf(ctx.Err())
	}
}

// unsubscribeSession is DELETE sessions/{session}/subscriptions/{channel}.
func (c *call) unsubscribeSession() *fault {
	if f := c.authorize(access.Manage, c.last); f != nil {
		return f
	}
	s := c.o.Hub.FindSession(c.part)
	switch {
	case s == nil:
		return &fault{problem: transport.ProblemNotFound, detail: "there is no session with this ID; it may have ended"}
	case s.Transport() != transport.Session:
		return ofOneChannel(s)
	case !s.Remove(c.last, hub.ErrRemoved):
		return &fault{problem: transport.ProblemNotFound, detail: "the session is not subscribed to this channel"}
	}
	c.o.Logger.Info("session unsubscribed", "session", s.ID(), "user", userOf(s), "channel", c.last, "by", c.id.String())
	return c.done()
}

// sessionsOfUser are those of a user that can be subscribed, and how many there are that
// cannot.
func (c *call) sessionsOfUser() (list []*hub.Session, skipped int) {
	for _, s := range c.o.Hub.Sessions() {
		switch {
		case userOf(s) != c.part:
		case s.Transport() != transport.Session:
			skipped++
		default:
			list = append(list, s)
		}
	}
	return list, skipped
}

// subscribeUser is POST users/{user}/subscriptions.
func (c *call) subscribeUser() *fault {
	a, f := c.readSubscription()
	if f != nil {
		return f
	}
	list, skipped := c.sessionsOfUser()
	outcomes := make([]<-chan hub.Outcome, len(list))
	for i, s := range list { // all are begun before the first is waited for
		outcomes[i] = s.Add(a.channel, a.options)
	}
	subscribed, already := 0, 0
	var failed *fault
	for _, outcome := range outcomes {
		o, f := c.await(outcome)
		switch {
		case f != nil:
			return f
		case o.Err == nil:
			subscribed++
		case errors.Is(o.Err, hub.ErrSubscribed):
			already++
		case errors.Is(o.Err, hub.ErrClosed): // it has ended, as if it had a moment before
		default:
			failed = c.faultOf(o.Err)
		}
	}
	if failed != nil {
		if subscribed > 0 {
			failed.detail += "; " + strconv.Itoa(subscribed) + " of the user's sessions were subscribed"
		}
		return failed
	}
	c.o.Logger.Info("user subscribed", "user", c.part, "channel", a.channel, "count", subscribed, "by", c.id.String())
	dst := numberMember([]byte{'{'}, "subscribed", subscribed)
	dst = numberMember(dst, "already", already)
	dst = numberMember(dst, "skipped", skipped)
	return c.answer(http.StatusOK, append(dst, "}\n"...))
}

// unsubscribeUser is DELETE users/{user}/subscriptions/{channel}.
func (c *call) unsubscribeUser() *fault {
	if f := c.authorize(access.Manage, c.last); f != nil {
		return f
	}
	list, skipped := c.sessionsOfUser()
	n := 0
	for _, s := range list {
		if s.Remove(c.last, hub.ErrRemoved) {
			n++
		}
	}
	c.o.Logger.Info("user unsubscribed", "user", c.part, "channel", c.last, "count", n, "by", c.id.String())
	dst := numberMember([]byte{'{'}, "unsubscribed", n)
	return c.answer(http.StatusOK, append(numberMember(dst, "skipped", skipped), "}\n"...))
}
