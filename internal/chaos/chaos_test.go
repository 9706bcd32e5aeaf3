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

// planFor is what the environment asks for: GODWIT_CHAOS is how long a run takes (make chaos), and
// GODWIT_CHAOS_SEED which one it is. Without the first the run is a short one, as long as CI has time
// for, and several are played at once.
func planFor(t *testing.T, short time.Duration) plan {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts several servers, and kills them for a while")
	}
	p := plan{seed: rand.Uint64(), clients: 110, groups: 6, duration: short, publications: int(80 * short.Seconds()), anyhow: true}
	if text := os.Getenv("GODWIT_CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		p.seed = seed
	}
	if text := os.Getenv("GODWIT_CHAOS"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		p.duration, p.clients, p.groups = d, 300, 20
		p.publications = int(1_000_000 * d.Minutes() / 10)
		return p
	}
	t.Parallel()
	return p
}

// enough fails a run in which too little happened for it to mean anything.
func enough(t *testing.T, p plan, acknowledged int) {
	t.Helper()
	if least := max(p.publications/2, 100); acknowledged < least {
		t.Errorf("%d publications were acknowledged, of at least %d", acknowledged, least)
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
