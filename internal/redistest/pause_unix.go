//go:build unix

package redistest

import "syscall"

// Pause stops the process of the server in the middle of what it does, as SIGSTOP does:
// its connections stay.
func (s *Server) Pause() error { return syscall.Kill(s.PID(), syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume() error { return syscall.Kill(s.PID(), syscall.SIGCONT) }
