package diskbroker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/internal/option"
)

// Options configures a Broker. The zero value of every field but Dir means its default. A negative
// number is refused with a *hub.OptionError.
type Options struct {
	// Dir is the directory. It is made if it is not there, and belongs to one process at a time.
	Dir string

	// SyncAlways has a publication acknowledged and delivered when it is safe from a failure of
	// the machine. Otherwise it is when it is safe from the end of the process, and the rest follows within
	// SyncInterval.
	SyncAlways bool

	// SyncInterval is after how long what was written is safe from a failure of the machine, besides what
	// that takes. Default 500 ms.
	SyncInterval time.Duration

	// LogBytes is how much of a log there is at least before the state is written, and the log begins
	// anew. Default 128 MiB. The log is not shorter than the state before it, so that a byte is written
	// about twice.
	LogBytes int64

	// Memory are the options of the membroker. The Journal in it is ignored. HistoryBytesMax bounds the
	// histories in memory, and with them the directory: to three times of that and LogBytes.
	Memory membroker.Options

	// Synced is told how long it took to have something safe from a failure of the machine, and the error.
	// It is called from goroutines of the Broker and must be quick. Default nil: nobody is told.
	Synced func(took time.Duration, err error)

	// Logger is told what was found, and what fails. Default: nothing is logged.
	Logger *slog.Logger

	// What tests replace.
	create func(path string, flag int) (file, error)
	boot   func() string
}

// Defaults of Options.
const (
	DefaultSyncInterval = 500 * time.Millisecond
	DefaultLogBytes     = 128 << 20
)

const (
	// queueBytesMax bounds what waits for the disk. Publishers are refused beyond it.
	queueBytesMax = 256 << 20

	// keepBytes and keepEntries are how large a batch may have been whose memory is kept for another one,
	// and keepBatches how many there are of those.
	keepBytes   = 1 << 20
	keepEntries = 8192
	keepBatches = laneBatches

	// segmentBytes is how long a file of the log becomes before the next one is begun.
	segmentBytes = 32 << 20

	// segmentsMax is how many files of the log there may be before the state is written.
	segmentsMax = 24

	// lanesMax is how many goroutines deliver, at most.
	lanesMax = 8

	// laneBatches is how many batches may wait for a lane before the next one is written.
	laneBatches = 8

	// retryInterval is how often it is tried whether a disk that was full or failed has recovered.
	retryInterval = time.Second

	// stallTime is how long a write may take before the Broker says that it is not well.
	stallTime = 5 * time.Second

	// probeBytes is how much room there has to be again.
	probeBytes = 64 << 10

	// recordBytesMax is the longest record: a publication and a little.
	recordBytesMax = 1 << 30
)

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	if o == nil || o.Dir == "" {
		return Options{}, fmt.Errorf("diskbroker: %w", &hub.OptionError{Option: "Dir", Reason: "there has to be a directory"})
	}
	e := *o
	if e.Logger == nil {
		e.Logger = slog.New(slog.DiscardHandler)
	}
	if e.Synced == nil {
		e.Synced = func(time.Duration, error) {}
	}
	if e.create == nil {
		e.create = createFile
	}
	if e.boot == nil {
		e.boot = bootID
	}
	return e, cmp.Or(
		resolve("SyncInterval", &e.SyncInterval, DefaultSyncInterval),
		resolve("LogBytes", &e.LogBytes, DefaultLogBytes),
	)
}

func resolve[T int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return fmt.Errorf("diskbroker: %w", &hub.OptionError{Option: name, Reason: wrong})
	}
	return nil
}

var (
	// ErrNotOpen is the answer to a publication before the directory was opened.
	ErrNotOpen = errors.New("diskbroker: the directory is not open yet")

	// ErrBusy is the answer to a publication while too much waits for the disk.
	ErrBusy = errors.New("diskbroker: too much waits for the disk")
)

// DiskError is the answer to a publication while the disk takes nothing, and what Health says then. Reading
// goes on, and the Broker tries once a second whether the disk has recovered.
type DiskError struct {
	Op  string // what failed: "write", "sync"
	Err error
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("diskbroker: cannot %s the log: %v", e.Op, e.Err)
}

// Unwrap returns the error of the operating system.
func (e *DiskError) Unwrap() error { return e.Err }
