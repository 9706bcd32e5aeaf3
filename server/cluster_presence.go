package server

import "github.com/godwit-io/godwit/hub/cluster/roster"

// shareMembers has the members of channels be those of all nodes. It is called before there
// is a session.
func (s *Server) shareMembers() error {
	if s.node == nil {
		return nil
	}
	r, err := roster.New(s.hub, s.node, s.log)
	if err != nil {
		return err
	}
	s.roster.Store(r)
	return nil
}

// closeRoster ends what shareMembers has begun. The node has left.
func (s *Server) closeRoster() {
	if r := s.roster.Load(); r != nil {
		r.Close()
	}
}
