//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/ws/wire"
)

// newPeer makes a client of bytes: two say how it ends and how much it reads, and
// each of the others is something that it sends.
func newPeer(plan []byte) *peer {
	p := &peer{input: []byte(scriptOpening), takes: -1}
	var end, reads byte
	if len(plan) >= 2 {
		end, reads, plan = plan[0], plan[1], plan[2:]
	}
	for i, b := range plan {
		if i == 40 {
			break
		}
		p.sends(b, i)
	}
	switch end % 4 {
	case 0: // a good end; what follows is dropped
		p.frame(true, wire.Close, "\x03\xe8")
		if end&4 != 0 {
			p.end = errEnd
		}
	case 1:
		p.end, p.disturbed = errEnd, true
	case 2:
		p.end, p.disturbed = syscall.ECONNRESET, true
	case 3:
		p.disturbed = true // silence
	}
	if cut := int(end >> 3); end%4 != 0 && cut > 0 {
		p.input = p.input[:max(len(p.input)-cut, 0)] // in the middle of something
	}
	if reads != 0 {
		p.takes, p.disturbed = int(reads-1)*64, true
	}
	return p
}

func (p *peer) frame(fin bool, op wire.Opcode, payload string) {
	p.input = wire.AppendMaskedFrame(p.input, fin, op, [4]byte{1, 2, 3, 4}, []byte(payload))
}

func (p *peer) message(typ wire.Opcode, payload string) {
	p.frame(true, typ, payload)
	p.messages = append(p.messages, payload)
}

func (p *peer) sends(b byte, i int) {
	switch b % 16 {
	default:
		p.message(wire.Text, fmt.Sprint("message ", i))
	case 1:
		p.message(wire.Binary, strings.Repeat("b", 125+int(b>>4)))
	case 2:
		p.message(wire.Binary, strings.Repeat("B", 65_530+int(b>>4)))
	case 3:
		p.message(wire.Text, "")
	case 4:
		p.frame(false, wire.Text, "frag")
		ping := fmt.Sprint("between ", i)
		p.frame(true, wire.Ping, ping)
		p.frame(false, wire.Continuation, "")
		p.frame(true, wire.Continuation, strings.Repeat("ment", 1+int(b>>4)*1000))
		p.pings = append(p.pings, ping)
		p.messages = append(p.messages, "frag"+strings.Repeat("ment", 1+int(b>>4)*1000))
	case 5:
		ping := fmt.Sprint("ping ", i)
		p.frame(true, wire.Ping, ping)
		p.pings = append(p.pings, ping)
	case 6:
		p.frame(true, wire.Pong, "unasked")
	case 7:
		p.message(wire.Text, "close")
	case 8:
		p.message(wire.Text, "now")
	case 9:
		p.message(wire.Text, "panic")
	case 10, 11:
		p.message(wire.Text, "many")
	case 12:
		p.disturbed = true
		p.input = append(p.input, 0xff, b, 0, 0) // reserved bits
	case 13:
		p.disturbed = true
		p.input = append([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), p.input...)
	}
}

// FuzzKernel: whatever the system answers to each call, and in whatever order
// things happen, what a peer sees is a prefix of what it should see, and all of it
// if nothing cut its dialogue; callbacks come in order; nothing spins; and in the
// end nothing is held for anyone.
func FuzzKernel(f *testing.F) {
	everything := []byte{0, 0, 0, 1, 2, 3, 4, 0x54, 5, 5, 6, 10, 2}
	for _, end := range []byte{0, 4, 1, 2, 3, 0x81} {
		everything[0] = end
		f.Add(bytes.Clone(everything), []byte{})
		f.Add(bytes.Clone(everything), bytes.Repeat([]byte{1}, 100))
		f.Add(bytes.Clone(everything), bytes.Repeat([]byte{2, 0, 3, 9, 1}, 100))
	}
	f.Add([]byte("\x00\x00\x02\x02\x0a\xff\x00\x02\x0a\x0a\xff\x02\x00\x04\xff\x00\x00\x07"), bytes.Repeat([]byte{0, 4, 5, 6, 0, 7}, 30))
	f.Add([]byte("\x00\x00\x08\xff\x00\x00\x09\xff\x00\x00\x0c\xff\x00\x00\x0d"), bytes.Repeat([]byte{3, 11, 5, 1, 0, 2, 17, 33}, 30))
	f.Add([]byte("\x00\x00\x00\x01\xff\x04\x00\x05"), []byte("\x00\x00\x00\x00\x03\x00\x14\x00\x05\x00\x17\x01\xfd"))
	f.Fuzz(func(t *testing.T, plans, script []byte) {
		if len(plans) > 200 || len(script) > 2000 {
			t.Skip("longer input says nothing more")
		}
		o := Options{QueueBytesMax: 100_000, MessageBytesMax: 1 << 17}
		var peers []*peer
		for _, plan := range bytes.SplitN(plans, []byte{0xff}, 4) {
			peers = append(peers, newPeer(plan))
		}
		newWorld(t, script, o, peers...).run()
	})
}

// dialogue is a peer whose input has something of everything.
func dialogue(end byte) *peer { return newPeer([]byte{end, 0, 0, 1, 3, 4, 5, 0x14, 10, 6, 2}) }

// short answers keep each read and write to at most that many bytes.
func short(most int) func(*peer, string) (int, error) {
	return func(_ *peer, call string) (int, error) {
		if call == "accept" {
			return 0, nil
		}
		return most, nil
	}
}

// EAGAIN at any one call, and before every call, changes nothing that anyone sees.
func TestAgainAtEveryCall(t *testing.T) {
	const never, each = -1, 0
	for _, most := range []int{1 << 20, 5000, 700} {
		count := 0
		run := func(again int) []byte {
			count = 0
			w := newWorld(t, nil, Options{}, dialogue(0))
			w.onCall = func(p *peer, call string) (int, error) {
				if count++; count == again || again == each && count%2 == 1 {
					return 0, socket.ErrAgain
				}
				return short(most)(p, call)
			}
			w.run()
			return w.peers[0].got
		}
		want := run(never)
		calls := count
		for again := each; again <= calls; again++ {
			if got := run(again); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes at a time, EAGAIN at call %d: got %q, want %q", most, again, got, want)
			}
		}
		if most < 1<<20 && calls < 30 {
			t.Errorf("there are only %d calls", calls)
		}
	}
}

// A dialogue that is cut behind any of its bytes, by a reset or by a peer that
// sends no more, ends then, once, and an end behind a close frame is a good one.
func TestCutsAtEveryByte(t *testing.T) {
	for name, end := range map[string]error{"half-close": errEnd, "reset": syscall.ECONNRESET, "silence": nil} {
		t.Run(name, func(t *testing.T) {
			whole := newPeer([]byte{0, 0, 0, 1, 3, 4, 5, 10})
			for at := range len(whole.input) + 1 {
				if testing.Short() && at%7 != 0 && at != len(whole.input) {
					continue
				}
				p := newPeer([]byte{0, 0, 0, 1, 3, 4, 5, 10})
				p.input, p.end, p.disturbed = p.input[:at], end, at < len(whole.input)
				bystander := dialogue(0)
				newWorld(t, nil, Options{}, p, bystander).run()
				if !p.opened {
					continue
				}
				if got, want := p.ended.Code, wire.CloseAbnormal; p.disturbed && got != want {
					t.Fatalf("cut at %d: the code is %d", at, got)
				}
				if !p.disturbed && p.ended.Code != 1000 {
					t.Fatalf("whole: %v", p.ended)
				}
			}
		})
	}
}

// A write that fails at any byte ends the connection, and what the peer has sent
// before is still heard.
func TestWritesFailAtEveryByte(t *testing.T) {
	w := newWorld(t, nil, Options{}, newPeer([]byte{0, 0, 0, 1, 5, 4}))
	w.run()
	for at := range len(w.peers[0].got) {
		p := newPeer([]byte{0, 0, 0, 1, 5, 4})
		p.disturbed = true
		w := newWorld(t, nil, Options{}, p)
		w.onCall = func(p *peer, call string) (int, error) {
			switch left := at - len(p.got); {
			case call != "write":
				return 0, nil
			case left == 0:
				return 0, syscall.EPIPE
			default:
				return left, nil
			}
		}
		w.run()
		if p.ended == nil || len(p.got) != at || p.heard != len(p.messages) {
			t.Fatalf("at %d: %v, got %d bytes, %d messages were heard", at, p.ended, len(p.got), p.heard)
		}
	}
}

// No descriptor is left for a minute: it is said once, the loop asks again ever
// more seldom, and then the waiting clients are served. The next time it is said again.
func TestDescriptorsRunOutInTheKernel(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		w := newWorld(t, nil, Options{}, dialogue(0), dialogue(0))
		asked, failing := 0, [2]time.Duration{0, time.Minute}
		w.onCall = func(p *peer, call string) (int, error) {
			if call != "accept" {
				return 0, nil
			}
			asked++
			if p == w.peers[1] && failing[0] == 0 {
				w.advance(acceptCalm + 1)
				failing = [2]time.Duration{w.elapsed, w.elapsed + time.Minute}
			}
			if w.elapsed >= failing[0] && w.elapsed < failing[1] {
				return 0, errno
			}
			return 0, nil
		}
		w.run()
		// 5 ms, doubled up to a second: 8 times, then once a second, twice.
		if asked < 2*60 || asked > 2*75 {
			t.Errorf("%v: it asked %d times in two minutes", errno, asked)
		}
		if got := strings.Count(w.log.String(), "cannot accept"); got != 2 {
			t.Errorf("%v: it was said %d times: %s", errno, got, w.log.String())
		}
		if hint := strings.Contains(w.log.String(), "ulimit"); hint != (errno == syscall.EMFILE || errno == syscall.ENFILE) {
			t.Errorf("%v: %s", errno, w.log.String())
		}
	}
}

// A machine that slept for any time at any point finds its connections over, or
// going on, and never a loop that spins to catch up. The clock is monotonic: it
// does not go back.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Millisecond, 40 * time.Millisecond, 26 * time.Second, 34 * time.Second, time.Hour, 10 * 365 * 24 * time.Hour} {
		for at := range 12 {
			waits := 0
			w := newWorld(t, nil, Options{QueueBytesMax: 10_000}, dialogue(0), dialogue(3), newPeer([]byte{3, 9, 2, 10, 2}))
			for _, p := range w.peers {
				p.disturbed = p.disturbed || jump > time.Second
			}
			w.onCall = short(20_000)
			w.onWait = func(w *world) {
				if waits++; waits == at+1 {
					w.advance(jump)
				}
			}
			w.run()
			if w.calls > 500 {
				t.Errorf("%v before wait %d: %d calls", jump, at, w.calls)
			}
		}
	}
}

// A connection that the poller has no room for is closed, and the log says why;
// the others go on.
func TestThePollerIsFull(t *testing.T) {
	p, other := dialogue(0), dialogue(0)
	p.unwatched = true
	w := newWorld(t, nil, Options{}, p, other)
	w.run()
	if !p.closed || p.opened || !strings.Contains(w.log.String(), "cannot watch a connection") {
		t.Errorf("closed: %v, opened: %v; %s", p.closed, p.opened, w.log.String())
	}
}

// A peer that reads nothing is cut when WriteTimeout is over, and not asked for
// more meanwhile.
func TestDeafPeerIsLeftAlone(t *testing.T) {
	p := newPeer([]byte{3, 3, 2, 2, 2, 2, 2, 2})
	w := newWorld(t, nil, Options{QueueBytesMax: 100_000}, p)
	w.run()
	if w.elapsed < DefaultWriteTimeout || w.elapsed > DefaultWriteTimeout+DefaultCloseTimeout || p.ended == nil {
		t.Errorf("it took %v: %v", w.elapsed, p.ended)
	}
	if p.sent > 3*receiveBytes || w.calls > 100 {
		t.Errorf("%d bytes were read, %d calls made", p.sent, w.calls)
	}
}

// The same with scripts made at random, so that every run of the tests covers more
// than the seeds.
func TestKernelAtRandom(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var peers []*peer
		for range 1 + rnd.IntN(4) {
			plan := make([]byte, 2+rnd.IntN(12))
			for i := range plan {
				plan[i] = byte(rnd.Uint32())
			}
			if rnd.IntN(2) == 0 {
				plan[0] &= 0x04 // a good end
			}
			if rnd.IntN(4) != 0 {
				plan[1] = 0 // it reads
			}
			peers = append(peers, newPeer(plan))
		}
		script := make([]byte, rnd.IntN(400))
		for i := range script {
			script[i] = byte(rnd.Uint32() >> (rnd.Uint32() % 8)) // more often small
		}
		o := Options{QueueBytesMax: 100_000, MessageBytesMax: 1 << 17}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { newWorld(t, script, o, peers...).run() }) {
			return
		}
	}
}
