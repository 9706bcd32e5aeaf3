package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

func newSub() *cobra.Command {
	var server, token, since string
	var last, count int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sub CHANNEL…",
		Short: "Follow channels",
		Long: `Sub prints what is published in one or more channels, a line each, from now on or
from where --last or --since say. If the connection breaks it reconnects, waiting
longer each time, and continues where it was: nothing is missed or repeated as
long as the server remembers. What it no longer does is announced on standard
error.

With several channels, each line begins with the channel and a colon. Bytes are
printed as they are, or in hexadecimal on a terminal. On a terminal, control
characters are shown escaped.

It ends with 0 on Ctrl-C and after -n messages, and with 1 when the server
refuses the channel.`,
		Example: `  godwit sub chat
  godwit sub chat news --last 10
  godwit sub demo/ticker -n 5
  godwit sub orders --since "$position" --json | jq .data`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var from hub.Position
			switch {
			case cmd.Flags().Changed("last") && since != "":
				return usagef("--last and --since exclude each other")
			case last < 0:
				return usagef("--last: %d is negative", last)
			case count < 0 || count == 0 && cmd.Flags().Changed("count"):
				return usagef("--count: %d is not a number of messages; use 1 or more", count)
			case since != "" && len(args) > 1:
				return usagef("--since belongs to one channel, and %d are given", len(args))
			}
			if since != "" {
				var err error
				if from, err = hub.ParsePosition(since); err != nil {
					return usagef("--since: %s", strings.TrimPrefix(err.Error(), "hub: "))
				}
			}
			for i, channel := range args {
				for _, other := range args[:i] {
					if channel == other {
						return usagef("channel %q is given twice", channel)
					}
				}
			}
			header := make(http.Header)
			shown, err := bearer(token)
			if err != nil {
				return err
			}
			if shown != "" {
				header.Set("Authorization", "Bearer "+shown)
			}
			ctx, done := context.WithCancelCause(cmd.Context())
			defer done(nil)
			p := &printer{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: asJSON, named: len(args) > 1, left: count, done: done}
			p.terminal = isTerminal(p.out)
			var followers sync.WaitGroup
			for _, channel := range args {
				u, err := channelURL(server, channel)
				if err != nil {
					return err
				}
				f := &follower{url: u, header: header, channel: channel, since: from, last: last, printer: p}
				followers.Go(func() {
					if err := f.run(ctx); err != nil {
						done(err)
					}
				})
			}
			followers.Wait()
			if err := context.Cause(ctx); !errors.Is(err, errEnough) && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	serverFlag(cmd, &server)
	tokenFlag(cmd, &token)
	flags.IntVar(&last, "last", 0, "begin with the newest `N` publications (default 0)")
	flags.StringVar(&since, "since", "", "begin after `POSITION`, as pub and --json print it (default now)")
	flags.BoolVar(&asJSON, "json", false, "print JSON envelopes with channel, position and time (default false)")
	flags.IntVarP(&count, "count", "n", 0, "exit after `N` messages (default never)")
	return cmd
}

// errEnough ends a sub that has printed what it was asked for.
var errEnough = errors.New("enough")

// printer writes what all followers of a command receive.
type printer struct {
	errOut   io.Writer
	terminal bool
	json     bool
	named    bool // several channels: each line says which

	mu   sync.Mutex // guards what follows, so that lines stay whole
	out  io.Writer
	left int // messages to print, 0 for any number
	done context.CancelCauseFunc
	over bool
}

// print prints one publication. It returns an error if nobody takes it.
func (p *printer) print(e *envelope, raw []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return errEnough
	}
	if _, err := io.WriteString(p.out, p.format(e, raw)); err != nil {
		p.over = true
		return fmt.Errorf("cannot write: %w", err)
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.over = true
			p.done(errEnough)
		}
	}
	return nil
}

func (p *printer) format(e *envelope, raw []byte) string {
	clean := func(s string) string { return s }
	if p.terminal {
		clean = visible
	}
	if p.json {
		return clean(string(raw)) + "\n"
	}
	prefix := ""
	if p.named {
		prefix = clean(e.Channel) + ": "
	}
	if e.binary() {
		if p.terminal {
			return prefix + hex.EncodeToString(e.DataBase64) + "\n"
		}
		return prefix + string(e.DataBase64)
	}
	text := string(e.Data)
	if strings.HasPrefix(text, `"`) { // JSON other than a string is printed as it is
		_ = json.Unmarshal(e.Data, &text) // it has been parsed before, as a part of the envelope
	}
	return prefix + clean(text) + "\n"
}

func (p *printer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.errOut, "godwit: %s\n", oneLine(fmt.Sprintf(format, args...)))
}

// envelope is a message of a WebSocket with ?envelope=1: a publication or a gap.
type envelope struct {
	Channel    string          `json:"channel"`
	Position   hub.Position    `json:"position"`
	Data       json.RawMessage `json:"data"`
	DataBase64 []byte          `json:"data_base64"`
	Gap        *struct {
		From   hub.Position `json:"from"`
		To     hub.Position `json:"to"`
		Reason string       `json:"reason"` // empty where something was lost
		Count  int          `json:"count"`
	} `json:"gap"`
}

func (e *envelope) binary() bool { return e.Data == nil && e.DataBase64 != nil }

// follower keeps one channel connected.
type follower struct {
	header  http.Header // of every handshake
	url     *url.URL
	channel string
	printer *printer
	since   hub.Position // where to continue; zero until it is known
	last    int          // to begin with, until since is known
	failing bool         // its user has been told
}

// How long a follower waits before it connects again: a random part of a time
// that doubles with each failure, so that a crowd does not come back at once.
const (
	retryLeast = 500 * time.Millisecond
	retryMost  = 15 * time.Second
)

func retryAfter(failures int) time.Duration {
	most := min(retryMost, retryLeast<<min(failures, 10))
	return rand.N(most)
}

// run follows until ctx ends; it returns an error that trying again would not change.
func (f *follower) run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		received, err := f.connect(ctx)
		var fatal *fatalError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fatal):
			return fatal.err
		case received:
			failures = 0
		}
		if !f.failing {
			f.failing = true
			f.printer.note("%s: %v; connecting again until it works", f.channel, err)
		}
		wait := time.NewTimer(retryAfter(failures))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
	}
}

// fatalError is one that trying again would not change.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }

// headerPosition is where a stream begins, known before its first message.
const headerPosition = "Godwit-Position"

// connect follows over one connection until it ends. received says whether it
// brought anything.
func (f *follower) connect(ctx context.Context) (received bool, err error) {
	query := url.Values{"envelope": {"1"}}
	switch {
	case !f.since.IsZero():
		query.Set("since", f.since.String())
	case f.last > 0:
		query.Set("last", strconv.Itoa(f.last))
	}
	u := *f.url
	u.RawQuery = query.Encode()
	conn, response, err := ws.Dial(ctx, u.String(), &ws.DialOptions{Header: f.header, Options: ws.Options{MessageBytesMax: pubBytesMax * 2}})
	if err != nil {
		if response == nil {
			return false, unreachable(f.url, err)
		}
		err = refusal(response)
		switch response.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return false, err
		}
		if response.StatusCode < 500 {
			return false, &fatalError{err}
		}
		return false, err
	}
	defer conn.CloseNow()
	if f.failing {
		f.failing = false
		f.printer.note("%s: connected again", f.channel)
	}
	if f.since.IsZero() {
		if at, err := hub.ParsePosition(response.Header.Get(headerPosition)); err == nil {
			f.since = at
		}
	}
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				_ = conn.Close(ws.StatusNormal, "")
			}
			return received, fmt.Errorf("the connection ended: %s", explainEnd(err))
		}
		received = true
		if err := f.receive(message); err != nil {
			return received, &fatalError{err}
		}
	}
}

func (f *follower) receive(message []byte) error {
	var e envelope
	if err := json.Unmarshal(message, &e); err != nil {
		return fmt.Errorf("%s sends something else than envelopes: is it a Godwit server?", origin(f.url))
	}
	if e.Gap != nil {
		f.since = e.Gap.To
		if e.Gap.Reason != "" {
			f.printer.note("%s: %d publications after %s, up to %s, were left out (%s)", f.channel, e.Gap.Count, e.Gap.From, e.Gap.To, e.Gap.Reason)
			return nil
		}
		from := "what came after " + e.Gap.From.String()
		if e.Gap.From.IsZero() {
			from = "something"
		}
		f.printer.note("%s: gap: %s, up to %s, is no longer held by the server", f.channel, from, e.Gap.To)
		return nil
	}
	if e.Position.IsZero() {
		return nil // an envelope of a kind that later versions may have
	}
	f.since = e.Position
	return f.printer.print(&e, message)
}
