package transport

import "testing"

// TestLateClaims: a request that was sent before what its client has done since does not get the seat,
// nor one that waits for it out of the way.
func TestLateClaims(t *testing.T) {
	connect := func(id uint64) claim { return claim{isConnect: true, connect: id} }
	poll := func(acknowledged uint64) claim { return claim{acknowledged: acknowledged} }
	waits := func(c claim) *claim { return &c }
	for name, test := range map[string]struct {
		seat *seat
		by   claim
		late bool
	}{
		"a connect of a newer connection":                  {&seat{connect: 5}, connect(6), false},
		"the same connect, as an EventSource sends it":     {&seat{connect: 5}, connect(5), false},
		"a connect of an older connection":                 {&seat{connect: 5}, connect(4), true},
		"a connect older than the one that waits":          {&seat{connect: 3, claimant: waits(connect(5))}, connect(4), true},
		"a connect newer than the one that waits":          {&seat{connect: 3, claimant: waits(connect(5))}, connect(6), false},
		"a connect while a poll waits":                     {&seat{connect: 3, isPolled: true, claimant: waits(poll(9))}, connect(4), false},
		"a poll":                                           {&seat{isPolled: true, page: 2}, poll(2), false},
		"a poll that has not got the newest page":          {&seat{isPolled: true, page: 2, claimant: waits(poll(2))}, poll(2), false},
		"a poll that does not say what it has":             {&seat{isPolled: true, page: 2}, poll(0), false},
		"a poll of an older connection, or before another": {&seat{isPolled: true, page: 2}, poll(1), true},
		"a poll before the one that waits":                 {&seat{isPolled: true, page: 2, claimant: waits(poll(3))}, poll(2), true},
		"a poll where there is a stream or a WebSocket":    {&seat{page: 2}, poll(2), true},
		"a poll while a connect waits":                     {&seat{isPolled: true, page: 2, claimant: waits(connect(7))}, poll(2), true},
		"a poll while a connect has just got the seat":     {&seat{isPolled: true, page: 2, isResuming: true}, poll(2), true},
	} {
		if late := test.seat.isLate(&test.by); late != test.late {
			t.Errorf("%s: late is %v, want %v", name, late, test.late)
		}
	}
}
