package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/transport"
)

// explain is GET explain, which answers two questions: what would be decided about an
// action, and what became of a publication. Both answers are for callers that manage the
// channel: one names rules, and the other sessions.
func (c *call) explain() *fault {
	first := func(names ...string) string { // that is there
		for _, name := range names {
			if _, ok := c.query[name]; ok {
				return name
			}
		}
		return ""
	}
	decision, delivery := first("action", "token"), first("session", "user", "position")
	switch {
	case decision != "" && delivery != "":
		return &fault{problem: transport.ProblemParameter, detail: "the parameters " + decision + " and " + delivery + " belong to two questions: " + explainSays}
	case delivery != "":
		return c.explainDelivery()
	}
	return c.explainDecision()
}

// explainSays is what can be asked.
const explainSays = "action asks whether something would be allowed, and session or user, with position, what became of a publication"

// explainDecision is explain of what would be decided about an action in a channel, of the
// holder of a token or of the caller, and why.
func (c *call) explainDecision() *fault {
	channel, ok := c.query["channel"]
	if !ok {
		return &fault{problem: transport.ProblemParameter, detail: "the parameter channel is missing, which is the name of a channel"}
	}
	if _, ok := c.query["action"]; !ok {
		return &fault{problem: transport.ProblemParameter, detail: "a parameter is missing: " + explainSays}
	}
	action, err := access.ParseAction(c.query["action"])
	if err != nil {
		return &fault{problem: transport.ProblemParameter, detail: "the parameter action: " + err.Error()[len("access: "):]}
	}
	if f := c.authorize(access.Manage, channel); f != nil {
		return f
	}
	id := c.id
	if token, ok := c.query["token"]; ok {
		if c.o.IdentifyToken == nil {
			return &fault{problem: transport.ProblemNotSupported, detail: "this server has no tokens that could be explained"}
		}
		if id, err = c.o.IdentifyToken(c.r.Context(), token); err != nil {
			return c.explainRefused(action, channel, err)
		}
	}
	d := c.o.Explain(id, action, channel)
	return c.answer(http.StatusOK, appendDecision(&d, id))
}

// explainRefused is explain of a token that is none: nobody may do anything with it.
func (c *call) explainRefused(a access.Action, channel string, err error) *fault {
	var r *access.Refusal
	if !errors.As(err, &r) || r.Cause == access.Unavailable {
		return c.identifyFault(err)
	}
	return c.answer(http.StatusOK, appendDecision(&access.Decision{Action: a, Channel: channel, Reason: r.Reason}, nil))
}

// appendDecision appends a decision about somebody, nil for nobody.
func appendDecision(d *access.Decision, id *access.Identity) []byte {
	dst := strconv.AppendBool(member([]byte{'{'}, "allowed"), d.Allowed)
	dst = textMember(dst, "action", d.Action.String())
	dst = textMember(dst, "channel", d.Channel)
	if id != nil {
		dst = textMember(dst, "identity", id.String())
		dst = textMember(dst, "kind", id.Kind.String())
		dst = textMember(dst, "user", id.User)
	}
	dst = textMember(dst, "reason", d.Reason)
	return append(dst, "}\n"...)
}

// explainDelivery is explain of what became of a publication, for a session or for all
// of a user's.
func (c *call) explainDelivery() *fault {
	channel, ok := c.query["channel"]
	if !ok {
		return &fault{problem: transport.ProblemParameter, detail: "the parameter channel is missing, which is the name of a channel"}
	}
	session, user := c.query["session"], c.query["user"]
	if (session == "") == (user == "") {
		return &fault{problem: transport.ProblemParameter, detail: "give session, which is the ID of one, or user, and not both"}
	}
	position, err := hub.ParsePosition(c.query["position"])
	if err != nil {
		return &fault{problem: transport.ProblemParameter, detail: "the parameter position is that of the publication, as publishing answered it: " + detail(err)}
	}
	if f := c.authorize(access.Manage, channel); f != nil {
		return f
	}
	if c.o.Flight == nil {
		return &fault{problem: transport.ProblemNotSupported, detail: "this server remembers nothing of sessions"}
	}
	a, err := c.o.Flight.Explain(c.r.Context(), c.o.Hub, flight.Question{
		Session: session, User: user, Channel: channel, Position: position, OnlyChannel: !c.managesAll(),
	})
	if err != nil {
		return c.faultOf(err)
	}
	b, err := json.Marshal(a.Report())
	if err != nil {
		c.o.Logger.Error("an explanation is no JSON", "error", err)
		return &fault{problem: transport.ProblemInternal, detail: "the explanation cannot be written; the log of the server says more"}
	}
	return c.answer(http.StatusOK, append(b, '\n'))
}
