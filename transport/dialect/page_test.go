package dialect

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestCollect(t *testing.T) {
	at := func(n uint64) hub.Position { return hub.Position{Epoch: "e", Offset: n} }
	d := func(n uint64) hub.Push {
		return hub.Push{Delivery: &hub.Delivery{Publication: &hub.Publication{Position: at(n)}}}
	}
	gap := func(from, to uint64) hub.Push { return hub.Push{Gap: &hub.Gap{From: at(from), To: at(to)}} }
	for _, test := range []struct {
		about    string
		pushes   []hub.Push
		limit    int
		n        int
		position uint64
		gap      bool
	}{
		{"all", []hub.Push{d(1), d(2)}, 5, 2, 2, false},
		{"limit", []hub.Push{d(1), d(2), d(3)}, 2, 2, 2, false},
		{"gap first", []hub.Push{gap(1, 4), d(5)}, 5, 1, 5, true},
		{"gap alone", []hub.Push{gap(1, 4)}, 5, 0, 4, true},
		{"gap later", []hub.Push{d(1), gap(1, 4), d(5)}, 5, 1, 1, false},
		{"two gaps", []hub.Push{gap(1, 2), d(3), gap(3, 4)}, 5, 1, 3, true},
	} {
		page := NewPage(PageRequest{Query: &hub.Query{Limit: test.limit}})
		got := page.collect(test.pushes)
		if len(got.publications) != test.n || page.position != at(test.position) || got.gap != test.gap {
			t.Errorf("%s: %d publications to %v, gap %v", test.about, len(got.publications), page.position, got.gap)
		}
	}
}
