package session

import (
	"fmt"
	"testing"
)

// opened is a Machine whose session is open, with one subscription in force.
func opened(tb testing.TB) *Machine {
	m := New(Options{Random: func() float64 { return 0 }})
	if err := m.Subscribe(&Subscription{Channel: "chat"}); err != nil {
		tb.Fatal(err)
	}
	m.Tick(begin)
	m.Opened(begin, "")
	for _, line := range []string{`{"id":1,"ok":{"session":"S","secret":"X","ping_ms":25000}}`, `{"id":2,"ok":{"position":"E:0"}}`} {
		if err := m.Receive(begin, []byte(line)); err != nil {
			tb.Fatal(err)
		}
	}
	if m.Take(); m.State() != Open {
		tb.Fatal(m.State())
	}
	return m
}

func publicationLine(n int) []byte {
	return fmt.Appendf(nil, `{"channel":"chat","position":"E:%d","time":"2026-11-30T09:00:00.123456Z","data":{"home":1,"away":0,"text":"a goal"}}`, n)
}

// TestReceiveAllocs: a publication costs no more memory than its receiver gets.
func TestReceiveAllocs(t *testing.T) {
	m := opened(t)
	n := 0
	lines := make([][]byte, 200)
	for i := range lines {
		lines[i] = publicationLine(i + 1)
	}
	got := testing.AllocsPerRun(100, func() {
		if err := m.Receive(begin, lines[n]); err != nil {
			t.Fatal(err)
		}
		n++
		if len(m.Take().Events) != 1 {
			t.Fatal("nothing was delivered")
		}
	})
	if got > 13 { // 12 without the race detector
		t.Errorf("%v allocations for a publication", got)
	}
}

func BenchmarkReceive(b *testing.B) {
	m := opened(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		line := publicationLine(n)
		b.StartTimer()
		if err := m.Receive(begin, line); err != nil {
			b.Fatal(err)
		}
		m.Take()
	}
}
