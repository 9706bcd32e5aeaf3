package loadgen

import (
	"testing"
	"testing/synctest"
	"time"
)

// Slow peers are no subscribers that are measured, and read all of it in the end.
func TestFanoutWithSlowPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{handle: (&broadcaster{}).handle}
		o := Options{Connections: 5, Rate: 30, Duration: 5 * time.Second, Fanout: FanoutOptions{Slow: 3, SlowBytes: 1280}, dial: m.dial}
		r, err := Fanout(t.Context(), "ws://memory/", o)
		if err != nil {
			t.Fatal(err)
		}
		m.conns.Wait()
		if r.Latency.Count != 5*30*5 || len(r.Errors) > 0 {
			t.Errorf("%d samples, %+v", r.Latency.Count, r.Errors)
		}
		if s := r.Slow; s == nil || s.Peers != 3 || s.Newest != 3 || s.Ended != 0 || s.Received < 3*30*5 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSlowURL(t *testing.T) {
	for target, want := range map[string]string{
		"ws://a/channels/x?token=t": "ws://a/channels/x?envelope=1&token=t",
		"ws://a/other":              "ws://a/other",
	} {
		if got := slowURL(target); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}
