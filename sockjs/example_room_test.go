package sockjs_test

import (
	"sync"

	"github.com/godwit-io/godwit/sockjs"
)

// room is everybody in a chat.
type room struct {
	mu       sync.Mutex
	sessions map[*sockjs.Session]bool
}

func newRoom() *room { return &room{sessions: make(map[*sockjs.Session]bool)} }

func (r *room) add(s *sockjs.Session) {
	r.mu.Lock()
	r.sessions[s] = true
	r.mu.Unlock()
}

func (r *room) remove(s *sockjs.Session) {
	r.mu.Lock()
	delete(r.sessions, s)
	r.mu.Unlock()
}

func (r *room) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sessions {
		_ = s.Send(text) // a session that cannot be reached is about to be removed
	}
}
