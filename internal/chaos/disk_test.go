//go:build linux

package chaos

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
)

// diskSettings are those of a node that keeps everything in a directory.
func diskSettings(t *testing.T, sync string) string {
	return settings + fmt.Sprintf("data: %q\nsync: %s\n", filepath.Join(t.TempDir(), "data"), sync)
}

// One node that keeps everything in a directory, killed and started again and again: nothing that was acknowledged is
// lost, and nobody is told of a gap.
func TestChaosDisk(t *testing.T) {
	p := planFor(t, 8*time.Second)
	c := clustertest.Start(t, clustertest.Options{Settings: diskSettings(t, "interval")})
	v := run(t, p, c.Nodes, byFate(nil, "", 0))
	withoutGaps(t, v, 100) // of a node that is mostly away
}

// The node is replaced by serve --upgrade, and ended and started, while it syncs everything.
func TestRollDisk(t *testing.T) {
	p := planFor(t, 3*time.Second)
	p.anyhow, p.whole = false, true
	c := clustertest.Start(t, clustertest.Options{Settings: diskSettings(t, "always")})
	withoutGaps(t, run(t, p, c.Nodes, rolling("upgrade", "restart", "upgrade")), 200)
}
