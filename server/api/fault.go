package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
)

// fault is why a request, or one publication of many, failed.
type fault struct {
	problem *transport.Problem
	detail  string
	refusal *access.Refusal // in place of the others, or nil
	field   [2]string       // one more field of the answer, or two empty strings
	isGone  bool            // the client has gone: there is nobody to answer
}

// retryAfter is what a client is told to wait, in seconds.
const retryAfter = "2"

func (f *fault) write(w http.ResponseWriter) {
	switch {
	case f.isGone:
		return
	case f.refusal != nil:
		transport.WriteRefusal(w, f.refusal)
		return
	case f.field[0] != "":
		w.Header().Set(f.field[0], f.field[1])
	case f.problem.Status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	f.problem.Write(w, f.detail)
}

// appendTo appends the problem as a JSON object.
func (f *fault) appendTo(dst []byte) []byte {
	p, detail := f.problem, f.detail
	if f.refusal != nil {
		p, detail = transport.RefusalProblem(f.refusal), f.refusal.Reason
	}
	dst = append(dst, `{"type":`...)
	dst = jsontext.AppendString(dst, p.Type())
	dst = append(dst, `,"title":`...)
	dst = jsontext.AppendString(dst, p.Title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = append(dst, `,"detail":`...)
	dst = jsontext.AppendString(dst, detail)
	return append(dst, '}')
}

// faultOf is what a client is told of an error.
func (c *call) faultOf(err error) *fault {
	var refused *access.Refusal
	var name *hub.NameError
	switch {
	case errors.As(err, &refused):
		return &fault{refusal: refused}
	case errors.As(err, &name):
		return &fault{problem: transport.ProblemChannelName, detail: "channel " + quote(name.Name) + ": " + name.Problem}
	case errors.Is(err, hub.ErrTooLarge):
		return &fault{problem: transport.ProblemTooLarge, detail: detail(err)}
	case errors.Is(err, hub.ErrTextNotUTF8):
		return &fault{problem: transport.ProblemNotText, detail: detail(err)}
	case errors.Is(err, hub.ErrNotJSON):
		return &fault{problem: transport.ProblemNotJSON, detail: detail(err)}
	case errors.Is(err, hub.ErrAttribute):
		return &fault{problem: transport.ProblemAttribute, detail: detail(err)}
	case errors.Is(err, hub.ErrIdempotencyKey):
		return &fault{problem: transport.ProblemIdempotencyKey, detail: detail(err)}
	case errors.Is(err, hub.ErrCursor):
		return &fault{problem: transport.ProblemParameter, detail: "cursor is none of this list; give back what the page before said, or none for the first page"}
	case errors.Is(err, hub.ErrNoPresence):
		return &fault{problem: transport.ProblemNoPresence, detail: "who is subscribed to this channel is not shown"}
	case errors.Is(err, hub.ErrSubscribed):
		return &fault{problem: &transport.Problem{Problem: clientproto.ProblemSubscribed}, detail: "the session is subscribed to this channel already"}
	case errors.Is(err, hub.ErrUnsubscribed), errors.Is(err, hub.ErrRemoved):
		return &fault{problem: &transport.Problem{Problem: clientproto.ProblemUnsubscribed}, detail: "the session was unsubscribed before the subscription began"}
	case errors.Is(err, hub.ErrTooManySubscriptions):
		return &fault{problem: &transport.Problem{Problem: clientproto.ProblemTooManySubscriptions}, detail: "the session has as many subscriptions as it may have"}
	case errors.Is(err, hub.ErrTooManyCommands):
		return &fault{problem: transport.ProblemOverload, detail: "the session has not been told yet of so many subscriptions that there may be no more; try again later"}
	case errors.Is(err, hub.ErrNotSupported):
		return &fault{problem: transport.ProblemNotSupported, detail: "the broker behind this server cannot do that"}
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		return &fault{problem: transport.ProblemShutdown, detail: "the server is going away; try again, here or at another"}
	case errors.Is(err, hub.ErrTooManyChannels):
		return &fault{problem: transport.ProblemTooManyChannels, detail: "the server holds as many channels as it is allowed to"}
	case c.hasGone(err):
		return gone()
	case errors.Is(err, hub.ErrUnanswered), errors.Is(err, context.DeadlineExceeded):
		c.logBroker("broker did not answer the server API", err)
		return &fault{problem: transport.ProblemBroker, detail: "the broker behind this server did not answer in time; it is not known whether this was done"}
	}
	c.logBroker("server API failed", err)
	return &fault{problem: transport.ProblemBroker, detail: unreached}
}

const unreached = "the broker behind this server could not be reached; nothing is known to have happened"

// logBroker logs that the broker has failed at something: once for many requests, and not while
// it is known to be away, as the log has said so already.
func (a *API) logBroker(what string, err error) {
	if a.o.Hub.Away() != nil {
		return
	}
	if others, ok := a.failures.Pass(time.Now()); ok {
		a.o.Logger.Error(what, "error", err, "others", others)
	}
}

// hasGone reports whether the client is not there any more, which is why something failed. An
// error alone does not say so: a broker cancels what it had begun by itself, too.
func (c *call) hasGone(err error) bool {
	return errors.Is(err, context.Canceled) && c.r.Context().Err() != nil
}

// gone is the fault of a client that has gone. In the list of a batch it is like any other.
func gone() *fault { return &fault{problem: transport.ProblemBroker, detail: unreached, isGone: true} }

// identifyFault is what a client is told of an error of Identify.
func (c *call) identifyFault(err error) *fault {
	var refused *access.Refusal
	if errors.As(err, &refused) {
		return &fault{refusal: refused}
	}
	if c.hasGone(err) {
		return gone()
	}
	c.o.Logger.Error("who calls the server API could not be found out", "error", err)
	return &fault{problem: transport.ProblemUndecided, detail: "it cannot be decided now who this is"}
}

// detail is an error of the hub without its prefix.
func detail(err error) string { return strings.TrimPrefix(err.Error(), "hub: ") }

// may reports whether the caller may do something in a channel, whose name is valid.
func (c *call) may(a access.Action, channel string) bool {
	return access.May(c.id, c.o.Rules(channel), a, channel)
}

// authorize is may, for a request that is about this channel.
func (c *call) authorize(a access.Action, channel string) *fault {
	if err := hub.CheckChannel(channel); err != nil {
		return c.faultOf(err)
	}
	if !c.may(a, channel) {
		return &fault{refusal: transport.Deny(c.id, &transport.Act{Action: a, Channel: channel})}
	}
	return nil
}

// managesAll reports whether the caller may manage every channel there is or will be.
func (c *call) managesAll() bool { return access.MayEverywhere(c.id, access.Manage) }

// authorizeAll is managesAll, for a request that needs it.
func (c *call) authorizeAll() *fault {
	if c.managesAll() {
		return nil
	}
	return c.deny("this needs the grant manage on **")
}

func (c *call) deny(reason string) *fault {
	r := &access.Refusal{Cause: access.Denied, Reason: reason}
	if c.id.Kind == access.Anonymous {
		r.Cause = access.Unauthenticated
		r.Reason += ", and there is no token"
	}
	return &fault{refusal: r}
}

func contains(known []string, name string) bool { return slices.Contains(known, name) }

// listed says which names there are.
func listed(what string, names []string) string {
	if len(names) == 0 {
		return "there are no " + what + "s"
	}
	return "the " + what + "s are " + strings.Join(names, ", ")
}

// quote makes text of the peer fit for a detail: quoted, and cut when long.
func quote(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}
