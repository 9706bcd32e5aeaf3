//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// bucket is a token bucket: a burst, and a token more each interval. Options.Rate
// is called by one goroutine at a time, but a bucket for each user instead of
// each connection is shared, hence the mutex.
type bucket struct {
	mu       sync.Mutex
	tokens   int
	burst    int
	interval time.Duration
	last     time.Time
}

func newBucket(burst int, interval time.Duration) *bucket {
	return &bucket{tokens: burst, burst: burst, interval: interval, last: time.Now()}
}

// take is an Options.Rate that ends the connection of a peer that is too fast. A
// Rate that waits instead slows the peer down.
func (b *bucket) take(_ context.Context, _ int, begins bool) error {
	if !begins {
		return nil // messages are counted, not their parts
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	earned := int(time.Since(b.last) / b.interval)
	b.last = b.last.Add(time.Duration(earned) * b.interval)
	b.tokens = min(b.tokens+earned, b.burst)
	if b.tokens == 0 {
		return errors.New("too many messages; slow down")
	}
	b.tokens--
	return nil
}

// Each connection may send three messages at once and one a minute after that.
// The limiters of golang.org/x/time/rate can be used in the same way.
func Example_rateLimit() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := newBucket(3, time.Minute)
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: ws.Options{Rate: limit.take}})
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		for message, err := range conn.Messages(r.Context()) {
			if err != nil {
				return
			}
			fmt.Printf("%s\n", message.Data)
		}
	}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()
	for i := range 4 {
		conn.Write(ctx, ws.MessageText, fmt.Append(nil, "message ", i+1))
	}
	_, _, err = conn.Read(ctx)
	fmt.Println(err)
	// Output:
	// message 1
	// message 2
	// message 3
	// websocket: closed with 1008 policy violation: "too many messages; slow down"
}
