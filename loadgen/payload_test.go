package loadgen

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPayloads(t *testing.T) {
	for _, size := range []int{1, 2, 15, 16, 17, 24, 100, 5000} {
		p := newPayloads(size, "")
		b := p.take(0xabc, 0x12345)
		if len(*b) != size || !utf8.Valid(*b) || bytes.ContainsAny(*b, "\"\\\n{}") {
			t.Errorf("a payload of %d is %q", size, *b)
		}
		if !p.isPayload(*b, 0xabc, 0x12345) {
			t.Errorf("size %d: it is not itself", size)
		}
		if p.isPayload(*b, 0xabc, 0x12346) || p.isPayload((*b)[1:], 0xabc, 0x12345) || p.isPayload(append(*b, 'x'), 0xabc, 0x12345) {
			t.Errorf("size %d: another is taken for it", size)
		}
		if size >= digits && p.isPayload(*b, 0xabd, 0x12345) {
			t.Errorf("size %d: another connection's is taken for it", size)
		}
		for i := range size {
			damaged := bytes.Clone(*b)
			damaged[i] ^= 1
			if p.isPayload(damaged, 0xabc, 0x12345) {
				t.Errorf("size %d: byte %d is not looked at", size, i)
			}
		}
		p.give(b)
		if again := p.take(1, 2); !p.isPayload(*again, 1, 2) {
			t.Errorf("size %d: a buffer that is used again is not a payload", size)
		}
	}
	if text := string(*newPayloads(32, "").take(0xabc, 0x12345)); !strings.HasPrefix(text, "000abc0000012345 symbol=S") {
		t.Errorf("a payload is %q", text)
	}
}

func TestFind(t *testing.T) {
	p := newPayloads(40, publishMarker)
	one, two := string(*p.take(0, 7)), string(*p.take(0, 1<<numberBits-1))
	for _, c := range []struct {
		name, message string
		numbers       []uint64
		damaged       int
	}{
		{"none", `{"ping":1}`, nil, 0},
		{"empty", "", nil, 0},
		{"alone", one, []uint64{7}, 0},
		{"in JSON", `{"data":"` + one + `"}`, []uint64{7}, 0},
		{"two in one message", `{"data":"` + one + "\"}\n{\"data\":\"" + two + `"}`, []uint64{7, 1<<numberBits - 1}, 0},
		{"cut", one[:39], nil, 1},
		{"damaged filling", one[:39] + "~", nil, 1},
		{"damaged digits", "godwit:xyz" + one[10:], nil, 1},
		{"one damaged before one that is not", "godwit:xyz" + one[10:] + two, []uint64{1<<numberBits - 1}, 1},
	} {
		var numbers []uint64
		damaged := 0
		for rest := []byte(c.message); ; {
			_, number, after, found, ok := p.find(rest)
			if !found {
				break
			}
			if ok {
				numbers = append(numbers, number)
			} else {
				damaged++
			}
			rest = after
		}
		if len(numbers) != len(c.numbers) || damaged != c.damaged {
			t.Errorf("%s: found %v and %d damaged", c.name, numbers, damaged)
			continue
		}
		for i := range numbers {
			if numbers[i] != c.numbers[i] {
				t.Errorf("%s: found %v, want %v", c.name, numbers, c.numbers)
			}
		}
	}
}

// FuzzFind looks for payloads in anything: it ends, and what it finds is there.
func FuzzFind(f *testing.F) {
	p := newPayloads(40, publishMarker)
	one := *p.take(0, 7)
	f.Add(one)
	f.Add([]byte(`{"data":"` + string(one) + `"}`))
	f.Add(one[:39])
	f.Add([]byte(strings.Repeat(publishMarker, 20)))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, most := 0, bytes.Count(b, []byte(publishMarker))
		for rest := b; ; {
			from, number, after, any, ok := p.find(rest)
			if !any {
				break
			}
			if len(after) >= len(rest) {
				t.Fatal("it does not get on")
			}
			if ok {
				found++
				if !bytes.Contains(bytes.ToLower(b), *p.take(from, number)) && !bytes.Contains(b, (*p.take(from, number))[len(publishMarker)+digits:]) {
					t.Fatalf("number %d is not in %q", number, b)
				}
			}
			rest = after
		}
		if found > most {
			t.Fatalf("found %d of %d", found, most)
		}
	})
}
