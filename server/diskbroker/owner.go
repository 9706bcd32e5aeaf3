package diskbroker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
)

// formatVersion is that of everything in the directory. It is read by itself and by later
// programs. With 2 a state says until when channels have dropped what was accepted.
const formatVersion = 2

// The stages of a directory.
const (
	stageOpen   = "open"   // a process writes to it, or did until its end
	stageClosed = "closed" // the process has closed it, and everything was synced
	stageLent   = "lent"   // a process that is being replaced has let go of it
	stageGone   = "gone"   // positions go on in another process, which does not use it
)

// owner is the file that says how a directory was left.
type owner struct {
	Format   int    `json:"format"`
	Stage    string `json:"stage"`
	Boot     string `json:"boot,omitempty"`     // see bootID
	Identity string `json:"identity,omitempty"` // of the file lock
	Always   bool   `json:"always"`             // what was acknowledged was safe from a failure of the machine
	Lease    string `json:"lease,omitempty"`    // while it is lent
}

// parseOwner reads the file, and reports whether it is as it was written. That its first line is an object with the
// format, and its second the checksum of the first, is so in every format.
func parseOwner(b []byte) (o owner, ok bool) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	if json.Unmarshal(line, &o) != nil {
		return o, false
	}
	return o, string(rest) == ownerChecksum(line)
}

func ownerChecksum(line []byte) string {
	return fmt.Sprintf("%08x\n", crc32.Checksum(line, castagnoli))
}

func (b *Broker) writeOwner(stage string) error {
	o := owner{Format: formatVersion, Stage: stage, Boot: b.options.boot(), Identity: identityOf(b.lock), Always: b.options.SyncAlways}
	if stage == stageLent || stage == stageGone {
		o.Lease = b.lent.Token
	}
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return b.replace(b.path(ownerName), func(w io.Writer) error {
		_, err := io.WriteString(w, string(line)+"\n"+ownerChecksum(line))
		return err
	})
}

// InUseError is the error of Open for a directory that another process has.
type InUseError struct {
	Dir string
	PID string // of the process, if it is known
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != "" {
		who = "process " + e.PID
	}
	return fmt.Sprintf("diskbroker: the directory %s is used by %s; stop that, or use a directory for each server", e.Dir, who)
}

// FormatError is the error of Open for a directory that a newer program has written.
type FormatError struct {
	Dir    string
	Format int
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("diskbroker: the directory %s has format %d, and this program knows %d; use the program that has written it, or a newer one, or another directory", e.Dir, e.Format, formatVersion)
}

// take makes the directory, if it is not there, and locks it.
func (b *Broker) take() error {
	if err := os.MkdirAll(b.options.Dir, dirMode); err != nil {
		return fmt.Errorf("diskbroker: %w", err)
	}
	f, err := os.OpenFile(b.path(lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("diskbroker: %w", err)
	}
	isTaken, err := lockFile(f)
	switch {
	case isTaken:
		var pid [32]byte
		n, _ := f.ReadAt(pid[:], 0) // without it, less is said
		return errors.Join(&InUseError{Dir: b.options.Dir, PID: strings.TrimSpace(string(pid[:n]))}, f.Close())
	case err != nil:
		return errors.Join(fmt.Errorf("diskbroker: cannot lock %s: %w", f.Name(), err), f.Close())
	}
	// The name of the owner is for people; the lock is what counts.
	pid := fmt.Appendf(nil, "%d\n", os.Getpid())
	if _, err := f.WriteAt(pid, 0); err == nil {
		_ = f.Truncate(int64(len(pid)))
	}
	b.lock = f
	return nil
}

// release lets others take the directory.
func (b *Broker) release() {
	if b.lock != nil {
		_ = b.lock.Close() // nothing was written that matters
		b.lock = nil
	}
}
