package engine

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// The Date field is that of the second in which it is made, however it was kept.
func TestDateIsThatOfTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		for _, d := range []time.Duration{0, 300 * time.Millisecond, 699 * time.Millisecond, time.Millisecond, time.Second - 1, 1, time.Hour} {
			time.Sleep(d)
			if got, want := string(s.appendDate(nil)), time.Now().UTC().Format(http.TimeFormat); got != want {
				t.Errorf("after %v more it is %q, want %q", d, got, want)
			}
		}
	})
}
