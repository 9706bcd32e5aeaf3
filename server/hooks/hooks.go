package hooks

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Hooks asks the application and tells it. The methods can be called from any
// goroutine, and none but Close waits for anything. A nil *Hooks asks nothing and tells
// nothing.
type Hooks struct {
	connect, subscribe, publish, rpc, socketio *asker
	methods                                    []string // that rpc answers
	events                                     *teller
	cancel                                     context.CancelFunc
}

// New returns hooks that must be closed. Nil options are all defaults: nothing is
// asked and nobody is told. It returns an *OptionError.
func New(o *Options) (*Hooks, error) {
	e, err := o.effective()
	if err != nil {
		return nil, err
	}
	if e.Connect == nil && e.Subscribe == nil && e.Publish == nil && e.RPC == nil && e.SocketIO == nil && e.Events == nil {
		return &Hooks{cancel: func() {}}, nil
	}
	s, err := newSigner(e.Secrets)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hooks{cancel: cancel}
	for _, q := range []struct {
		hook, name string
		question   *Question
		asker      **asker
	}{
		{"connect", "Connect", e.Connect, &h.connect},
		{"subscribe", "Subscribe", e.Subscribe, &h.subscribe},
		{"publish", "Publish", e.Publish, &h.publish},
		{"rpc", "RPC", e.RPC, &h.rpc},
		{"socketio", "SocketIO", e.SocketIO, &h.socketio},
	} {
		if q.question != nil && err == nil {
			*q.asker, err = newAsker(ctx, q.hook, q.name, q.question, &e, s)
		}
	}
	if e.RPC != nil {
		h.methods = []string{"**"}
		if e.RPC.Channels != nil {
			h.methods = nil
			for _, p := range e.RPC.Channels {
				h.methods = append(h.methods, p.String())
			}
		}
	}
	if e.Events != nil && err == nil {
		h.events, err = newTeller(ctx, e.Events, &e, s) // it starts goroutines, so it is the last
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return h, nil
}

// ConnectRequest is what the application is told of a client that connects.
type ConnectRequest struct {
	Path    string      // of its request
	Query   string      // as it came, without a token
	Address string      // of the client
	Fields  [][2]string // of its request; those in Question.Forward are handed on
}

// SubscribeRequest is what the application is told of a client that subscribes.
type SubscribeRequest struct {
	Session  string
	Identity *access.Identity // may be nil
	Channel  string
	Address  string
	Fields   [][2]string // as in ConnectRequest
}

// PublishRequest is what the application is told of a publication.
type PublishRequest struct {
	Session  string
	Identity *access.Identity // may be nil
	Channel  string
	Event    string // its name, if it has one
	Key      string // what replaces what, if it has one
	Kind     hub.Kind
	Data     []byte
	Trace    string // hub.Attributes.Trace: the question is a part of it
	Address  string
	Fields   [][2]string // as in ConnectRequest
}

// PublishAnswer is the publication that takes the place of another.
type PublishAnswer struct {
	Changed bool // if not, the rest is zero and the publication is as it was
	Kind    hub.Kind
	Data    []byte // the caller's
}

// Asks reports whether the application decides about anything that is allowed.
func (h *Hooks) Asks() bool {
	return h != nil && (h.connect != nil || h.subscribe != nil || h.publish != nil)
}

// AsksConnect reports whether the application decides which clients may connect.
func (h *Hooks) AsksConnect() bool { return h != nil && h.connect != nil }

// AsksSubscribe reports whether the application decides which clients may subscribe to
// channel. It does not allocate.
func (h *Hooks) AsksSubscribe(channel string) bool {
	return h != nil && h.subscribe != nil && matches(h.subscribe.channels, channel)
}

// AsksSubscribeAll reports whether the application decides about every channel that a
// pattern matches, and whether about any of them.
func (h *Hooks) AsksSubscribeAll(pattern access.Pattern) (all, some bool) {
	if h == nil || h.subscribe == nil {
		return false, false
	}
	if h.subscribe.channels == nil {
		return true, true
	}
	for _, p := range h.subscribe.channels {
		all = all || p.Covers(pattern, "")
		some = some || p.Intersects(pattern, "")
	}
	return all, some
}

// AsksPublish reports whether the application decides what may be published in
// channel. It does not allocate.
func (h *Hooks) AsksPublish(channel string) bool {
	return h != nil && h.publish != nil && matches(h.publish.channels, channel)
}

// Connect asks whether a client may connect, and for its identity. It copies what it keeps
// of r, returns at once, and calls done once: from another goroutine, or before it
// returns if it is not asked because the application has not answered for a while or too many
// wait. done must not block.
//
// The error is a *access.Refusal: Denied with the application's reason, or
// Unavailable when there is no usable answer.
func (h *Hooks) Connect(r ConnectRequest, done func(*access.Identity, error)) {
	if !h.AsksConnect() {
		done(nil, errNotAsked())
		return
	}
	path, query, address := strings.Clone(r.Path), strings.Clone(r.Query), strings.Clone(r.Address)
	var id *access.Identity
	h.connect.ask(&call{
		fields: h.connect.pick(r.Fields),
		data: func(o *object) {
			o.text("path", path)
			o.text("query", query)
			o.text("address", address)
		},
		read: func(answer []byte) (_ Outcome, err error) {
			id, err = readConnect(answer, time.Now())
			return Allowed, err
		},
		done: func(err error) { done(id, err) },
	})
}

// Subscribe asks whether a client may subscribe. It is to be called if
// AsksSubscribe says so, and denies otherwise. It keeps r.Identity; for the rest it
// is like Connect.
func (h *Hooks) Subscribe(r SubscribeRequest, done func(error)) {
	if h == nil || h.subscribe == nil {
		done(errNotAsked())
		return
	}
	session, channel, address := strings.Clone(r.Session), strings.Clone(r.Channel), strings.Clone(r.Address)
	h.subscribe.ask(&call{
		fields: h.subscribe.pick(r.Fields),
		data: func(o *object) {
			o.text("session", session)
			o.identity(r.Identity)
			o.text("channel", channel)
			o.text("address", address)
		},
		read: func(answer []byte) (Outcome, error) { return Allowed, readSubscribe(answer) },
		done: done,
	})
}

// Publish asks whether something may be published, and as what. It is to be called
// if AsksPublish says so, and denies otherwise. It copies r.Data and keeps
// r.Identity; for the rest it is like Connect.
func (h *Hooks) Publish(r PublishRequest, done func(PublishAnswer, error)) {
	if h == nil || h.publish == nil {
		done(PublishAnswer{}, errNotAsked())
		return
	}
	session, channel, address := strings.Clone(r.Session), strings.Clone(r.Channel), strings.Clone(r.Address)
	event, key, data := strings.Clone(r.Event), strings.Clone(r.Key), append([]byte(nil), r.Data...)
	var answer PublishAnswer
	h.publish.ask(&call{
		trace:  strings.Clone(r.Trace),
		fields: h.publish.pick(r.Fields),
		data: func(o *object) {
			o.text("session", session)
			o.identity(r.Identity)
			o.text("channel", channel)
			o.text("event", event)
			o.text("key", key)
			o.text("address", address)
			o.payload(r.Kind, data)
		},
		read: func(body []byte) (_ Outcome, err error) {
			if answer, err = readPublish(body, r.Kind); err == nil && answer.Changed {
				return Changed, nil
			}
			return Allowed, err
		},
		done: func(err error) {
			if err != nil {
				answer = PublishAnswer{}
			}
			done(answer, err)
		},
	})
}

// errNotAsked is what a question gets that nobody answers: nothing is allowed by
// mistake.
func errNotAsked() error {
	return &access.Refusal{Cause: access.Unavailable, Reason: "nobody decides this"}
}

// Stats are the state of hooks at a moment.
type Stats struct {
	Connect, Subscribe, Publish, RPC, SocketIO QuestionStats
	Events                                     EventStats
}

// QuestionStats are the state of a question.
type QuestionStats struct {
	Running int  // requests under way
	Waiting int  // questions that wait for one of them to end
	Open    bool // nothing is asked at present, because the application did not answer
}

// EventStats are the state of telling.
type EventStats struct {
	Queued      int // events that wait or are being sent
	QueuedBytes int
	Damped      int    // changes that wait for being undone
	GivenUp     uint64 // events that the application has not heard of, ever
	Gone        bool   // the application has answered 410: nothing is sent any more
}

// Stats returns the state at this moment.
func (h *Hooks) Stats() (s Stats) {
	if h == nil {
		return s
	}
	for _, q := range []struct {
		asker *asker
		stats *QuestionStats
	}{{h.connect, &s.Connect}, {h.subscribe, &s.Subscribe}, {h.publish, &s.Publish}, {h.rpc, &s.RPC}, {h.socketio, &s.SocketIO}} {
		if q.asker != nil {
			*q.stats = q.asker.stats()
		}
	}
	if h.events != nil {
		s.Events = h.events.stats()
	}
	return s
}

// Close refuses further questions, and waits for the answers to those that are under
// way and until every event has been sent. When ctx ends it stops waiting: questions
// without an answer are denied, and events are given up. What happens after Close
// is not told. The error says how many events were given up for that.
func (h *Hooks) Close(ctx context.Context) error {
	if h == nil {
		return nil
	}
	defer h.cancel()
	defer context.AfterFunc(ctx, h.cancel)()
	var closing sync.WaitGroup
	for _, a := range []*asker{h.connect, h.subscribe, h.publish, h.rpc, h.socketio} {
		if a != nil {
			a.close()
			closing.Go(a.workers.Wait)
		}
	}
	lost := 0
	if h.events != nil {
		closing.Go(func() { lost = h.events.close() })
	}
	closing.Wait()
	for _, a := range []*asker{h.connect, h.subscribe, h.publish, h.rpc, h.socketio} {
		if a != nil {
			a.client.CloseIdleConnections()
		}
	}
	if h.events != nil {
		h.events.client.CloseIdleConnections()
	}
	if lost > 0 {
		return fmt.Errorf("hooks: %d events were given up, for the application did not take them in time", lost)
	}
	return nil
}
