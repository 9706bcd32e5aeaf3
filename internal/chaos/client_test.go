//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/witness"
)

// client listens, to channels or to a pattern, and comes back to any node when
// it has lost one. Its methods are called by one goroutine.
type client struct {
	w      *world
	name   string
	random *rand.Rand

	records  map[string]*witness.Record // by channel
	newest   map[string]hub.Position    // that it has dealt with, by channel
	patterns map[string]*pattern
	left     map[string]map[string]bool // epochs that it was led out of, by channel, of patterns
	awaited  map[string]bool            // channels and patterns that it has not begun to listen to
}

// pattern is a pattern that a client follows.
type pattern struct {
	name     string
	vector   string
	channels []string                // that match it
	here     map[string]hub.Position // what this connection was given last, by channel
}

func newClient(w *world, name string) *client {
	return &client{
		w: w, name: name, random: w.random(name),
		records: make(map[string]*witness.Record), newest: make(map[string]hub.Position), patterns: make(map[string]*pattern),
		left: make(map[string]map[string]bool), awaited: make(map[string]bool),
	}
}

// follows has the client follow a channel.
func (c *client) follows(channel string) *client {
	c.records[channel] = c.w.record(c.name, channel)
	c.await(channel)
	return c
}

func (c *client) await(target string) {
	c.awaited[target] = true
	c.w.waiting.Add(1)
}

// hasBegun notes that it listens.
func (c *client) hasBegun(target string) {
	if c.awaited[target] {
		delete(c.awaited, target)
		c.w.waiting.Add(-1)
	}
}

// followsPattern has it follow a pattern that matches the channels, and no channel that it
// follows anyhow.
func (c *client) followsPattern(name string, channels []string) *client {
	c.patterns[name] = &pattern{name: name, channels: channels, here: make(map[string]hub.Position)}
	for _, channel := range channels {
		c.records[channel] = c.w.record(c.name, channel)
	}
	c.await(name)
	return c
}

func (c *client) note(format string, args ...any) {
	text := fmt.Sprintf("%8.3f s: ", time.Since(c.w.began).Seconds()) + fmt.Sprintf(format, args...)
	for _, r := range c.records {
		r.Note(text)
	}
}

// run connects, again and again, until the world is over. Some connections are given up after a
// while, for no reason.
func (c *client) run(ctx context.Context, connect func(ctx context.Context, n *clustertest.Node) error) {
	for ctx.Err() == nil {
		n := c.w.node(c.random)
		life, leave := context.WithCancel(ctx)
		if c.random.IntN(4) == 0 {
			d := time.Second + time.Duration(c.random.Int64N(int64(20*time.Second)))
			life, leave = context.WithTimeout(ctx, d)
		}
		for _, p := range c.patterns {
			clear(p.here)
		}
		began := time.Now()
		c.w.connections.Add(1)
		err := connect(life, n)
		leave()
		if !errors.Is(err, syscall.ECONNREFUSED) {
			c.note("%s has ended after %.2f s: %v", n.Name(), time.Since(began).Seconds(), err)
		}
		if errors.Is(err, errWrong) {
			c.w.fail("%s: %v", c.name, err)
		}
		if !wait(ctx, c.random, 20*time.Millisecond, 400*time.Millisecond) {
			return
		}
	}
}

// errWrong is something that no server may say, whatever has happened to it.
var errWrong = errors.New("it must not say that")

// errEnded is that a server has said so.
var errEnded = errors.New("told to come back")

// take deals with what a server says about a channel; channel is that of what names none.
func (c *client) take(o *object, channel string) error {
	switch {
	case o.Gap != nil:
		if o.Gap.Channel != "" {
			channel = o.Gap.Channel
		}
		return c.gap(channel, o.Gap)
	case o.Position != "":
		if o.Channel != "" {
			channel = o.Channel
		}
		return c.given(channel, o.Position, o.Data)
	case len(o.Vector) > 0:
		return c.vector(o.Vector, channel)
	case o.End != nil:
		c.w.count(fmt.Sprintf("end %d %s", o.End.Code, o.End.Reason))
		return fmt.Errorf("%w: %d %s", errEnded, o.End.Code, o.End.Reason)
	}
	return nil
}

func (c *client) vector(raw json.RawMessage, name string) error {
	var one struct{ Channel, Vector string }
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &one.Vector); err != nil {
			return err
		}
		one.Channel = name
	} else if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	p := c.patterns[one.Channel]
	if p == nil {
		return fmt.Errorf("%w: a vector of %q", errWrong, one.Channel)
	}
	c.isAt(p, one.Vector)
	return nil
}

// isAt takes a vector.
func (c *client) isAt(p *pattern, vector string) {
	p.vector = vector
	c.hasBegun(p.name)
}

// matching is the pattern that a channel is followed by, nil for none.
func (c *client) matching(channel string) *pattern {
	for _, p := range c.patterns {
		if strings.HasPrefix(channel, strings.TrimSuffix(p.name, "*")) {
			return p
		}
	}
	return nil
}

func (c *client) given(channel, position, data string) error {
	r := c.records[channel]
	if r == nil {
		return fmt.Errorf("%w: a publication in %q, which it does not follow", errWrong, channel)
	}
	at, err := hub.ParsePosition(position)
	if err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	id, err := idOf(data)
	if err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	if p := c.matching(channel); p != nil {
		last, newest := p.here[channel], c.newest[channel]
		p.here[channel] = at
		c.leave(channel, newest, at)
		if last.IsZero() && c.left[channel][at.Epoch] { // the vector is from before it was led out of that epoch
			c.w.count("went back to where its vector was")
			r.Gap(hub.Position{}, hub.Position{}, time.Now())
			delete(c.left[channel], at.Epoch)
		}
		isBehind := func(q hub.Position) bool { return at.Epoch == q.Epoch && at.Offset <= q.Offset }
		if isBehind(newest) && !isBehind(last) { // what came after the vector comes again
			return nil
		}
	}
	c.newest[channel] = at
	r.Given(at, id)
	return nil
}

// leave notes that a client of a pattern has come from one epoch of a channel to another one.
func (c *client) leave(channel string, from, to hub.Position) {
	if from.Epoch == to.Epoch || from.IsZero() || to.IsZero() {
		return
	}
	if c.left[channel] == nil {
		c.left[channel] = make(map[string]bool)
	}
	c.left[channel][from.Epoch] = true
}

// gap takes a gap of a channel, or of a pattern whose channels the server cannot name.
func (c *client) gap(channel string, g *gap) error {
	reason := g.Reason
	if reason == "" {
		reason = "lost"
	}
	c.note("gap in %s from %q to %q: %s", channel, g.From, g.To, reason)
	if p := c.patterns[channel]; p != nil {
		c.w.count("gap of a whole pattern: " + reason)
		for _, name := range p.channels {
			c.records[name].Gap(hub.Position{}, hub.Position{}, time.Now())
		}
		return nil
	}
	c.w.count("gap: " + reason)
	r := c.records[channel]
	if r == nil {
		return fmt.Errorf("%w: a gap in %q, which it does not follow", errWrong, channel)
	}
	from, err1 := positionOrNone(g.From)
	to, err2 := positionOrNone(g.To)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	if p := c.matching(channel); p != nil {
		// It may begin where the vector is, which is behind what has come since.
		newest := c.newest[channel]
		if to.Epoch == newest.Epoch && to.Offset <= newest.Offset && !newest.IsZero() {
			p.here[channel] = to
			return nil
		}
		if !to.IsZero() {
			p.here[channel] = to
		}
		c.leave(channel, newest, to)
		from = hub.Position{}
	}
	r.Gap(from, to, time.Now())
	if !to.IsZero() {
		c.newest[channel] = to
	}
	return nil
}

func positionOrNone(text string) (hub.Position, error) {
	if text == "" {
		return hub.Position{}, nil
	}
	return hub.ParsePosition(text)
}

// begin notes where a subscription to a channel begins, if it is the first one.
func (c *client) begin(channel, position string) error {
	at, err := hub.ParsePosition(position)
	if err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	newest := c.newest[channel]
	if newest.IsZero() {
		c.newest[channel] = at
		c.records[channel].Begin(at)
		c.hasBegun(channel)
		return nil
	}
	if at != newest {
		c.note("it begins at %v, and the client was at %v", at, newest)
		c.newest[channel] = at
		c.records[channel].Moved(at)
	}
	return nil
}

// since is the parameter that asks for what follows the client's position, empty for
// the first time.
func (c *client) since(channel string) string {
	if p := c.patterns[channel]; p != nil {
		return p.vector
	}
	if at := c.newest[channel]; !at.IsZero() {
		return at.String()
	}
	return ""
}
