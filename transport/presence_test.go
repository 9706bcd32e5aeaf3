package transport

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestParsePresenceQuery(t *testing.T) {
	tests := []struct {
		raw   string
		want  hub.PresenceQuery
		fault string // what the error must say, "" for none
	}{
		{"", hub.PresenceQuery{}, ""},
		{"limit=7&by=user&cursor=0%61", hub.PresenceQuery{Limit: 7, ByUser: true, After: "0a"}, ""},
		{"limit=1000&by=session&count=0", hub.PresenceQuery{Limit: 1000}, ""},
		{"count=1&by=user&token=x&_=%zz", hub.PresenceQuery{CountOnly: true, ByUser: true}, ""},
		{"%zz=1&Limit=x", hub.PresenceQuery{}, ""}, // not known: ignored

		{"limit=0", hub.PresenceQuery{}, "at least 1"},
		{"limit=1001", hub.PresenceQuery{}, "at most 1000, and the cursor of the answer gives the next page"},
		{"limit=-1", hub.PresenceQuery{}, "not a count"},
		{"limit=1&limit=1", hub.PresenceQuery{}, "limit is given more than once"},
		{"limit=%zz", hub.PresenceQuery{}, "percent-encode"},
		{"by=users", hub.PresenceQuery{}, "neither user nor session"},
		{"by=", hub.PresenceQuery{}, "neither user nor session"},
		{"count=true", hub.PresenceQuery{}, "neither 0 nor 1"},
		{"cursor=", hub.PresenceQuery{}, "cursor is empty"},
		{"count=1&limit=3", hub.PresenceQuery{}, "count=1 has no list"},
		{"count=1&cursor=3", hub.PresenceQuery{}, "count=1 has no list"},
	}
	for _, test := range tests {
		got, err := parsePresenceQuery(test.raw)
		switch {
		case test.fault == "" && (err != nil || got != test.want):
			t.Errorf("%q is %+v, %v, want %+v", test.raw, got, err, test.want)
		case test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)):
			t.Errorf("%q: error %v, want one with %q", test.raw, err, test.fault)
		}
	}
}

func FuzzParsePresenceQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=7&by=user&cursor=0a", "count=1", "by=%75ser&limit=%zz", "limit=1&limit=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parsePresenceQuery(raw)
		if err == nil && (q.Limit < 0 || q.Limit > hub.MembersMax || q.CountOnly && (q.Limit > 0 || q.After != "") || q.IgnoresPolicy) {
			t.Errorf("%q is %+v", raw, q)
		}
	})
}
