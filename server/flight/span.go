package flight

import (
	"fmt"
	"slices"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// span is a time in which a session was subscribed to a pattern that matches the channel.
// What it was given by that is not recorded.
type span struct {
	pattern string
	began   *Event // nil if it was forgotten
	ended   *Event // nil if it goes on, or the end was forgotten
}

// matches reports whether pattern is one, and matches a channel.
func matches(pattern, channel string) bool {
	if !hub.IsPattern(pattern) {
		return false
	}
	p, err := access.ParsePattern(pattern)
	return err == nil && p.Matches(channel, "")
}

// span makes spans of the events of patterns. A session that was resumed subscribes again,
// and goes on.
func (st *story) span() {
	slices.SortStableFunc(st.matching, func(a, b Event) int { return a.Time.Compare(b.Time) })
	open := make(map[string]*span)
	of := func(pattern string) *span {
		s := open[pattern]
		if s == nil {
			s = &span{pattern: pattern}
			open[pattern] = s
			st.spans = append(st.spans, s)
		}
		return s
	}
	for i := range st.matching {
		switch e := &st.matching[i]; e.Kind {
		case Subscribed:
			if s := of(e.Channel); s.began == nil {
				s.began = e
			}
		case Unsubscribed:
			of(e.Channel).ended = e
			delete(open, e.Channel)
		}
	}
	for _, pattern := range st.patterns {
		of(pattern) // its beginning may be forgotten
	}
}

// patternsOf are those that the session is subscribed to and that match a channel.
func patternsOf(s *hub.Session, channel string) []string {
	return slices.DeleteFunc(s.Channels(), func(name string) bool { return !matches(name, channel) })
}

// judgePatterns says what is known of a session that was not given the publication by the
// name of its channel, if it was subscribed to patterns that match it.
func (f *finding) judgePatterns(st *story) (Outcome, string, bool) {
	a := f.answer
	var newest *span
	for _, s := range slices.Backward(st.spans) {
		isOver := a.Publication != nil && s.ended != nil && a.Publication.Time.After(s.ended.Time.Add(f.recorder.skew))
		if !isOver {
			// One that began later may have gone on from before, by a vector.
			return Unknown, fmt.Sprintf("%s. What it was given by that is not remembered, so it is not known whether it was given %s.", f.spanText(st, s), a.Position), true
		}
		if newest == nil {
			newest = s
		}
	}
	if newest == nil || len(st.paths) > 0 {
		return "", "", false
	}
	outcome := NotSubscribed
	if newest.ended.IsClosed {
		outcome = Ended
	}
	return outcome, fmt.Sprintf("%s, and %s was published after that, at %s.", f.spanText(st, newest), a.Position, f.clock(a.Publication.Time)), true
}

// spanText says by which pattern a session was subscribed, and when.
func (f *finding) spanText(st *story, s *span) string {
	by := "a pattern"
	if !f.answer.OnlyChannel {
		by = "the pattern " + s.pattern
	}
	if s.began == nil && s.ended == nil {
		return fmt.Sprintf("%s is subscribed to %s by %s", st.Name(), f.answer.Channel, by)
	}
	text := fmt.Sprintf("%s was subscribed to %s by %s", st.Name(), f.answer.Channel, by)
	if s.began != nil {
		text += " from " + f.clock(s.began.Time)
	}
	switch {
	case s.ended == nil:
		text += " on"
	case s.ended.IsClosed:
		text += fmt.Sprintf(" until its connection ended at %s%s", f.clock(s.ended.Time), st.how())
	default:
		text += " until " + f.clock(s.ended.Time)
	}
	return text
}
