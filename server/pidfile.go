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

// remove removes the file, unless another process has taken over, or something failed.
func (p pidFile) remove() {
	if pid, err := ReadPIDFile(string(p)); err == nil && pid == os.Getpid() {
		_ = os.Remove(string(p)) // what stays is known to be of a process that has gone
	}
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
