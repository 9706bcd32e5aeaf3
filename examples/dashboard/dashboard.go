// Package dashboard is the server of the example "metrics dashboard": it publishes once a
// second how its own process is doing.
package dashboard

import (
	"context"
	"embed"
	"runtime/metrics"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html dashboard.go screenshot.webp
var Files embed.FS

const (
	heap       = "/memory/classes/heap/objects:bytes"
	goroutines = "/sched/goroutines:goroutines"
	allocated  = "/gc/heap/allocs:objects"
	cycles     = "/gc/cycles/total:gc-cycles"
)

// Run measures until ctx ends.
func Run(ctx context.Context, c *client.Client) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	samples := []metrics.Sample{{Name: heap}, {Name: goroutines}, {Name: allocated}, {Name: cycles}}
	metrics.Read(samples)
	for {
		before := samples[2].Value.Uint64()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		metrics.Read(samples)
		_, err := c.Publish(ctx, "examples/dashboard/process", client.JSON(map[string]any{
			"heap_mib":    float64(samples[0].Value.Uint64()) / (1 << 20),
			"goroutines":  samples[1].Value.Uint64(),
			"allocations": samples[2].Value.Uint64() - before,
			"gc_cycles":   samples[3].Value.Uint64(),
		}), nil)
		if err != nil {
			return err
		}
	}
}
