package witness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(epoch string, offset uint64) hub.Position { return hub.Position{Epoch: epoch, Offset: offset} }

// story is what happened in a channel "c": publications of one publisher at A:1 … A:9, unless a
// test tells it otherwise.
type story struct {
	truth  *Truth
	record *Record
}

func newStory() *story {
	s := &story{NewTruth(), NewRecord("ann", "c")}
	for n := range uint64(9) {
		s.publish(n+1, at("A", n+1))
	}
	return s
}

func (s *story) publish(id uint64, position hub.Position) {
	s.truth.Send("c", id)
	s.truth.Acknowledge("c", id, position, hub.Position{}, false)
}

// give gives publications whose IDs are their offsets.
func (s *story) give(epoch string, from, to uint64) {
	for n := from; n <= to; n++ {
		s.record.Given(at(epoch, n), n)
	}
}

// Each kind of fault is found where it is, and a right record has none.
func TestCheck(t *testing.T) {
	now := time.Unix(1, 0)
	for name, row := range map[string]struct {
		tell func(s *story)
		want Kind // empty: nothing is wrong
		text string
	}{
		"everything":         {func(s *story) { s.record.Begin(at("A", 0)); s.give("A", 1, 9) }, "", ""},
		"from the middle on": {func(s *story) { s.record.Begin(at("A", 4)); s.give("A", 5, 9) }, "", ""},
		"lost":               {func(s *story) { s.give("A", 1, 3); s.give("A", 5, 9) }, Lost, "1 behind A:3, the first p0-4 at A:4"},
		"the first is lost":  {func(s *story) { s.record.Begin(at("A", 0)); s.give("A", 2, 9) }, Lost, "p0-1"},
		"the last is lost":   {func(s *story) { s.give("A", 1, 8) }, Unheard, "1 publications came behind that"},
		"nothing came":       {func(s *story) { s.record.Begin(at("A", 0)) }, Unheard, "9 publications"},
		"nothing at all":     {func(*story) {}, Unheard, "newest publication at A:9"},
		"lost, of a gap too short": {func(s *story) {
			s.give("A", 1, 2)
			s.record.Gap(at("A", 2), at("A", 4), now)
			s.give("A", 6, 9)
		}, Lost, "p0-5"},
		"a gap": {func(s *story) {
			s.give("A", 1, 2)
			s.record.Gap(at("A", 2), at("A", 5), now)
			s.give("A", 6, 9)
		}, "", ""},
		"a gap that begins where the client is, unsaid": {func(s *story) {
			s.give("A", 1, 2)
			s.record.Gap(hub.Position{}, at("A", 5), now)
			s.give("A", 6, 9)
		}, "", ""},
		"a gap that begins later, and leaves one out": {func(s *story) {
			s.give("A", 1, 2)
			s.record.Gap(at("A", 3), at("A", 5), now)
			s.give("A", 6, 9)
		}, Lost, "a gap begins"},
		"a gap that begins before the client": {func(s *story) {
			s.give("A", 1, 4)
			s.record.Gap(at("A", 2), at("A", 5), now)
			s.give("A", 6, 9)
		}, BadGap, "it begins at A:2"},
		"a gap of another epoch than the client's": {func(s *story) {
			s.give("A", 1, 4)
			s.record.Gap(at("B", 2), at("A", 5), now)
			s.give("A", 6, 9)
		}, BadGap, "the client is at A:4"},
		"a gap without an end": {func(s *story) {
			s.give("A", 1, 4)
			s.record.Gap(hub.Position{}, hub.Position{}, now)
			s.give("A", 7, 9)
		}, "", ""},
		"a gap without an end, and nothing behind it": {func(s *story) {
			s.give("A", 1, 4)
			s.record.Gap(hub.Position{}, hub.Position{}, now)
		}, Unheard, ""},
		"repeated":           {func(s *story) { s.give("A", 1, 5); s.give("A", 5, 9) }, Repeated, "p0-5 at A:5 came again"},
		"all of it repeated": {func(s *story) { s.give("A", 1, 5); s.give("A", 1, 9) }, Repeated, "p0-1 at A:1 came again"},
		"reordered": {func(s *story) {
			s.give("A", 1, 3)
			s.give("A", 5, 5)
			s.give("A", 4, 4)
			s.give("A", 6, 9)
		}, Reordered, "p0-4 at A:4 came behind A:5"},
		"told to go on, with nothing left out": {func(s *story) {
			s.give("A", 1, 9)
			s.record.Moved(at("A", 9))
		}, "", ""},
		"told to go on, and something left out": {func(s *story) {
			s.give("A", 1, 6)
			s.record.Moved(at("A", 9))
		}, Lost, "told to go on"},
		"told to go back": {func(s *story) {
			s.give("A", 1, 9)
			s.record.Moved(at("A", 3))
		}, Reordered, "told to go on"},
		"begun anew further on": {func(s *story) {
			s.give("A", 1, 6)
			s.record.Begin(at("A", 7))
			s.give("A", 8, 9)
		}, Lost, "a subscription begins"},
		"told to go on in another epoch": {func(s *story) {
			s.give("A", 1, 9)
			s.record.Moved(at("B", 3))
		}, Epoch, "told to go on"},
		"an epoch that nobody announced": {func(s *story) {
			s.give("A", 1, 9)
			s.publish(10, at("B", 1))
			s.record.Given(at("B", 1), 10)
		}, Epoch, "p0-10 at B:1 came behind A:9"},
		"an epoch that was announced": {func(s *story) {
			s.give("A", 1, 7)
			s.publish(10, at("B", 1))
			s.publish(11, at("B", 2))
			s.record.Gap(at("A", 7), at("B", 1), now)
			s.record.Given(at("B", 2), 11)
		}, "", ""},
		"the first of an epoch is lost": {func(s *story) {
			s.give("A", 1, 9)
			s.publish(10, at("B", 1))
			s.publish(11, at("B", 2))
			s.record.Gap(at("A", 9), at("B", 0), now)
			s.record.Given(at("B", 2), 11)
		}, Lost, "p0-10"},
		"an epoch that the client never heard of": {func(s *story) {
			s.give("A", 1, 9)
			s.publish(10, at("B", 1))
		}, Unheard, "the client is at A:9, the newest publication at B:1"},
		"published twice": {func(s *story) {
			s.publish(9, at("A", 10)) // its key was not remembered
			s.give("A", 1, 9)
			s.record.Given(at("A", 10), 9)
		}, Duplicate, "p0-9 is at A:9 and at A:10"},
		"answered twice, published once": {func(s *story) {
			s.truth.Acknowledge("c", 9, at("A", 9), hub.Position{}, true)
			s.give("A", 1, 9)
		}, "", ""},
		"published again in another epoch": {func(s *story) {
			s.publish(9, at("B", 1))
			s.give("A", 1, 9)
			s.record.Gap(at("A", 9), at("B", 0), now)
			s.record.Given(at("B", 1), 9)
		}, "", ""},
		"a position that is used twice, as after a lost tail": {func(s *story) {
			s.publish(10, at("A", 9))
			s.give("A", 1, 9)
		}, Conflict, "A:9 is p0-9 and p0-10"},
		"another publication than was acknowledged": {func(s *story) {
			s.truth.Send("c", 10)
			s.give("A", 1, 8)
			s.record.Given(at("A", 9), 10)
		}, Conflict, "A:9"},
		"what nobody has published": {func(s *story) {
			s.give("A", 1, 9)
			s.record.Given(at("A", 10), 77)
			s.publish(10, at("A", 11))
			s.record.Given(at("A", 11), 10)
		}, Foreign, "p0-77"},
		"what was published elsewhere": {func(s *story) {
			s.truth.Send("d", 77)
			s.give("A", 1, 9)
			s.record.Given(at("A", 10), 77)
			s.publish(10, at("A", 11))
			s.record.Given(at("A", 11), 10)
		}, Foreign, "p0-77"},
		"a publisher that is overtaken by itself": {func(s *story) {
			s.truth.Send("c", 10)
			s.truth.Acknowledge("c", 10, at("A", 10), at("A", 11), false)
			s.publish(11, at("A", 11))
			s.give("A", 1, 11)
		}, Reordered, "p0-10 is at A:10, and was sent when its publisher knew of A:11"},
		"what was lost is what another client was given": {func(s *story) {
			s.truth.Send("c", 10) // its publisher has no answer
			s.give("A", 1, 9)
			s.publish(11, at("A", 11))
			s.record.Given(at("A", 11), 11)
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			row.tell(s)
			v := s.truth.Check([]*Record{s.record}, true)
			if row.want == "" {
				for _, f := range v.Faults {
					t.Error(f)
				}
				return
			}
			if !slices.ContainsFunc(v.Faults, func(f Fault) bool { return f.Kind == row.want && strings.Contains(f.Text, row.text) }) {
				t.Errorf("the faults are %v, want %q with %q", v.Faults, row.want, row.text)
			}
		})
	}
}

// What one client was given is expected of all others, whatever the publisher was told.
func TestCheckOthers(t *testing.T) {
	truth, ann, bob := NewTruth(), NewRecord("ann", "c"), NewRecord("bob", "c")
	for n := range uint64(3) {
		truth.Send("c", n+1)
		ann.Given(at("A", n+1), n+1)
	}
	truth.Acknowledge("c", 3, at("A", 3), hub.Position{}, false)
	bob.Given(at("A", 1), 1)
	bob.Given(at("A", 3), 3)
	v := truth.Check([]*Record{ann, bob}, true)
	if len(v.Faults) != 1 || v.Faults[0].Kind != Lost || v.Faults[0].Record != bob || v.Given != 5 {
		t.Errorf("%d were given, the faults are %v", v.Given, v.Faults)
	}
	if text := v.Faults[0].String(); text != "lost: bob in c: 1 behind A:1, the first p0-2 at A:2 (the next that came: A:3)" {
		t.Error(text)
	}
}

// The numbers of a verdict say what became of what was acknowledged.
func TestVerdict(t *testing.T) {
	s := newStory()
	s.publish(10, at("B", 1))
	s.publish(7, at("B", 2)) // A:7 is gone, and its publisher has tried again
	s.give("A", 1, 6)
	s.record.Gap(at("A", 6), at("B", 0), time.Unix(5, 0))
	s.record.Given(at("B", 1), 10)
	s.record.Given(at("B", 2), 7)
	s.record.Gap(at("B", 2), at("A", 9), time.Unix(6, 0))
	v := s.truth.Check([]*Record{s.record}, false)
	if len(v.Faults) > 0 || v.Acknowledged != 11 || v.Given != 8 || v.Reached != 8 || v.Announced != 2 || v.Again != 1 || v.Returns != 1 {
		t.Errorf("%+v", v)
	}
	if len(v.Gaps) != 2 || !v.Gaps[0].NewEpoch || v.Gaps[0].Missed != 3 || !v.Gaps[0].At.Equal(time.Unix(5, 0)) {
		t.Errorf("%+v", v.Gaps)
	}
}

// A gap that leads back is announced, whatever comes again then. It is counted.
func TestGapsThatLeadBack(t *testing.T) {
	s := newStory()
	s.give("A", 1, 4)
	s.record.Gap(at("A", 4), at("A", 2), time.Unix(5, 0))
	s.give("A", 3, 6)
	s.record.Gap(hub.Position{}, hub.Position{}, time.Unix(6, 0))
	s.give("A", 5, 9)
	if v := s.truth.Check([]*Record{s.record}, true); len(v.Faults) > 0 || v.Back != 2 {
		t.Errorf("%+v", v)
	}
}

func TestRecord(t *testing.T) {
	r := NewRecord("ann", "c")
	for i := range NotesMax + 2 {
		r.Note(fmt.Sprint(i))
	}
	if notes := r.Notes(); len(notes) != NotesMax || notes[0] != "2" {
		t.Errorf("%q", notes)
	}
	r.Given(at("A", 3), 1)
	if r.At() != at("A", 3) || r.Len() != 1 || r.Client() != "ann" || r.Channel() != "c" {
		t.Error(r.At(), r.Len(), r.Client(), r.Channel())
	}
	truth := NewTruth()
	truth.Acknowledge("c", 1, at("A", 3), hub.Position{}, false)
	if truth.Newest("c") != at("A", 3) || truth.Acknowledged() != 1 {
		t.Error(truth.Newest("c"), truth.Acknowledged())
	}
}

// Whatever happens by the rules has no fault, and any one thing that breaks them has one.
func TestCheckRandom(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		truth, record, told := byTheRules(random)
		if v := truth.Check([]*Record{record}, true); len(v.Faults) > 0 {
			t.Fatalf("seed %d: what happened by the rules: %v", seed, v.Faults)
		}
		broken, how := breakOne(random, told)
		r := NewRecord("ann", "c")
		for _, e := range broken {
			e.tell(r)
		}
		if v := truth.Check([]*Record{r}, true); len(v.Faults) == 0 {
			t.Fatalf("seed %d: %s, and no fault is found", seed, how)
		}
	}
}

// told is one thing of a record.
type told struct {
	kind     eventKind
	from, at hub.Position
	id       uint64
}

func (e told) tell(r *Record) {
	switch e.kind {
	case began:
		r.Begin(e.at)
	case given:
		r.Given(e.at, e.id)
	case gapped:
		r.Gap(e.from, e.at, time.Time{})
	}
}

// byTheRules makes a channel with one or more epochs and a client that follows the rules: everything
// in order, or in gaps.
func byTheRules(random *rand.Rand) (*Truth, *Record, []told) {
	truth, record := NewTruth(), NewRecord("ann", "c")
	var all []told
	say := func(e told) {
		all = append(all, e)
		e.tell(record)
	}
	id, epochs := uint64(0), 1+random.IntN(3)
	var here hub.Position
	for n := range epochs {
		epoch := string(rune('A' + n))
		offset := uint64(random.IntN(5))
		if n == 0 {
			here = at(epoch, offset)
			say(told{kind: began, at: here})
		} else {
			say(told{kind: gapped, from: here, at: at(epoch, offset)})
			here = at(epoch, offset)
		}
		skipping := false
		for range 5 + random.IntN(20) {
			id++
			offset += 1 + uint64(random.IntN(3))
			truth.Send("c", id)
			truth.Acknowledge("c", id, at(epoch, offset), hub.Position{}, false)
			if skipping = random.IntN(10) == 0; skipping {
				say(told{kind: gapped, from: here, at: at(epoch, offset)})
			} else {
				say(told{kind: given, at: at(epoch, offset), id: id})
			}
			here = at(epoch, offset)
		}
	}
	return truth, record, all
}

// breakOne changes one thing so that a rule is broken.
func breakOne(random *rand.Rand, all []told) ([]told, string) {
	broken := slices.Clone(all)
	for {
		i := random.IntN(len(broken))
		if broken[i].kind == began {
			continue
		}
		switch random.IntN(4) {
		case 0:
			return slices.Delete(broken, i, i+1), fmt.Sprintf("number %d was not told", i)
		case 1:
			if broken[i].kind != given {
				continue
			}
			return slices.Insert(broken, i, broken[i]), fmt.Sprintf("number %d was told twice", i)
		case 2:
			if i+1 == len(broken) || broken[i].kind != given || broken[i+1].kind != given {
				continue
			}
			broken[i], broken[i+1] = broken[i+1], broken[i]
			return broken, fmt.Sprintf("number %d was told behind the next", i)
		default:
			if broken[i].kind != given {
				continue
			}
			broken[i].id += 1000
			return broken, fmt.Sprintf("number %d was another publication", i)
		}
	}
}
