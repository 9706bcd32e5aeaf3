// Package audio is the server of the example "live audio": a station that plays all day.
package audio

import (
	"context"
	"embed"
	"encoding/binary"
	"math"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html audio.go screenshot.webp
var Files embed.FS

const (
	channel = "examples/audio/station"
	rate    = 16000 // samples a second
	chunk   = 100 * time.Millisecond
	samples = rate / 10 // in a chunk
)

// tune is semitones above the A of 220 Hz, each for a quarter of a second.
var tune = []float64{0, 3, 7, 12, 10, 7, 3, 7, -2, 2, 5, 10, 9, 5, 2, 5, -4, 0, 3, 8, 7, 3, 0, 3, -5, -1, 2, 7, 5, 2, -1, 2}

// Run plays until ctx ends: ten chunks of 3,200 bytes a second, as they are. A real station
// would publish the frames of a codec in the same way.
func Run(ctx context.Context, c *client.Client) error {
	ticker := time.NewTicker(chunk)
	defer ticker.Stop()
	for n := 0; ; n += samples {
		// The publication is kept by the client until it is sent, so each has its own memory.
		if _, err := c.Publish(ctx, channel, client.Binary(play(n)), nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// play is a chunk that begins with the nth sample: 16 bits each, little-endian.
func play(n int) []byte {
	b := make([]byte, 0, 2*samples)
	for i := n; i < n+samples; i++ {
		at := i % (rate / 4) // in the note
		note := 220 * math.Pow(2, tune[i/(rate/4)%len(tune)]/12)
		fades := math.Exp(-float64(at) / (rate / 12))
		sound := math.Sin(2*math.Pi*note*float64(at)/rate) + 0.3*math.Sin(4*math.Pi*note*float64(at)/rate)
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(9000*fades*sound)))
	}
	return b
}
