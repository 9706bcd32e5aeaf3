package transport

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestParseQuery(t *testing.T) {
	none := query{last: -1, self: true}
	with := func(change func(*query)) query { q := none; change(&q); return q }
	tests := []struct {
		raw      string
		want     query
		fault    string // what the error must say, "" for none
		position bool   // it is a fault of the position
	}{
		{"", none, "", false},
		{"since=abc:7", with(func(q *query) { q.since = hub.Position{Epoch: "abc", Offset: 7} }), "", false},
		{"since=abc%3A7", with(func(q *query) { q.since = hub.Position{Epoch: "abc", Offset: 7} }), "", false},
		{"last=0", with(func(q *query) { q.last = 0 }), "", false},
		{"last=12&limit=3", with(func(q *query) { q.last, q.limit = 12, 3 }), "", false},
		{"self=0&envelope=1", with(func(q *query) { q.self, q.envelope = false, true }), "", false},
		{"self=1&envelope=0", none, "", false},
		{"json=1", with(func(q *query) { q.json = true }), "", false},
		{"json=0", none, "", false},
		{"json=true", none, "neither 0 nor 1", false},
		{"_=123&utm=x&utm=y&Since=zzz", none, "", false}, // not known: ignored, also twice
		{"a;b&c=%zz&%=1&limit=2", with(func(q *query) { q.limit = 2 }), "", false},
		{"lastEventId=abc:7", with(func(q *query) { q.lastEventID = "abc:7" }), "", false},
		{"Last-Event-ID=abc:7&last=3", with(func(q *query) { q.lastEventID, q.last = "abc:7", 3 }), "", false},

		{"since=", none, "it has no colon", true},
		{"since=7", none, "EPOCH", true},
		{"since=abc:07", none, "leading zero", true},
		{"since=abc:99999999999999999999", none, "64 bits", true},
		{"since=abc:1&since=abc:2", none, "given 2 times", false},
		{"since=abc:1&last=3", none, "exclude each other", false},
		{"since=abc:1&last=0", none, "exclude each other", false},
		{"last=-1", none, "not a count", false},
		{"last=x", none, "not a count", false},
		{"last=", none, "not a count", false},
		{"last=1000000001", none, "too large", false},
		{"last=99999999999999999999", none, "too large", false},
		{"limit=0", none, "at least 1", false},
		{"limit=1.5", none, "not a count", false},
		{"self=true", none, "neither 0 nor 1", false},
		{"envelope=", none, "neither 0 nor 1", false},
		{"since=%zz", none, "percent-encode", false},
		{"last=" + strings.Repeat("9", 5000), none, "too large", false},
	}
	for _, test := range tests {
		got, err := parseQuery(test.raw)
		if test.fault == "" {
			if err != nil || got != test.want {
				t.Errorf("parseQuery(%q) = %+v, %v, want %+v", test.raw, got, err, test.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("parseQuery(%q): error %v, want one that says %q", test.raw, err, test.fault)
			continue
		}
		if _, ok := err.(positionFault); ok != test.position {
			t.Errorf("parseQuery(%q): a fault of the position: %v, want %v", test.raw, ok, test.position)
		}
		if len(err.Error()) > 400 {
			t.Errorf("parseQuery of %d bytes: the error has %d", len(test.raw), len(err.Error()))
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "since=a:1", "last=3&limit=2", "self=0&envelope=1", "since=a:1&last=1", "%", ";", "last=99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		if q.last < -1 || q.last > countMax || q.limit < 0 || q.limit > countMax || !q.since.IsZero() && q.last >= 0 {
			t.Fatalf("parseQuery(%q) = %+v", raw, q)
		}
	})
}
