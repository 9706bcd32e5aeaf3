package pusher

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// The events of webhooks.
const (
	hookOccupied    = "channel_occupied"
	hookVacated     = "channel_vacated"
	hookAdded       = "member_added"
	hookRemoved     = "member_removed"
	hookClientEvent = "client_event"
	hookCacheMiss   = "cache_miss"
	hookCount       = "subscription_count"
)

// How often the number of subscribers of a channel is told: by how many there are.
const (
	countFreely   = 100
	countSoon     = time.Second
	countLater    = 5 * time.Second
	missedMax     = 10_000           // channels that were told to be empty
	missedForSure = 30 * time.Minute // after which it is told again
)

// tellings holds the events that the applications were told, and the ones to be told.
//
// A member's leave is told after a while, and only if the user is not back: a client that
// loses its connection, or a server that is replaced, is not worth two events.
type tellings struct {
	server *Server
	ctx    context.Context // ends the request under way
	cancel context.CancelFunc
	sent   sync.WaitGroup // the goroutines of senders

	mu       sync.Mutex // guards what follows
	channels map[string]*toldChannel
	members  map[memberKey]*toldMember
	missed   map[string]time.Time // cache channels that were told to be empty, and when
	senders  map[senderKey]*sender
	isClosed bool
}

// toldChannel is a channel that is occupied, as far as its application knows.
type toldChannel struct {
	leaving leaving
	count   int         // of subscribers that was told
	counter *time.Timer // tells the next one; nil while that was told
}

// memberKey is a user in a channel.
type memberKey struct{ channel, user string }

// toldMember is a user in a channel, as far as the application knows.
type toldMember struct {
	sessions int
	leaving  leaving
}

// leaving is the end of something, until it is told.
type leaving struct {
	at    time.Time // when it seemed to end last
	timer *time.Timer
}

func newTellings(s *Server) *tellings {
	t := &tellings{
		server: s, channels: make(map[string]*toldChannel), members: make(map[memberKey]*toldMember),
		missed: make(map[string]time.Time), senders: make(map[senderKey]*sender),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Subscribed tells the applications of a subscription that has begun: it is what
// hub.Observer.Subscribed is to call, whatever the session speaks.
func (s *Server) Subscribed(_ *hub.Session, m hub.Milestone) { s.tellings.subscribed(&m, true) }

// Unsubscribed tells the applications of a subscription that has ended: it is what
// hub.Observer.Unsubscribed is to call.
func (s *Server) Unsubscribed(_ *hub.Session, m hub.Milestone) { s.tellings.subscribed(&m, false) }

// about finds the app of a channel. name is "" where nobody wants to know.
func (t *tellings) about(channel string) (a *app.App, space protocol.Space, name string) {
	if channel == "" || channel[0] == '@' || hub.IsPattern(channel) {
		return nil, space, ""
	}
	if a = t.server.appOfChannel(channel); a == nil || len(a.Webhooks) == 0 {
		return nil, space, ""
	}
	space = t.server.appOf(a).Forms.Space()
	if name, ok := space.Name(channel); ok {
		return a, space, name
	}
	return nil, space, ""
}

// subscribed notes that a subscription has begun, or ended.
func (t *tellings) subscribed(m *hub.Milestone, isBegin bool) {
	a, space, name := t.about(m.Channel)
	if name == "" {
		return
	}
	isPresence := protocol.TraitsOf(name).Has(protocol.Presence)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return
	}
	c := t.channels[m.Channel]
	switch {
	case c == nil && isBegin:
		c = &toldChannel{}
		t.channels[strings.Clone(m.Channel)] = c
		t.tell(a, hookOccupied, channelEvent(hookOccupied, name))
	case c == nil: // it began before anybody wanted to know
		return
	case !isBegin:
		t.leave(&c.leaving, func() { t.vacate(m.Channel) })
	}
	if a.SubscriptionCounts && !isPresence && c.counter == nil {
		after := countSoon
		if c.count > countFreely {
			after = countLater
		}
		c.counter = time.AfterFunc(after, func() { t.count(m.Channel) })
	}
	if isPresence && m.Member != nil {
		if id, ok := space.ID(m.Member.User); ok {
			t.member(a, m.Channel, name, id, isBegin)
		}
	}
}

// member notes that a session of a user came or went; t.mu is held.
func (t *tellings) member(a *app.App, channel, name, id string, isBegin bool) {
	key := memberKey{channel, id}
	m := t.members[key]
	switch {
	case m == nil && isBegin:
		t.members[memberKey{strings.Clone(channel), strings.Clone(id)}] = &toldMember{sessions: 1}
		t.tell(a, hookAdded, memberEvent(hookAdded, name, id))
	case m == nil:
	case isBegin:
		m.sessions++
	default:
		if m.sessions--; m.sessions <= 0 {
			t.leave(&m.leaving, func() { t.remove(key) })
		}
	}
}

// leave has end called when nothing has come back for a while; t.mu is held.
func (t *tellings) leave(l *leaving, end func()) {
	l.at = time.Now()
	if l.timer == nil {
		l.timer = time.AfterFunc(t.server.o.Webhooks.Delay, end)
	}
}

// isOver reports whether the time has come to tell of an end, and looks again later if
// not; t.mu is held.
func (t *tellings) isOver(l *leaving, end func()) bool {
	l.timer = nil
	if left := t.server.o.Webhooks.Delay - time.Since(l.at); left > 0 {
		l.timer = time.AfterFunc(left, end)
		return false
	}
	return !t.isClosed
}

// vacate tells of a channel that nobody is subscribed to any more.
func (t *tellings) vacate(channel string) {
	a, _, name := t.about(channel)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channels[channel]
	if c == nil || !t.isOver(&c.leaving, func() { t.vacate(channel) }) || t.server.subscribers(channel) > 0 {
		return
	}
	delete(t.channels, channel)
	if c.counter != nil {
		c.counter.Stop()
	}
	if name != "" {
		t.tell(a, hookVacated, channelEvent(hookVacated, name))
	}
}

// remove tells of a user that is in a channel no more.
func (t *tellings) remove(key memberKey) {
	a, _, name := t.about(key.channel)
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[key]
	if m == nil || !t.isOver(&m.leaving, func() { t.remove(key) }) || m.sessions > 0 {
		return
	}
	delete(t.members, key)
	if name != "" {
		t.tell(a, hookRemoved, memberEvent(hookRemoved, name, key.user))
	}
}

// count tells how many are subscribed to a channel.
func (t *tellings) count(channel string) {
	a, _, name := t.about(channel)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channels[channel]
	if c == nil {
		return
	}
	c.counter = nil
	if n := t.server.subscribers(channel); n != c.count && name != "" && !t.isClosed {
		c.count = n
		text := openEvent(hookCount, name)
		text = append(text, `,"subscription_count":`...)
		t.tell(a, hookCount, append(strconv.AppendInt(text, int64(n), 10), '}'))
	}
}

// published notes that a channel has an event of a back end, so it is not empty.
func (t *tellings) published(channel string) {
	t.mu.Lock()
	delete(t.missed, channel)
	t.mu.Unlock()
}

// listener is the protocol.Listener of an app.
type listener struct {
	t  *tellings
	id string // of the app
}

// CacheMiss tells of a cache channel that has nothing, once as long as that is so.
func (l *listener) CacheMiss(channel string) {
	t := l.t
	a, _, name := t.about(channel)
	if name == "" {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, isTold := t.missed[channel]; isTold && now.Sub(at) < missedForSure {
		return
	}
	for other, at := range t.missed {
		if len(t.missed) < missedMax && now.Sub(at) < missedForSure {
			break
		}
		delete(t.missed, other) // any, if all are new: it may be told once more
	}
	t.missed[strings.Clone(channel)] = now
	t.tell(a, hookCacheMiss, channelEvent(hookCacheMiss, name))
}

// ClientEvent tells of an event that a client has published.
func (l *listener) ClientEvent(channel, event string, data []byte, socket, user string) {
	t := l.t
	a, _, name := t.about(channel)
	if name == "" {
		return
	}
	text := openEvent(hookClientEvent, name)
	text = appendMember(text, "event", event)
	text = appendMember(text, "data", string(data))
	text = appendMember(text, "socket_id", socket)
	if user != "" {
		text = appendMember(text, "user_id", user)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(a, hookClientEvent, append(text, '}'))
}

func channelEvent(hook, name string) []byte { return append(openEvent(hook, name), '}') }

func memberEvent(hook, name, id string) []byte {
	return append(appendMember(openEvent(hook, name), "user_id", id), '}')
}

func openEvent(hook, name string) []byte {
	return appendMember(append([]byte(`{"name":"`+hook), '"'), "channel", name)
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(dst, `,"`+name+`":`...)
	return jsontext.AppendString(dst, value)
}

// close ends everything, see Server.Close.
func (t *tellings) close() {
	t.mu.Lock()
	if t.isClosed {
		t.mu.Unlock()
		return
	}
	t.isClosed = true
	for _, c := range t.channels {
		c.leaving.stop()
		if c.counter != nil {
			c.counter.Stop()
		}
	}
	for _, m := range t.members {
		m.leaving.stop()
	}
	for _, s := range t.senders {
		s.hurry()
	}
	t.mu.Unlock()
	t.sent.Wait()
	t.cancel()
}

func (l *leaving) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}
