package server

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// The demo feed: something live to look at before anything is connected.
const (
	demoChannel  = "demo/ticker"
	demoInterval = 200 * time.Millisecond
	demoPrice    = 100.00 // where it begins, and what it tends back to
)

// runDemo publishes a price every demoInterval until ctx ends or the hub does:
//
//	{"symbol":"GDWT","price":100.37,"change":-0.12}
//
// change is the difference from the price before.
func runDemo(ctx context.Context, publish func(context.Context, hub.Message) error, random *rand.Rand, log *slog.Logger) {
	ticker := time.NewTicker(demoInterval)
	defer ticker.Stop()
	walk := walk{cents: demoPrice * 100}
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := publish(ctx, hub.Message{Channel: demoChannel, Kind: hub.JSON, Data: walk.next(random)})
		switch {
		case ctx.Err() != nil, errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
			return
		case err != nil && !failing: // once, not five times a second
			log.Error("demo feed cannot publish", "error", err)
		}
		failing = err != nil
	}
}

// walk is a random walk in whole cents, so that price and change add up. It
// tends back to where it began and never reaches zero.
type walk struct{ cents int }

func (w *walk) next(random *rand.Rand) []byte {
	change := int(random.NormFloat64() * 25)
	change += (demoPrice*100 - w.cents) / 200
	change = max(change, 100-w.cents)
	w.cents += change
	b := []byte(`{"symbol":"GDWT","price":`)
	b = strconv.AppendFloat(b, float64(w.cents)/100, 'f', 2, 64)
	b = append(b, `,"change":`...)
	b = strconv.AppendFloat(b, float64(change)/100, 'f', 2, 64)
	return append(b, '}')
}
