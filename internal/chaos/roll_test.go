//go:build linux

package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/witness"
)

// rolling replaces every node in turn, as a deployment does, in the ways named: by an end in
// good order and a new start, or by serve --upgrade.
func rolling(ways ...string) disturbance {
	return func(w *world, ctx, patience context.Context) error {
		for _, way := range ways {
			for _, n := range w.nodes {
				if !wait(patience, nil, 500*time.Millisecond, 0) { // under load
					return patience.Err()
				}
				w.diary.note(way+" of a node", n.Name())
				if way == "upgrade" {
					if err := n.Upgrade(patience); err != nil {
						return err
					}
					continue
				}
				if err := n.Stop(); err != nil {
					return err
				}
				if err := n.Start(patience); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// withoutGaps fails a run in which anybody was told of a gap, or too little happened.
func withoutGaps(t *testing.T, v *witness.Verdict, acknowledged int) {
	t.Helper()
	if v == nil {
		return
	}
	for i, g := range v.Gaps {
		if i == 5 {
			t.Errorf("and %d more gaps", len(v.Gaps)-i)
			break
		}
		t.Errorf("%s was told of a gap in %s from %v to %v", g.Client, g.Channel, g.From, g.To)
	}
	if v.Acknowledged < acknowledged {
		t.Errorf("%d publications were acknowledged", v.Acknowledged)
	}
}

// One node that keeps everything in memory is replaced twice under load, by serve --upgrade: everybody
// gets everything once and in order, and nobody is told of a gap.
func TestRollMemory(t *testing.T) {
	p := planFor(t, 2*time.Second)
	p.anyhow, p.whole = false, true
	c := clustertest.Start(t, clustertest.Options{Settings: settings})
	withoutGaps(t, run(t, p, c.Nodes, rolling("upgrade", "upgrade")), 200)
}
