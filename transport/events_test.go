package transport

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

func TestResumeEvents(t *testing.T) {
	given := query{since: hub.Position{Epoch: "url", Offset: 1}, last: -1}
	last := query{last: 3}
	tests := []struct {
		id   string
		in   query
		want query
	}{
		{"", given, given},
		{"", last, last},
		{"abc:7", given, query{since: hub.Position{Epoch: "abc", Offset: 7}, last: -1}},
		{"abc:7", last, query{since: hub.Position{Epoch: "abc", Offset: 7}, last: -1}},
		{"nonsense", given, query{since: hub.Position{Epoch: dialect.LostEpoch}, last: -1}},
		{"?:1", given, query{since: hub.Position{Epoch: dialect.LostEpoch}, last: -1}},
	}
	for _, test := range tests {
		got := test.in
		if resumeEvents(test.id, &got); got != test.want {
			t.Errorf("Last-Event-ID %q over %+v gives %+v, want %+v", test.id, test.in, got, test.want)
		}
	}
	if _, err := hub.ParsePosition(dialect.LostEpoch + ":0"); err == nil {
		t.Error("a client can name the epoch that stands for a lost position")
	}
}

// Clients that cannot set a field give the last event ID in the query; a field
// counts before it.
func TestLastEventIDInTheQuery(t *testing.T) {
	s := newSite(t, siteOptions{})
	first := s.publish("chat", hub.Text, "1")
	second := s.publish("chat", hub.Text, "2")
	for _, test := range []struct {
		path  string
		field string
		begin hub.Position
	}{
		{"?lastEventId=" + first.String(), "", first},
		{"?lastEventID=" + first.String() + "&last=2", "", first},
		{"?Last-Event-ID=" + first.String(), second.String(), second},
		{"?lastEventId=&since=" + first.String(), "", first},
	} {
		header := fields{"Accept", "text/event-stream"}
		if test.field != "" {
			header = append(header, "Last-Event-ID", test.field)
		}
		response := s.open("/channels/chat"+test.path, header)
		if got := response.Header.Get(headerPosition); got != test.begin.String() {
			t.Errorf("%s: begins behind %s, want %v", test.path, got, test.begin)
		}
		response.Body.Close()
		s.expectEnd(EndClient)
	}
}
