package dialect

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
)

// A client is told that its token ends half a minute before, or when a fifth of its time
// is left. It is told once for each token, also if that is adopted by the next carrier.
func TestExpiringIsToldInTime(t *testing.T) {
	o := &SessionOptions{
		Heartbeat: time.Hour, ConnectTimeout: time.Second, Expiring: 30 * time.Second,
		Reconnect: func(at int32) (time.Duration, int32) { return 0, at },
		Describe:  func(err error) Failure { return Failure{Problem: clientproto.ProblemForbidden, Detail: err.Error()} },
	}
	for _, row := range []struct {
		life, before time.Duration
	}{
		{time.Hour, 30 * time.Second},
		{150 * time.Second, 30 * time.Second},
		{100 * time.Second, 20 * time.Second},
		{4 * time.Second, 800 * time.Millisecond},
	} {
		s := NewSessionLines(o)
		begin := func(now time.Time, tag uint64) {
			var e Effects
			s.Connected(now, &Connected{Tag: tag, Expires: now.Add(row.life)}, &e)
		}
		var e Effects
		s.Begin(epoch, &e)
		s.Receive(epoch, Frame{Data: []byte(`{"id":1,"connect":{}}`)}, &e)
		begin(epoch, 1)
		now := epoch
		for range 2 { // with the first token, and with that of a refresh
			// A few parts of the notice are lost to rounding.
			told := now.Add(row.life - row.before)
			if d := s.Deadline(); d.Before(told) || d.After(told.Add(time.Millisecond)) {
				t.Fatalf("a token of %v: told after %v, want %v", row.life, d.Sub(now), told.Sub(now))
			}
			next := NewSessionLines(o)
			next.Adopt(s, false)
			s = next
			var e Effects
			s.Begin(told, &e)
			if d := s.Deadline(); d.Before(told) || d.After(told.Add(time.Millisecond)) {
				t.Fatalf("a token of %v: the next carrier tells after %v, want %v", row.life, d.Sub(now), told.Sub(now))
			}
			now = s.Deadline()
			e = Effects{}
			s.Expire(now, &e)
			var after int64
			got := sent(&e)
			if _, err := fmt.Sscanf(got, "{\"expiring\":{\"after_ms\":%d}}\n", &after); err != nil || row.before.Milliseconds()-after > 1 || after > row.before.Milliseconds() {
				t.Errorf("a token of %v: %q, want %d ms", row.life, got, row.before.Milliseconds())
			}
			if d := s.Deadline(); d.Before(now.Add(o.Heartbeat)) {
				t.Errorf("a token of %v: something is due again after %v", row.life, d.Sub(now))
			}
			begin(now, 2)
		}
	}
}
