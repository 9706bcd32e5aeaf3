package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidFile is the path of a file that has the ID of the process that serves; empty for
// none. It is replaced and never changed, so that a reader finds all of it, and a program
// that waits for another ID sees that also the same was written again.
type pidFile string

// write writes the ID of this process.
func (p pidFile) write() error {
	if p == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(string(p)), filepath.Base(string(p))+".*")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), string(p))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// remove removes the file, unless another process has taken over, or something failed. That process
// may write its ID at any moment: so the file is put aside first, and put back if it is not this
// process's after all.
func (p pidFile) remove() {
	if !p.isOwn() {
		return
	}
	aside := pidFile(fmt.Sprintf("%s.%d", p, os.Getpid()))
	if os.Rename(string(p), string(aside)) != nil {
		return // what stays is known to be of a process that has gone
	}
	if !aside.isOwn() {
		_ = os.Link(string(aside), string(p)) // unless there is a newer one
	}
	_ = os.Remove(string(aside))
}

// isOwn reports whether the file has the ID of this process.
func (p pidFile) isOwn() bool {
	pid, err := ReadPIDFile(string(p))
	return err == nil && pid == os.Getpid()
}

// ReadPIDFile returns the ID of the process that Config.PIDFile has.
func ReadPIDFile(path string) (int, error) {
	pid, _, err := StatPIDFile(path)
	return pid, err
}

// StatPIDFile is ReadPIDFile that also returns which file it was: another one than before has been
// written anew, whatever ID is in it.
func StatPIDFile(path string) (pid int, file os.FileInfo, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil, fmt.Errorf("there is no file %s: no server runs with this configuration, or it has no pid_file", path)
	}
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	if file, err = f.Stat(); err != nil {
		return 0, nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return 0, nil, err
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return 0, nil, fmt.Errorf("%s has no process ID in it", path)
	}
	return pid, file, nil
}
