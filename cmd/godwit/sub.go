package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/hub"
)

func newSub() *cobra.Command {
	var server, token, since, format string
	var last, count int
	var asJSON, presence bool
	cmd := &cobra.Command{
		Use:   "sub CHANNEL…",
		Short: "Follow channels",
		Long: `Sub prints what is published in one or more channels, a line each, from now on or
from where --last or --since say. In a pattern * stands for one segment and ** at
the end for one or more. If the connection breaks it reconnects, at the pace that the
server asks for, and continues where it was: nothing is missed or repeated as long as
the server remembers. What it no longer does is announced on standard error. Where no
WebSocket gets through, it uses a stream of HTTP or long polls.

With several channels, or a pattern, each line begins with the channel and a colon.
Bytes are printed as they are, or in hexadecimal on a terminal. On a terminal, control
characters are shown escaped. --format json prints envelopes instead, and any other
format is a template of Go's, with .Channel, .Position, .Time, .Event, .User, .Key and
.Data.

With --presence, lines on standard error say who is there, who comes and who goes.

It ends with 0 on Ctrl-C and after -n messages, and with 1 when the server
refuses the channel.`,
		Example: `  godwit sub chat
  godwit sub chat news --last 10
  godwit sub 'scores/**'
  godwit sub demo/ticker -n 5
  godwit sub orders --since "$position" -f json | jq .data
  godwit sub chat --presence -f '{{.Time.Format "15:04:05"}} {{.User}}: {{.Data}}'`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := client.SubscribeOptions{Last: last}
			isPattern := hub.CheckChannel(args[0]) != nil && strings.Contains(args[0], "*")
			switch {
			case cmd.Flags().Changed("last") && since != "":
				return usagef("--last and --since exclude each other")
			case last < 0:
				return usagef("--last: %d is negative", last)
			case count < 0 || count == 0 && cmd.Flags().Changed("count"):
				return usagef("--count: %d is not a number of messages; use 1 or more", count)
			case since != "" && len(args) > 1:
				return usagef("--since belongs to one channel, and %d are given", len(args))
			case asJSON && format != "" && format != "json":
				return usagef("--json and --format exclude each other")
			case since != "" && isPattern:
				o.Vector = since
			case since != "":
				var err error
				if o.Since, err = hub.ParsePosition(since); err != nil {
					return usagef("--since: %s", strings.TrimPrefix(err.Error(), "hub: "))
				}
			}
			if presence {
				o.Presence = client.PresenceBySession
			}
			for i, channel := range args {
				for _, other := range args[:i] {
					if channel == other {
						return usagef("channel %q is given twice", channel)
					}
				}
			}
			p := &printer{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: asJSON || format == "json", named: len(args) > 1 || isPattern, left: count}
			if format != "" && format != "json" && format != "text" {
				var err error
				if p.template, err = template.New("").Parse(format); err != nil {
					return usagef("--format: %s; use text, json or a template such as '{{.Channel}} {{.Data}}'", strings.TrimPrefix(err.Error(), "template: :"))
				}
			}
			p.terminal = isTerminal(p.out)
			to, err := clientFor(server, token)
			if err != nil {
				return err
			}
			return follow(cmd.Context(), to, args, o, p)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	serverFlag(cmd, &server)
	tokenFlag(cmd, &token)
	flags.IntVar(&last, "last", 0, "begin with the newest `N` publications (default 0)")
	flags.StringVar(&since, "since", "", "begin after `POSITION`, as pub and -f json print it, or of a pattern after a vector (default now)")
	flags.StringVarP(&format, "format", "f", "", "`FORMAT` of a message: text, json or a template (default text)")
	flags.BoolVar(&asJSON, "json", false, "the same as --format json (default false)")
	flags.BoolVar(&presence, "presence", false, "say who is there, who comes and who goes (default false)")
	flags.IntVarP(&count, "count", "n", 0, "exit after `N` messages (default never)")
	return cmd
}

// target is a server that a client connects to.
type target struct {
	url    string
	header http.Header
}

// clientFor is the server, and what it is shown, that flags and environment name.
func clientFor(server, token string) (target, error) {
	u, err := serverURL(server)
	if err != nil {
		return target{}, err
	}
	shown, err := bearer(token)
	if err != nil {
		return target{}, err
	}
	to := target{url: u.String(), header: make(http.Header)}
	if shown != "" {
		to.header.Set("Authorization", "Bearer "+shown)
	}
	return to, nil
}

// errEnough ends a sub that has printed what it was asked for.
var errEnough = errors.New("enough")

// follow prints what comes in channels until ctx ends, there is enough, or the server
// refuses one.
func follow(ctx context.Context, to target, channels []string, o client.SubscribeOptions, p *printer) error {
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	c, err := client.Start(to.url, &client.Options{Name: "godwit-sub", Header: to.header, OnStatus: (&statusNotes{printer: p}).note})
	if err != nil {
		return err
	}
	defer c.Close()
	var following sync.WaitGroup
	for _, channel := range channels {
		of := o
		if hub.CheckChannel(channel) != nil {
			of.Presence = client.NoPresence
		}
		sub, err := c.Subscribe(channel, &of)
		if err != nil {
			for _, prefix := range []string{client.ErrOptions.Error() + ": ", "hub: ", "access: "} {
				err = errors.New(strings.TrimPrefix(err.Error(), prefix))
			}
			done(err)
			break
		}
		following.Go(func() {
			for e, err := range sub.Events(ctx) {
				if err == nil {
					err = p.event(ctx, c, channel, e)
				}
				if err != nil {
					done(err)
					return
				}
			}
		})
	}
	following.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errEnough) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// statusNotes says once that a connection is gone, and once that it is back.
type statusNotes struct {
	printer *printer
	failing bool
}

func (n *statusNotes) note(s client.Status) {
	switch {
	case s.State == client.Waiting && s.Err != nil && !n.failing:
		n.failing = true
		n.printer.note("%v; connecting again until it works", s.Err)
	case s.State == client.Open && n.failing:
		n.failing = false
		n.printer.note("connected again")
	}
}

// printer writes what all subscriptions of a command receive.
type printer struct {
	errOut   io.Writer
	terminal bool
	json     bool
	template *template.Template // nil: text, or json
	named    bool               // several channels: each line says which

	mu   sync.Mutex // guards what follows, so that lines stay whole
	out  io.Writer
	left int // messages to print, 0 for any number
	over bool
}

// event prints what has come. It returns errEnough, or an error if nobody takes it.
func (p *printer) event(ctx context.Context, c *client.Client, channel string, e client.Event) error {
	switch {
	case e.Message != nil:
		return p.print(e.Message)
	case e.Gap != nil:
		p.gap(channel, e.Gap)
	case e.Behind != nil:
		p.behind(channel, e.Behind)
	case e.Members != nil:
		p.members(e.Members)
	case e.Began != nil && e.Began.Count > 0:
		p.roster(ctx, c, channel)
	}
	return nil
}

// print prints one publication.
func (p *printer) print(m *client.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return errEnough
	}
	text, err := p.format(m)
	if err == nil {
		_, err = io.WriteString(p.out, text)
	}
	if err != nil {
		p.over = true
		return fmt.Errorf("cannot write: %w", err)
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.over = true
			return errEnough
		}
	}
	return nil
}

// templateMessage is what a template is given.
type templateMessage struct {
	Channel, Position, Event, User, Key, Data string
	Time                                      time.Time
}

func (p *printer) format(m *client.Message) (string, error) {
	clean := func(s string) string { return s }
	if p.terminal {
		clean = visible
	}
	text := string(m.Data)
	if m.Kind == hub.Binary && (p.terminal || p.template != nil) {
		text = hex.EncodeToString(m.Data)
	}
	switch {
	case p.json:
		return clean(string(m.Envelope)) + "\n", nil
	case p.template != nil:
		var b strings.Builder
		err := p.template.Execute(&b, templateMessage{m.Channel, m.Position.String(), m.Event, m.User, m.Key, text, m.Time})
		return clean(b.String()) + "\n", err
	}
	prefix := ""
	if p.named {
		prefix = clean(m.Channel) + ": "
	}
	if m.Kind == hub.Binary && !p.terminal {
		return prefix + text, nil
	}
	return prefix + clean(text) + "\n", nil
}

// behind says that nothing comes at present, or that it does again.
func (p *printer) behind(channel string, b *client.Behind) {
	if b.Channel != "" {
		channel = b.Channel
	}
	if b.Is {
		p.note("%s: behind: %s", channel, b.Detail)
	} else {
		p.note("%s: not behind any more", channel)
	}
}

// gap says what does not come.
func (p *printer) gap(channel string, g *client.Gap) {
	if g.Channel != "" {
		channel = g.Channel
	}
	if g.Reason != "lost" {
		p.note("%s: %d publications after %s, up to %s, were left out (%s)", channel, g.Count, g.From, g.To, g.Reason)
		return
	}
	from := "what came after " + g.From.String()
	if g.From.IsZero() {
		from = "something"
	}
	to := ""
	if !g.To.IsZero() {
		to = ", up to " + g.To.String() + ","
	}
	p.note("%s: gap: %s%s is no longer held by the server", channel, from, to)
}

// members prints joins and leaves.
func (p *printer) members(c *client.Members) {
	for _, m := range c.Joined {
		p.note("%s: + %s (%d there)", c.Channel, memberName(&m), c.Count)
	}
	for _, m := range c.Left {
		p.note("%s: - %s (%d there)", c.Channel, memberName(&m), c.Count)
	}
	if c.Joined == nil && c.Left == nil {
		p.note("%s: many came or went (%d there)", c.Channel, c.Count)
	}
}

// roster prints the members.
func (p *printer) roster(ctx context.Context, c *client.Client, channel string) {
	r, err := c.Presence(ctx, channel, client.PresenceQuery{})
	if err != nil {
		if ctx.Err() == nil {
			p.note("%s: cannot say who is there: %v", channel, err)
		}
		return
	}
	var names []string
	for _, m := range r.Members {
		names = append(names, memberName(&m))
	}
	if more := r.Count - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	p.note("%s: there are %d: %s", channel, r.Count, strings.Join(names, ", "))
}

func memberName(m *client.Member) string {
	if m.User != "" {
		return m.User
	}
	return m.ID + " (" + m.Transport + ")"
}

func (p *printer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.errOut, "godwit: %s\n", oneLine(fmt.Sprintf(format, args...)))
}
