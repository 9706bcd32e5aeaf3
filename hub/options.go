package hub

import (
	"fmt"
	"time"
)

// Options configures a Hub. The zero value of every field means its default;
// a nil *Options is all defaults. A negative value is refused.
type Options struct {
	// Retention is how much history every channel keeps. Default: 1000
	// publications for 10 minutes. Set NoHistory to keep none.
	Retention Retention
	NoHistory bool

	// PublicationBytesMax is the longest payload accepted. Default 64 KiB.
	PublicationBytesMax int

	// QueueCountMax and QueueBytesMax bound what waits in one session for its
	// edge to take it. Defaults: 500 publications, which is half of what a history
	// holds by default, and 1 MiB of payload. A session
	// that reaches a bound gives its queue back and continues from history,
	// with a Gap where history no longer reaches. One publication may always
	// wait, whatever its size.
	QueueCountMax int
	QueueBytesMax int

	// CommandsMax bounds the commands of one session that have no outcome yet, or
	// one that was not taken. Default 256. See Session.IsBusy.
	CommandsMax int

	// CallsMax bounds the goroutines in which a Broker that may wait is asked to
	// listen, to mute and for histories; the rest waits in turn, by channel.
	// Default 64.
	CallsMax int

	// Observer is told of what the hub does. Nil costs nothing.
	Observer *Observer

	// SubscriptionsMax bounds the channels of one session. Default 1000.
	SubscriptionsMax int
}

// Defaults of Options.
const (
	RetentionCountDefault      = 1000
	RetentionAgeDefault        = 10 * time.Minute
	PublicationBytesMaxDefault = 64 << 10
	QueueCountMaxDefault       = RetentionCountDefault / 2
	QueueBytesMaxDefault       = 1 << 20
	SubscriptionsMaxDefault    = 1000
	CommandsMaxDefault         = 256
	CallsMaxDefault            = 64
)

// IdempotencyKeyBytesMax is the length of the longest idempotency key.
const IdempotencyKeyBytesMax = 255

// replayCountMax is how many publications are read from the Broker at a time
// while a subscription catches up.
const replayCountMax = 256

// callTimeout is how long the Broker may take over anything. A publication that
// has no answer by then has the outcome ErrUnanswered.
const callTimeout = 10 * time.Second

// Observer is told of what a Hub does. Every field may be nil. The functions are
// called on the path of messages, from many goroutines: they must be quick and
// must not block.
type Observer struct {
	// Published is called for every publication that the Broker accepted: from a
	// session of which transport, how long its payload is, and how long the Broker
	// took. Duplicates of an idempotent publication are not reported.
	Published func(transport string, bytes int, took time.Duration)
}

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	for _, n := range []struct {
		name  string
		value *int
		zero  int
	}{
		{"Retention.Count", &e.Retention.Count, RetentionCountDefault},
		{"PublicationBytesMax", &e.PublicationBytesMax, PublicationBytesMaxDefault},
		{"QueueCountMax", &e.QueueCountMax, QueueCountMaxDefault},
		{"QueueBytesMax", &e.QueueBytesMax, QueueBytesMaxDefault},
		{"SubscriptionsMax", &e.SubscriptionsMax, SubscriptionsMaxDefault},
		{"CommandsMax", &e.CommandsMax, CommandsMaxDefault},
		{"CallsMax", &e.CallsMax, CallsMaxDefault},
	} {
		if *n.value < 0 {
			return Options{}, fmt.Errorf("hub: option %s is negative: %d", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.zero
		}
	}
	if e.Retention.Age < 0 {
		return Options{}, fmt.Errorf("hub: option Retention.Age is negative: %v", e.Retention.Age)
	}
	if e.Retention.Age == 0 {
		e.Retention.Age = RetentionAgeDefault
	}
	if e.NoHistory {
		e.Retention = Retention{}
	}
	return e, nil
}
