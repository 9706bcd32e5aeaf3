package transport

import (
	"net/http"
	"strconv"

	"github.com/godwit-io/godwit/clientproto"
)

// Problem is a problem of package clientproto that can answer a request of HTTP.
type Problem struct{ *clientproto.Problem }

// The problems of HTTP. Their texts are in the table of package clientproto.
var (
	ProblemRequest            = &Problem{clientproto.ProblemRequest}
	ProblemChannelName        = &Problem{clientproto.ProblemChannelName}
	ProblemPosition           = &Problem{clientproto.ProblemPosition}
	ProblemParameter          = &Problem{clientproto.ProblemParameter}
	ProblemGetBody            = &Problem{clientproto.ProblemGetBody}
	ProblemNotText            = &Problem{clientproto.ProblemNotText}
	ProblemNotJSON            = &Problem{clientproto.ProblemNotJSON}
	ProblemIdempotencyKey     = &Problem{clientproto.ProblemIdempotencyKey}
	ProblemBodyBroken         = &Problem{clientproto.ProblemBodyBroken}
	ProblemUpgrade            = &Problem{clientproto.ProblemUpgrade}
	ProblemAttribute          = &Problem{clientproto.ProblemAttribute}
	ProblemField              = &Problem{clientproto.ProblemField}
	ProblemUnauthorized       = &Problem{clientproto.ProblemUnauthorized}
	ProblemForbidden          = &Problem{clientproto.ProblemForbidden}
	ProblemNoPresence         = &Problem{clientproto.ProblemNoPresence}
	ProblemOrigin             = &Problem{clientproto.ProblemOrigin}
	ProblemNotFound           = &Problem{clientproto.ProblemNotFound}
	ProblemSessionUnknown     = &Problem{clientproto.ProblemSessionUnknown}
	ProblemMethod             = &Problem{clientproto.ProblemMethod}
	ProblemNotAcceptable      = &Problem{clientproto.ProblemNotAcceptable}
	ProblemBodyTimeout        = &Problem{clientproto.ProblemBodyTimeout}
	ProblemTooLarge           = &Problem{clientproto.ProblemTooLarge}
	ProblemContentType        = &Problem{clientproto.ProblemContentType}
	ProblemContentEncoding    = &Problem{clientproto.ProblemContentEncoding}
	ProblemHost               = &Problem{clientproto.ProblemHost}
	ProblemUpgradeVersion     = &Problem{clientproto.ProblemUpgradeVersion}
	ProblemTooManyRequests    = &Problem{clientproto.ProblemTooManyRequests}
	ProblemInternal           = &Problem{clientproto.ProblemInternal}
	ProblemNotSupported       = &Problem{clientproto.ProblemNotSupported}
	ProblemShutdown           = &Problem{clientproto.ProblemShutdown}
	ProblemOverload           = &Problem{clientproto.ProblemOverload}
	ProblemBroker             = &Problem{clientproto.ProblemBroker}
	ProblemUndecided          = &Problem{clientproto.ProblemUndecided}
	ProblemTooManyChannels    = &Problem{clientproto.ProblemTooManyChannels}
	ProblemTooManyConnections = &Problem{clientproto.ProblemTooManyConnections}
)

// WithStatus is p with another status: the rows of the table are everybody's, and are not
// modified.
func (p *Problem) WithStatus(status int) *Problem {
	row := *p.Problem
	row.Status = status
	return &Problem{&row}
}

// Write answers a request with the problem. detail says what is wrong with this
// request and what would be right; text of the client in it must be quoted and
// bounded. Headers that belong to the status (Allow, Retry-After, …) are the
// caller's.
func (p *Problem) Write(w http.ResponseWriter, detail string) {
	p.write(w, detail, nil)
}

// write is Write with members added to the document; extension begins with a comma.
func (p *Problem) write(w http.ResponseWriter, detail string, extension []byte) {
	body := p.AppendTo(nil, detail, extension)
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // a client that has gone does not want to know
}

// problemType is the media type of a problem (RFC 9457 §3).
const problemType = "application/problem+json"
