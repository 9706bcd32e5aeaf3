package guard

import (
	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport"
)

// IdentifyToken implements transport.TokenGuard: the client of a session shows a token in
// it, because its request could not bring one, or because the old one is about to end.
// The connection was counted, and its rates go on.
func (g *Guard) IdentifyToken(c *transport.Client, token string, done func(*transport.Client, error)) {
	s := g.use()
	s.Identities.IdentifyToken(token, func(id *access.Identity, err error) {
		defer s.users.leave()
		g.verified(id, err)
		if err != nil {
			g.refuse(done, err)
			return
		}
		old := c.State.(*state)
		own := &state{isLocal: old.isLocal, rate: old.rate, fields: old.fields}
		next := &transport.Client{Address: c.Address, State: own}
		if user := old.counted.Load(); user != nil && *user == id.User && id.Kind != access.Key && old.counted.CompareAndSwap(user, nil) {
			own.counted.Store(user) // it is the same connection
			next.Identity = id
			done(next, nil)
			return
		}
		g.welcome(s, next, id, nil, done)
	})
}
