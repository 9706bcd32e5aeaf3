package hub_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// resumer is a client that comes back.
type resumer struct {
	session *hub.Session
	woken   chan struct{}
	got     []string
	gaps    int
	done    time.Duration // when it had all that it wanted
}

// crowd is a hub whose clients all resume.
type crowd struct {
	t     *testing.T
	hub   *hub.Hub
	begin time.Time
	since hub.Position
}

// newCrowd is one with a channel that has had so many publications, of which the
// clients have seen the first.
func newCrowd(t *testing.T, o hub.Options, publications int) *crowd {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(broker, &o)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, hub: h, begin: time.Now()}
	for i := range publications {
		if at := c.publish(i + 1); i == 0 {
			c.since = at
		}
	}
	return c
}

func (c *crowd) publish(n int) hub.Position {
	c.t.Helper()
	at, _, err := c.hub.Publish(c.t.Context(), hub.Message{Channel: "c", Data: []byte(strconv.Itoa(n))})
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

func (c *crowd) connect() *resumer {
	c.t.Helper()
	r := &resumer{woken: make(chan struct{}, 1)}
	var err error
	if r.session, err = c.hub.Connect("test", func() {
		select {
		case r.woken <- struct{}{}:
		default:
		}
	}); err != nil {
		c.t.Fatal(err)
	}
	r.session.Subscribe(1, "c", hub.SubscribeOptions{Since: c.since})
	return r
}

// take takes all that r can have now.
func (c *crowd) take(r *resumer, want int) {
	for {
		select {
		case <-r.woken:
		default:
			return
		}
		pushes, err := r.session.Take(nil)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, p := range pushes {
			switch {
			case p.Delivery != nil:
				r.got = append(r.got, string(p.Delivery.Data))
			case p.Gap != nil:
				r.gaps++
			}
		}
		if r.done == 0 && len(r.got) >= want {
			r.done = time.Since(c.begin)
		}
	}
}

func (c *crowd) close() {
	if err := c.hub.Close(); err != nil {
		c.t.Error(err)
	}
}

// numbers are the numbers from first to last.
func numbers(first, last int) (list []string) {
	for n := first; n <= last; n++ {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// A crowd that resumes reads its histories at the rate and in turn, and gets everything
// once and in order; publications meanwhile reach live subscribers at once.
func TestHistoriesAreReadAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, hub.Options{HistoryPagesPerSecond: 100}, 100)
		defer c.close()
		live := c.connect()
		for range 3 {
			c.take(live, 99)
		}
		clients := make([]*resumer, 210)
		for i := range clients {
			clients[i] = c.connect()
		}
		published := 100
		for range 50 { // five seconds
			published++
			c.publish(published)
			c.take(live, 0)
			if got := live.got[len(live.got)-1]; got != strconv.Itoa(published) {
				t.Fatalf("a client that is live has %s, and %d is published", got, published)
			}
			for _, r := range clients {
				c.take(r, 99)
			}
			if n := c.hub.Stats().PagesWaiting; n > 201 {
				t.Fatalf("%d pages wait", n)
			}
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
		}
		for i, r := range clients {
			c.take(r, 99)
			if !slices.Equal(r.got, numbers(2, published)) || r.gaps > 0 {
				t.Fatalf("client %d has %d publications and %d gaps: %v", i, len(r.got), r.gaps, r.got)
			}
			// Ten at once, less the one of the live client, and then one each 10 ms. It is
			// looked each 100 ms.
			want := time.Duration(max(0, i-8)) * 10 * time.Millisecond
			if r.done < want-10*time.Millisecond || r.done > want+110*time.Millisecond {
				t.Errorf("client %d has caught up after %v, want %v", i, r.done, want)
			}
		}
		if n := c.hub.Stats().PagesWaiting; n != 0 {
			t.Errorf("%d pages wait at the end", n)
		}
	})
}

// A history of several pages stands in line for each: it does not hold up a short one.
func TestLongHistoriesWaitForEachPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, hub.Options{HistoryPagesPerSecond: 10}, 900) // one at once, and one each 100 ms
		defer c.close()
		long := c.connect()
		c.since = hub.Position{Epoch: c.since.Epoch, Offset: 895}
		c.take(long, 1)
		short := c.connect()
		for range 20 {
			c.take(short, 5)
			c.take(long, 899)
			<-time.After(50 * time.Millisecond)
			synctest.Wait()
		}
		if !slices.Equal(long.got, numbers(2, 900)) || !slices.Equal(short.got, numbers(896, 900)) {
			t.Errorf("%d and %d publications", len(long.got), len(short.got))
		}
		if short.done > 250*time.Millisecond || long.done < 350*time.Millisecond {
			t.Errorf("the short one has caught up after %v, the long one after %v", short.done, long.done)
		}
	})
}

// Sessions that leave while they wait take no time from those behind them.
func TestWhoLeavesTakesNoPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, hub.Options{HistoryPagesPerSecond: 10}, 10)
		defer c.close()
		var clients []*resumer
		for range 52 {
			r := c.connect()
			c.take(r, 9)
			clients = append(clients, r)
		}
		for i, r := range clients[1:51] {
			if i%2 == 0 {
				r.session.Close()
			} else {
				r.session.Unsubscribe(2, "c")
			}
		}
		last := clients[51]
		for range 20 {
			<-time.After(50 * time.Millisecond)
			synctest.Wait()
			c.take(last, 9)
		}
		if last.done == 0 || last.done > 600*time.Millisecond {
			t.Errorf("the last one, behind 50 who have left, has caught up after %v", last.done)
		}
	})
}

// A subscription that was live and has fallen behind is not paced.
func TestSlowClientsAreNotPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, hub.Options{HistoryPagesPerSecond: 1, QueueCountMax: 2}, 3)
		defer c.close()
		r := c.connect()
		for range 3 {
			c.take(r, 2)
		}
		for round := range 5 {
			for i := range 10 {
				c.publish(4 + 10*round + i)
			}
			c.take(r, 0)
			if !slices.Equal(r.got, numbers(2, 13+10*round)) {
				t.Fatalf("after round %d it has %v", round, r.got)
			}
		}
		if now := time.Since(c.begin); now != 0 {
			t.Errorf("it took %v", now)
		}
	})
}

// A hub that is closed leaves no timer and no session in line.
func TestClosedWhileHistoriesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, hub.Options{HistoryPagesPerSecond: 1}, 3)
		var clients []*resumer
		for range 5 {
			r := c.connect()
			c.take(r, 2)
			clients = append(clients, r)
		}
		if n := c.hub.Stats().PagesWaiting; n != 4 {
			t.Errorf("%d pages wait, want 4", n)
		}
		c.close()
		<-time.After(time.Hour)
		for i, r := range clients {
			if _, err := r.session.Take(nil); err != hub.ErrClosed {
				t.Errorf("client %d: %v", i, err)
			}
		}
		if n := c.hub.Stats().PagesWaiting; n != 0 {
			t.Errorf("%d pages wait", n)
		}
	})
}

// BenchmarkReplay is what one client costs that resumes behind so many publications.
func BenchmarkReplay(b *testing.B) {
	for _, missed := range []int{0, 1, 10, 100, 250} {
		b.Run(fmt.Sprint(missed), func(b *testing.B) {
			broker, err := membroker.New(nil)
			if err != nil {
				b.Fatal(err)
			}
			h, err := hub.New(broker, &hub.Options{HistoryPagesPerSecond: hub.NoLimit})
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			var since hub.Position
			for i := range 300 {
				at, _, err := h.Publish(b.Context(), hub.Message{Channel: "c", Data: make([]byte, 40)})
				if err != nil {
					b.Fatal(err)
				}
				if i == 299-missed {
					since = at
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				s, err := h.Connect("test", nil)
				if err != nil {
					b.Fatal(err)
				}
				s.Subscribe(1, "c", hub.SubscribeOptions{Since: since})
				for range 2 {
					if _, err := s.Take(nil); err != nil {
						b.Fatal(err)
					}
				}
				s.Close()
			}
		})
	}
}
