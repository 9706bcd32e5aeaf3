package socketio

import (
	"maps"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// pairsMax is how many events of a client in several channels are remembered: it can go
// on behind any of them.
const pairsMax = 128

// record is the state of a client in a namespace that outlives its connection. It
// belongs to one namespace at a time, or to the table of records that wait to be
// recovered.
//
// In one channel the position that a client has is all there is to know. In several, the
// newest events are remembered in their order, so that the position of each channel can
// be told at any of them:
//
//	begin              pairs
//	chat ─► 17         chat 18, chat/x 4, chat 19, chat/x 5
//	chat/x ─► 3                     ▲ the client has this: chat 18, chat/x 4
type record struct {
	pid, name, channel string
	session            string           // the ID of its session
	user               string           // by the Backend
	client             *access.Identity // by the Guard

	rooms     map[string]room
	begin     map[string]hub.Position // of each channel, before the pairs
	newest    hub.Position            // that was sent, of the only channel
	pairs     []pair
	first     int  // of pairs, which are a ring when they are pairsMax
	before    pair // what was sent last when the positions were those of begin; zero for nothing
	hasPairs  bool // there was more than one channel
	forgotten bool // a pair, or what came before there were any

	// Guarded by the mutex of the table:

	owner   *conversation // nil while it waits
	wanted  func(*record) // called when the owner has let go; nil if nobody wants it
	expires int64         // in nanoseconds of Unix time, while it waits
}

type pair struct {
	channel  string
	position hub.Position
}

// sent notes that an event was sent.
func (r *record) sent(channel string, position hub.Position) {
	if !r.hasPairs {
		r.newest = position
		return
	}
	p := pair{channel, position}
	if len(r.pairs) < pairsMax {
		r.pairs = append(r.pairs, p)
		return
	}
	oldest := &r.pairs[r.first]
	if _, isThere := r.begin[oldest.channel]; isThere {
		r.begin[oldest.channel] = oldest.position
	}
	r.before, *oldest, r.forgotten = *oldest, p, true
	r.first = (r.first + 1) % pairsMax
}

// entered notes a room, which begins behind position.
func (r *record) entered(channel string, as room, position hub.Position) {
	if !r.hasPairs {
		r.hasPairs = true
		if !r.newest.IsZero() {
			r.begin[r.channel], r.before, r.forgotten = r.newest, pair{r.channel, r.newest}, true
		}
	}
	if r.rooms == nil {
		r.rooms = make(map[string]room)
	}
	r.rooms[channel], r.begin[channel] = as, position
}

// left notes that a room was left.
func (r *record) left(channel string) {
	delete(r.rooms, channel)
	delete(r.begin, channel)
}

// at returns the positions of all channels at an offset, "" for a client that has
// seen nothing. ok is false if that is not known any more.
func (r *record) at(offset string) (positions map[string]hub.Position, ok bool) {
	positions = make(map[string]hub.Position, len(r.begin))
	for channel, position := range r.begin {
		positions[channel] = position
	}
	if offset == "" {
		return positions, !r.forgotten
	}
	text, channel, isRoom := strings.Cut(offset, " ")
	if !isRoom {
		channel = r.channel
	}
	position, err := hub.ParsePosition(text)
	if err != nil || position.IsZero() {
		return nil, false
	}
	if !r.hasPairs {
		positions[channel] = position
		return positions, channel == r.channel
	}
	if r.before == (pair{channel, position}) {
		return positions, true
	}
	for i := range r.pairs {
		p := &r.pairs[(r.first+i)%len(r.pairs)]
		if _, isThere := positions[p.channel]; isThere {
			positions[p.channel] = p.position
		}
		if p.channel == channel && p.position == position {
			return positions, true
		}
	}
	return nil, false
}

// recovering is a namespace that is gone on with.
type recovering struct {
	*record
	positions map[string]hub.Position
	left      int // histories that are looked at
	isLost    bool
}

// check asks whether everything that the client has missed is still there.
func (n *namespace) check(out *dialect.Effects) {
	n.recovery.left = len(n.recovery.positions)
	for _, channel := range slices.Sorted(maps.Keys(n.recovery.positions)) {
		since := n.recovery.positions[channel]
		n.numbers++
		out.Commands = append(out.Commands, dialect.Command{
			Kind: hub.CommandHistory, Tag: n.numbers, Channel: channel, Query: hub.Query{Since: since, Limit: 1},
		})
	}
}

// checked takes an answer to check. When all are there the client goes on, or begins
// anew if something is lost: it then knows that it has to ask for what it needs.
func (n *namespace) checked(o *hub.Outcome, out *dialect.Effects) {
	r := n.recovery
	if r.left == 0 {
		return
	}
	r.left--
	r.isLost = r.isLost || o.Err != nil || o.Page.Gap != nil
	switch {
	case r.left > 0:
	case r.isLost:
		n.recovery = nil
		n.subscribe(out, hub.Position{})
	default:
		n.pid = r.pid
		n.subscribe(out, r.positions[n.channel])
	}
}

// rejoin joins the rooms of a client that goes on.
func (n *namespace) rejoin(out *dialect.Effects) {
	r := n.recovery
	if r == nil {
		return
	}
	n.recovery = nil
	for _, channel := range slices.Sorted(maps.Keys(r.rooms)) {
		as := r.rooms[channel]
		as.hasJoined = false
		n.subscribeRoom(channel, as, nil, r.positions[channel], out)
	}
}

// remember begins the record of a client that has joined behind position.
func (n *namespace) remember(position hub.Position) {
	if n.remembers == nil {
		return
	}
	n.record = &record{
		pid: n.pid, name: n.name, channel: n.channel, session: n.session, user: n.user(),
		begin: map[string]hub.Position{n.channel: position},
	}
	if r := n.recovery; r != nil && len(r.rooms) > 0 { // what comes first may be of any of them
		n.record.begin, n.record.hasPairs = r.positions, true
	}
	n.remembers(n.record)
}
