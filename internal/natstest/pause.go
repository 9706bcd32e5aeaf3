package natstest

import "github.com/godwit-io/godwit/internal/standstill"

// Pause stops the process of the server in the middle of what it does, as SIGSTOP does:
// its connections stay. It stands still when Pause returns.
func (s *Server) Pause() error { return standstill.Pause(s.PID()) }

// Resume lets it go on.
func (s *Server) Resume() error { return standstill.Resume(s.PID()) }
