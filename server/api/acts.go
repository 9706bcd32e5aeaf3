package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// ended is why a session ends that was ended here. The client is not to come back.
var ended = &hub.Ended{Code: clientproto.CloseForbidden, Reason: "session ended by the server"}

// ErrRevoked is why a session ends whose token was revoked.
var ErrRevoked error = revoked

var revoked = &access.Refusal{Cause: access.Unauthenticated, Reason: "token revoked"}

// endSession is DELETE sessions/{session}. It ends subscriptions to all channels of
// the session, so the caller has to manage all of them.
func (c *call) endSession() *fault {
	s := c.o.Hub.FindSession(c.part)
	if s == nil {
		return noSession()
	}
	if !c.managesAll() {
		channels := s.Channels()
		managed := 0
		for _, name := range channels {
			if c.may(access.Manage, name) {
				managed++
			}
		}
		switch {
		case managed == 0: // a caller that may not see it does not learn that it is there
			return noSession()
		case managed < len(channels):
			return c.deny("this needs the grant manage on every channel of the session, and there are others than those you manage")
		}
	}
	s.End(ended)
	c.o.Logger.Info("session ended", "session", s.ID(), "user", userOf(s), "by", c.id.String())
	return c.done()
}

func noSession() *fault {
	return &fault{problem: transport.ProblemNotFound, detail: "there is no session with this ID that you manage; it may have ended"}
}

// endSessionsOfUser is DELETE users/{user}/sessions.
func (c *call) endSessionsOfUser() *fault {
	if f := c.authorizeAll(); f != nil {
		return f
	}
	n := c.o.Hub.EndSessions(func(s *hub.Session) bool { return userOf(s) == c.part }, ended)
	c.o.Logger.Info("sessions ended", "user", c.part, "count", n, "by", c.id.String())
	return c.answerEnded(n)
}

func (c *call) answerEnded(n int) *fault {
	return c.answer(http.StatusOK, append(numberMember([]byte{'{'}, "ended", n), "}\n"...))
}

// clearHistory is DELETE channels/{channel}/history.
func (c *call) clearHistory() *fault {
	if f := c.authorize(access.Manage, c.part); f != nil {
		return f
	}
	if err := c.o.Hub.ClearHistory(c.r.Context(), c.part); err != nil {
		return c.faultOf(err)
	}
	c.o.Logger.Info("history cleared", "channel", c.part, "by", c.id.String())
	return c.done()
}

// revoke is POST revocations.
func (c *call) revoke() *fault {
	if f := c.authorizeAll(); f != nil {
		return f
	}
	if c.o.Revoke == nil {
		return &fault{problem: transport.ProblemNotSupported, detail: "this server has no tokens that could be revoked"}
	}
	if _, f := c.contentType(jsonType); f != nil {
		return f
	}
	b, f := c.body(c.o.BodyBytesMax)
	if f != nil {
		return f
	}
	r, f := readRevocation(b)
	if f != nil {
		return f
	}
	written := c.o.Revoke(r)
	if written != nil && !errors.Is(written, ErrNotWritten) {
		return c.revokeFault(written)
	}
	if c.o.TellRevoked != nil && !c.isForNode {
		c.o.TellRevoked(r)
	}
	n := c.o.Hub.EndSessions(func(s *hub.Session) bool { return c.o.IsRevoked(s.Identity()) }, revoked)
	if c.o.EndedFor != nil && c.isForNode {
		n = max(n, c.o.EndedFor(r)) // those have gone already
	}
	var which []any // what it does not name is not what it is about
	if r.User != "" {
		which = append(which, "user", r.User)
	}
	if r.TokenID != "" {
		which = append(which, "token_id", r.TokenID)
	}
	if !r.Before.IsZero() {
		which = append(which, "before", r.Before)
	}
	c.o.Logger.Info("tokens revoked", append(which, "ended", n, "by", c.id.String())...)
	if written != nil {
		return &fault{problem: transport.ProblemBroker, detail: "the tokens are revoked now, and that could not be written down: this server forgets it when it ends; ask again when its disk takes it"}
	}
	return c.answerEnded(n)
}

// ErrNotWritten is the error of Options.Revoke if something is revoked, and could not be written where it
// outlives the process.
var ErrNotWritten = errors.New("api: what was revoked could not be written")

func (c *call) revokeFault(err error) *fault {
	switch {
	case errors.Is(err, identity.ErrRevocation):
		return &fault{problem: transport.ProblemField, detail: revocationSays}
	case errors.Is(err, identity.ErrRevocationsFull):
		return &fault{problem: transport.ProblemOverload, detail: err.Error()[len("identity: "):]}
	}
	return c.identifyFault(err)
}

const revocationSays = "the body names nothing; give user, token_id, or before, or several, all of which have to be true of a token"

// readRevocation reads which tokens are revoked.
func readRevocation(b []byte) (r identity.Revocation, f *fault) {
	if f := checkJSON(b, "the body"); f != nil {
		return r, f
	}
	o, f := readObject(string(b), 0, "the body", "user", "token_id", "before")
	if f != nil {
		return r, f
	}
	if r.User, f = o.text("user", "the user (sub) of the tokens, a string"); f != nil {
		return r, f
	}
	if r.TokenID, f = o.text("token_id", "the ID (jti) of the token, a string"); f != nil {
		return r, f
	}
	const says = `a time such as "2026-01-31T12:00:00Z" (RFC 3339): tokens issued before it`
	before, f := o.text("before", says)
	if f != nil {
		return r, f
	}
	if before != "" {
		var err error
		if r.Before, err = time.Parse(time.RFC3339, before); err != nil || r.Before.IsZero() {
			return r, o.wrong("before", says)
		}
	}
	if r == (identity.Revocation{}) {
		return r, &fault{problem: transport.ProblemField, detail: revocationSays}
	}
	return r, nil
}

// info is GET info.
func (c *call) info() *fault {
	if f := c.authorizeAll(); f != nil {
		return f
	}
	return c.answerJSON(c.o.Info())
}

// cluster is GET cluster.
func (c *call) cluster() *fault {
	if f := c.authorizeAll(); f != nil {
		return f
	}
	if c.o.Cluster == nil {
		return &fault{problem: transport.ProblemNotSupported, detail: "this server knows of no others"}
	}
	return c.answerJSON(c.o.Cluster())
}

// answerJSON answers what a function of Options says.
func (c *call) answerJSON(v any) *fault {
	b, err := json.Marshal(v)
	if err != nil {
		c.o.Logger.Error("what the server says of itself is no JSON", "error", err)
		return &fault{problem: transport.ProblemInternal, detail: "the server does not know what to say of itself; its log says more"}
	}
	return c.answer(http.StatusOK, append(b, '\n'))
}
