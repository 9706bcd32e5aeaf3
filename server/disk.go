package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/api"
	"github.com/godwit-io/godwit/server/diskbroker"
	"github.com/godwit-io/godwit/server/identity"
)

// disk is the directory of Config.Data. A nil disk is none.
type disk struct {
	broker *diskbroker.Broker
	lease  *diskbroker.Lease // of the process whose place this one takes; nil for none

	writing sync.Mutex // held while revocations are written
}

// makeDiskBroker makes a broker with a directory, which is not opened yet.
func (s *Server) makeDiskBroker(memory membroker.Options) error {
	c := &s.config
	broker, err := diskbroker.New(&diskbroker.Options{
		Dir:        c.Data,
		SyncAlways: c.Sync == SyncAlways,
		Memory:     memory,
		Synced:     s.diskSyncs.observe,
		Logger:     s.log,
	})
	if err != nil {
		return err
	}
	s.disk = &disk{broker: broker}
	s.local = relay.New(broker.Memory())
	s.broker = s.local
	return nil
}

// openData opens the directory, and reads what was revoked. What takes the place of another process does that when it
// has got everything from there.
func (s *Server) openData(ctx context.Context) error {
	if s.disk == nil || s.before != nil {
		return nil
	}
	if err := s.disk.broker.Open(ctx); err != nil {
		return &SettingError{Key: "data", Text: strings.TrimPrefix(err.Error(), "diskbroker: ")}
	}
	s.warnOfOpenData()
	return s.readRevocations()
}

// warnOfOpenData logs that others can change what is in the directory.
func (s *Server) warnOfOpenData() {
	if wrong := openToOthers(s.config.Data); wrong != "" {
		s.log.Warn("data: " + wrong)
	}
}

// openToOthers says what is wrong with a directory in which somebody else can put other files in
// the place of ours, and what would be right. It is "" for one that is not there yet, as it
// is made without that.
func openToOthers(dir string) string {
	if dir == "" || runtime.GOOS == "windows" { // where other rules say who can
		return ""
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 == 0 {
		return ""
	}
	return fmt.Sprintf("other users of this machine can write to %s (%04o), and so change histories and what was revoked; chmod go-w, or better 700, keeps them out", dir, info.Mode().Perm())
}

// adoptData takes the directory over, with what came from the process before this one.
func (s *Server) adoptData() error {
	if s.disk == nil {
		return nil
	}
	if err := s.disk.broker.Adopt(s.disk.lease); err != nil {
		return err
	}
	return s.writeRevocations()
}

// leaseSection is how a directory goes from process to process.
func (s *Server) leaseSection() section {
	return section{
		name: "directory", version: diskbroker.LeaseVersion, late: true,
		write: func(w io.Writer, _ int, _ *relay.Move) error {
			var lease *diskbroker.Lease
			if s.disk != nil {
				var err error
				if lease, err = s.disk.broker.Lend(); err != nil {
					return err
				}
			}
			_, err := lease.WriteTo(w)
			return err
		},
		read: func(r io.Reader, _ int) error {
			lease, err := diskbroker.ReadLease(r)
			if s.disk != nil {
				s.disk.lease = lease
			}
			return err
		},
	}
}

// keepData takes the directory again that was lent to a process which has not served.
func (s *Server) keepData() {
	if s.disk == nil {
		return
	}
	if err := s.disk.broker.Reclaim(); err != nil {
		s.log.Error("the data directory cannot be used any more; publishers are refused until this server is started again", "error", err)
	}
}

// leaveData leaves the directory to the process that serves now.
func (s *Server) leaveData() {
	if s.disk == nil {
		return
	}
	if err := s.disk.broker.Forsake(); err != nil {
		s.log.Error("cannot note in the data directory that another process serves without it; remove the directory before it is used again", "error", err)
	}
}

// revocationsName is the file of what was revoked: what identity writes, and a line with its checksum.
const revocationsName = "revocations"

func (s *Server) revocationsPath() string { return filepath.Join(s.config.Data, revocationsName) }

// revoke revokes, and writes that down, where there is a directory.
func (s *Server) revoke(r identity.Revocation) error {
	if err := s.guard.Settings().Identities.Revoke(r); err != nil || s.disk == nil {
		return err
	}
	if s.handedOver.Load() != nil {
		return nil // the directory is another process's
	}
	if err := s.writeRevocations(); err != nil {
		s.log.Error("what was revoked counts no more, and cannot be written down", "error", err)
		return api.ErrNotWritten
	}
	return nil
}

// writeRevocations writes what was revoked, in place of what was before.
func (s *Server) writeRevocations() error {
	s.disk.writing.Lock()
	defer s.disk.writing.Unlock()
	var b bytes.Buffer
	if err := s.guard.Settings().Identities.WriteRevocations(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "%08x\n", crc32.ChecksumIEEE(b.Bytes()))
	if before, err := os.ReadFile(s.revocationsPath()); err == nil && bytes.Equal(before, b.Bytes()) {
		return nil
	}
	if err := s.disk.broker.WriteFile(revocationsName, b.Bytes()); err != nil {
		return fmt.Errorf("cannot write what was revoked: %w", err)
	}
	return nil
}

// readRevocations reads what was revoked. That it is damaged is an error: what it has would be accepted again.
func (s *Server) readRevocations() error {
	text, err := os.ReadFile(s.revocationsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &SettingError{Key: "data", Text: err.Error()}
	}
	const sumBytes = 9
	body, sum := text, []byte(nil)
	if n := len(text) - sumBytes; n >= 0 {
		body, sum = text[:n], text[n:]
	}
	if string(sum) != fmt.Sprintf("%08x\n", crc32.ChecksumIEEE(body)) {
		return &SettingError{Key: "data", Text: fmt.Sprintf("the file %s is damaged, which has the tokens that were revoked; put it back from a copy, or remove it to have them accepted again", s.revocationsPath())}
	}
	if err := s.guard.Settings().Identities.ReadRevocations(bytes.NewReader(body)); err != nil {
		return &SettingError{Key: "data", Text: fmt.Sprintf("the file %s cannot be taken: %v", s.revocationsPath(), err)}
	}
	return nil
}
