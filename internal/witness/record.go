package witness

import (
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Record is what one client was told of one channel, in the order in which it was told.
// It is safe for concurrent use.
type Record struct {
	client, channel string

	mu     sync.Mutex // guards what follows
	events []event
	epochs []string // which events name by index
	at     hub.Position
	notes  []string // the last ones
	noted  int      // how many there were
}

// event is one thing that a client was told. It is small, because there are millions.
type event struct {
	kind  eventKind
	from  uint16 // epoch of a gap's beginning, 0 if that is not known
	epoch uint16 // index in Record.epochs, from 1; 0 for no position
	at    uint64 // the offset
	id    uint64 // of a publication; where a gap begins; the time of a gap is in begun
	begun int64
}

type eventKind uint8

const (
	began  eventKind = iota // everything after this position comes
	given                   // a publication
	gapped                  // a gap up to this position
	moved                   // it is told that there was nothing up to this position
)

// NotesMax is how many notes a Record keeps: the last ones.
const NotesMax = 16

// NewRecord begins the record of a client and a channel. Truth.Check is given it later.
func NewRecord(client, channel string) *Record { return &Record{client: client, channel: channel} }

// Client is the name of the client.
func (r *Record) Client() string { return r.client }

// Channel is the name of the channel.
func (r *Record) Channel() string { return r.channel }

// Begin notes that the client is owed everything after a position. A Record that begins
// with a publication is owed what comes after that.
func (r *Record) Begin(at hub.Position) { r.add(event{kind: began}, at) }

// Given notes a publication.
func (r *Record) Given(at hub.Position, id uint64) { r.add(event{kind: given, id: id}, at) }

// Moved notes that the client is told to go on at a position, without a word of a loss.
func (r *Record) Moved(at hub.Position) { r.add(event{kind: moved}, at) }

// Gap notes a gap: publications after from, up to and including to, do not come. Where from is
// the zero Position, the gap begins where the client is; where to is, it is not known where it
// ends.
func (r *Record) Gap(from, to hub.Position, now time.Time) {
	r.mu.Lock()
	e := event{kind: gapped, from: r.epoch(from.Epoch), id: from.Offset, begun: now.UnixNano()}
	r.mu.Unlock()
	r.add(e, to)
}

func (r *Record) add(e event, at hub.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.epoch, e.at = r.epoch(at.Epoch), at.Offset
	r.events = append(r.events, e)
	r.at = at
}

// epoch is called with mu held.
func (r *Record) epoch(name string) uint16 {
	if name == "" {
		return 0
	}
	for i := len(r.epochs) - 1; i >= 0; i-- {
		if r.epochs[i] == name {
			return uint16(i + 1)
		}
	}
	r.epochs = append(r.epochs, name)
	return uint16(len(r.epochs))
}

// At is the newest position that the client was told, the zero Position if it is not known.
func (r *Record) At() hub.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// Len is how many things were noted.
func (r *Record) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// Note keeps a line for people who want to know what had happened before a fault.
func (r *Record) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.notes) == NotesMax {
		r.notes = slices.Delete(r.notes, 0, 1)
	}
	r.notes = append(r.notes, text)
	r.noted++
}

// Notes are the last NotesMax of them.
func (r *Record) Notes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notes)
}

func (r *Record) position(epoch uint16, offset uint64) hub.Position {
	if epoch == 0 {
		return hub.Position{}
	}
	return hub.Position{Epoch: r.epochs[epoch-1], Offset: offset}
}
