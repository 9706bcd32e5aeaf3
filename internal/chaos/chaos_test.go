//go:build linux

package chaos

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
)

// planFor is what the environment asks for: GODWIT_CHAOS is how long a run takes, GODWIT_CHAOS_RATE
// how much is published in a second of it, by default a million in ten minutes, and GODWIT_CHAOS_SEED which one it is.
// Without the first the run is a short one. Runs are played at once, as many as -parallel says.
func planFor(t *testing.T, short time.Duration) plan {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts several servers, and kills them for a while")
	}
	t.Parallel()
	p := plan{seed: rand.Uint64(), clients: 110, groups: 6, duration: short, publications: int(80 * short.Seconds()), anyhow: true}
	p.least = max(p.publications/2, 100)
	if d := fromEnvironment(t, "GODWIT_CHAOS", time.ParseDuration); d > 0 {
		p.duration, p.clients, p.groups = d, 300, 20
		p.publications = int(1_000_000 * d.Minutes() / 10)
		if rate := fromEnvironment(t, "GODWIT_CHAOS_RATE", strconv.Atoi); rate > 0 {
			p.publications = int(float64(rate) * d.Seconds())
		}
		p.least = max(p.publications/10, 100) // and the report says how many it was
	}
	if seed := fromEnvironment(t, "GODWIT_CHAOS_SEED", func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }); seed > 0 {
		p.seed = seed
	}
	return p
}

// fromEnvironment parses a variable, and returns zero if it is not there.
func fromEnvironment[T any](t *testing.T, name string, parse func(string) (T, error)) (v T) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return v
	}
	v, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// enough fails a run in which too little happened for it to mean anything.
func enough(t *testing.T, p plan, acknowledged int) {
	t.Helper()
	if acknowledged < p.least {
		t.Errorf("%d publications were acknowledged, of at least %d", acknowledged, p.least)
	}
}

// One node that keeps everything in memory, killed again and again: what was lost is
// announced.
func TestChaosMemory(t *testing.T) {
	p := planFor(t, 5*time.Second)
	c := clustertest.Start(t, clustertest.Options{Settings: settings})
	if v := run(t, p, c.Nodes, byFate(nil, "", 0)); v != nil {
		enough(t, p, v.Acknowledged)
	}
}
