package engine

// Turns returns how many turns the loops have made, as Stats knows it.
func (s *Server) Turns() (n uint64) {
	for _, l := range s.Stats() {
		n += l.turns
	}
	return n
}
