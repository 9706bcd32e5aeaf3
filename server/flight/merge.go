package flight

import (
	"cmp"
	"slices"
	"time"
)

// Merge makes one Report of those of several nodes about one question, of which there is at
// least one. It may change them.
//
// The best-informed report comes first: a node that has had to do with the user or session in question
// knows more than a node that has not.
func Merge(reports []*Report) *Report {
	rank := func(r *Report) int { return slices.Index(Outcomes(), r.Outcome) }
	knows := func(r *Report) int {
		switch {
		case len(r.Sessions) > 0:
			return 0
		case len(r.Refusals) > 0:
			return 1
		}
		return 2
	}
	best := slices.MinFunc(reports, func(a, b *Report) int {
		return cmp.Or(cmp.Compare(knows(a), knows(b)), cmp.Compare(rank(a), rank(b)))
	})
	merged := *best
	merged.Sessions, merged.Refusals, merged.Left = []ReportedStory{}, nil, 0
	for _, r := range reports {
		merged.Sessions = append(merged.Sessions, r.Sessions...)
		merged.Refusals = append(merged.Refusals, r.Refusals...)
		merged.Left += r.Left
		if r.KnownSince.After(merged.KnownSince) {
			merged.KnownSince = r.KnownSince
		}
		if merged.Publication == nil {
			merged.Publication = r.Publication
		}
	}
	newest := func(s *ReportedStory) (t time.Time) {
		if n := len(s.Events); n > 0 {
			t = s.Events[n-1].Time
		}
		return t
	}
	slices.SortStableFunc(merged.Sessions, func(a, b ReportedStory) int { return newest(&b).Compare(newest(&a)) })
	if more := len(merged.Sessions) - SessionsMax; more > 0 {
		merged.Sessions = merged.Sessions[:SessionsMax]
		merged.Left += more
	}
	slices.SortStableFunc(merged.Refusals, func(a, b ReportedEvent) int { return a.Time.Compare(b.Time) })
	if more := len(merged.Refusals) - eventsMax; more > 0 {
		merged.Refusals = merged.Refusals[more:]
	}
	return &merged
}
