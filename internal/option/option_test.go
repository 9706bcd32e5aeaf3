package option

import (
	"math"
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct{ value, want int }{{0, 5}, {1, 1}, {NoLimit - 1, NoLimit - 1}, {NoLimit, math.MaxInt}} {
		if got := c.value; Resolve(&got, 5) != "" || got != c.want {
			t.Errorf("%d is %d, want %d", c.value, got, c.want)
		}
	}
	for _, c := range []struct{ value, want int64 }{{0, 5}, {1, 1}, {NoLimit, math.MaxInt64}, {math.MaxInt64, math.MaxInt64}} {
		if got := c.value; Resolve(&got, 5) != "" || got != c.want {
			t.Errorf("%d is %d, want %d", c.value, got, c.want)
		}
	}
	for _, c := range []struct{ value, want time.Duration }{{0, 5}, {1, 1}, {NoLimit, Forever}, {Forever + 1, Forever}} {
		if got := c.value; Resolve(&got, 5) != "" || got != c.want {
			t.Errorf("%v is %v, want %v", c.value, got, c.want)
		}
	}
	value := -time.Second
	if wrong := Resolve(&value, 5); wrong != "-1s is negative; 0 is the default, and NoLimit no limit" || value != -time.Second {
		t.Errorf("%q, %v", wrong, value)
	}
}
