package server

import "github.com/godwit-io/godwit/server/hooks"

// answerMethods has the application answer the methods that h says, and no others any
// more. It is called before the server serves, and while it reloads.
func (s *Server) answerMethods(h *hooks.Hooks) {
	answered := make(map[string]func())
	for _, pattern := range h.Methods() {
		if answered[pattern] != nil {
			continue // it stands there twice
		}
		remove := s.methods[pattern]
		if remove == nil {
			var err error
			if remove, err = s.hub.HandleAsync(pattern, s.guard.AnswerCall); err != nil {
				s.log.Error("the application will not answer these methods", "methods", pattern, "error", err)
				continue
			}
		}
		answered[pattern] = remove
	}
	for pattern, remove := range s.methods {
		if answered[pattern] == nil {
			remove()
		}
	}
	s.methods = answered
}
