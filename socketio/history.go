package socketio

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/socketio/packet"
)

// history is what clients need that recover: the events that were sent lately, each with
// a number, and the clients that are gone. The number is the last argument of the event on
// the wire, the same for all receivers.
type history struct {
	epoch   string
	options Recovery
	keep    time.Duration // how long events are kept

	// mu puts events in order: it is held while one is written to all its receivers, so
	// that what a client has got is everything up to the last number it has seen. Writes
	// do not wait for the network. It comes before client.mu and Socket.mu.
	mu      sync.Mutex
	seq     atomic.Uint64 // of the newest event; changed under mu
	entries []entry       // oldest first
	bytes   int
	floor   uint64 // the newest event that was forgotten for want of room
	open    map[string]*Socket
	gone    map[string]*departed
	order   []*departed // oldest first; some have recovered
	timer   *time.Timer // runs while there is something to forget
	stopped bool
}

// entry is an event that was sent.
type entry struct {
	seq    uint64
	at     time.Time
	size   int
	frames [][]byte

	namespace *Namespace
	to        string   // the ID of the one receiver, or
	rooms     []string // none: all of the namespace
	except    []string
	sender    string // ID
}

// trail is the data that a Socket keeps for recovery.
type trail struct {
	pid       string
	begin     uint64 // the newest event when the client asked to connect,
	opened    uint64 // when it was let in,
	sent      uint64 // the newest that was sent to it; guarded by history.mu,
	end       uint64 // and the newest when it ended
	from      uint64 // the last event that a recovering client has got
	recovered bool
	past      []past        // of memberships that have ended
	done      chan struct{} // closed when its OnDisconnect has returned
}

// past is a membership that has ended.
type past struct {
	room     string
	from, to uint64
}

// pastMax is how many memberships that have ended are remembered of a Socket.
const pastMax = 32

// departed is a client that is gone and may recover.
type departed struct {
	id        string
	namespace *Namespace
	trail     *trail
	rooms     []string
	froms     []uint64
	data      any
	until     time.Time
}

// entryOverhead is what an event in the history counts besides its frames, in bytes.
const entryOverhead = 256

func newHistory(o *Recovery, silence time.Duration) *history {
	return &history{
		epoch:   randomID()[:8],
		options: *o,
		keep:    o.Time + silence,
		open:    make(map[string]*Socket),
		gone:    make(map[string]*departed),
	}
}

// last returns the number of the newest event. h may be nil.
func (h *history) last() uint64 {
	if h == nil {
		return 0
	}
	return h.seq.Load()
}

// begin returns the trail of a socket that begins.
func (h *history) begin() *trail {
	return &trail{pid: randomID(), begin: h.last(), done: make(chan struct{})}
}

// left notes that a membership has ended.
func (t *trail) left(m membership, now uint64) {
	if len(t.past) == pastMax {
		t.past = append(t.past[:0], t.past[1:]...)
	}
	t.past = append(t.past, past{m.room.name, m.from, now})
}

// emit numbers an event and sends it, to one socket or to the chosen ones. Clients 1 and 2,
// which cannot recover, get it without the number.
func (h *history) emit(p *packet.Packet, b *Broadcast, s *Socket) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	seq := h.seq.Add(1)
	var number [32]byte
	offset := strconv.AppendUint(append(append(number[:0], h.epoch...), ':'), seq, 10)
	numbered := *p
	numbered.Args = p.Args.AppendString(string(offset))
	e := entry{seq: seq, at: time.Now(), frames: numbered.Frames()}
	for _, f := range e.frames {
		e.size += len(f)
	}
	e.size += entryOverhead
	if s != nil {
		if s.state.Load() == stateClosed {
			return ErrClosed
		}
		e.namespace, e.to = s.namespace, s.id
		if s.isLegacy() {
			return s.write(p.Frames(), false)
		}
		h.append(e)
		s.trail.sent = seq
		return s.write(e.frames, true)
	}
	e.namespace, e.rooms, e.except = b.namespace, b.rooms, b.except
	if b.sender != nil {
		e.sender = b.sender.id
	}
	h.append(e)
	var plain [][]byte
	for s := range b.sockets {
		frames := e.frames
		if s.isLegacy() {
			if plain == nil {
				plain = p.Frames()
			}
			frames = plain
		}
		s.trail.sent = seq
		_ = s.write(frames, true) // it has ended meanwhile
	}
	return nil
}

// append keeps an event. h.mu is held.
func (h *history) append(e entry) {
	h.entries = append(h.entries, e)
	h.bytes += e.size
	n := 0
	for h.bytes > h.options.BytesMax && n < len(h.entries) {
		h.floor = h.entries[n].seq
		h.bytes -= h.entries[n].size
		n++
	}
	h.drop(n)
	h.arm()
}

// drop forgets the oldest n entries, which are not counted any more. h.mu is held.
func (h *history) drop(n int) {
	if n == 0 {
		return
	}
	clear(h.entries[:n])
	h.entries = h.entries[n:] // append moves the rest when there is no room behind it
}

// arm has expire called while there is something to forget. h.mu is held.
func (h *history) arm() {
	if h.stopped || h.timer != nil || len(h.entries) == 0 && len(h.gone) == 0 {
		return
	}
	h.timer = time.AfterFunc(max(h.options.Time/4, time.Second), h.expire)
}

// expire forgets events that are too old. An event that was sent longer ago than a client may be
// silent, before it went, has reached it; so none is missing.
func (h *history) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = nil
	now := time.Now()
	n := 0
	for n < len(h.entries) && now.Sub(h.entries[n].at) > h.keep {
		h.bytes -= h.entries[n].size
		n++
	}
	h.drop(n)
	for len(h.order) > 0 && !now.Before(h.order[0].until) {
		h.forgetOldest()
	}
	h.arm()
}

func (h *history) forgetOldest() {
	d := h.order[0]
	h.order[0] = nil
	h.order = h.order[1:]
	if h.gone[d.trail.pid] == d {
		delete(h.gone, d.trail.pid)
	}
}

func (h *history) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

// opened notes that a socket was let in. h.mu is held.
func (h *history) opened(s *Socket) {
	if !s.trail.recovered {
		s.trail.opened = h.last()
	}
	if s.isLegacy() {
		return
	}
	h.open[s.trail.pid] = s
}

// ended notes that a socket has ended.
func (h *history) ended(s *Socket) {
	s.mu.Lock()
	reason := s.reason
	s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[s.trail.pid] != s {
		return // its client has recovered already
	}
	delete(h.open, s.trail.pid)
	if !reason.isRecoverable() || h.stopped {
		return
	}
	d := s.depart()
	d.until = time.Now().Add(h.options.Time)
	h.gone[d.trail.pid] = d
	h.order = append(h.order, d)
	for len(h.order) > h.options.ClientsMax {
		h.forgetOldest()
	}
	h.arm()
}

// depart returns the state that is kept of a socket that has ended.
func (s *Socket) depart() *departed {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &departed{id: s.id, namespace: s.namespace, trail: s.trail, data: s.data}
	for _, m := range s.rooms {
		d.rooms = append(d.rooms, m.room.name)
		d.froms = append(d.froms, m.from)
	}
	return d
}

// recover makes of a socket that connects the one it was before, if its client knows which
// and nothing that it missed is forgotten.
func (h *history) recover(s *Socket, auth Auth) {
	var said struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if len(auth) == 0 || json.Unmarshal(auth, &said) != nil || said.PID == "" {
		return
	}
	d := h.take(said.PID, s.namespace)
	if d == nil {
		return
	}
	<-d.trail.done
	h.mu.Lock()
	from, ok := h.from(d.trail, said.Offset)
	h.mu.Unlock()
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != stateConnecting {
		return
	}
	t := d.trail
	s.id, s.data = d.id, d.data
	s.trail.pid, s.trail.begin, s.trail.opened, s.trail.sent, s.trail.past = t.pid, t.begin, t.opened, t.sent, t.past
	s.trail.from, s.trail.recovered = from, true
	for i, name := range d.rooms {
		_ = s.join(name, d.froms[i]) // it was in no more rooms than it may
	}
	s.namespace.server.recovered.Add(1)
}

// take returns the client with a pid, which nobody can take any more. A client whose
// connection is not known to be broken yet ends now.
func (h *history) take(pid string, n *Namespace) *departed {
	h.mu.Lock()
	d, s := h.gone[pid], h.open[pid]
	switch {
	case d != nil && d.namespace == n:
		delete(h.gone, pid)
		h.mu.Unlock()
		return d
	case s != nil && s.namespace == n:
		delete(h.open, pid)
		h.mu.Unlock()
	default:
		h.mu.Unlock()
		return nil
	}
	s.end(ReasonTaken)
	s.mu.Lock()
	recoverable := s.reason.isRecoverable()
	s.mu.Unlock()
	s.client.close(ReasonTaken)
	if !recoverable {
		return nil
	}
	return s.depart()
}

// from returns the last event that a client has got, and whether all that followed is
// there. h.mu is held.
func (h *history) from(t *trail, offset string) (uint64, bool) {
	from := t.begin
	if offset != "" {
		number, ok := strings.CutPrefix(offset, h.epoch+":")
		seq, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil || seq > h.last() {
			return 0, false
		}
		from = seq
	}
	if from >= t.sent { // it has got everything that was sent before it went
		from = max(from, t.end)
	}
	return from, from >= h.floor
}

// missed returns the events that a client that recovers has not got. ok is false if
// some of it is forgotten. h.mu and s.mu are held.
func (h *history) missed(s *Socket) (missed [][][]byte, ok bool) {
	if !s.trail.recovered {
		return nil, true
	}
	if s.trail.from < h.floor {
		return nil, false
	}
	for i := range h.entries {
		if e := &h.entries[i]; e.seq > s.trail.from && e.isFor(s) {
			missed = append(missed, e.frames)
			s.trail.sent = e.seq
		}
	}
	return missed, true
}

// isFor reports whether an event was for a socket. s.mu is held.
func (e *entry) isFor(s *Socket) bool {
	switch {
	case e.namespace != s.namespace, e.sender == s.id:
		return false
	case e.to != "":
		return e.to == s.id
	}
	for _, name := range e.except {
		if s.wasIn(name, e.seq) {
			return false
		}
	}
	if len(e.rooms) == 0 {
		return e.seq > s.trail.opened
	}
	for _, name := range e.rooms {
		if s.wasIn(name, e.seq) {
			return true
		}
	}
	return false
}

// wasIn reports whether the socket was in a room when an event was sent. s.mu is held.
func (s *Socket) wasIn(room string, seq uint64) bool {
	if room == s.id {
		return true
	}
	if i := s.membership(room); i >= 0 && seq > s.rooms[i].from {
		return true
	}
	for _, p := range s.trail.past {
		if p.room == room && seq > p.from && seq <= p.to {
			return true
		}
	}
	return false
}
