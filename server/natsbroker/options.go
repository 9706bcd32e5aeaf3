package natsbroker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
	"github.com/godwit-io/godwit/internal/redact"
)

// Values of Options.Storage.
const (
	StorageMemory = "memory"
	StorageFile   = "file"
)

// Options configures a Broker. The zero value of every field but URLs means its default;
// a negative number is refused with a *hub.OptionError.
type Options struct {
	// URLs are the servers of one cluster, nats://HOST:PORT or tls://HOST:PORT, with or
	// without a user and a password, or a token in the place of the user. At least one
	// is needed.
	URLs []string

	// User and Password are for URLs without a user.
	User, Password string

	// Credentials is the path of a .creds file, read with every connection.
	Credentials string

	// CA, Cert and Key are paths of PEM files, read with every connection: the authorities
	// that are trusted, default those of the system, and a certificate to be shown
	// with its key, default none.
	CA, Cert, Key string

	// Prefix begins all subjects, and is in the names of the stream and of the bucket. Those
	// with the same are one cluster. Default "gw"; letters, digits, "-" and "_".
	Prefix string

	// Replicas is how many servers keep each publication. Default 3 in a cluster, and 1
	// for a server alone.
	Replicas int

	// Storage is where they keep it: StorageMemory or StorageFile. Default StorageMemory. It is
	// about a stream that is made; an existing one stays as it is.
	Storage string

	// HistoryBytesMax bounds what each of them keeps of all channels, as NATS counts it.
	// The oldest goes. Default 256 MiB.
	HistoryBytesMax int64

	// IdempotencyWindow is how long the key of a publication is remembered: by the
	// stream, so it is the same for all. Default 5 minutes.
	IdempotencyWindow time.Duration

	// PublishTimeout is how long a publication may wait for its outcome, retries among
	// it. Default 8 s.
	PublishTimeout time.Duration

	// PendingMax and PendingBytesMax bound the publications that have no outcome yet, in
	// number and payload. Any more have the outcome ErrBusy. Default 65,536 and 64 MiB.
	PendingMax      int
	PendingBytesMax int64

	// AwayMax is for how long the broker may be away before Health says so, and readers
	// and publishers are told at once instead of waiting; if it has never been there,
	// Health does at once. Default 10 s.
	AwayMax time.Duration

	// CheckInterval is how often channels are looked at for publications that were
	// lost without anything that tells of it. Default 30 s.
	CheckInterval time.Duration

	// Logger is told of what needs an operator. Default slog.Default.
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultPrefix            = "gw"
	DefaultStorage           = StorageMemory
	DefaultHistoryBytesMax   = 256 << 20
	DefaultIdempotencyWindow = 5 * time.Minute
	DefaultPublishTimeout    = 8 * time.Second
	DefaultPendingMax        = 65_536
	DefaultPendingBytesMax   = 64 << 20
	DefaultAwayMax           = 10 * time.Second
	DefaultCheckInterval     = 30 * time.Second
)

// ReplicasMax is what JetStream allows.
const ReplicasMax = 5

const (
	// sentMax is how many publications are on their way to the server at a time. The
	// server refuses more than 10,000.
	sentMax = 4096

	// silenceMax is how long the oldest of them may be without an answer before the
	// broker looks what is wrong.
	silenceMax = 2 * time.Second

	// keepCountMin and keepAgeMin are what the stream keeps of a channel at least. Longer
	// than promised, so that the position of a quiet channel stays good.
	keepCountMin = 1024
	keepAgeMin   = 24 * time.Hour

	deliverers   = 4    // goroutines that deliver
	waitingMax   = 8192 // messages that wait for each of them
	repairsMax   = 32   // channels that are repaired at a time
	batchMax     = 256  // messages that are asked for at a time
	heldMax      = 4096 // messages of a channel that wait for its repair
	lookedAtMax  = 1000 // channels that are looked at with one request
	replayMax    = 10_000
	unlistedMax  = 65_536 // channels that are remembered because patterns match them
	busBytesMax  = 16 << 20
	requestTime  = 2 * time.Second // for an answer of the server
	stateTime    = time.Second     // for what the leader of the stream says; it may just be elected
	pollInterval = time.Second
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// IsPrefix reports whether s can be Options.Prefix.
func IsPrefix(s string) bool { return prefixForm.MatchString(s) }

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	e := Options{}
	if o != nil {
		e = *o
	}
	e.Prefix = cmp.Or(e.Prefix, DefaultPrefix)
	e.Storage = cmp.Or(e.Storage, DefaultStorage)
	e.Logger = cmp.Or(e.Logger, slog.Default())
	err := cmp.Or(
		resolve("HistoryBytesMax", &e.HistoryBytesMax, DefaultHistoryBytesMax),
		resolve("IdempotencyWindow", &e.IdempotencyWindow, DefaultIdempotencyWindow),
		resolve("PublishTimeout", &e.PublishTimeout, DefaultPublishTimeout),
		resolve("PendingMax", &e.PendingMax, DefaultPendingMax),
		resolve("PendingBytesMax", &e.PendingBytesMax, DefaultPendingBytesMax),
		resolve("AwayMax", &e.AwayMax, DefaultAwayMax),
		resolve("CheckInterval", &e.CheckInterval, DefaultCheckInterval),
		checkURLs(e.URLs),
	)
	switch {
	case err != nil:
	case !IsPrefix(e.Prefix):
		err = refuse("Prefix", "has 1 to 32 letters, digits, - and _")
	case e.Storage != StorageMemory && e.Storage != StorageFile:
		err = refuse("Storage", "is memory or file")
	case e.Replicas < 0:
		err = refuse("Replicas", fmt.Sprintf("%d is negative; 0 is the default", e.Replicas))
	case e.Replicas > ReplicasMax:
		err = refuse("Replicas", fmt.Sprintf("%d is more than %d", e.Replicas, ReplicasMax))
	case (e.Cert == "") != (e.Key == ""):
		err = refuse("Cert", "needs Key, and Key needs Cert")
	}
	return e, err
}

func refuse(name, reason string) error {
	return fmt.Errorf("natsbroker: %w", &hub.OptionError{Option: name, Reason: reason})
}

func resolve[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return refuse(name, wrong)
	}
	return nil
}

// checkURLs returns an error that shows no password.
func checkURLs(urls []string) error {
	if len(urls) == 0 {
		return refuse("URLs", "has at least one, such as nats://localhost:4222")
	}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return refuse("URLs", fmt.Sprintf("has %q, which is not nats://HOST:PORT or tls://HOST:PORT", redact.Text(text)))
		}
	}
	return nil
}

// Errors of a Broker.
var (
	// ErrBusy is the outcome of a publication that was not accepted because too many are
	// without an outcome. It was not published.
	ErrBusy = errors.New("natsbroker: too many publications wait for NATS")

	// ErrAway is the answer while NATS cannot be reached, or cannot serve. What has this
	// outcome was not published.
	ErrAway = errors.New("natsbroker: NATS is away")

	// ErrUnknown is the outcome of a publication of which it is not known whether it was
	// published.
	ErrUnknown = errors.New("natsbroker: NATS did not answer; it is not known whether this was published")

	// ErrPayload is the outcome of a publication that is longer than max_payload of the
	// servers.
	ErrPayload = errors.New("natsbroker: the publication is longer than the servers accept (max_payload)")

	errStart = errors.New("natsbroker: Start is called once, before any other method")
)
