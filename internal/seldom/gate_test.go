package seldom_test

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/seldom"
)

func TestGate(t *testing.T) {
	var g seldom.Gate
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for i, row := range []struct {
		after time.Duration
		left  int
		ok    bool
	}{
		{0, 0, true},
		{0, 0, false},
		{seldom.Interval - 1, 0, false},
		{1, 2, true},
		{time.Second, 0, false},
		{time.Hour, 1, true},
		{seldom.Interval, 0, true},
	} {
		now = now.Add(row.after)
		if left, ok := g.Pass(now); left != row.left || ok != row.ok {
			t.Errorf("%d: %d, %v; want %d, %v", i, left, ok, row.left, row.ok)
		}
	}
}
