// Package auction is the back end of the example "live auction": it decides which bids are
// taken, and tells everybody.
package auction

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html auction.go screenshot.webp
var Files embed.FS

const (
	channel  = "examples/auction/lot"
	lasts    = time.Minute
	extended = 10 * time.Second // a bid in the last seconds leaves others as long to answer
	step     = 5
)

var things = []string{"a ship's clock", "a box of old maps", "a brass telescope", "a jar of sea glass"}

// lot is what is sold now. All there is to know of it is published whenever it changes.
type lot struct {
	Number int       `json:"number"`
	Thing  string    `json:"thing"`
	Price  int       `json:"price"`
	Bidder string    `json:"bidder,omitempty"`
	Least  int       `json:"least"` // the next bid
	Ends   time.Time `json:"ends"`
	IsSold bool      `json:"sold,omitempty"`
}

type auction struct {
	mu    sync.Mutex
	lot   lot
	timer *time.Timer
	c     *client.Client
}

// Run sells one thing after the other until ctx ends.
func Run(ctx context.Context, c *client.Client) error {
	over := make(chan struct{}, 1)
	a := &auction{c: c, timer: time.AfterFunc(lasts, func() { over <- struct{}{} })}
	defer a.timer.Stop()
	// Bids come as calls and not as publications: a call has an answer, and what is not
	// taken is never seen by anybody else.
	bids, err := c.Handle(ctx, "examples/auction/bid", a.bid, nil)
	if err != nil {
		return err
	}
	for number := 1; ; number++ {
		a.mu.Lock()
		a.lot = lot{Number: number, Thing: things[number%len(things)], Price: 20, Least: 20 + step, Ends: time.Now().Add(lasts)}
		a.timer.Reset(lasts)
		err := a.publish(ctx)
		a.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-bids.Done(): // somebody else answers them now, or we may not any more
			return bids.Err()
		case <-over:
		}
		a.mu.Lock()
		a.lot.IsSold = true
		err = a.publish(ctx)
		a.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
}

// publish is called with the lock held, so that what is published is in order.
func (a *auction) publish(ctx context.Context) error {
	_, err := a.c.Publish(ctx, channel, client.JSON(a.lot), nil)
	return err
}

// bid answers {"lot":3,"name":"Ada","price":40}. It runs for several callers at a time.
func (a *auction) bid(ctx context.Context, call client.Call) (client.Data, error) {
	var bid struct {
		Lot   int    `json:"lot"`
		Name  string `json:"name"`
		Price int    `json:"price"`
	}
	if err := json.Unmarshal(call.Data.Bytes, &bid); err != nil || strings.TrimSpace(bid.Name) == "" || len(bid.Name) > 40 {
		return refuse("bad-bid", "a bid has a lot, a name and a price")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.lot.IsSold || a.lot.Number != bid.Lot:
		return refuse("sold", fmt.Sprintf("lot %d is sold", bid.Lot))
	case bid.Price < a.lot.Least:
		return refuse("too-low", fmt.Sprintf("somebody has bid %d; bid at least %d", a.lot.Price, a.lot.Least))
	}
	a.lot.Price, a.lot.Bidder, a.lot.Least = bid.Price, bid.Name, bid.Price+step
	if left := time.Until(a.lot.Ends); left < extended {
		a.lot.Ends = time.Now().Add(extended)
		a.timer.Reset(extended)
	}
	if err := a.publish(ctx); err != nil {
		return client.Data{}, err
	}
	return client.JSON(a.lot), nil
}

func refuse(reason, detail string) (client.Data, error) {
	return client.Data{}, &client.Problem{Type: "https://example.com/problems/" + reason, Title: "The bid is not taken", Detail: detail}
}
