package server

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A file is read as one: the process ID is that of the file that it is said to be from, also if that is
// replaced meanwhile.
func TestStatPIDFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pid")
	for i := range 300 {
		var files [3]os.FileInfo
		var names [3]string
		for pid := 1; pid <= 2; pid++ {
			names[pid] = filepath.Join(dir, fmt.Sprint("new", pid))
			if err := os.WriteFile(names[pid], fmt.Append(nil, pid), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if files[pid], err = os.Stat(names[pid]); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(names[1], path); err != nil {
			t.Fatal(err)
		}
		replaced := make(chan error)
		go func() { replaced <- os.Rename(names[2], path) }()
		for last := 0; last != 2; {
			pid, file, err := StatPIDFile(path)
			if err != nil || !os.SameFile(file, files[pid]) {
				t.Fatalf("round %d: process %d, %v, %v", i, pid, file, err)
			}
			last = pid
		}
		if err := <-replaced; err != nil {
			t.Fatal(err)
		}
	}
}
