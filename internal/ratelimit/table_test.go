package ratelimit_test

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/ratelimit"
)

func TestTableKeysAreApart(t *testing.T) {
	table := ratelimit.NewTable[string](100)
	limit := ratelimit.PerSecond(1, 2)
	for _, key := range []string{"a", "b"} {
		for i, want := range []bool{true, true, false} {
			if ok, _ := table.Allow(start, key, limit); ok != want {
				t.Errorf("%s, %d: %v", key, i, ok)
			}
		}
	}
	if ok, wait := table.Allow(start, "a", limit); ok || wait != time.Second {
		t.Errorf("%v, %v", ok, wait)
	}
	if table.Len() != 2 {
		t.Errorf("%d keys", table.Len())
	}
}

// A key that was refused, or is unlimited, leaves nothing in the table.
func TestTableRemembersOnlyWhatWasTaken(t *testing.T) {
	table := ratelimit.NewTable[string](100)
	table.Allow(start, "a", ratelimit.Limit{})
	table.Allow(start, "b", ratelimit.Unlimited)
	table.AllowN(start, "c", ratelimit.PerSecond(1, 2), 3)
	if table.Len() != 0 {
		t.Errorf("%d keys", table.Len())
	}
}

func TestTableForgetsWhatIsFullAgain(t *testing.T) {
	const keysMax = 8
	table := ratelimit.NewTable[int](keysMax)
	limit := ratelimit.PerSecond(1, 10)
	for key := range keysMax {
		table.AllowN(start, key, limit, key+1) // full again after as many seconds
	}
	now := start.Add(4*time.Second + time.Millisecond)
	if ok, _ := table.Allow(now, 100, limit); !ok {
		t.Error("a new key is refused")
	}
	if table.Len() != keysMax-4+1 {
		t.Errorf("%d keys", table.Len())
	}
	for key := 4; key < keysMax; key++ { // they are as they were
		left := 10 - (key + 1) + 4
		if ok, _ := table.AllowN(now, key, limit, left); !ok {
			t.Errorf("key %d does not have %d", key, left)
		}
		if ok, _ := table.Allow(now, key, limit); ok {
			t.Errorf("key %d has more than %d", key, left)
		}
	}
}

// With more active keys than it holds, those furthest from full stay: somebody who
// is refused is not let in because others come.
func TestTableOfActiveKeys(t *testing.T) {
	table := ratelimit.NewTable[string](4)
	limit := ratelimit.PerSecond(0.001, 10)
	table.AllowN(start, "greedy", limit, 10)
	for i := range 1000 {
		if ok, _ := table.Allow(start, strconv.Itoa(i), limit); !ok {
			t.Fatalf("newcomer %d is refused", i)
		}
		if table.Len() > 4 {
			t.Fatalf("%d keys", table.Len())
		}
		if ok, _ := table.Allow(start, "greedy", limit); ok {
			t.Fatalf("after %d newcomers the greedy one is let in", i)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	const keysMax = 5000 // in several parts
	table := ratelimit.NewTable[int](keysMax)
	limit := ratelimit.PerSecond(1, 2)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range keysMax {
				table.Allow(start, g*keysMax+i, limit)
			}
		})
	}
	all.Wait()
	if n := table.Len(); n > keysMax || n < keysMax*8/10 {
		t.Errorf("%d keys", n)
	}
}

func TestAddressKey(t *testing.T) {
	for _, group := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"192.0.2.2"},
		{"2001:db8::", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::1%eth0"},
		{"2001:db8:0:1::"},
		{"fe80::", "fe80::1%eth0", "fe80::2%eth1"},
		{"::", "::1"},
	} {
		want := netip.MustParseAddr(group[0])
		for _, text := range group {
			if got := ratelimit.AddressKey(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s is %s, want %s", text, got, want)
			}
		}
	}
	if got := ratelimit.AddressKey(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is %s", got)
	}
}

func TestCounts(t *testing.T) {
	c := ratelimit.NewCounts[string]()
	for i, want := range []bool{true, true, false} {
		if ok := c.Acquire("a", 2); ok != want {
			t.Errorf("%d: %v", i, ok)
		}
	}
	if !c.Acquire("b", 1) || c.Count("a") != 2 || c.Count("b") != 1 || c.Len() != 2 {
		t.Errorf("a %d, b %d of %d", c.Count("a"), c.Count("b"), c.Len())
	}
	c.Release("a")
	if !c.Acquire("a", 2) || c.Acquire("a", 2) {
		t.Error("one that was given back is not there, or more than one")
	}
	if c.Acquire("c", 0) || c.Count("c") != 0 {
		t.Error("one of none")
	}
	c.Release("a")
	c.Release("a")
	c.Release("b")
	if c.Len() != 0 {
		t.Errorf("%d keys with none", c.Len())
	}
	defer func() {
		if recover() == nil {
			t.Error("what nobody has was given back")
		}
	}()
	c.Release("a")
}

func TestCountsOfMany(t *testing.T) {
	c := ratelimit.NewCounts[int]()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 2000 {
				if c.Acquire(i%10, 3) {
					if n := c.Count(i % 10); n > 3 || n < 1 {
						t.Errorf("%d at once", n)
					}
					c.Release(i % 10)
				}
			}
		})
	}
	all.Wait()
	if c.Len() != 0 {
		t.Errorf("%d keys with some", c.Len())
	}
}

func TestTableAllocs(t *testing.T) {
	table := ratelimit.NewTable[netip.Addr](10_000)
	names := ratelimit.NewTable[string](10_000)
	c := ratelimit.NewCounts[netip.Addr]()
	limit := ratelimit.PerSecond(10, 3)
	addr := netip.MustParseAddr("2001:db8::1")
	now := start
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Millisecond)
		key := ratelimit.AddressKey(addr)
		table.Allow(now, key, limit)
		names.Allow(now, "ann", limit)
		c.Acquire(key, 1)
		c.Release(key)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTable(b *testing.B) {
	table := ratelimit.NewTable[netip.Addr](100_000)
	limit := ratelimit.PerSecond(10, 3)
	var addrs [50_000]netip.Addr
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	now := time.Now()
	for _, a := range addrs {
		table.Allow(now, a, limit)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		now = now.Add(time.Microsecond)
		table.Allow(now, addrs[i%len(addrs)], limit)
		i++
	}
}

// A table that is full of active keys, and every one is new.
func BenchmarkTableFull(b *testing.B) {
	table := ratelimit.NewTable[int](10_000)
	limit := ratelimit.PerSecond(0.001, 3)
	now := time.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.Allow(now, i, limit)
		i++
	}
}
