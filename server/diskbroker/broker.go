package diskbroker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// Broker is a hub.Broker that keeps its histories in memory and in a directory. All methods are
// safe for concurrent use, except Open and what is in lend.go, which are called one after
// another.
type Broker struct {
	*membroker.Broker // everything but Start is done there; the journal is told first

	options Options
	journal *journal

	life    sync.Mutex // guards what follows
	isOpen  bool
	lock    *os.File // nil unless the directory is this process's
	stateOf stateWriter
	lent    *Lease // nil unless it was lent to another process

	stateBytes atomic.Int64
	stateFails atomic.Uint64
	wanted     chan struct{} // capacity 1; the state is to be written
}

// It can do everything that a membroker can.
var (
	_ hub.ImmediateBroker = (*Broker)(nil)
	_ hub.PatternBroker   = (*Broker)(nil)
	_ hub.ClearingBroker  = (*Broker)(nil)
	_ hub.ListingBroker   = (*Broker)(nil)
	_ hub.TransientBroker = (*Broker)(nil)
	_ hub.HealthBroker    = (*Broker)(nil)
)

// New returns a Broker, which is the caller's to close until a hub has it. It does not look at the
// directory yet: see Open. The error wraps a *hub.OptionError.
func New(o *Options) (*Broker, error) {
	options, err := o.effective()
	if err != nil {
		return nil, err
	}
	b := &Broker{options: options, wanted: make(chan struct{}, 1)}
	b.journal = newJournal(b)
	memory := options.Memory
	memory.Journal = b.journal
	if b.Broker, err = membroker.New(&memory); err != nil {
		return nil, err
	}
	return b, nil
}

// Start implements hub.Broker. It opens the directory, unless Open has.
func (b *Broker) Start(r hub.Receiver) error {
	if err := b.Broker.Start(r); err != nil {
		return err
	}
	b.life.Lock()
	isOpen := b.isOpen
	b.life.Unlock()
	if isOpen {
		return nil
	}
	return b.Open(context.Background())
}

// Memory is the membroker, for code that needs one. With that Open has to be called, and publications before are
// refused with ErrNotOpen.
func (b *Broker) Memory() *membroker.Broker { return b.Broker }

// Open takes the directory and reads it. It returns an error, with which nothing has changed, if another
// process has it (*InUseError), if it was written in a newer format, or that of the operating system.
func (b *Broker) Open(ctx context.Context) error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.isOpen {
		return errors.New("diskbroker: it is open")
	}
	if err := b.take(); err != nil {
		return err
	}
	err := b.load(ctx)
	if err != nil {
		b.release()
	}
	return err
}

// run has the journal write from now on, to a file with this number; life is held.
func (b *Broker) run(number uint64) error {
	if err := b.writeOwner(stageOpen); err != nil {
		return err
	}
	log, err := b.openLog(number)
	if err != nil {
		return err
	}
	b.runWith(log)
	return nil
}

func (b *Broker) runWith(log *segmentLog) {
	b.journal.start(log, min(runtime.GOMAXPROCS(0), lanesMax))
	b.stateOf.start(b)
	b.isOpen = true
}

// halt ends the writing to the directory, what was appended being written; life is held.
func (b *Broker) halt(refusal error) error {
	b.stateOf.stop()
	b.journal.stop(refusal)
	if !b.isOpen {
		return nil
	}
	b.isOpen = false
	return b.journal.log.close()
}

// closeDirectory is what Close does besides.
func (b *Broker) closeDirectory() error {
	b.life.Lock()
	defer b.life.Unlock()
	wasOpen := b.isOpen
	err := b.halt(hub.ErrClosed)
	if wasOpen {
		if b.journal.isTroubled() {
			err = errors.Join(err, b.journal.trouble)
		} else if err == nil {
			err = b.writeOwner(stageClosed)
		}
	}
	b.release()
	if err != nil {
		return fmt.Errorf("diskbroker: the directory %s was not left in order: %w", b.options.Dir, err)
	}
	return nil
}

func (b *Broker) path(name string) string { return filepath.Join(b.options.Dir, name) }

// The names in the directory.
const (
	lockName    = "lock"
	ownerName   = "owner"
	markName    = "mark"
	damagedName = "damaged"
	movedName   = "moved"

	segmentPrefix = "log-"
	statePrefix   = "state-"
)

func (b *Broker) segmentPath(number uint64) string { return b.path(numbered(segmentPrefix, number)) }
func (b *Broker) statePath(number uint64) string   { return b.path(numbered(statePrefix, number)) }

func numbered(prefix string, number uint64) string { return fmt.Sprintf("%s%016x", prefix, number) }

// numberOf is the inverse of numbered.
func numberOf(name, prefix string) (number uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, err == nil && numbered(prefix, number) == name
}

// Stats are about the content of the directory.
type Stats struct {
	StateBytes int64  // of the state
	LogBytes   int64  // of the log since
	Records    uint64 // that were written
	Written    uint64 // bytes of them
	Batches    uint64 // in which they were written
	Failures   uint64 // batches that could not be written
	Unwritten  uint64 // states that could not be written
	IsRefusing bool   // publishers are, because of the disk
}

// DiskStats may be called at any time.
func (b *Broker) DiskStats() Stats {
	j := b.journal
	s := Stats{
		StateBytes: b.stateBytes.Load(),
		Records:    j.stats.records.Load(),
		Written:    j.stats.bytes.Load(),
		Batches:    j.stats.batches.Load(),
		Failures:   j.stats.failures.Load(),
		Unwritten:  b.stateFails.Load(),
		IsRefusing: j.isTroubled(),
	}
	j.mu.Lock()
	if j.log != nil {
		s.LogBytes = j.log.since.Load()
	}
	j.mu.Unlock()
	return s
}
