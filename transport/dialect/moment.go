package dialect

import "time"

// moment is a time on the clock that nobody sets, in eight bytes instead of the 24 of a
// time.Time: since when this process began, in nanoseconds. 0 is none.
type moment int64

var began = time.Now()

// momentOf is t, or none if that is zero.
func momentOf(t time.Time) moment {
	switch m := moment(t.Sub(began)); {
	case t.IsZero():
		return 0
	case m == 0:
		return 1
	default:
		return m
	}
}

// time is zero for none.
func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return began.Add(time.Duration(m))
}
