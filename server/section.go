package server

import (
	"fmt"
	"io"

	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/handover"
	"github.com/godwit-io/godwit/transport"
)

// section is a part of what a server knows that goes to the process which takes its place.
// The name is never used again for something else.
type section struct {
	name    string
	version int // the newest that is written and read; the one before it is read, too

	// needed is set if there is no taking over without it. A program that does not know
	// another section starts without its content.
	needed bool

	// late is set for what is written while nothing is published: it fits the positions
	// of the histories exactly, and publishers wait for it.
	late bool

	write func(w io.Writer, version int, m *relay.Move) error
	read  func(r io.Reader, version int) error
}

// sections are all parts, in the order in which they go.
func (s *Server) sections() []section {
	var parts []section
	if s.local != nil {
		parts = s.historySections()
	}
	return append(parts, s.otherSections()...)
}

// sectionHistories is the part of servers that keep histories themselves.
const sectionHistories = "histories"

// historySections are those of a server that keeps histories itself.
func (s *Server) historySections() []section {
	return []section{
		{
			name: sectionHistories, version: membroker.SnapshotVersion, needed: true,
			write: func(w io.Writer, version int, m *relay.Move) error {
				m.SetVersion(version)
				return m.WriteBulk(w)
			},
			read: func(r io.Reader, _ int) error { return s.local.Restore(r) },
		},
		{
			name: "histories-rest", version: membroker.SnapshotVersion, needed: true, late: true,
			write: func(w io.Writer, _ int, m *relay.Move) error { return m.WriteRest(w) },
			read:  func(r io.Reader, _ int) error { return s.local.Restore(r) },
		},
	}
}

// otherSections are those of every server.
func (s *Server) otherSections() []section {
	return []section{
		{
			name: "sessions", version: transport.SessionsVersion, late: true,
			write: func(w io.Writer, _ int, _ *relay.Move) error { return s.channels.ExportSessions(w) },
			read:  func(r io.Reader, _ int) error { return s.channels.ImportSessions(r, s.config.DrainTimeout) },
		},
		{
			name: "revocations", version: 1, late: true,
			write: func(w io.Writer, _ int, _ *relay.Move) error {
				return s.guard.Settings().Identities.WriteRevocations(w)
			},
			read: func(r io.Reader, _ int) error { return s.guard.Settings().Identities.ReadRevocations(r) },
		},
		s.leaseSection(), // the last one: everything else that can fail has not
	}
}

// versions are those of the sections that are understood.
func (s *Server) versions() map[string]int {
	versions := make(map[string]int)
	for _, part := range s.sections() {
		versions[part.name] = part.version
	}
	return versions
}

// sendSections sends those that are late, or those that are not, to a process that understands
// others.
func (s *Server) sendSections(h *handover.Conn, others map[string]int, late bool, m *relay.Move) error {
	for _, part := range s.sections() {
		if part.late != late {
			continue
		}
		version := min(part.version, others[part.name])
		switch {
		case version == 0 && part.needed:
			return fmt.Errorf("the other program does not understand the part %q", part.name)
		case version == 0:
			s.log.Warn("the other program does not understand a part of what is handed over, which it does without", "part", part.name)
			continue
		}
		w, err := h.Section(part.name, version)
		if err != nil {
			return err
		}
		if err := part.write(w, version, m); err != nil {
			return fmt.Errorf("the part %q cannot be sent: %w", part.name, err)
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// receiveSections reads all of them.
func (s *Server) receiveSections(h *handover.Conn) error {
	parts := s.sections()
	var r *handover.SectionReader
	for {
		var err error
		if r, err = h.Next(r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, part := range parts {
			if part.name != r.Name {
				continue
			}
			if err := part.read(r, r.Version); err != nil {
				return fmt.Errorf("the part %q cannot be read: %w", part.name, err)
			}
		}
	}
}
