package option

import (
	"fmt"
	"math"
	"time"
)

// NoLimit, as the value of an option that is a limit or a time, means that there
// is none.
const NoLimit = math.MaxInt

// Forever is what NoLimit is for a duration once it is resolved: longer than
// anything lives, and short enough to be added to any moment, or doubled.
const Forever = time.Duration(math.MaxInt64 / 4)

// Resolve makes of an option what it means: of zero its default, and of NoLimit the
// largest number there is, or Forever. If the value is negative it changes nothing,
// and returns what is wrong and what would be right.
func Resolve[T int | int64 | time.Duration](value *T, fallback T) (wrong string) {
	switch {
	case *value < 0:
		return fmt.Sprintf("%v is negative; 0 is the default, and NoLimit no limit", *value)
	case *value == 0:
		*value = fallback
	case *value == NoLimit: // less than the largest of 64 bits where an int has 32
		*value = largest[T]()
	default:
		*value = min(*value, largest[T]())
	}
	return ""
}

func largest[T int | int64 | time.Duration]() T {
	var v T
	switch v := any(&v).(type) {
	case *int:
		*v = math.MaxInt
	case *int64:
		*v = math.MaxInt64
	case *time.Duration:
		*v = Forever
	}
	return v
}
