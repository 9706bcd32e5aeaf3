package flight

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Report is an Answer as it is sent: in JSON, where unknown fields are left out.
type Report struct {
	Channel     string           `json:"channel"`
	Position    string           `json:"position"`
	Outcome     Outcome          `json:"outcome"`
	Text        string           `json:"text"`
	Publication *ReportedMessage `json:"publication,omitempty"`
	Newest      string           `json:"newest,omitempty"` // position of the channel
	Sessions    []ReportedStory  `json:"sessions"`
	Left        int              `json:"sessions_left,omitempty"` // how many more there are
	Refusals    []ReportedEvent  `json:"refusals,omitempty"`      // of clients that had no session yet
	KnownSince  time.Time        `json:"known_since"`
	At          time.Time        `json:"at"`
}

// ReportedMessage is what a Report says of a publication. Its payload is not shown.
type ReportedMessage struct {
	Time      time.Time  `json:"time"`
	Bytes     int        `json:"bytes"`
	Publisher string     `json:"publisher,omitempty"` // a session
	User      string     `json:"user,omitempty"`
	Event     string     `json:"event,omitempty"`
	Key       string     `json:"key,omitempty"`
	Exclude   string     `json:"exclude,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
}

// ReportedStory is what a Report says of a session.
type ReportedStory struct {
	Session    string          `json:"session"`
	User       string          `json:"user,omitempty"`
	Transport  string          `json:"transport,omitempty"`
	IsOpen     bool            `json:"open"`
	Outcome    Outcome         `json:"outcome"`
	Text       string          `json:"text"`
	Events     []ReportedEvent `json:"events"`                // the newest
	EventsLeft int             `json:"events_left,omitempty"` // how many older ones there are
}

// ReportedEvent is an Event. At is where a subscription begins, or what its edge had taken.
type ReportedEvent struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`
	Transport string    `json:"transport,omitempty"`
	At        string    `json:"at,omitempty"`
	From      string    `json:"from,omitempty"` // of a gap, like the next three
	To        string    `json:"to,omitempty"`
	Why       string    `json:"why,omitempty"`
	Count     int       `json:"count,omitempty"`
	Action    string    `json:"action,omitempty"` // that was refused
	Code      uint16    `json:"code,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// Report is a as it is sent.
func (a *Answer) Report() *Report {
	r := &Report{
		Channel: a.Channel, Position: a.Position.String(), Outcome: a.Outcome, Text: a.Text, Newest: a.Newest.String(),
		Sessions: make([]ReportedStory, 0, len(a.Sessions)), Left: a.Left, KnownSince: a.KnownSince.UTC(), At: a.At.UTC(),
		Publication: reportMessage(a.Publication), Refusals: reportEvents(a.Refusals[max(0, len(a.Refusals)-eventsMax):]),
	}
	for _, s := range a.Sessions {
		left := max(0, len(s.Events)-eventsMax)
		r.Sessions = append(r.Sessions, ReportedStory{s.ID, s.User, s.Transport, s.IsOpen, s.Outcome, s.Text, reportEvents(s.Events[left:]), left})
	}
	return r
}

// eventsMax is how many events of a session are sent.
const eventsMax = 100

func reportMessage(p *hub.Publication) *ReportedMessage {
	if p == nil {
		return nil
	}
	m := &ReportedMessage{Time: p.Time, Bytes: len(p.Data), Publisher: p.Publisher}
	if a := p.Attributes; a != nil {
		m.User, m.Event, m.Key, m.Exclude = a.User, a.Event, a.Key, a.Exclude
		if !a.Expires.IsZero() {
			m.Expires = &a.Expires
		}
	}
	return m
}

func reportEvents(events []Event) []ReportedEvent {
	list := make([]ReportedEvent, len(events))
	for i, e := range events {
		list[i] = ReportedEvent{
			Time: e.Time, Event: e.Kind.String(), Transport: e.Transport, At: e.Position.String(), Code: e.Code, Reason: e.Reason,
		}
		switch e.Kind {
		case Gapped:
			list[i].From, list[i].To, list[i].Why, list[i].Count = e.Gap.From.String(), e.Gap.To.String(), e.Gap.Reason.String(), e.Gap.Count
		case Refused:
			list[i].Action = e.Action.String()
		}
	}
	return list
}
