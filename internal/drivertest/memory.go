package drivertest

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Rows about what a peer can make a driver allocate. Nothing runs beside them.
var memoryRows = []row{
	{"memory/an announced length", measured, announcedLength},
	{"memory/a message grows with what arrives", measured, growsWithWhatArrives},
	{"memory/fragments up to the limit", measured, fragmentsUpToTheLimit},
	{"memory/fragments without a limit", measured, fragmentsWithoutALimit},
	{"memory/pings without end of a peer that does not read", measured, pingsAreMeasured},
	{"memory/a flood of pongs", measured, floodOfPongs},
	{"memory/bombs", measured, bombsAreMeasured},
}

// allocated returns how many bytes are allocated while f runs, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A length is not believed with memory: 1 GiB is announced, of which one byte
// comes, as a message and as its second fragment, until it has been idle for long
// enough.
func announcedLength(s *scene) {
	s.options.MessageBytesMax, s.options.IdleTimeout = 1<<31, s.unit
	for _, op := range []wire.Opcode{wire.Binary, wire.Text, wire.Continuation} {
		p, _ := s.meet()
		var input []byte
		if op == wire.Continuation {
			input = p.frame(false, wire.Binary, strings.Repeat("x", 20_000))
		}
		input = append(input, announces(true, op, 1<<30, "x").encode(!s.d.Client)...)
		size := allocated(func() {
			p.Raw(input)
			p.wantCode(1001)
		})
		if size > 160<<10 {
			s.Errorf("%d bytes were allocated for %v", size, op)
		}
		p.Hangup()
		s.ends(1006, 1001)
	}
}

// A message under way holds what has come of it and room for about as much again.
func growsWithWhatArrives(s *scene) {
	s.options.MessageBytesMax, s.options.IdleTimeout = 1<<31, 5*s.unit // a busy machine needs some of it for what arrives
	const arrives = 1 << 20
	p, _ := s.meet()
	input := announces(true, wire.Binary, 1<<30, strings.Repeat("x", arrives)).encode(!s.d.Client)
	size := allocated(func() {
		p.Raw(input)
		p.wantCode(1001)
	})
	if size > 8*arrives { // what it held on the way included
		s.Errorf("%d bytes were allocated for %d that came", size, arrives)
	}
	p.Hangup()
	s.ends(1006, 1001)
}

// many is a number of fragments that would show if time or memory grew with its square.
const many = 300_000

func fragmentsUpToTheLimit(s *scene) {
	for _, payload := range []string{"", "x"} {
		p, _ := s.meet()
		flood := append(p.frame(false, wire.Text, payload), bytes.Repeat(p.frame(false, wire.Continuation, payload), many)...)
		size := allocated(func() {
			go func() { _, _ = p.nc.Write(flood) }() // a refused client may not be read to the end
			p.wantCode(1009)
		})
		if size > 1<<20 {
			s.Errorf("%q: %d bytes were allocated", payload, size)
		}
		p.Hangup()
		s.ends(1006, 1009)
		s.hearsNoMore()
	}
}

// One-byte fragments, with as many empty ones between them, are put
// together in linear time and in memory of the message's own length.
func fragmentsWithoutALimit(s *scene) {
	s.options.FragmentsMax, s.options.MessageBytesMax = noLimit, 2*many
	s.message = func(_ Conn, m Message) { s.heard <- fmt.Sprint(len(m.Data)) }
	p, _ := s.meet()
	pair := append(p.frame(false, wire.Continuation, ""), p.frame(false, wire.Continuation, "x")...)
	flood := append(p.frame(false, wire.Binary, "x"), bytes.Repeat(pair, many)...)
	flood = append(flood, p.frame(true, wire.Continuation, "")...)
	size := allocated(func() {
		p.Raw(flood)
		s.hears(fmt.Sprint(many + 1))
	})
	if size > 16*many {
		s.Errorf("%d bytes were allocated", size)
	}
	p.leave()
}

func pingsAreMeasured(s *scene) {
	if size := allocated(func() { pingsAndDoesNotRead(s) }); size > 24<<20 { // what a socket takes is answered; hundreds of megabytes are not
		s.Errorf("%d bytes were allocated", size)
	}
}

func floodOfPongs(s *scene) {
	p, _ := s.meet()
	flood := append(bytes.Repeat(p.frame(true, wire.Pong, strings.Repeat("p", 125)), 200_000), p.frame(true, wire.Text, "and now this")...)
	size := allocated(func() {
		p.Raw(flood)
		s.hears(`text "and now this"`)
	})
	if size > 1<<20 {
		s.Errorf("%d bytes were allocated for 200,000 pongs", size)
	}
	p.leave()
}

const bombLimit = 100_000

// bombs are what zeros become, behind a message that has filled the window with
// bombLimit of them or on their own.
var bombs = sync.OnceValue(func() (all [2]struct{ first, limit, more, bomb []byte }) {
	for i := range all {
		b := &all[i]
		c := &compressor{takeover: i == 1}
		if c.takeover {
			b.first = c.message(make([]byte, bombLimit))
		}
		// Behind the first, each is made by a compressor in the same state.
		for _, v := range []struct {
			to   *[]byte
			size int
		}{{&b.limit, bombLimit}, {&b.more, bombLimit + 1}, {&b.bomb, 32 << 20}} {
			again := &compressor{takeover: c.takeover}
			if c.takeover {
				again.message(make([]byte, bombLimit))
			}
			*v.to = again.message(make([]byte, v.size))
		}
	}
	return all
})

// Exactly the limit passes, one byte more ends with 1009, and a bomb costs what
// the limit allows: in one frame, in one-byte fragments, and with takeover.
func bombsAreMeasured(s *scene) {
	s.options = Options{MessageBytesMax: bombLimit, FragmentsMax: 1 << 20, Compression: &deflate.Options{}}
	s.message = func(_ Conn, m Message) {
		s.heard <- fmt.Sprintf("%d bytes, %v", len(m.Data), bytes.Count(m.Data, []byte{0}) == len(m.Data))
	}
	fits := fmt.Sprintf("%d bytes, true", bombLimit)
	for _, b := range bombs() {
		for _, v := range []struct {
			payload  []byte
			fragment int
		}{{b.limit, 1 << 30}, {b.limit, 1}, {b.more, 1 << 30}, {b.more, 1}, {b.bomb, 1 << 30}, {b.bomb, 100}} {
			p, _ := s.meetDeflate("")
			if b.first != nil {
				p.Raw(p.fragments(b.first, 1<<30))
				s.hears(fits)
			}
			passes := &v.payload[0] == &b.limit[0]
			input := p.fragments(v.payload, v.fragment)
			size := allocated(func() {
				go func() { _, _ = p.nc.Write(input) }() // a refused client may not be read to the end
				if passes {
					s.hears(fits)
				} else {
					p.wantCode(1009)
				}
			})
			if size > 20*bombLimit {
				s.Errorf("%d bytes were allocated for a message of %d in fragments of %d", size, len(v.payload), v.fragment)
			}
			if passes {
				p.leave()
				continue
			}
			p.Hangup()
			s.ends(1006, 1009)
			s.hearsNoMore()
		}
	}
}
