package guard

import (
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/hooks"
)

// AnswerCall has the application answer a call, see hub.HandleAsync. The error is
// hub.ErrNoMethod if it does not answer calls, and for the rest as hooks.Hooks.Call says.
func (g *Guard) AnswerCall(c *hub.IncomingCall, done func(hub.Answer, error)) (cancel func()) {
	s := g.use()
	return s.Hooks.Call(hooks.CallRequest{
		Session: c.Session, User: c.User, Info: c.Info, Method: c.Method, Kind: c.Kind, Data: c.Data,
		Timeout: time.Until(c.Deadline), Trace: c.Trace,
	}, func(a hub.Answer, err error) {
		s.users.leave()
		done(a, err)
	})
}
