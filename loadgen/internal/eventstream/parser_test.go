package eventstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// events takes a stream apart in pieces of the given sizes, in turn.
func events(stream string, bytesMax int, sizes ...int) (list []string, err error) {
	p := Parser{BytesMax: bytesMax}
	for i := 0; len(stream) > 0; i++ {
		piece := []byte(stream[:min(len(stream), max(1, sizes[i%len(sizes)]))])
		stream = stream[len(piece):]
		for rest := piece; ; {
			e, n, ok, err := p.Next(rest)
			if rest = rest[n:]; err != nil {
				return list, err
			}
			if !ok {
				break
			}
			list = append(list, fmt.Sprintf("%s|%s", e.Name, e.Data))
		}
		for i := range piece {
			piece[i] = 'x' // whatever is kept must have been copied
		}
	}
	return list, nil
}

var streams = map[string]struct {
	text string
	want []string
}{
	"one":           {"data: hello\n\n", []string{"|hello"}},
	"not ended":     {"data: hello\n", nil},
	"Godwit":        {"retry: 2000\nid: e:1\n\nid: e:2\ndata: a\n\nid: e:9\nevent: gap\ndata: {\"from\":\"e:2\"}\n\n:\n\n", []string{"|a", `gap|{"from":"e:2"}`}},
	"CRLF":          {"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []string{"x|a", "|b"}},
	"CR":            {"event: x\rdata: a\r\rdata: b\r\r", []string{"x|a", "|b"}},
	"mixed ends":    {"data: a\r\ndata: b\rdata: c\n\r\n", []string{"|a\nb\nc"}},
	"lines":         {"data: a\ndata\ndata:\ndata: \ndata:  b\n\n", []string{"|a\n\n\n\n b"}},
	"empty":         {"data\n\ndata:\n\n", []string{"|", "|"}},
	"comments":      {": hi\n\n:\ndata: a\n:x\n\n", []string{"|a"}},
	"other fields":  {"x: y\nid: 5\nretry: 1\ndatas: z\n data: z\ndata: a\n\n", []string{"|a"}},
	"name alone":    {"event: x\n\ndata: a\n\n", []string{"|a"}},
	"name twice":    {"event: x\nevent: y\ndata: a\n\n", []string{"y|a"}},
	"BOM":           {"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", []string{"|a"}},
	"BOM alone":     {"\xef\xbb\xbf\ndata: a\n\n", []string{"|a"}},
	"data is first": {"data: a\nevent: x\n\n", []string{"x|a"}},
	"three":         {"data: a\n\ndata: b\n\n\ndata: c\n\n", []string{"|a", "|b", "|c"}},
}

func TestParser(t *testing.T) {
	for name, c := range streams {
		for _, sizes := range [][]int{{1 << 20}, {1}, {2}, {3, 1}, {7}} {
			if got, err := events(c.text, 100, sizes...); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s in pieces of %v: %q, %v; want %q", name, sizes, got, err, c.want)
			}
		}
		for i := 1; i < len(c.text); i++ {
			if got, err := events(c.text, 100, i, 1<<20); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s cut at %d: %q, %v; want %q", name, i, got, err, c.want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 94)
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"line":        {"data: " + long + "\n\n", true},
		"longer line": {"data: x" + long + "\n\n", false},
		"no line end": {strings.Repeat("x", 101), false},
		"comment":     {":" + long + long, false},
		"data":        {"data: " + long[:49] + "\ndata: " + long[:50] + "\n\n", true},
		"longer data": {"data: " + long[:50] + "\ndata: " + long[:50] + "\n\n", false},
		"many lines":  {strings.Repeat("data\n", 200), false},
	} {
		for _, size := range []int{1 << 20, 1, 7} {
			if _, err := events(c.text, 100, size); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrTooLong) {
				t.Errorf("%s in pieces of %d: %v", name, size, err)
			}
		}
	}
}

// An event that comes in one piece costs no memory.
func TestAllocEvent(t *testing.T) {
	p := Parser{BytesMax: 1000}
	b := []byte("id: f3Zb:17\nevent: message\ndata: hello\n\n")
	if n := testing.AllocsPerRun(100, func() {
		if e, n, ok, err := p.Next(b); !ok || err != nil || n != len(b) || string(e.Data) != "hello" {
			t.Fatal("no event")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// reference does what the specification says with the whole stream at once.
func reference(stream string) (list []string) {
	stream = strings.TrimPrefix(stream, "\xef\xbb\xbf")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	name, data, has := "", "", false
	for _, line := range lines[:len(lines)-1] {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if has {
				list = append(list, name+"|"+strings.TrimSuffix(data, "\n"))
			}
			name, data, has = "", "", false
		case field == "event":
			name = value
		case field == "data":
			data += value + "\n"
			has = true
		}
	}
	return list
}

// FuzzParser holds it to the reference, however the bytes are cut.
func FuzzParser(f *testing.F) {
	for _, c := range streams {
		f.Add(c.text, uint8(1), uint8(5))
	}
	f.Fuzz(func(t *testing.T, stream string, one, other uint8) {
		want := reference(stream)
		for _, sizes := range [][]int{{1 << 20}, {int(one), int(other)}} {
			if got, err := events(stream, 1<<20, sizes...); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q in pieces of %v: %q, %v; want %q", stream, sizes, got, err, want)
			}
		}
	})
}

// An id counts when its event is whole, as what comes behind the last one is asked for
// with it; the time to wait counts at once.
func TestIDsAndTimes(t *testing.T) {
	p := Parser{BytesMax: 100}
	for _, step := range []struct {
		text, id string
		retry    time.Duration
	}{
		{"retry: 1840\nid: e:1\nevent: position\n", "", 1840 * time.Millisecond},
		{"data: e:1\n\n", "e:1", 1840 * time.Millisecond},
		{"id: e:2\ndata: cut", "e:1", 1840 * time.Millisecond},
		{"\n\ndata: without\n\n", "e:2", 1840 * time.Millisecond},
		{"retry: 5000\n\n", "e:2", 5 * time.Second},
		{"retry: soon\nretry: -1\nretry:\nretry: 99999999999\nid: a\x00b\n\n", "e:2", 5 * time.Second},
		{"id: e:7\n\n", "e:7", 5 * time.Second}, // an event without data is none, and its id counts
		{"id\ndata: x\n\n", "", 5 * time.Second},
	} {
		for rest := []byte(step.text); ; {
			_, n, ok, err := p.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			if rest = rest[n:]; !ok {
				break
			}
		}
		if string(p.LastID) != step.id || p.Retry != step.retry {
			t.Errorf("after %q: id %q, retry %v; want %q, %v", step.text, p.LastID, p.Retry, step.id, step.retry)
		}
	}
}
