package loadgen

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		stat string
		want time.Duration
		ok   bool
	}{
		{"42 (server) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 12345 1000 200", 3 * time.Second, true},
		{"42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 1 0 0 0", 10 * time.Millisecond, true},
		{"42 (server) S 1 42", 0, false},
		{"42 server S 1 42 42 0 -1 4194560 100 0 0 0 250 50", 0, false},
		{"42 (server) S 1 42 42 0 -1 4194560 100 0 0 0 -1 50", 0, false},
		{"", 0, false},
	} {
		if got, err := parseStat([]byte(c.stat)); got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %v, %v", c.stat, got, err)
		}
	}
}

func TestParseMachineStat(t *testing.T) {
	if got, ok := parseMachineStat([]byte("cpu  10 1 5 1000 50 2 3 4 7 8\ncpu0 1 1 1 1 1 1 1 1\n")); !ok || got != 250*time.Millisecond {
		t.Errorf("%v, %v", got, ok)
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "cpu0 1 1 1 1 1 1 1 1\n", "cpu 1 1 x 1 1 1 1 1\n"} {
		if got, ok := parseMachineStat([]byte(bad)); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestParseCPUList(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8": 5, "0,2,4-5": 4, "": 0, "x": 0, "3-1": 0, "-1": 0, "0-99999999": 0} {
		if got := parseCPUList(list); got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("42 (server) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20"))
	f.Add([]byte("cpu  10 1 5 1000 50 2 3 4 7 8\n"))
	f.Add([]byte("0-3,8"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cpu, err := parseStat(b); err == nil && cpu < 0 {
			t.Errorf("%q: %v", b, cpu)
		}
		if cpu, ok := parseMachineStat(b); ok && cpu < 0 {
			t.Errorf("%q: %v", b, cpu)
		}
		if n := parseCPUList(string(b)); n < 0 {
			t.Errorf("%q: %d", b, n)
		}
	})
}

// This process, and a process that does not exist.
func TestObserveProcesses(t *testing.T) {
	o, err := observeProcesses([]int{os.Getpid(), os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := o.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	once, err := readProcess(os.Getpid())
	if err != nil || once.resident < 1<<20 || twice.resident < once.resident*3/2 || o.coresMax < 1 {
		t.Errorf("%+v, %+v, %v, %d cores", once, twice, err, o.coresMax)
	}
	if peak := o.peak(); peak < 2*once.resident*9/10 {
		t.Errorf("the peak of twice %d is %d", once.resident, peak)
	}
	if times := o.threads(); len(times) < 2 || times[os.Getpid()] < 0 {
		t.Errorf("the threads are %v", times)
	}
	if _, err := observeProcesses([]int{1 << 30}); !errors.Is(err, ErrOptions) {
		t.Errorf("%v", err)
	}
	if n, ok := machineProcessors(); !ok || n < 1 {
		t.Errorf("%d processors, %v", n, ok)
	}
}
