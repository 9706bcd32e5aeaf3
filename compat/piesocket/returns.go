package piesocket

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/godwit-io/godwit/internal/ratelimit"
)

// returns slows down clients that come back at once and for ever: after an end without an
// error PieSocket clients know no delay. They are accepted, later.
type returns struct {
	table  *ratelimit.Table[visitor]
	random func() float64
}

// visitor is a client that comes back: many clients may be behind one address.
type visitor struct {
	key     string
	address netip.Addr
}

// How often the clients of one app and address are accepted at once, and of how many that
// is remembered. Above that each waits for one to two seconds.
const (
	acceptedPerSecond = 5
	acceptedBurst     = 100
	visitorsMax       = 16 << 10
	delayMin          = time.Second
)

// Clients whose end is held wait for one to five seconds.
const patienceMin, patienceMax = time.Second, 5 * time.Second

func newReturns() *returns {
	return &returns{table: ratelimit.NewTable[visitor](visitorsMax), random: rand.Float64}
}

// delay is how long a client waits before it is accepted. Clients on this machine do not.
func (r *returns) delay(key string, address netip.Addr, now time.Time) time.Duration {
	if !address.IsValid() || address.IsUnspecified() || address.Unmap().IsLoopback() {
		return 0
	}
	v := visitor{key, ratelimit.AddressKey(address)}
	if ok, _ := r.table.Allow(now, v, ratelimit.PerSecond(acceptedPerSecond, acceptedBurst)); ok {
		return 0
	}
	return delayMin + time.Duration(r.random()*float64(delayMin))
}

// patience is how long a client waits that is told nothing.
func (r *returns) patience() time.Duration {
	return patienceMin + time.Duration(r.random()*float64(patienceMax-patienceMin))
}
