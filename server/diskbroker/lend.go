package diskbroker

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/godwit-io/godwit/hub/membroker"
)

// Lease is what a process that is being replaced says of a directory that it has let go of. The other one has got what
// it knows already, see membroker.Snapshot, and with a Lease that fits the directory goes on in it without reading
// it.
//
//	Lend ──► Lease ──► Adopt       the other process has it
//	  └─► Reclaim                  it stays
//	  └─► Forsake                  the other process goes on without it
type Lease struct {
	Token   string `json:"token"`
	Segment uint64 `json:"segment"` // the last file of the log
	Length  int64  `json:"length"`  // of it
}

// LeaseVersion is that of what Lease.WriteTo writes.
const LeaseVersion = 1

// WriteTo writes l for ReadLease. It returns the error of w.
func (l *Lease) WriteTo(w io.Writer) (int64, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(text)
	return int64(n), err
}

// ReadLease reads what WriteTo has written.
func ReadLease(r io.Reader) (*Lease, error) {
	l := new(Lease)
	if err := json.NewDecoder(r).Decode(l); err != nil {
		return nil, fmt.Errorf("diskbroker: cannot read the lease: %w", err)
	}
	return l, nil
}

// Lend lets go of the directory, with everything written. The membroker is frozen, so nothing is published meanwhile. It
// returns nil without an error if the directory is not open.
func (b *Broker) Lend() (*Lease, error) {
	b.life.Lock()
	defer b.life.Unlock()
	if !b.isOpen {
		return nil, nil
	}
	if b.journal.isTroubled() {
		return nil, errors.New("diskbroker: the disk takes nothing; first see to that")
	}
	b.stateOf.stop()
	b.journal.stop(membroker.ErrFrozen)
	b.isOpen = false
	log := b.journal.log
	lease := &Lease{Token: rand.Text(), Segment: log.segment, Length: log.length}
	b.lent = lease
	if err := log.abandon(); err != nil {
		return nil, b.wrap(err)
	}
	if err := b.writeOwner(stageLent); err != nil {
		return nil, b.wrap(err)
	}
	b.release()
	return lease, nil
}

// Reclaim takes the directory again after Lend: the other process has ended without having served. It does nothing if the
// directory was not lent.
func (b *Broker) Reclaim() error {
	b.life.Lock()
	defer b.life.Unlock()
	lease := b.lent
	if lease == nil {
		return nil
	}
	b.lent = nil
	err := b.reclaim(lease)
	if err != nil {
		b.release()
		b.journal.stop(err)
	}
	return err
}

func (b *Broker) reclaim(lease *Lease) error {
	if b.lock == nil {
		if err := b.take(); err != nil {
			return err
		}
	}
	c, err := b.scan()
	if err != nil {
		return b.wrap(err)
	}
	for _, n := range c.segments {
		if n > lease.Segment { // it was begun by the other one, which has not served
			if err := os.Remove(b.segmentPath(n)); err != nil {
				return b.wrap(err)
			}
		}
	}
	return b.wrap(b.runBehind(&c, lease))
}

// runBehind has the journal write behind what was lent, which is synced with the rest: at once with SyncAlways, as the
// one before may have had it otherwise.
func (b *Broker) runBehind(c *contents, lease *Lease) error {
	if b.options.SyncAlways {
		for _, n := range c.segments {
			if _, err := b.secure(b.segmentPath(n), false, 0); err != nil {
				return err
			}
		}
	}
	if err := b.run(lease.Segment + 1); err != nil {
		return err
	}
	log := b.journal.log
	if n := len(c.states); n > 0 {
		if info, err := os.Stat(b.statePath(c.states[n-1])); err == nil {
			b.stateBytes.Store(info.Size())
		}
	}
	for _, n := range c.segments {
		if n > lease.Segment {
			continue
		}
		if info, err := os.Stat(b.segmentPath(n)); err == nil {
			log.since.Add(info.Size())
			log.files.Add(1)
		}
		if b.options.SyncAlways {
			continue
		}
		f, err := b.options.create(b.segmentPath(n), os.O_WRONLY)
		if err != nil {
			return err
		}
		log.retire(f)
	}
	return nil
}

// Adopt takes the directory for what the membroker has got from another process by Restore. Without a Lease that fits, it
// writes all of it, in place of the present content.
func (b *Broker) Adopt(lease *Lease) error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.isOpen {
		return errors.New("diskbroker: it is open")
	}
	if err := b.take(); err != nil {
		return err
	}
	err := b.adopt(lease)
	if err != nil {
		b.release()
	}
	return err
}

func (b *Broker) adopt(lease *Lease) error {
	text, _ := os.ReadFile(b.path(ownerName)) // without it, it does not fit
	o, isOwned := parseOwner(text)
	if isOwned && o.Format > formatVersion {
		return &FormatError{Dir: b.options.Dir, Format: o.Format}
	}
	c, err := b.scan()
	if err != nil {
		return b.wrap(err)
	}
	if lease != nil && isOwned && o.Stage == stageLent && o.Lease == lease.Token && o.Identity == identityOf(b.lock) {
		info, err := os.Stat(b.segmentPath(lease.Segment))
		if err == nil && info.Size() == lease.Length && c.last() == lease.Segment {
			return b.wrap(b.runBehind(&c, lease))
		}
	}
	return b.begin(c.last() + 1)
}

// Forsake notes, after Lend, that positions go on in the other process: if that has not adopted the directory, then
// nobody may take it for the newest. It does nothing if the directory was not lent.
func (b *Broker) Forsake() error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.lent == nil {
		return nil
	}
	err := b.take()
	var used *InUseError
	if errors.As(err, &used) {
		return nil // it has
	}
	if err != nil {
		return err
	}
	defer b.release()
	text, _ := os.ReadFile(b.path(ownerName))
	if o, isOwned := parseOwner(text); isOwned && (o.Stage != stageLent || o.Lease != b.lent.Token) {
		return nil // it had
	}
	return b.wrap(b.writeOwner(stageGone))
}
