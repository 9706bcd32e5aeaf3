// Package scores is the back end of the example "live scores": it publishes what happens
// in a match as it happens.
package scores

import (
	"context"
	"embed"
	"math/rand/v2"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html scores.go screenshot.webp
var Files embed.FS

// match is what the page shows of one: its newest publication is all there is to know.
type match struct {
	Home   string `json:"home"`
	Away   string `json:"away"`
	Score  [2]int `json:"score"`
	Minute int    `json:"minute"`
}

// Run plays one round after the other until ctx ends: each match has a channel of its own,
// and a minute takes a second.
func Run(ctx context.Context, c *client.Client) error {
	for {
		matches := map[string]*match{
			"north": {Home: "Knots", Away: "Plovers"},
			"south": {Home: "Curlews", Away: "Dunlins"},
			"coast": {Home: "Stints", Away: "Ruffs"},
		}
		for minute := range 91 {
			for name, m := range matches {
				m.Minute = minute
				if rand.IntN(30) == 0 && minute > 0 {
					m.Score[rand.IntN(2)]++
				}
				if _, err := c.Publish(ctx, "examples/scores/"+name, client.JSON(m), nil); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	}
}
