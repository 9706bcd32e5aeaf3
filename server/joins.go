package server

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Joins is for how long joins and leaves of a channel are collected before the watchers
// of its members are told. Zero is the default, DefaultJoins.
type Joins time.Duration

// JoinsOff tells nobody.
const JoinsOff Joins = -1

// DefaultJoins is the window of a channel that has none of its own.
const DefaultJoins = Joins(hub.DefaultJoinWindow)

const (
	joinsMin = 10 * time.Millisecond
	joinsMax = 10 * time.Minute
	joinsOff = "off"
)

// String is how j is written in a file.
func (j Joins) String() string {
	if j == JoinsOff {
		return joinsOff
	}
	return writtenDuration(time.Duration(j))
}

// ParseJoins parses a duration or "off".
func ParseJoins(s string) (Joins, error) {
	if s == joinsOff {
		return JoinsOff, nil
	}
	d, err := parseDuration(s)
	if err == nil && d == time.Duration(JoinsOff) {
		d-- // it is refused for what it is
	}
	return Joins(d), err
}

var joinsRule = rule{pattern: "^off$|" + durationPattern, check: func(field any) string {
	j := *field.(*Joins)
	if j == JoinsOff {
		return ""
	}
	d := time.Duration(j)
	return duration(joinsMin, joinsMax).check(&d)
}}
