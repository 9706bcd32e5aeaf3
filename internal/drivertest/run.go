package drivertest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// row is one statement.
type row struct {
	name string
	kind kind
	play func(s *scene)
}

// kind says for which drivers a row is.
type kind uint8

const (
	server   kind = 1 << iota // for the server's side alone
	virtual                   // for virtual time alone
	measured                  // memory is measured: nothing runs beside it, and the transport is the kernel's
)

func (k kind) fits(d *Driver) bool {
	return (k&server == 0 || !d.Client) && (k&virtual == 0 || d.Virtual) && (k&measured == 0 || !d.Virtual && !d.Secure)
}

// Run holds d to every row. It is called by a test that is not parallel.
func Run(t *testing.T, d *Driver) { run(t, d, "") }

// RunSome holds d to the rows whose names begin with prefix, one after another.
func RunSome(t *testing.T, d *Driver, prefix string) { run(t, d, prefix) }

func run(t *testing.T, d *Driver, prefix string) {
	t.Helper()
	for _, r := range rows() {
		if !r.kind.fits(d) || !strings.HasPrefix(r.name, prefix) {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			if r.kind&measured == 0 && prefix == "" {
				t.Parallel()
			}
			if !d.Virtual {
				r.play(newScene(t, d))
				return
			}
			synctest.Test(t, func(t *testing.T) { r.play(newScene(t, d)) })
		})
	}
}

// rows are all of them. Each has a name of its own.
func rows() []row {
	return slices.Concat(
		conversationRows(), openingRows(), writingRows, closingRows, endingRows, controlRows,
		keepaliveRows, timeoutRows, compressionRows(), pressureRows, memoryRows,
	)
}
