package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// IsUpdating reports whether the test is run with -update, for tests that write more than
// Compare does.
func IsUpdating() bool { return *update }

// Compare compares got with the content of a file, or writes it there with -update.
func Compare(t testing.TB, file, got string) {
	t.Helper()
	compare(t, file, got, *update)
}

func compare(t testing.TB, file, got string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (-update writes it)", err)
	}
	if difference := Difference(string(want), got); difference != "" {
		t.Errorf("%s is another text (-update writes it)\n%s", file, difference)
	}
}

// ComparePart is Compare for what stands in a file between two marks.
func ComparePart(t testing.TB, file, begin, end, got string) {
	t.Helper()
	comparePart(t, file, begin, end, got, *update)
}

func comparePart(t testing.TB, file, begin, end, got string, update bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
	}
	before, rest, begins := strings.Cut(string(text), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	compare(t, file, before+begin+got+end+after, update)
}

// Play plays dialogues: files that match pattern, of which there has to be one. Each is a
// subtest with the name of its file. play is given the text and returns it as it is when it has been played:
// what is said to the subject of the test, which play copies, and what comes of it. With -update the file is
// written, unless the test has failed.
func Play(t *testing.T, pattern string, play func(t *testing.T, text string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := play(t, string(text)); !*update || !t.Failed() {
				compare(t, file, got, *update)
			}
		})
	}
}

// linesShown is how much of each text Difference shows.
const linesShown = 8

// Difference says where two texts begin to differ. It is empty if they do not.
func Difference(want, got string) string {
	if want == got {
		return ""
	}
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	same := 0
	for same < min(len(w), len(g)) && w[same] == g[same] {
		same++
	}
	return fmt.Sprintf("line %d, got:\n%s\nwant:\n%s", same+1, shown(g[same:]), shown(w[same:]))
}

// shown is the first of these lines.
func shown(lines []string) string {
	text := strings.Join(lines[:min(len(lines), linesShown)], "")
	switch {
	case text == "":
		return "(it ends here)\n"
	case len(lines) > linesShown:
		return text + "…\n"
	case !strings.HasSuffix(text, "\n"):
		return text + "\n"
	default:
		return text
	}
}
