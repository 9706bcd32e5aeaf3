package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/clientproto"
)

// ErrClosed is what everything ends with after Close.
var ErrClosed = session.ErrClosed

// ErrTooMany is the answer to a command while 10,000 others wait for the server.
var ErrTooMany = session.ErrTooMany

// ErrUnknown is the answer to an RPC whose connection was lost, with a server that does not know
// the session any more: it is not known whether the call had an effect.
var ErrUnknown = session.ErrUnknown

// Problem is an error that the server answers with: its Type is a URI of docs/problems.md.
type Problem = session.Problem

// EndError is how the server has ended a session.
type EndError = session.EndError

// State is where a Client is.
type State = session.State

// The states.
const (
	Waiting    = session.Waiting    // for the time of the next attempt to connect
	Connecting = session.Connecting // a connection is being opened
	Opening    = session.Opening    // the server has not answered yet
	Open       = session.Open
	Ended      = session.Ended // for good: it was closed, or the server does not want it
)

// Status is what a Client says of itself.
type Status struct {
	State     State
	Err       error     // why it has ended, or is not open
	RetryAt   time.Time // when it tries again, while it is Waiting
	Transport Transport // of the connection, or of the attempt
	User      string    // the client's user according to the server, "" if that is not known
	Session   string    // the ID of the session, which others can see; "" at first
}

// Client is a session with a server. Create it with Dial, and Close it. All methods are
// safe for concurrent use.
type Client struct {
	url     *url.URL
	options *Options
	ctx     context.Context // of everything that it does, until it has ended
	cancel  context.CancelFunc
	running sync.WaitGroup
	ended   chan struct{} // closed when it has ended

	telling sync.Mutex // held while OnStatus is called

	mu       sync.Mutex // guards what follows
	machine  *session.Machine
	timer    *time.Timer
	link     *link // nil: there is no connection
	attempt  int   // in Options.Transports
	token    string
	ticket   uint64
	waiting  map[uint64]chan session.Outcome
	subs     map[*session.Subscription]*Subscription
	handlers map[*session.Registration]*Handler
	calls    map[*session.Call]context.CancelCauseFunc // that are being answered
	messages *Subscription                             // the messages to the user
	openers  map[*opener]struct{}
	told     Status
	isOver   bool
}

// Dial connects to the server at target, such as https://example.com, with or without the path
// of a proxy's rule; ws and wss mean the same. It returns when the session is open, and tries
// until ctx is done: then with the error of the last attempt. An error that trying again would
// not change is returned at once: an *EndError, a *Problem, or one that wraps ErrOptions. ctx is
// not used any more after that.
func Dial(ctx context.Context, target string, o *Options) (*Client, error) {
	c, err := Start(target, o)
	if err != nil {
		return nil, err
	}
	if err := c.WaitOpen(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Start is Dial that does not wait for the session. Requests made before it is open wait.
func Start(target string, o *Options) (*Client, error) {
	u, err := connectURL(target)
	if err != nil {
		return nil, err
	}
	options, err := o.normalize()
	if err != nil {
		return nil, err
	}
	c := &Client{
		url: u, options: options, ended: make(chan struct{}),
		machine: session.New(session.Options{Client: options.Name, NoMessages: options.NoMessages, CanFetch: options.Token != nil, Random: rand.Float64}),
		waiting: make(map[uint64]chan session.Outcome), subs: make(map[*session.Subscription]*Subscription),
		handlers: make(map[*session.Registration]*Handler), calls: make(map[*session.Call]context.CancelCauseFunc),
	}
	c.messages = newSubscription(c, nil)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.do(func(*session.Machine) {})
	return c, nil
}

// WaitOpen waits until the session is open. It returns the error of ctx with that of the last attempt, or why
// the Client has ended.
func (c *Client) WaitOpen(ctx context.Context) error {
	opened := make(chan error, 1)
	w := &opener{opened}
	if !c.addOpener(w) {
		return <-opened
	}
	select {
	case err := <-opened:
		return err
	case <-ctx.Done():
		c.dropOpener(w)
		return errors.Join(ctx.Err(), c.Status().Err)
	}
}

// Status is where the Client is.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status()
}

func (c *Client) status() Status {
	m := c.machine
	s := Status{State: m.State(), Err: m.Err(), User: m.User(), Session: m.Session(), Transport: c.transport()}
	switch s.State {
	case Waiting:
		s.RetryAt = m.RetryAt()
	case Open:
		s.Err = nil
	}
	return s
}

func (c *Client) transport() Transport {
	return c.options.Transports[c.attempt%len(c.options.Transports)]
}

// Messages returns the messages to the client's user, from the beginning of the session on.
// There is one such Subscription, which ends with the Client.
func (c *Client) Messages() *Subscription { return c.messages }

// Hurry has the next attempt to connect begin at once, if one is waited for: when the network is known
// to be back, for example.
func (c *Client) Hurry() { c.do(func(m *session.Machine) { m.Hurry(time.Now()) }) }

// Close ends the session, and everything that waits, with ErrClosed. It waits a second at most for sent commands to
// be on their way, and for the running functions of Options and of Handlers, whose contexts it ends: they must not
// call it. Further calls do nothing.
func (c *Client) Close() {
	c.do(func(m *session.Machine) { m.Close() })
	<-c.ended
	c.running.Wait()
}

func (c *Client) tick() { c.do(func(m *session.Machine) { m.Tick(time.Now()) }) }

// do has f change the machine, and does what comes of it.
func (c *Client) do(f func(m *session.Machine)) {
	c.mu.Lock()
	f(c.machine)
	c.apply()
	c.mu.Unlock()
	c.tellStatus()
}

// apply does what the machine wants; c.mu is held.
func (c *Client) apply() {
	for again := true; again; {
		again = false
		e := c.machine.Take()
		if c.link != nil && len(e.Send) > 0 {
			c.link.enqueue(e.Send)
		}
		for _, d := range e.Events {
			s := c.messages
			if d.To != nil {
				s = c.subs[d.To]
			}
			if s == nil {
				continue // it was closed
			}
			if s.push(d) {
				c.machine.Hold(d.To)
				again = true
			}
			if d.Err != nil {
				delete(c.subs, d.To)
			}
		}
		for i := range e.Answering {
			c.answering(&e.Answering[i])
		}
		for _, o := range e.Outcomes {
			if to, ok := c.waiting[o.Ticket]; ok {
				delete(c.waiting, o.Ticket)
				to <- o // it has room
			}
		}
		if (e.Drop || e.Finish) && c.link != nil {
			c.link.end(e.Finish)
			c.link = nil
		}
		if e.Token != "" {
			c.fetch(e.Token)
		}
		if e.Dial {
			c.dial()
		}
	}
	if c.link != nil && c.machine.State() == Open {
		c.link.open(c.machine.Resume())
	}
	if c.machine.State() == Ended && !c.isOver {
		c.isOver = true
		c.timer.Stop()
		if c.link != nil {
			c.link.end(false)
			c.link = nil
		}
		c.messages.push(session.Delivery{Err: c.machine.Err()})
		// The sent commands are on their way; nothing is waited for any longer.
		time.AfterFunc(finishTimeout, c.cancel)
		close(c.ended)
		return
	}
	if at := c.machine.Deadline(); !c.isOver && !at.IsZero() {
		c.timer.Reset(max(0, time.Until(at)))
	}
}

// fetch asks for a token; c.mu is held.
func (c *Client) fetch(why Reason) {
	c.running.Go(func() {
		token, err := c.options.Token(c.ctx, why)
		if err != nil {
			err = errors.Join(errors.New("client: there is no token"), err)
		}
		c.do(func(m *session.Machine) {
			if err == nil {
				c.token = token
			}
			m.Refresh(time.Now(), token, err)
		})
	})
}

// wait has an outcome come to a channel, which has room for it; c.mu is held.
func (c *Client) wait(outcome chan session.Outcome) (ticket uint64) {
	c.ticket++
	c.waiting[c.ticket] = outcome
	return c.ticket
}

// asked is a command that has been handed in.
type asked struct {
	ticket  uint64
	outcome chan session.Outcome
}

// begin hands in a command.
func (c *Client) begin(command clientproto.Command) asked {
	a := asked{outcome: make(chan session.Outcome, 1)}
	c.do(func(m *session.Machine) {
		a.ticket = c.wait(a.outcome)
		m.Do(command, a.ticket)
	})
	return a
}

// outcome waits for what became of a command, and gives it up when ctx is done.
func (c *Client) outcome(ctx context.Context, a asked, ok any) error {
	select {
	case o := <-a.outcome:
		if o.Err != nil {
			return o.Err
		}
		return json.Unmarshal(o.OK, ok)
	case <-ctx.Done():
		c.do(func(m *session.Machine) {
			delete(c.waiting, a.ticket)
			m.Cancel(a.ticket)
		})
		return errors.Join(ctx.Err(), c.Status().Err)
	}
}

// ask sends a command and waits for its outcome.
func (c *Client) ask(ctx context.Context, command clientproto.Command, ok any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.outcome(ctx, c.begin(command), ok)
}
