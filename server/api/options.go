package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// Options are what New needs. Hub and Identify are required; the zero value of every
// other field means its default. A negative number is refused with a *hub.OptionError.
// All functions are called from many goroutines at once.
type Options struct {
	Hub *hub.Hub

	// Identify returns the identity of a caller; it may wait. An error that is an
	// *access.Refusal is told to the client; any other is logged, and the client
	// learns that it cannot be decided now. Nil without an error is somebody
	// anonymous without grants. For explain the request has no token in its query:
	// that one is the subject of the question, and not the caller.
	Identify func(*http.Request) (*access.Identity, error)

	// Rules are what everybody may do in a channel. Nil, and a nil answer: nothing.
	Rules func(channel string) *access.Rules

	// Publishing returns what decides about the publications of a caller, one after the
	// other: it may change them, and wait. Its errors are those of Identify. Nil: the
	// grants of the caller and Rules decide.
	Publishing func(r *http.Request, id *access.Identity) func(context.Context, *hub.Message) error

	// Explain says what would be decided, for explain. Default: access.Decide with
	// Rules.
	Explain func(id *access.Identity, a access.Action, channel string) access.Decision

	// Flight remembers what became of sessions, for explain of a publication. Without it
	// that is not supported.
	Flight *flight.Recorder

	// SessionState says of a session of /connect whether it has a connection, and what its
	// client says of itself; ok is false of any other. Nil: nothing is said of either.
	SessionState func(session string) (state transport.SessionState, ok bool)

	// IdentifyToken says whose a token is, for explain; it may wait. Without it
	// explain of a token is not supported.
	IdentifyToken func(ctx context.Context, token string) (*access.Identity, error)

	// Revoke makes tokens count no more, and IsRevoked reports whether an identity
	// is of one. An error of Revoke that is an *access.Refusal,
	// identity.ErrRevocation or identity.ErrRevocationsFull is told to the client.
	// Without both, revocations are not supported.
	Revoke    func(identity.Revocation) error
	IsRevoked func(*access.Identity) bool

	// TellRevoked tells all other nodes of a revocation, and EndedFor is how many sessions of
	// this node have ended because another one has told it of that. Nil: there are no others.
	TellRevoked func(identity.Revocation)
	EndedFor    func(identity.Revocation) int

	// Info is what GET /info answers, as encoding/json makes JSON of it. Nil: an
	// empty object.
	Info func() any

	// Others asks all other nodes that are alive what API.AnswerNode answers there, and returns what
	// each has answered. Nil: there are no others.
	Others func(ctx context.Context, request []byte) ([]NodeAnswer, error)

	// Cluster is what GET /cluster answers, as encoding/json makes JSON of it. Nil: it is not
	// supported.
	Cluster func() any

	// BodyBytesMax bounds a body, and a line of a stream. Default 1 MiB.
	// BatchBytesMax bounds the body of a batch. Default 8 MiB.
	BodyBytesMax  int
	BatchBytesMax int

	// BodyTimeout is how long a body may take to arrive, and the output of a stream
	// to be taken. Default 30 s.
	BodyTimeout time.Duration

	// StreamIdleTimeout is how long a stream of publications may be without a line,
	// which may be empty. Default 60 s.
	StreamIdleTimeout time.Duration

	// StreamPendingMax bounds the publications of a stream that have no outcome yet, or
	// one that was not taken: the stream is read no further then. Default 256.
	StreamPendingMax int

	// Logger is told what was ended, cleared and revoked, and by which caller (Info), and
	// what failed (Error). Default: slog.Default().
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultBodyBytesMax      = 1 << 20
	DefaultBatchBytesMax     = 8 << 20
	DefaultBodyTimeout       = 30 * time.Second
	DefaultStreamIdleTimeout = 60 * time.Second
	DefaultStreamPendingMax  = 256
)

// BatchCountMax is how many publications a batch may have. A stream has no such bound.
const BatchCountMax = 1000

// How long a page of a list is.
const (
	limitDefault = 100
	limitMax     = 1000
)

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	if o == nil || o.Hub == nil || o.Identify == nil {
		return Options{}, errors.New("api: New needs a Hub, and Identify to say who calls; return access.Everybody where nothing is protected")
	}
	e := *o
	if (e.Revoke == nil) != (e.IsRevoked == nil) {
		return Options{}, errors.New("api: Revoke and IsRevoked belong together; set both, or none")
	}
	if err := cmp.Or(
		resolve("BodyBytesMax", &e.BodyBytesMax, DefaultBodyBytesMax),
		resolve("BatchBytesMax", &e.BatchBytesMax, DefaultBatchBytesMax),
		resolve("BodyTimeout", &e.BodyTimeout, DefaultBodyTimeout),
		resolve("StreamIdleTimeout", &e.StreamIdleTimeout, DefaultStreamIdleTimeout),
		resolve("StreamPendingMax", &e.StreamPendingMax, DefaultStreamPendingMax),
	); err != nil {
		return Options{}, err
	}
	// So many have a place in memory from the beginning.
	e.StreamPendingMax = min(e.StreamPendingMax, 1<<16)
	if e.Rules == nil {
		e.Rules = func(string) *access.Rules { return nil }
	}
	if e.Explain == nil {
		e.Explain = func(id *access.Identity, a access.Action, channel string) access.Decision {
			return access.Decide(id, e.Rules(channel), a, channel)
		}
	}
	if e.Info == nil {
		e.Info = func() any { return struct{}{} }
	}
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	return e, nil
}

// resolve makes of an option what it means. The error wraps a *hub.OptionError.
func resolve[T int | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return fmt.Errorf("api: %w", &hub.OptionError{Option: name, Reason: wrong})
	}
	return nil
}
