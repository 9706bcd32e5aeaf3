package transport

import (
	"net/http"
	"strconv"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// problemBase is what every problem type begins with.
const problemBase = "https://godwit.io/problems/"

// Problem is a kind of error that a client can recognise: an RFC 9457 problem
// type. Names are stable and never reused; titles and details are for people
// and may improve.
type Problem struct {
	Name   string // the end of the type URI
	Status int
	Title  string
	Remedy string // what a client does about it, for docs/problems.md
}

// Type is the type URI of the problem.
func (p *Problem) Type() string { return problemBase + p.Name }

// The table of problems, in the order of their statuses. docs/problems.md is
// made from it.
var (
	ProblemRequest = problem(http.StatusBadRequest, "bad-request", "Bad request",
		"Send well-formed HTTP; the detail says what is wrong. The status may be another one from 400 to 505.")
	ProblemChannelName = problem(http.StatusBadRequest, "bad-channel-name", "Bad channel name",
		"Use one or more segments joined by single slashes, at most 255 bytes of UTF-8, without control characters, `*`, `.` or `..` segments, or encoded slashes.")
	ProblemPosition = problem(http.StatusBadRequest, "bad-position", "Bad position",
		"Give `since` a position exactly as the server gave it: `EPOCH:OFFSET`.")
	ProblemParameter = problem(http.StatusBadRequest, "bad-parameter", "Bad query parameter",
		"Give each parameter once; `last` and `limit` are whole numbers, `self`, `envelope` and `json` are 0 or 1, `since` and `last` exclude each other, and a `cursor` is given back as it was.")
	ProblemGetBody = problem(http.StatusBadRequest, "unexpected-body", "A read has no body",
		"Use POST to publish a body, and send GET without one.")
	ProblemNotText = problem(http.StatusBadRequest, "not-utf8", "Text is not valid UTF-8",
		"Publish text as UTF-8, or any bytes as `application/octet-stream`.")
	ProblemNotJSON = problem(http.StatusBadRequest, "not-json", "Body is not JSON",
		"Publish exactly one JSON value in UTF-8, or choose another Content-Type.")
	ProblemIdempotencyKey = problem(http.StatusBadRequest, "bad-idempotency-key", "Bad idempotency key",
		"Send one Idempotency-Key of 1 to 255 printable ASCII characters, for example a UUID.")
	ProblemBodyBroken = problem(http.StatusBadRequest, "broken-body", "Body is incomplete",
		"Send as many bytes as Content-Length announces, or well-formed chunks.")
	ProblemUpgrade = problem(http.StatusBadRequest, "bad-upgrade", "Bad WebSocket handshake",
		"Send the opening handshake of RFC 6455 §4.1; WebSocket clients do.")
	ProblemAttribute = problem(http.StatusBadRequest, "bad-attribute", "Bad attribute of a publication",
		"Give an event, a key or an exclusion of at most 255 bytes of UTF-8 without control characters; `position`, `gap`, `end`, `error` and `binary` are events of the server.")
	ProblemField = problem(http.StatusBadRequest, "bad-field", "Bad field of the body",
		"Send the fields that the description of the request lists, each once and of its type; the detail names the field and its place.")
	ProblemUnauthorized = problem(http.StatusUnauthorized, "unauthorized", "Not authenticated",
		"Send a valid token as `Authorization: Bearer …`, or as `?token=…` where a field cannot be set.")
	ProblemForbidden = problem(http.StatusForbidden, "forbidden", "Not allowed",
		"Use a token or a key with the grant that the detail names.")
	ProblemNoPresence = problem(http.StatusForbidden, "presence-off", "Presence is off",
		"Nothing: the policy of this channel keeps to itself who is subscribed.")
	ProblemOrigin = problem(http.StatusForbidden, "origin-not-allowed", "Origin not allowed",
		"Serve the page from this server's own origin, or add its origin to the server's list.")
	ProblemNotFound = problem(http.StatusNotFound, "not-found", "Not found",
		"Channels are below `/channels/`, presence is below `/presence/`, the server API is below `/api/v1/`; a session may have ended.")
	ProblemMethod = problem(http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed",
		"Use one of the methods in the Allow field.")
	ProblemNotAcceptable = problem(http.StatusNotAcceptable, "not-acceptable", "No acceptable representation",
		"Accept one of the media types in `offered`.")
	ProblemBodyTimeout = problem(http.StatusRequestTimeout, "body-timeout", "Body took too long",
		"Send the body without pauses.")
	ProblemTooLarge = problem(http.StatusRequestEntityTooLarge, "body-too-large", "Body too large",
		"Publish less at once, or publish a reference to where the data is.")
	ProblemContentType = problem(http.StatusUnsupportedMediaType, "unsupported-content-type", "Unsupported content type",
		"Use UTF-8 for text and JSON, and `application/octet-stream` for anything else.")
	ProblemContentEncoding = problem(http.StatusUnsupportedMediaType, "unsupported-content-encoding", "Unsupported content encoding",
		"Send the body as it is, without Content-Encoding.")
	ProblemHost = problem(http.StatusMisdirectedRequest, "unknown-host", "Unknown host",
		"Use a name of this machine (`localhost`, `127.0.0.1`, `[::1]`), or list the name in the server's origins.")
	ProblemUpgradeVersion = problem(http.StatusUpgradeRequired, "upgrade-required", "WebSocket upgrade required",
		"Send `Upgrade: websocket`, `Connection: Upgrade` and the version in the Sec-WebSocket-Version field of the answer.")
	ProblemTooManyRequests = problem(http.StatusTooManyRequests, "too-many-requests", "Too many requests",
		"Try again after the seconds in Retry-After, and then less often.")
	ProblemInternal = problem(http.StatusInternalServerError, "internal-error", "Internal error",
		"Nothing you did: report it with the ID in the detail, under which the server's log says more.")
	ProblemNotSupported = problem(http.StatusNotImplemented, "not-supported", "Not supported here",
		"Nothing about the request is wrong: the server, or the broker that it is configured with, cannot do that.")
	ProblemShutdown = problem(http.StatusServiceUnavailable, "shutting-down", "Server is shutting down",
		"Try again after the seconds in Retry-After.")
	ProblemOverload = problem(http.StatusServiceUnavailable, "overloaded", "Server is overloaded",
		"Try again after the seconds in Retry-After.")
	ProblemBroker = problem(http.StatusServiceUnavailable, "broker-unavailable", "Broker unavailable",
		"Try again after the seconds in Retry-After; use an Idempotency-Key so that a publication is not repeated.")
	ProblemUndecided = problem(http.StatusServiceUnavailable, "undecided", "It cannot be decided now whether this is allowed",
		"Try again after the seconds in Retry-After.")
	ProblemTooManyChannels = problem(http.StatusServiceUnavailable, "too-many-channels", "Too many channels",
		"Use fewer channels, or raise the server's `limits.channels`.")
	ProblemTooManyConnections = problem(http.StatusServiceUnavailable, "too-many-connections", "Too many connections",
		"Try again after the seconds in Retry-After, or raise the server's `limits.connections`.")
)

// problems is the table in order.
var problems []*Problem

func problem(status int, name, title, remedy string) *Problem {
	p := &Problem{Name: name, Status: status, Title: title, Remedy: remedy}
	problems = append(problems, p)
	return p
}

// Problems returns the table of all problems.
func Problems() []*Problem { return problems[:len(problems):len(problems)] }

// Write answers a request with the problem. detail says what is wrong with this
// request and what would be right; text of the client in it must be quoted and
// bounded. Headers that belong to the status (Allow, Retry-After, …) are the
// caller's.
func (p *Problem) Write(w http.ResponseWriter, detail string) {
	p.write(w, detail, nil)
}

// write is Write with members added to the document; extension begins with a comma.
func (p *Problem) write(w http.ResponseWriter, detail string, extension []byte) {
	body := p.appendTo(nil, detail, extension)
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

// appendTo appends the document.
func (p *Problem) appendTo(dst []byte, detail string, extension []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = jsontext.AppendString(dst, p.Type())
	dst = append(dst, `,"title":`...)
	dst = jsontext.AppendString(dst, p.Title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = append(dst, `,"detail":`...)
	dst = jsontext.AppendString(dst, detail)
	dst = append(dst, extension...)
	return append(dst, "}\n"...)
}
