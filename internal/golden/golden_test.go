package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that notes what it is told.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said = fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	panic(r)
}

// hears runs what a test does, up to its end, and returns what it was told.
func hears(t *testing.T, test func(t testing.TB)) (said string) {
	r := &recorder{TB: t}
	defer func() {
		if e := recover(); e != nil && e != any(r) {
			panic(e)
		}
		said = r.said
	}()
	test(r)
	return r.said
}

func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "below", "file.txt")
	comparing := func(got string, update bool) string {
		return hears(t, func(t testing.TB) { compare(t, file, got, update) })
	}
	if said := comparing("one\n", false); !strings.Contains(said, "file.txt") || !strings.Contains(said, "-update") {
		t.Errorf("of a file that is not there it says %q", said)
	}
	if said := comparing("one\n", true); said != "" {
		t.Errorf("of a file that it writes it says %q", said)
	}
	if said := comparing("one\n", false); said != "" {
		t.Errorf("of the same text it says %q", said)
	}
	if said := comparing("two\n", false); !strings.HasSuffix(said, "line 1, got:\ntwo\n\nwant:\none\n") {
		t.Errorf("of another text it says %q", said)
	}
	if text, err := os.ReadFile(file); string(text) != "one\n" {
		t.Errorf("the file has %q: %v", text, err)
	}
}

func TestComparePart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file.md")
	if err := os.WriteFile(file, []byte("before\n<begin>\nold\n<end>\nafter <end>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	comparing := func(begin, got string, update bool) string {
		return hears(t, func(t testing.TB) { comparePart(t, file, begin, "<end>", got, update) })
	}
	if said := comparing("<begin>\n", "old\n", false); said != "" {
		t.Errorf("of the same part it says %q", said)
	}
	if said := comparing("<begin>\n", "new\n", false); !strings.Contains(said, "line 3, got:\nnew\n") {
		t.Errorf("of another part it says %q", said)
	}
	if said := comparing("<elsewhere>", "new\n", true); !strings.Contains(said, "<elsewhere>") {
		t.Errorf("of a mark that is not there it says %q", said)
	}
	if said := comparing("<begin>\n", "new\n", true); said != "" {
		t.Errorf("of a part that it writes it says %q", said)
	}
	if text, err := os.ReadFile(file); string(text) != "before\n<begin>\nnew\n<end>\nafter <end>\n" {
		t.Errorf("the file has %q: %v", text, err)
	}
}

func TestDifference(t *testing.T) {
	long := strings.Repeat("x\n", 100)
	for _, test := range []struct{ want, got, difference string }{
		{"", "", ""},
		{"a\nb\n", "a\nb\n", ""},
		{"a\nb\n", "a\nc\n", "line 2, got:\nc\n\nwant:\nb\n"},
		{"a\nb\n", "a\n", "line 2, got:\n(it ends here)\n\nwant:\nb\n"},
		{"a\n", "a", "line 1, got:\na\n\nwant:\na\n"},
		{"", long, "line 1, got:\n" + long[:2*linesShown] + "…\n\nwant:\n(it ends here)\n"},
	} {
		if got := Difference(test.want, test.got); got != test.difference {
			t.Errorf("between %q and %q it says\n%s", test.want, test.got, got)
		}
	}
}

// Play gives the text of each file that matches, and holds what comes back to it.
func TestPlay(t *testing.T) {
	var played []string
	Play(t, "testdata/*.txt", func(t *testing.T, text string) string {
		played = append(played, t.Name()+": "+text)
		return text
	})
	if got, want := strings.Join(played, ""), "TestPlay/first: > hello\nTestPlay/second: > goodbye\n"; got != want {
		t.Errorf("it has played %q, want %q", got, want)
	}
}
