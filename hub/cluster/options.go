package cluster

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
)

// Options configures a Node. The zero value of every field means its default, and
// hub.NoLimit that there is no limit; a nil *Options is all defaults. A negative number is
// refused with a *hub.OptionError.
type Options struct {
	// ID is that of the node, see NewID, which is the default. No other node may have it.
	ID string

	// Name is what people call the node, Version that of the program. At most 255 bytes
	// of each are told. Default: empty.
	Name, Version string

	// Address is where other nodes hand on requests that belong to this one, host:port,
	// and Token is the secret that they have to show there. Every client of the broker can
	// read them. See also Node.SetAddress. Default: empty, which is nowhere.
	Address, Token string

	// Note is called with every beat and returns at once, with at most 64 bytes for the nodes
	// that have called Node.HandleNote. Default: no note.
	Note func() []byte

	// State is what the node does at first. Default StateServing.
	State State

	// Waits has the node join only when Node.Begin is called: so that there are handlers for
	// what others ask and tell from the first moment. Default: it joins at once.
	Waits bool

	// Load is called with every beat and returns at once. Default: nothing is told.
	Load func() Load

	// Log is told what a Node cannot return: a handler that panics, for example.
	// Default: nothing is logged.
	Log *slog.Logger

	// AsksMax bounds the requests of this node without an answer. Default 1000. One more is
	// answered with ErrBusy.
	AsksMax int

	// HandlersMax bounds the handlers of Node.Handle that run at a time. Default 64.
	// As many requests, tenfold, wait; those beyond are answered with ErrBusy.
	HandlersMax int

	// AskTimeout is how long an answer is waited for if the context has no
	// deadline. Default 5 seconds.
	AskTimeout time.Duration

	// ToldBytesMax bounds the messages told by other nodes that wait for handlers of
	// Node.HandleTold. Default 16 MiB. More are lost, which Watch is told with Missed.
	ToldBytesMax int
}

// Defaults of Options.
const (
	DefaultAsksMax      = 1000
	DefaultHandlersMax  = 64
	DefaultAskTimeout   = 5 * time.Second
	DefaultToldBytesMax = 16 << 20
)

// waitMax bounds how long another node may have a handler run.
const waitMax = time.Minute

// waitingPerHandler is how many requests wait for each handler that may run.
const waitingPerHandler = 10

// effective returns the options that a nil or incomplete *Options means.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	for _, limit := range []struct {
		name     string
		value    *int
		fallback int
	}{
		{"AsksMax", &e.AsksMax, DefaultAsksMax},
		{"HandlersMax", &e.HandlersMax, DefaultHandlersMax},
		{"ToldBytesMax", &e.ToldBytesMax, DefaultToldBytesMax},
	} {
		if wrong := option.Resolve(limit.value, limit.fallback); wrong != "" {
			return e, fmt.Errorf("cluster: %w", &hub.OptionError{Option: limit.name, Reason: wrong})
		}
	}
	if wrong := option.Resolve(&e.AskTimeout, DefaultAskTimeout); wrong != "" {
		return e, fmt.Errorf("cluster: %w", &hub.OptionError{Option: "AskTimeout", Reason: wrong})
	}
	if e.ID == "" {
		e.ID = NewID()
	} else if !isID(e.ID) {
		return e, fmt.Errorf("cluster: %w", &hub.OptionError{Option: "ID", Reason: "it is not 1 to 10 characters of A to Z and 2 to 7"})
	}
	if e.Note == nil {
		e.Note = func() []byte { return nil }
	}
	if e.Load == nil {
		e.Load = func() Load { return Load{} }
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.State == "" {
		e.State = StateServing
	}
	e.State = State(cut(string(e.State)))
	e.Name, e.Version = cut(e.Name), cut(e.Version)
	for name, text := range map[string]string{"Address": e.Address, "Token": e.Token} {
		if len(text) > textBytesMax {
			return e, fmt.Errorf("cluster: %w", &hub.OptionError{Option: name, Reason: fmt.Sprintf("it has %d bytes, and at most %d are told", len(text), textBytesMax)})
		}
	}
	return e, nil
}
