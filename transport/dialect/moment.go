package dialect

import "time"

// moment is a time in eight bytes instead of the 24 of a time.Time: since StreamOptions.Epoch,
// in nanoseconds. 0 is none.
type moment int64

// momentOf is t, or none if that is zero.
func (o *StreamOptions) momentOf(t time.Time) moment {
	switch m := moment(t.Sub(o.epoch())); {
	case t.IsZero():
		return 0
	case m == 0:
		return 1
	default:
		return m
	}
}

// timeOf is zero for none.
func (o *StreamOptions) timeOf(m moment) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return o.epoch().Add(time.Duration(m))
}

func (o *StreamOptions) epoch() time.Time {
	if o.Epoch.IsZero() {
		return time.Unix(0, 0)
	}
	return o.Epoch
}
