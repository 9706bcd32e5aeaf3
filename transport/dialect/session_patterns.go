package dialect

import (
	"errors"
	"slices"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// The bound of a vector that the client of a session is told: it comes back in a command,
// and not in the head of a request. hub.ParseVector takes its text.
const sessionVectorChannelsMax = hub.DefaultVectorChannelsMax

// vectorQuietInterval is how often a vector is told while nothing is published, so that
// its time goes on.
const vectorQuietInterval = time.Minute

// patterns are the patterns that a session is subscribed to. The nil patterns are none.
type patterns struct{ list []*followed }

// followed is one pattern, and how far its client has come.
type followed struct {
	progress
	pattern string
	matches access.Pattern
}

// tagPattern is the tag of a command for a pattern that wants no reply: its outcome is
// needed all the same.
const tagPattern = tagMessages + 1

// idOf is the id of the command with a tag, 0 if it has none.
func idOf(tag uint64) uint64 {
	if tag == tagPattern {
		return 0
	}
	return tag
}

func tagOf(c *clientproto.Command) uint64 {
	if c.ID == 0 && hub.IsPattern(c.Channel) {
		return tagPattern
	}
	return c.ID
}

// beginPattern completes a command that subscribes to a pattern. It reports false if it has
// refused that. Other commands are left as they are.
func (s *Session) beginPattern(c *clientproto.Command, command *Command, out *Effects) bool {
	if c.Vector == "" {
		command.Tag = tagOf(c)
		return true
	}
	vector, err := hub.ParseVector(c.Vector)
	if err != nil {
		problem := err.Error()
		var fault *hub.VectorError
		var name *hub.NameError
		switch {
		case errors.As(err, &fault):
			problem = fault.Problem
		case errors.As(err, &name):
			problem = name.Problem
		}
		s.refuse(c.ID, clientproto.ProblemPosition, "since is no vector: "+problem+"; give the newest one that the server has pushed for this pattern", out)
		return false
	}
	command.Tag, command.Subscribe.Vector = tagOf(c), vector
	return true
}

// settlePattern begins to follow a pattern whose subscription has begun, and ends that
// with it.
func (s *Session) settlePattern(o *hub.Outcome) {
	switch {
	case o.Command == hub.CommandUnsubscribe:
		s.patterns.forget(o.Channel)
	case o.Command != hub.CommandSubscribe, o.Vector == nil, o.Tag < s.resumed: // the connection before has asked for the last
	default:
		matches, err := access.ParsePattern(o.Channel)
		if err != nil {
			return // the hub has checked it
		}
		if s.patterns == nil {
			s.patterns = new(patterns)
		}
		s.patterns.forget(o.Channel)
		f := &followed{pattern: o.Channel, matches: matches}
		f.isBehind = true // until it is known
		f.tracker = hub.NewVectorTracker(o.Vector, sessionVectorChannelsMax, hub.VectorTextBytesMax)
		s.patterns.list = append(s.patterns.list, f)
	}
}

// FollowsPatterns implements Follower.
func (s *Session) FollowsPatterns() bool { return s.patterns != nil && len(s.patterns.list) > 0 }

// SetCaughtUp implements Follower.
func (s *Session) SetCaughtUp(hasCaughtUp bool) {
	for _, f := range s.patterns.list {
		f.SetCaughtUp(hasCaughtUp)
	}
}

func (t *patterns) forget(pattern string) {
	if t != nil {
		t.list = slices.DeleteFunc(t.list, func(f *followed) bool { return f.pattern == pattern })
	}
}

// note notes what the client is given, with every pattern that matches its channel: it
// is given only once.
func (t *patterns) note(p *hub.Push) {
	if t == nil {
		return
	}
	for _, f := range t.list {
		if f.matches.Matches(p.Channel, "") {
			f.progress.note(p)
		}
	}
}

// tellVectors pushes the vectors that are due:
//
//	{"vector":{"channel":"scores/**","vector":"AZf…"}}
//
// While it is quiet the time that they say goes on, too.
func (s *Session) tellVectors(now time.Time, isQuiet bool, out *Effects) {
	if s.patterns == nil {
		return
	}
	for _, f := range s.patterns.list {
		if isQuiet && !now.Before(f.told.Add(vectorQuietInterval)) {
			f.noteTime(now)
			f.isNew = true
		}
		if !f.isDue(now) {
			continue
		}
		f.isNew, f.told = false, now
		s.sendObject(out, func(w writer) writer {
			outer := w.object(clientproto.KeyVector)
			w.text(clientproto.KeyChannel, f.pattern)
			w.text(clientproto.KeyVector, f.tracker.String())
			w.end(outer)
			return w
		})
	}
}
