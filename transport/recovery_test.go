package transport

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	recoverySeed  = flag.Uint64("recovery-seed", 0, "the first script of TestRecovery; 0 draws one")
	recoverySteps = flag.Int("recovery-steps", 0, "how many steps TestRecovery takes; 0 is a million, or fewer with -short")
)

// recoveryScriptLen is the length of one script, which begins with a new server.
const recoveryScriptLen = 800

// TestRecovery takes random steps of everything that can happen between a server and
// its clients, and holds both to docs/protocol.md: publications by anybody, carriers of
// every kind that break at any byte, with or without the server knowing, requests that
// come late, sessions that are taken over, nodes that start again, histories that expire
// and are cleared, decisions and brokers that take their time, and slow clients.
//
// Clients keep to §6 of that page. They check that no position comes twice or out of
// order, that whatever does not come is in a gap which is true, that their own
// publications are made once, and in the end that they have everything, and every
// command a reply.
//
// A script that fails is made shorter, and printed.
func TestRecovery(t *testing.T) {
	seed := *recoverySeed
	steps := *recoverySteps
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	if steps == 0 {
		steps = 1_000_000
		if testing.Short() {
			steps = 30_000
		}
	}
	t.Logf("-recovery-seed=%d -recovery-steps=%d", seed, steps)
	const lanes = 2
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			var heard heardCounts
			defer func() { t.Logf("heard %+v", heard) }()
			for n := lane; n*recoveryScriptLen < uint64(steps); n += lanes {
				s := newRecoveryScript(seed + n)
				if fault := s.play(t, nil); fault != "" {
					s.explain(t, fault)
					return
				}
				heard.add(s.heard)
			}
		})
	}
}

// recoveryScript is a server, and what happens to it.
type recoveryScript struct {
	seed  uint64
	steps []recoveryStep
	heard heardCounts
}

// heardCounts say that a test was one.
type heardCounts struct {
	publications, messages, gaps, resumed, begun, replies, repeated, changes, expired, leftOut, matched, unnamed int
}

func (n *heardCounts) add(m heardCounts) {
	n.publications += m.publications
	n.messages += m.messages
	n.gaps += m.gaps
	n.resumed += m.resumed
	n.begun += m.begun
	n.replies += m.replies
	n.repeated += m.repeated
	n.changes += m.changes
	n.expired += m.expired
	n.leftOut += m.leftOut
	n.matched += m.matched
	n.unnamed += m.unnamed
}

// recoveryStep is one thing that happens. What it leaves to chance is drawn from a seed
// of its own, so that a step does the same when others are taken out.
type recoveryStep struct {
	act  recoveryAct
	seed uint64
}

func newRecoveryScript(seed uint64) *recoveryScript {
	random := rand.New(rand.NewPCG(seed, 11))
	s := &recoveryScript{seed: seed, steps: make([]recoveryStep, recoveryScriptLen)}
	total := 0
	for _, a := range recoveryActs {
		total += a.weight
	}
	for i := range s.steps {
		n := random.IntN(total)
		act := 0
		for ; n >= recoveryActs[act].weight; act++ {
			n -= recoveryActs[act].weight
		}
		s.steps[i] = recoveryStep{recoveryAct(act), random.Uint64()}
	}
	return s
}

// play returns what went wrong, "" if nothing did.
func (s *recoveryScript) play(t *testing.T, tell func(string)) (fault string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		r := newRecoveryRun(s.seed, tell)
		defer func() {
			if v := recover(); v != nil {
				r.failf("panic: %v\n%s", v, debug.Stack())
			}
			r.finish()
			fault = r.fault
			s.heard = r.heard
		}()
		for _, step := range s.steps {
			if r.fault != "" {
				return
			}
			r.step(step)
		}
		r.settle()
	})
	return fault
}

// explain makes a script that fails as short as it can, and prints it.
func (s *recoveryScript) explain(t *testing.T, fault string) {
	t.Helper()
	t.Logf("script %d fails: %s", s.seed, fault)
	expires := time.Now().Add(30 * time.Second)
	short := &recoveryScript{seed: s.seed, steps: s.steps}
	for size := len(short.steps) / 2; size > 0 && time.Now().Before(expires); {
		isShorter := false
		for at := 0; at < len(short.steps) && time.Now().Before(expires); {
			tried := &recoveryScript{seed: s.seed, steps: slices.Delete(slices.Clone(short.steps), at, min(at+size, len(short.steps)))}
			if kindOfFault(tried.play(t, nil)) == kindOfFault(fault) {
				short, isShorter = tried, true
			} else {
				at += size
			}
		}
		if size > 1 {
			size /= 2
		} else if !isShorter {
			break
		}
	}
	var trace []string
	again := short.play(t, func(line string) { trace = append(trace, line) })
	if again == "" {
		again = "nothing, when it is played once more; at first: " + fault
	}
	if len(trace) > 400 {
		trace = append([]string{"…"}, trace[len(trace)-400:]...)
	}
	t.Errorf("a script of %d steps, made shorter from -recovery-seed=%d -recovery-steps=1:\n%s\n%s", len(short.steps), s.seed, strings.Join(trace, "\n"), again)
}

// kindOfFault is a fault without what differs from run to run.
func kindOfFault(fault string) string {
	fault = strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || c == ' ' {
			return c
		}
		return -1
	}, fault)
	return fault[:min(len(fault), 40)]
}

// dice draws numbers, the same for the same seed.
type dice uint64

// roll is a number below n.
func (d *dice) roll(n int) int {
	*d += 0x9e3779b97f4a7c15 // splitmix64
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// isOne is true one time in n.
func (d *dice) isOne(n int) bool { return d.roll(n) == 0 }
