package socketio

import "strings"

// Rule says what an event of a client means instead of being published: it joins a room,
// leaves one, or goes to one. Exactly one of Subscribe, Unsubscribe and Publish is set:
// the index of the argument that names the room, from 0. A client joins only rooms whose
// channel it may subscribe to.
type Rule struct {
	Event string

	Subscribe   *int
	Unsubscribe *int
	Publish     *int // to the room, without this argument
}

// rules are the rules of Options, by event.
type rules map[string]Rule

// RuleError says why a Rule cannot be as it is.
type RuleError struct {
	Event   string
	Problem string
}

// Error names the event.
func (e *RuleError) Error() string {
	return "socketio: the rule for " + quoted(e.Event) + ": " + e.Problem
}

func newRules(list []Rule) (rules, error) {
	r := make(rules, len(list))
	for _, rule := range list {
		set := 0
		for _, index := range []*int{rule.Subscribe, rule.Unsubscribe, rule.Publish} {
			if index == nil {
				continue
			}
			if set++; *index < 0 || *index > ruleIndexMax {
				return nil, &RuleError{rule.Event, "arguments are counted from 0 to 9"}
			}
		}
		switch _, isKnown := r[rule.Event]; {
		case rule.Event == "":
			return nil, &RuleError{rule.Event, "it names no event"}
		case isKnown:
			return nil, &RuleError{rule.Event, "there is another one; an event means one thing"}
		case set != 1:
			return nil, &RuleError{rule.Event, "it has to have one of subscribe, unsubscribe and publish"}
		}
		r[rule.Event] = rule
	}
	return r, nil
}

const ruleIndexMax = 9

// routed are the events that a Backend is given: names, and beginnings of names before a
// "*".
type routed []string

func (r routed) has(event string) bool {
	for _, pattern := range r {
		if before, isPrefix := strings.CutSuffix(pattern, "*"); isPrefix && strings.HasPrefix(event, before) || pattern == event {
			return true
		}
	}
	return false
}
