// Package game is the server of the example "multiplayer game": it moves everybody at a
// steady tick, so that no page can cheat.
package game

import (
	"context"
	"embed"
	"encoding/json"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html game.go screenshot.webp
var Files embed.FS

const (
	channel = "examples/game/state"
	tick    = 50 * time.Millisecond
	speed   = 0.012 // of the width of the field, in a tick
	reach   = 0.03
	worms   = 12
	silence = 30 * time.Second // after which a player who steers no more has left
)

// bird is a player. Its place is between 0 and 1 both ways.
type bird struct {
	ID    string  `json:"id"` // of the session
	Name  string  `json:"name"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Score int     `json:"score"`

	heading [2]float64
	heard   time.Time
}

type point [2]float64

type world struct {
	mu    sync.Mutex
	birds map[string]*bird
	worms []point
	woken chan struct{} // somebody plays
}

// Run is the world, until ctx ends. While nobody plays it stands still, and says nothing.
func Run(ctx context.Context, c *client.Client) error {
	w := &world{birds: map[string]*bird{}, woken: make(chan struct{}, 1)}
	for range worms {
		w.worms = append(w.worms, point{rand.Float64(), rand.Float64()})
	}
	// Steering is a call: the session that steers is known, and moves its own bird only.
	steering, err := c.Handle(ctx, "examples/game/steer", w.steer, nil)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-steering.Done():
			return steering.Err()
		case <-ticker.C:
		}
		state, isAnybody := w.move(time.Now())
		if _, err := c.Publish(ctx, channel, client.JSON(state), nil); err != nil {
			return err
		}
		if isAnybody {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-steering.Done():
			return steering.Err()
		case <-w.woken:
		}
	}
}

// steer takes {"name":"Ada","x":1,"y":0}, the direction, or both 0 to stand still.
func (w *world) steer(_ context.Context, call client.Call) (client.Data, error) {
	var to struct {
		Name string  `json:"name"`
		X    float64 `json:"x"`
		Y    float64 `json:"y"`
	}
	if err := json.Unmarshal(call.Data.Bytes, &to); err != nil || len(to.Name) > 24 {
		return client.Data{}, &client.Problem{Type: "https://example.com/problems/bad-steering", Title: "Bad steering", Detail: "a direction has a name, x and y"}
	}
	if length := math.Hypot(to.X, to.Y); length > 1 { // nobody is faster than others
		to.X, to.Y = to.X/length, to.Y/length
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.birds[call.Session]
	if b == nil {
		b = &bird{ID: call.Session, X: rand.Float64(), Y: rand.Float64()}
		w.birds[call.Session] = b
	}
	b.Name, b.heading, b.heard = to.Name, [2]float64{to.X, to.Y}, time.Now()
	select {
	case w.woken <- struct{}{}:
	default:
	}
	return client.Data{}, nil
}

// move moves everybody by one tick, and returns what everybody is to see.
func (w *world) move(now time.Time) (state any, isAnybody bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	birds := make([]bird, 0, len(w.birds))
	for id, b := range w.birds {
		if now.Sub(b.heard) > silence {
			delete(w.birds, id)
			continue
		}
		b.X = min(max(b.X+b.heading[0]*speed, 0), 1)
		b.Y = min(max(b.Y+b.heading[1]*speed, 0), 1)
		for i, worm := range w.worms {
			if math.Hypot(worm[0]-b.X, worm[1]-b.Y) < reach {
				b.Score++
				w.worms[i] = point{rand.Float64(), rand.Float64()}
			}
		}
		birds = append(birds, *b)
	}
	return map[string]any{"birds": birds, "worms": append([]point(nil), w.worms...)}, len(birds) > 0
}
