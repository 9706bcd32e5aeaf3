package reconnect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwit-io/godwit/transport/reconnect"
)

func TestWindow(t *testing.T) {
	own := reconnect.Spread{SessionsPerSecond: 10, DelayMin: time.Millisecond, WindowMin: 5 * time.Second, WindowMax: 20 * time.Second}
	for _, c := range []struct {
		name     string
		spread   reconnect.Spread
		sessions int
		want     time.Duration
	}{
		{"nobody", reconnect.Spread{}, 0, 2 * time.Second},
		{"fewer than nobody", reconnect.Spread{}, -5, 2 * time.Second},
		{"few", reconnect.Spread{}, 2000, 2 * time.Second},
		{"a few more", reconnect.Spread{}, 2500, 2500 * time.Millisecond},
		{"a full house", reconnect.Spread{}, 19_000, 19 * time.Second},
		{"as many as fit", reconnect.Spread{}, 60_000, time.Minute},
		{"too many", reconnect.Spread{}, 60_001, time.Minute},
		{"more than can be counted", reconnect.Spread{}, math.MaxInt, time.Minute},
		{"own, few", own, 1, 5 * time.Second},
		{"own, many", own, 155, 15500 * time.Millisecond},
		{"own, too many", own, 1e6, 20 * time.Second},
		{"no limit", reconnect.Spread{SessionsPerSecond: math.MaxInt}, 1e6, 2 * time.Second},
		{"least above most", reconnect.Spread{WindowMin: time.Hour}, 5, time.Minute},
		{"negative", reconnect.Spread{-1, -1, -1, -1}, 19_000, 19 * time.Second},
	} {
		if got := c.spread.Window(c.sessions); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got, want := c.spread.Delay(c.sessions, 0), min(c.spread.Longest(), c.spread.Delay(0, 0)); got != want {
			t.Errorf("%s: the shortest delay is %v, want %v", c.name, got, want)
		}
		longest := c.spread.Delay(c.sessions, math.Nextafter(1, 0))
		if least := c.spread.Delay(c.sessions, 0) + c.want - time.Microsecond; longest < least || longest > c.spread.Longest() {
			t.Errorf("%s: the longest delay is %v, want %v, and no more than %v", c.name, longest, least, c.spread.Longest())
		}
	}
	if got := (reconnect.Spread{}).Longest(); got != 61*time.Second {
		t.Errorf("nobody waits longer than %v, want 61s", got)
	}
}

// The delays of a full house are uniform: Pearson's test over twenty parts of the
// window, whose statistic is above 43.8 once in a thousand.
func TestDelaysAreUniform(t *testing.T) {
	const parts, most = 20, 43.8
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		for _, sessions := range []int{100, 19_000, 500_000} {
			var spread reconnect.Spread
			const drawn = 19_000
			var counts [parts]int
			window := spread.Window(sessions)
			for range drawn {
				into := spread.Delay(sessions, random.Float64()) - reconnect.DefaultDelayMin
				counts[into*parts/window]++
			}
			statistic := 0.0
			for _, n := range counts {
				d := float64(n) - drawn/parts
				statistic += d * d / (drawn / parts)
			}
			if statistic > most {
				t.Errorf("seed %d, %d sessions: %.1f, want at most %.1f: %v", seed, sessions, statistic, most, counts)
			}
		}
	}
}

// The largest second of a full house that comes back is little more than what the server
// is to take.
func TestLargestSecond(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var spread reconnect.Spread
	seconds := make(map[int]int)
	for range 19_000 {
		seconds[int(spread.Delay(19_000, random.Float64())/time.Second)]++
	}
	largest := 0
	for _, n := range seconds {
		largest = max(largest, n)
	}
	// Four standard deviations above the mean of one of 19 seconds.
	if most := 1000 + 4*int(math.Sqrt(1000)); largest > most || len(seconds) != 19 {
		t.Errorf("%d in the largest of %d seconds, want at most %d of 19", largest, len(seconds), most)
	}
}

func TestWindowAfter(t *testing.T) {
	for _, c := range []struct {
		sessions    int
		ended, want time.Duration
	}{
		{19_000, 0, 19 * time.Second}, {19_000, 5 * time.Second, 14 * time.Second},
		{19_000, 18 * time.Second, 2 * time.Second}, {19_000, time.Hour, 2 * time.Second},
		{10, 0, 2 * time.Second}, {10, 5 * time.Second, 2 * time.Second}, {19_000, -time.Second, 19 * time.Second},
	} {
		if got := (reconnect.Spread{}).WindowAfter(c.sessions, c.ended); got != c.want {
			t.Errorf("%d sessions that are ended in %v come back over %v, want %v", c.sessions, c.ended, got, c.want)
		}
	}
	if got := (reconnect.Spread{}).DelayOver(-time.Second, 0.5); got != time.Second {
		t.Errorf("over no time: %v", got)
	}
}

func TestNeedsRefresh(t *testing.T) {
	var spread reconnect.Spread
	for _, c := range []struct {
		issuedAt, sessions int
		want               bool
	}{
		{0, 0, false}, {0, 2000, false}, {0, 2500, false}, {0, 2501, true},
		{20_000, 20_000, false}, {20_000, 25_000, false}, {20_000, 25_001, true},
		{20_000, 16_001, false}, {20_000, 15_999, true}, {20_000, 0, true},
		{2500, 0, false}, {60_000, 1e6, false}, {48_000, 1e6, false}, {47_999, 1e6, true},
	} {
		if got := spread.NeedsRefresh(c.issuedAt, c.sessions); got != c.want {
			t.Errorf("from %d to %d sessions: %v", c.issuedAt, c.sessions, got)
		}
	}
}

// A server that fills gives each client a new delay a bounded number of times: the sum of
// all is not much more than there are clients.
func TestRefreshesOfAFillingHouse(t *testing.T) {
	var spread reconnect.Spread
	const house = 60_000
	issuedAt := make([]int, 0, house)
	given := 0
	for n := 1; n <= house; n++ {
		issuedAt = append(issuedAt, n)
		if n%100 != 0 { // a client is looked at from time to time
			continue
		}
		for i, at := range issuedAt {
			if spread.NeedsRefresh(at, n) {
				issuedAt[i] = n
				given++
			}
		}
	}
	if given > 4*house {
		t.Errorf("%d delays given anew to %d clients", given, house)
	}
	for i, at := range issuedAt {
		if window := spread.Window(at); window < spread.Window(house)*4/5 {
			t.Fatalf("client %d has a delay of a window of %v", i, window)
		}
	}
}
