package inspect

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(everything{m}) }

// everything fails a run of all tests in which a finding of the catalogue was
// never produced: nobody would know whether it can be.
type everything struct{ m *testing.M }

func (e everything) Run() int {
	// Nearly all of these tests wait for a server to say nothing more: as many at
	// once as there are processors would leave those idle.
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	code := e.m.Run()
	if code != 0 || len(produced) == 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return code
	}
	for _, k := range Catalogue() {
		if !produced[k.ID] {
			fmt.Fprintf(os.Stderr, "no test produces the finding %s (%s)\n", k.ID, k.Says)
			code = 1
		}
	}
	return code
}
