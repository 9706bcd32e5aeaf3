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
