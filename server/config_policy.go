package server

import (
	"errors"
	"slices"

	"github.com/godwit-io/godwit/hub"
)

// PolicyOf returns how a channel behaves: the first of Channels that matches, with
// what it does not set as for all channels, and its index, or -1 if none matches. c
// has its defaults filled in, as from Load or Server.Config. The result shares its
// Allow with c.
func (c *Config) PolicyOf(channel string) (ChannelPolicy, int) {
	var p ChannelPolicy
	index := -1
	for i := range c.Channels {
		if c.Channels[i].Match.Matches(channel, "") {
			p, index = c.Channels[i], i
			break
		}
	}
	if p.History.Count == nil {
		p.History.Count = c.History.Count
	}
	fill(&p.History.Age, c.History.Age)
	if p.LastValue == nil {
		p.LastValue = new(false)
	}
	if p.Presence == nil {
		p.Presence = new(true)
	}
	fill(&p.Joins, DefaultJoins)
	fill(&p.PublicationBytes, c.Limits.PublicationBytes)
	fill(&p.Idempotency, DefaultIdempotency)
	fill(&p.Slow, hub.ReadHistory.String())
	return p, index
}

// slowPolicies are the values of channels[].slow.
func slowPolicies() []string {
	var names []string
	for p := hub.ReadHistory; p <= hub.Conflate; p++ {
		names = append(names, p.String())
	}
	return names
}

// slowPolicy is the policy of a name of slowPolicies, ReadHistory for none.
func slowPolicy(name string) hub.SlowPolicy {
	return hub.SlowPolicy(max(0, slices.Index(slowPolicies(), name)))
}

func checkKeyPointer(pointer string) string {
	var wrong *hub.OptionError
	if errors.As(hub.CheckKeyPointer(pointer), &wrong) {
		return wrong.Reason
	}
	return ""
}

// defaultOf is the setting that a setting of channels is taken from when it is not
// set, or nothing.
func defaultOf(key string) string {
	switch key {
	case "history.count", "history.age":
		return key
	case "publication_bytes":
		return "limits.publication_bytes"
	}
	return ""
}
