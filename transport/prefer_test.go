package transport

import (
	"testing"
	"time"
)

func TestPreferredWait(t *testing.T) {
	const most = 60 * time.Second
	tests := []struct {
		prefer []string
		want   time.Duration
		ok     bool
	}{
		{nil, 0, false},
		{[]string{""}, 0, false},
		{[]string{"wait=10"}, 10 * time.Second, true},
		{[]string{"wait=0"}, 0, true},
		{[]string{"wait=010"}, 10 * time.Second, true},
		{[]string{"Wait=10"}, 10 * time.Second, true},
		{[]string{" wait = 10 "}, 10 * time.Second, true},
		{[]string{`wait="10"`}, 10 * time.Second, true},
		{[]string{`wait="1\0"`}, 10 * time.Second, true},
		{[]string{"respond-async, wait=10"}, 10 * time.Second, true},
		{[]string{"respond-async", "wait=10"}, 10 * time.Second, true},
		{[]string{`foo="a,wait=5", wait=10`}, 10 * time.Second, true},
		{[]string{"wait=10; foo=bar"}, 10 * time.Second, true},
		{[]string{"foo; wait=10"}, 0, false}, // a parameter of foo, not a preference
		{[]string{"wait=60"}, most, true},
		{[]string{"wait=61"}, most, true},
		{[]string{"wait=99999999999999999999999999"}, most, true},
		{[]string{"wait=5, wait=10"}, 5 * time.Second, true}, // RFC 7240 §2: the first counts
		{[]string{"wait=5", "wait=10"}, 5 * time.Second, true},
		{[]string{"wait=x, wait=10"}, 0, false},
		{[]string{"wait"}, 0, false},
		{[]string{"wait="}, 0, false},
		{[]string{`wait=""`}, 0, false},
		{[]string{"wait=-1"}, 0, false},
		{[]string{"wait=+1"}, 0, false},
		{[]string{"wait=1.5"}, 0, false},
		{[]string{"wait=1s"}, 0, false},
		{[]string{"waiting=10"}, 0, false},
	}
	for _, test := range tests {
		got, ok := preferredWait(test.prefer, most)
		if got != test.want || ok != test.ok {
			t.Errorf("preferredWait(%q) = %v, %v, want %v, %v", test.prefer, got, ok, test.want, test.ok)
		}
	}
	if got, _ := preferredWait([]string{"wait=9"}, 1500*time.Millisecond); got != time.Second {
		t.Errorf("a cap of 1.5 s gives %v, want whole seconds", got)
	}
}

func FuzzPreferredWait(f *testing.F) {
	for _, seed := range []string{"wait=10", `respond-async, wait="7"; a=b`, "wait=1, wait=2", `a="\",wait=3", wait=4`, "wait=18446744073709551617"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, prefer string) {
		const most = 30 * time.Second
		got, ok := preferredWait([]string{prefer}, most)
		if got < 0 || got > most || got%time.Second != 0 || !ok && got != 0 {
			t.Fatalf("preferredWait(%q) = %v, %v", prefer, got, ok)
		}
		// The first wait counts, whatever follows.
		if got, ok := preferredWait([]string{"wait=7", prefer}, most); got != 7*time.Second || !ok {
			t.Fatalf("wait=7 and then %q: %v, %v", prefer, got, ok)
		}
	})
}
