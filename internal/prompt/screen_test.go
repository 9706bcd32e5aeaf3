package prompt

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// pipes are a terminal's two ends without a terminal between.
func pipes(t *testing.T) (in, person *os.File, out *bufio.Reader, program *os.File) {
	t.Helper()
	in, person, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	shown, program, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{in, person, shown, program} {
			f.Close()
		}
	})
	return in, person, bufio.NewReader(shown), program
}

// Lines come in the order in which they were typed, everything printed is there, and
// the end is the end.
func TestScreen(t *testing.T) {
	t.Parallel()
	in, person, out, program := pipes(t)
	h := &History{}
	s := Open(Options{In: in, Out: program, Prompt: "> ", History: h})
	shown := make(chan string)
	go func() {
		b, _ := io.ReadAll(out)
		shown <- string(b)
	}()
	if _, err := person.WriteString("one\rtwo\r"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		if got, err := s.ReadLine(); got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for range 100 {
		s.Print("a line that is printed")
	}
	s.SetPrompt("other > ")
	if _, err := person.WriteString("three\r\x04"); err != nil {
		t.Fatal(err)
	}
	<-s.Ended()
	if got, err := s.ReadLine(); got != "three" || err != nil {
		t.Errorf("after the end: %q, %v", got, err)
	}
	if _, err := s.ReadLine(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last line: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.Print("nobody sees it")
	program.Close()
	text := <-shown
	if n := strings.Count(text, "a line that is printed"); n != 100 || strings.Contains(text, "nobody") {
		t.Errorf("%d lines were printed, the last of it %q", n, text[max(0, len(text)-1000):])
	}
	if strings.Join(h.entries, ",") != "one,two,three" {
		t.Errorf("the history has %q", h.entries)
	}
}

// A history that cannot be written is said at the end.
func TestScreenWithoutHistory(t *testing.T) {
	t.Parallel()
	in, person, out, program := pipes(t)
	dir := t.TempDir() + "/gone"
	h := open(t, dir+"/history", nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := Open(Options{In: in, Out: program, History: h})
	go io.Copy(io.Discard, out)
	if _, err := person.WriteString("one\r"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadLine(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "history: ") {
		t.Errorf("%v", err)
	}
	program.Close()
}
