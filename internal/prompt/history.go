package prompt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// historyMax is how many entries are kept. The file may have twice as many before
	// it is written anew.
	historyMax = 1000

	// entryBytesMax is the longest entry that is kept in the file.
	entryBytesMax = 64 << 10
)

// History is what was typed, the oldest first. The file has one JSON string a line,
// so that an entry may have several lines. It is not safe for concurrent use, but
// several processes may use one file.
type History struct {
	path    string // "" for none
	keep    func(entry string) bool
	entries []string
}

// OpenHistory reads the history in the file at path, which need not exist yet. Its
// folder is made, and both are for the owner alone. With an empty path nothing is
// read or written.
//
// An entry is written only if keep says so: those with secrets should not be. A nil
// keep keeps all. The History is usable also if there is an error: it has no file
// then.
func OpenHistory(path string, keep func(entry string) bool) (*History, error) {
	h := &History{keep: keep}
	if path == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return h, fmt.Errorf("no history: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, fmt.Errorf("no history: %w", err)
	}
	lines := 0
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 8*entryBytesMax) // JSON may need six bytes for one
	for s.Scan() {
		lines++
		var entry string
		if json.Unmarshal(s.Bytes(), &entry) == nil { // another process may be in the middle of a line
			h.remember(entry)
		}
	}
	if err == nil {
		// An earlier version, or a person, may have let others read it.
		if err := os.Chmod(path, 0o600); err != nil {
			return h, fmt.Errorf("no history: %w", err)
		}
	}
	h.path = path
	if lines > 2*historyMax {
		return h, h.rewrite()
	}
	return h, nil
}

// rewrite replaces the file by one that has only the remembered entries.
func (h *History) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.path), ".history-*") // mode 0600
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer os.Remove(f.Name()) // nothing is there once it has its name
	w := bufio.NewWriter(f)
	for _, entry := range h.entries {
		_, _ = w.Write(encodeEntry(entry)) // Flush says it
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := os.Rename(f.Name(), h.path); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

func encodeEntry(entry string) []byte {
	b, _ := json.Marshal(entry) // a string never fails
	return append(b, '\n')
}

// remember adds entry unless it is the one before again.
func (h *History) remember(entry string) bool {
	if entry == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == entry {
		return false
	}
	h.entries = append(h.entries, entry)
	if len(h.entries) > historyMax {
		h.entries = h.entries[len(h.entries)-historyMax:]
	}
	return true
}

// Add adds what was typed. An empty entry, and the same as before, are left out. An
// error is of the file; the entry is in the history of this process all the same.
func (h *History) Add(entry string) error {
	if !h.remember(entry) || h.path == "" || len(entry) > entryBytesMax || h.keep != nil && !h.keep(entry) {
		return nil
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	_, err = f.Write(encodeEntry(entry)) // one write, so that two processes do not mix
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}
