package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func open(t *testing.T, path string, keep func(string) bool) *History {
	t.Helper()
	h, err := OpenHistory(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func add(t *testing.T, h *History, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		if err := h.Add(entry); err != nil {
			t.Fatal(err)
		}
	}
}

// What was typed is there the next time, but for secrets, and nobody else may read it.
func TestHistoryIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "godwit", "history")
	keep := func(entry string) bool { return !strings.Contains(entry, "secret") }
	h := open(t, path, keep)
	add(t, h, "one", "", "two\nlines", "two\nlines", "a secret", "π 😀", "one")
	if want := []string{"one", "two\nlines", "a secret", "π 😀", "one"}; !slices.Equal(h.entries, want) {
		t.Errorf("here: %q", h.entries)
	}
	if again := open(t, path, keep); !slices.Equal(again.entries, []string{"one", "two\nlines", "π 😀", "one"}) {
		t.Errorf("the next time: %q", again.entries)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode().Perm(), err)
		}
	}
}

// Two processes add to one file, and a broken line costs only itself.
func TestHistoryIsShared(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	a, b := open(t, path, nil), open(t, path, nil)
	add(t, a, "a1")
	add(t, b, "b1")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\"broken\n12\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	add(t, a, "a2")
	if h := open(t, path, nil); !slices.Equal(h.entries, []string{"a1", "b1", "a2"}) {
		t.Errorf("%q", h.entries)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history")
	var lines strings.Builder
	for i := range 2*historyMax + 1 {
		fmt.Fprintf(&lines, "\"entry %d\"\n", i)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, path, nil)
	last := fmt.Sprintf("entry %d", 2*historyMax)
	if len(h.entries) != historyMax || h.entries[historyMax-1] != last {
		t.Errorf("%d entries, the last %q", len(h.entries), h.entries[len(h.entries)-1])
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "\n") != historyMax || !strings.HasSuffix(string(b), last+"\"\n") {
		t.Errorf("the file has %d lines, %v", strings.Count(string(b), "\n"), err)
	}
	add(t, h, strings.Repeat("x", entryBytesMax), strings.Repeat("y", entryBytesMax+1))
	if h = open(t, path, nil); len(h.entries[len(h.entries)-1]) != entryBytesMax {
		t.Errorf("the last entry has %d bytes", len(h.entries[len(h.entries)-1]))
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".history-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// Without a file there is a history all the same.
func TestHistoryWithoutFile(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"none": "", "a folder": t.TempDir(), "below a file": filepath.Join(os.Args[0], "x")} {
		h, err := OpenHistory(path, nil)
		if (err == nil) != (path == "") {
			t.Errorf("%s: %v", name, err)
		}
		add(t, h, "one")
		if !slices.Equal(h.entries, []string{"one"}) {
			t.Errorf("%s: %q", name, h.entries)
		}
	}
	path := filepath.Join(t.TempDir(), "gone", "history")
	h := open(t, path, nil)
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := h.Add("one"); err == nil {
		t.Error("it was kept where there is no folder")
	}
}
