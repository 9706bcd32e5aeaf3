package waittest

import (
	"flag"
	"runtime"
	"strconv"
)

// Beside has n tests that are marked parallel run at a time, in place of one for each core, unless
// -parallel says how many. It is for TestMain of a package whose parallel tests wait for timeouts, servers and
// other programs.
func Beside(n int) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(max(n, runtime.GOMAXPROCS(0)))) // it is a number
	}
}
