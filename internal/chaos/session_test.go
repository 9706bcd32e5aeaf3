//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/witness"
)

// session is a client of godwit.v1 on any carrier: it listens to several channels, and
// publishes. docs/protocol.md says how; it is written from that page.
type session struct {
	*client
	publisher *publisher // nil: it only listens

	id, secret string
	asked      map[uint64]string // channels and patterns, by the ID of their subscribe
	connectID  uint64

	mu      sync.Mutex // guards what follows
	last    uint64     // the newest ID of a command
	up      func(commands []byte) error
	drop    context.CancelCauseFunc // ends the connection
	greeted uint64                  // the newest ID of a command when this connection began
	pending map[uint64]*publication // without a reply, by the ID of their command
}

// errNoSession is that the session is not where the client has asked.
var errNoSession = errors.New("no such session")

func newSession(w *world, name string) *session {
	return &session{client: newClient(w, name), asked: make(map[uint64]string), pending: make(map[uint64]*publication)}
}

// next is the ID of a new command; mu is held.
func (s *session) next() uint64 {
	s.last++
	return s.last
}

// hello is what is said first on a connection (§6.2): who it is, where it is in each channel,
// and what has no reply.
func (s *session) hello() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
	var b strings.Builder
	say := func(id uint64, verb string, fields any) {
		text, _ := json.Marshal(map[string]any{"id": id, verb: fields}) // strings and numbers
		b.Write(text)
		b.WriteByte('\n')
	}
	connect := map[string]any{"client": "chaos/" + s.name}
	if s.id != "" {
		connect["resume"] = map[string]string{"session": s.id, "secret": s.secret}
	}
	s.connectID = s.next()
	say(s.connectID, "connect", connect)
	targets := slices.Sorted(maps.Keys(s.patterns))
	for _, channel := range slices.Sorted(maps.Keys(s.records)) {
		if s.matching(channel) == nil {
			targets = append(targets, channel)
		}
	}
	for _, target := range targets {
		fields := map[string]any{"channel": target}
		if since := s.since(target); since != "" {
			fields["since"] = since
		}
		id := s.next()
		s.asked[id] = target
		say(id, "subscribe", fields)
	}
	for _, id := range slices.Sorted(maps.Keys(s.pending)) {
		b.Write(s.pending[id].command(id))
	}
	s.greeted = s.last
	return []byte(b.String())
}

// isUp says how commands are sent on this connection, nil if there is none, and sends what was
// to be published since its hello.
func (s *session) isUp(up func([]byte) error) error {
	s.mu.Lock()
	s.up = up
	var late []byte
	for _, id := range slices.Sorted(maps.Keys(s.pending)) {
		if id > s.greeted && up != nil {
			late = append(late, s.pending[id].command(id)...)
		}
	}
	s.mu.Unlock()
	if len(late) == 0 {
		return nil
	}
	return up(late)
}

// hear takes an object of the session.
func (s *session) hear(o *object) error {
	switch {
	case o.OK != nil:
		return s.hearReply(o.ID, o.OK)
	case o.Error != nil:
		return s.hearError(o)
	case o.End != nil && (o.End.Code == 4404 || !o.End.Reconnect):
		s.id = ""
	}
	return s.take(o, "")
}

func (s *session) hearReply(id uint64, ok *reply) error {
	if ok.Session != "" && id == s.connectID {
		if s.id != "" && !ok.Resumed {
			s.w.count("session begun anew")
		} else if ok.Resumed {
			s.w.count("session resumed")
		}
		s.id, s.secret = ok.Session, ok.Secret
		return nil
	}
	if target, is := s.asked[id]; is {
		delete(s.asked, id)
		if p := s.patterns[target]; p != nil {
			s.isAt(p, ok.Vector)
			return nil
		}
		return s.begin(target, ok.Position)
	}
	s.mu.Lock()
	p := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if p == nil { // of the connection before
		return nil
	}
	at, err := hub.ParsePosition(ok.Position)
	if err != nil {
		return fmt.Errorf("%w: the reply to a publication: %w", errWrong, err)
	}
	s.publisher.acknowledged(p, at, ok.Duplicate)
	return nil
}

func (s *session) hearError(o *object) error {
	if o.ID == s.connectID {
		if strings.HasSuffix(o.Error.Type, "/session-unknown") {
			s.id = ""
		}
		return fmt.Errorf("connect: %s %s", o.Error.Type, o.Error.Detail)
	}
	if target, is := s.asked[o.ID]; is {
		switch problem(o.Error.Type) {
		case "broker-unavailable", "undecided", "internal-error", "too-many-requests", "shutting-down":
			return fmt.Errorf("subscribe %s: %s %s", target, o.Error.Type, o.Error.Detail)
		}
		return fmt.Errorf("%w: subscribe %s: %s %s", errWrong, target, o.Error.Type, o.Error.Detail)
	}
	s.mu.Lock()
	p := s.pending[o.ID]
	delete(s.pending, o.ID)
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	switch problem(o.Error.Type) {
	case "broker-unavailable", "internal-error", "too-many-requests", "shutting-down", "undecided":
		s.publisher.again(p)
		return nil
	}
	return fmt.Errorf("%w: publish: %s %s", errWrong, o.Error.Type, o.Error.Detail)
}

func problem(uri string) string { return uri[strings.LastIndexByte(uri, '/')+1:] }

// publish hands a publication to the session, which keeps it until it has a reply.
func (s *session) publish(p *publication) {
	s.mu.Lock()
	id := s.next()
	s.pending[id] = p
	up, drop := s.up, s.drop
	s.mu.Unlock()
	if up != nil {
		s.w.attempts.Add(1)
		if err := up(p.command(id)); err != nil {
			s.w.refused.Add(1)
			drop(err) // the next connection sends it
		}
	}
}

func (s *session) run(ctx context.Context, connect func(context.Context, *clustertest.Node) error) {
	s.client.run(ctx, func(ctx context.Context, n *clustertest.Node) error {
		ctx, drop := context.WithCancelCause(ctx)
		s.mu.Lock()
		s.drop = drop
		s.mu.Unlock()
		err := connect(ctx, n)
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		drop(nil)
		_ = s.isUp(nil) // there is nothing to send
		if errors.Is(err, errNoSession) {
			s.id = ""
		}
		return err
	})
}

// publication is a publication that has to be acknowledged.
type publication struct {
	id      uint64
	channel string
	after   hub.Position // see witness.Truth.Acknowledge
}

func (p *publication) key() string { return "k" + payload(p.id) }

func (p *publication) command(id uint64) []byte {
	return fmt.Appendf(nil, "{\"id\":%d,\"publish\":{\"channel\":%q,\"data\":%q,\"idempotency_key\":%q}}\n", id, p.channel, payload(p.id), p.key())
}

// publisher makes publications, and knows what became of them.
type publisher struct {
	w        *world
	index    uint32
	channels []string

	mu     sync.Mutex // guards what follows
	n      uint32
	newest map[string]hub.Position // that it has been told, by channel
	retry  []*publication
	open   int           // without an acknowledgement
	turn   chan struct{} // closed and replaced when open falls
}

func newPublisher(w *world, index int, channels []string) *publisher {
	return &publisher{w: w, index: uint32(index), channels: channels, newest: make(map[string]hub.Position), turn: make(chan struct{})}
}

// make makes a publication.
func (p *publisher) make(channel string) *publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.open++
	made := &publication{id: witness.NewID(p.index, p.n), channel: channel, after: p.newest[channel]}
	p.w.truth.Send(channel, made.id)
	return made
}

func (p *publisher) acknowledged(one *publication, at hub.Position, duplicate bool) {
	p.w.truth.Acknowledge(one.channel, one.id, at, one.after, duplicate)
	p.mu.Lock()
	defer p.mu.Unlock()
	if newest := p.newest[one.channel]; at.Epoch != newest.Epoch || at.Offset > newest.Offset {
		p.newest[one.channel] = at
	}
	p.open--
	close(p.turn)
	p.turn = make(chan struct{})
}

// again notes a publication that has to be published again.
func (p *publisher) again(one *publication) {
	p.w.refused.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retry = append(p.retry, one)
}

func (p *publisher) takeRetry() *publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.retry) == 0 {
		return nil
	}
	one := p.retry[0]
	p.retry = p.retry[1:]
	return one
}

func (p *publisher) isOpen() (open int, turn <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.turn
}

// window is how many publications of a session may have no reply.
const window = 16

// publishAll publishes until more says that there is to be no more, and then what has not been
// acknowledged yet. It ends when everything has been, or with ctx.
func (s *session) publishAll(ctx context.Context, more func() bool, due *pace) {
	random := s.w.random(s.name + " publishes")
	for {
		for one := s.publisher.takeRetry(); one != nil; one = s.publisher.takeRetry() {
			if !wait(ctx, random, 50*time.Millisecond, 200*time.Millisecond) {
				return
			}
			s.publish(one)
		}
		open, turn := s.publisher.isOpen()
		goOn := more()
		switch {
		case !goOn && open == 0:
			return
		case !goOn || open >= window:
			select {
			case <-turn:
			case <-time.After(100 * time.Millisecond): // for publications to be tried again
			case <-ctx.Done():
				return
			}
		default:
			if !due.wait(ctx, 1) {
				return
			}
			s.publish(s.publisher.make(s.publisher.channels[random.IntN(len(s.publisher.channels))]))
		}
	}
}
