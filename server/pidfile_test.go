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

// A process that ends leaves the file to the one that has taken over, whenever that writes it.
func TestPIDFileIsLeftToTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	path, next := filepath.Join(dir, "pid"), filepath.Join(dir, "next")
	for i := range 1000 {
		if err := pidFile(path).write(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(next, []byte("1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced := make(chan error)
		go func() { replaced <- os.Rename(next, path) }()
		pidFile(path).remove()
		if err := <-replaced; err != nil {
			t.Fatal(err)
		}
		if pid, err := ReadPIDFile(path); err != nil || pid != 1 {
			t.Fatalf("round %d: process %d, %v", i, pid, err)
		}
	}
	if err := pidFile(path).write(); err != nil {
		t.Fatal(err)
	}
	pidFile(path).remove()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v are left, %v", files, err)
	}
}
