package settle

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSettlesOnceABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var freed []time.Duration
		start := time.Now()
		took := make(chan time.Time, 10)
		s := Settler{free: func() { took <- time.Now() }}
		passed := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
			freed = nil
			for len(took) > 0 {
				freed = append(freed, (<-took).Sub(start))
			}
		}
		open := func(n int, over time.Duration) {
			for range n {
				s.Opened()
				time.Sleep(over / time.Duration(n))
			}
		}
		open(burst-1, time.Second)
		passed(time.Hour)
		if len(freed) != 0 {
			t.Fatalf("freed without a burst, after %v", freed)
		}
		start = time.Now()
		open(3*burst, 3*time.Second)
		passed(time.Minute)
		if len(freed) != 1 || freed[0] < 3*time.Second || freed[0] > 4*time.Second {
			t.Fatalf("a burst of 3 s: freed after %v", freed)
		}
		start = time.Now()
		open(burst, time.Second)
		time.Sleep(2 * time.Second)
		open(burst, time.Second)
		passed(time.Minute)
		if len(freed) != 2 || freed[1]-freed[0] < pause {
			t.Fatalf("two bursts: freed after %v", freed)
		}
		open(burst, 0)
		s.Stop()
		s.Opened()
		passed(time.Hour)
		if len(freed) != 0 {
			t.Fatal("freed after Stop")
		}
	})
}
