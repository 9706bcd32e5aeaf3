package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// The events of publications that a bridge makes itself.
const (
	EventAway = "bridge.away" // the upstream is away: nothing comes until there is a gap
	EventGap  = "bridge.gap"  // what came between two times may be missing here
)

// Notice is the payload of a publication that a bridge makes itself, as JSON.
type Notice struct {
	Type   string     `json:"type"` // EventAway or EventGap, for readers that see no events
	Bridge string     `json:"bridge"`
	From   *time.Time `json:"from,omitempty"` // when the last message came that is known; nil if none is
	To     *time.Time `json:"to,omitempty"`   // of a gap: from when on nothing is missing
	Reason string     `json:"reason"`
}

// pending is a publication whose outcome is not known.
type pending struct {
	channel *channel
	at      time.Time
	gap     *Notice // nil for a message
}

// publish publishes a message of subscription i.
func (m *Machine) publish(now time.Time, i int, message []byte) (Outcome, string) {
	spec := &m.spec.Subscriptions[i]
	name, err := spec.Channel.Of(message)
	if err != nil {
		return Unusable, err.Error()
	}
	data, ok := spec.Data.Find(message)
	if !ok {
		return Unusable, "there is nothing at " + spec.Data.String() + " that could be published"
	}
	c := m.channels.get(name, i, now)
	if c == nil {
		return Crowded, name
	}
	if c.owes {
		m.announce(now, c)
	}
	p := &hub.Message{Channel: name, Kind: hub.JSON, Data: bytes.Clone(data)}
	event, _ := spec.Event.Render(message)
	key, _ := spec.Key.Render(message)
	if event != "" || key != "" {
		p.Attributes = &hub.Attributes{Event: event, Key: key}
	}
	if id, ok := spec.ID.Render(message); ok && id != "" {
		p.IdempotencyKey = idempotencyKey(m.spec.Name, id)
	}
	m.give(now, c, p, nil)
	return Taken, ""
}

// idempotencyKey is a key that is short and printable, whatever the ID is.
func idempotencyKey(bridge, id string) string {
	sum := sha256.Sum256([]byte(bridge + "\x00" + id))
	return "bridge:" + hex.EncodeToString(sum[:16])
}

func (m *Machine) give(now time.Time, c *channel, p *hub.Message, gap *Notice) {
	m.ticket++
	m.pending[m.ticket] = pending{c, now, gap}
	m.do(Action{Publish: p, Ticket: m.ticket})
}

// announce says in a channel what may be missing, if anything may.
func (m *Machine) announce(now time.Time, c *channel) {
	if !c.owes {
		return
	}
	n := &Notice{Type: EventGap, Bridge: m.spec.Name, Reason: c.reason, To: moment(now), From: moment(c.from)}
	c.owes, c.from, c.reason = false, time.Time{}, ""
	m.give(now, c, n.message(c.name), n)
}

// away says in a channel that nothing comes any more, for now. From then on it owes a gap.
func (m *Machine) away(now time.Time, c *channel, reason string) {
	n := &Notice{Type: EventAway, Bridge: m.spec.Name, Reason: reason, From: moment(m.heard)}
	m.ticket++ // nobody waits for the outcome: there will be a gap
	m.do(Action{Publish: n.message(c.name), Ticket: m.ticket})
	c.owe(m.heard, reason)
}

// message is the notice as a publication.
func (n *Notice) message(channel string) *hub.Message {
	data, err := json.Marshal(n)
	if err != nil {
		panic(err) // it has strings and times
	}
	return &hub.Message{Channel: channel, Kind: hub.JSON, Data: data, Attributes: &hub.Attributes{Event: n.Type}}
}

// moment is a time as a Notice has it.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// Published says what became of a publication.
func (m *Machine) Published(now time.Time, ticket uint64, isDuplicate bool, err error) {
	p, ok := m.pending[ticket]
	if !ok {
		return
	}
	delete(m.pending, ticket)
	switch {
	case err != nil && p.gap != nil:
		var from time.Time
		if p.gap.From != nil {
			from = *p.gap.From
		}
		m.channels.lose(now, p.channel, from, p.gap.Reason)
	case err != nil:
		m.counts[Lost]++
		m.channels.lose(now, p.channel, p.at, reasonLost)
	case p.gap != nil:
		m.gaps++
	case isDuplicate:
		m.counts[Duplicate]++
	default:
		m.counts[Published]++
	}
}

// Missed says that a message came which was too long to be read. Nobody knows whose it was, so each channel is told.
func (m *Machine) Missed(now time.Time) {
	before := m.heard
	m.heard = now
	m.counts[TooLong]++
	for i := range m.subs {
		if !m.subs[i].isLive {
			continue
		}
		for c := range m.channels.of(i) {
			m.channels.lose(now, c, before, reasonLost)
		}
	}
}
