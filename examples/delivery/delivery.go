// Package delivery is the server of the example "delivery tracking": vans that drive through
// a town and say where they are.
package delivery

import (
	"context"
	"embed"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html delivery.go screenshot.webp
var Files embed.FS

const (
	vans   = 5
	blocks = 8 // streets each way; crossings are at whole numbers
	speed  = 0.6
	often  = 250 * time.Millisecond // as a phone in a van would
)

// place is what a van says.
type place struct {
	Van   string  `json:"van"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Stops int     `json:"stops"`   // that are left
	ETA   int     `json:"eta_sec"` // of the next one
}

// Run drives all vans until ctx ends. Each has a channel of its own, as each would have a
// token of its own that lets it publish there and nowhere else.
func Run(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var driving sync.WaitGroup
	for i := range vans {
		driving.Go(func() { cancel(drive(ctx, c, fmt.Sprintf("van-%d", i+1))) })
	}
	driving.Wait()
	return context.Cause(ctx)
}

// drive goes from stop to stop, along one street and then along another.
func drive(ctx context.Context, c *client.Client, name string) error {
	at := place{Van: name, X: float64(rand.IntN(blocks)), Y: float64(rand.IntN(blocks))}
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	toX, toY := at.X, at.Y
	for {
		if at.X == toX && at.Y == toY {
			if at.Stops--; at.Stops < 0 {
				at.Stops = 3 + rand.IntN(5)
			}
			toX, toY = float64(rand.IntN(blocks)), float64(rand.IntN(blocks))
		}
		way := speed * often.Seconds()
		if at.X != toX {
			at.X = towards(at.X, toX, way)
		} else {
			at.Y = towards(at.Y, toY, way)
		}
		at.ETA = int((math.Abs(toX-at.X) + math.Abs(toY-at.Y)) / speed)
		if _, err := c.Publish(ctx, "examples/delivery/"+name, client.JSON(at), nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func towards(from, to, way float64) float64 {
	if math.Abs(to-from) <= way {
		return to
	}
	return from + math.Copysign(way, to-from)
}
