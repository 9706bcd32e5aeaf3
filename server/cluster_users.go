package server

import "math"

// leastOfUser is of how many connections of a user on other nodes are told: so few that those
// that are not told are together a tenth of limits.connections_per_user at most. Almost
// all users have fewer, and cost the other nodes nothing.
func (s *Server) leastOfUser(nodes int) int {
	most := s.guard.Settings().Limits.ConnectionsPerUser
	if most == 0 {
		return math.MaxInt // there is no limit
	}
	return max(1, most/(10*nodes))
}

// countUser notes a connection or a request of a user that begins or, with -1, has ended.
func (s *Server) countUser(user string, n int) {
	if s.users != nil {
		s.users.add(user, n)
	}
}

// userElsewhere is how many connections and requests a user has on other nodes.
func (s *Server) userElsewhere(user string) int {
	if s.users == nil {
		return 0
	}
	return s.users.ofOthers(user)
}
