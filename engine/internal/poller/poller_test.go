package poller_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/engine/internal/poller"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each kind of poller, whatever the system has.
func pollers(t *testing.T, test func(t *testing.T, p poller.Poller)) {
	t.Run("system", func(t *testing.T) {
		p, err := poller.New()
		if err != nil {
			t.Fatal(err)
		}
		test(t, p)
		p.Close()
		p.Wake() // by a goroutine that does not know yet
	})
	t.Run("parked", func(t *testing.T) {
		p := poller.NewParked()
		test(t, p)
		p.Close()
		p.Wake()
	})
}

// A wake is not lost when it comes before the wait, and neither do more of them
// add up to more than one.
func TestWakeComesFirst(t *testing.T) {
	pollers(t, func(t *testing.T, p poller.Poller) {
		var events [8]poller.Event
		p.Wake()
		p.Wake()
		if n := p.Wait(events[:], -1); n != 0 {
			t.Errorf("%d events", n)
		}
		began := time.Now()
		p.Wait(events[:], 20*time.Millisecond)
		if took := time.Since(began); took < 20*time.Millisecond {
			t.Errorf("the second wait ended after %v", took)
		}
	})
}

// Wake may come from any goroutine.
func TestWakeEndsWait(t *testing.T) {
	pollers(t, func(t *testing.T, p poller.Poller) {
		waits := make(chan struct{})
		go func() {
			<-waits
			p.Wake()
		}()
		close(waits)
		p.Wait(make([]poller.Event, 8), -1)
	})
}

// The nap is over by itself, and not much later: a poller that waits for
// something to happen would stop the loop.
func TestPauseEnds(t *testing.T) {
	pollers(t, func(t *testing.T, p poller.Poller) {
		p.Wake()
		p.Pause(50 * time.Microsecond)
		p.Pause(-1)
	})
}
