package waittest

import (
	"flag"
	"runtime"
	"strconv"
	"testing"
)

func TestBeside(t *testing.T) {
	parallel := flag.Lookup("test.parallel").Value
	before := parallel.String()
	defer func() { _ = parallel.Set(before) }()
	cores := strconv.Itoa(runtime.GOMAXPROCS(0))
	many := runtime.GOMAXPROCS(0) + 3
	for _, c := range []struct {
		set  string
		n    int
		want string
	}{
		{cores, many, strconv.Itoa(many)},
		{cores, 0, cores},
		{strconv.Itoa(many + 1), many, strconv.Itoa(many + 1)},
	} {
		if err := parallel.Set(c.set); err != nil {
			t.Fatal(err)
		}
		Beside(c.n)
		if got := parallel.String(); got != c.want {
			t.Errorf("with -parallel %s, %d beside one another are %s, want %s", c.set, c.n, got, c.want)
		}
	}
}
