package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/godwit-io/godwit/internal/legible"
)

// isTerminal reports whether a person looks at (or types into) f.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// visible escapes what a terminal would act on instead of showing.
func visible(s string) string { return legible.Text(s) }

// forPeople is visible if w is a terminal; into a pipe or a file goes what came.
func forPeople(w io.Writer, s string) string {
	if isTerminal(w) {
		return visible(s)
	}
	return s
}
