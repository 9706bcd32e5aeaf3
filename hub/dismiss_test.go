package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// A hub that dismisses its sessions serves them until their turn comes, and new ones
// that come meanwhile.
func TestDismissAtPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		const n = 100
		var mu sync.Mutex
		var ended []time.Duration // guarded by mu
		began := time.Now()
		open := func() {
			var s *hub.Session
			ready, over := make(chan struct{}), sync.Once{}
			s, err := h.Connect("test", func() {
				go func() {
					<-ready
					if _, err := s.Take(nil); err == nil {
						return
					} else if !errors.Is(err, hub.ErrShutdown) {
						t.Error(err)
					}
					over.Do(func() {
						mu.Lock()
						ended = append(ended, time.Since(began))
						mu.Unlock()
						s.Close()
					})
				}()
			})
			if err != nil {
				t.Fatal(err)
			}
			close(ready)
		}
		for range n {
			open()
		}
		done := make(chan error, 1)
		go func() { done <- h.DismissAtPace(t.Context(), 100) }()
		<-time.After(510 * time.Millisecond)
		synctest.Wait()
		mu.Lock()
		if len(ended) != 52 { // two at a time, 20 ms apart
			t.Errorf("%d sessions have ended halfway", len(ended))
		}
		mu.Unlock()
		h.Sessions()[0].Publish(0, hub.Message{Channel: "chat", Data: []byte("still")})
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "chat", Data: []byte("here")}); err != nil {
			t.Error(err)
		}
		if page, err := h.History(t.Context(), "chat", hub.Query{}); err != nil || len(page.Publications) != 2 {
			t.Errorf("%+v, %v: a session publishes until it is ended, and so does the hub", page, err)
		}
		open()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		mu.Lock()
		if last := ended[len(ended)-1]; len(ended) != n+1 || last < 980*time.Millisecond || last > 1300*time.Millisecond {
			t.Errorf("%d sessions ended, the last after %v", len(ended), last)
		}
		mu.Unlock()

		// A session that does not go does not hold it up for ever.
		if _, err := h.Connect("test", nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.DismissAtPace(ctx, hub.NoLimit); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
