package clientproto

// The table of problems, in the order of their statuses. docs/problems.md is made
// from it.
var (
	ProblemRequest = problem(400, "bad-request", "Bad request",
		"Send well-formed HTTP; the detail says what is wrong. The status may be another one from 400 to 505.")
	ProblemChannelName = problem(400, "bad-channel-name", "Bad channel name",
		"Use one or more segments joined by single slashes, at most 255 bytes of UTF-8, without control characters, `*`, `.` or `..` segments, or encoded slashes.")
	ProblemPosition = problem(400, "bad-position", "Bad position",
		"Give `since` a position exactly as the server gave it: `EPOCH:OFFSET`.")
	ProblemParameter = problem(400, "bad-parameter", "Bad query parameter",
		"Give each parameter once; `last` and `limit` are whole numbers, `self`, `envelope` and `json` are 0 or 1, `since` and `last` exclude each other, and a `cursor` is given back as it was.")
	ProblemGetBody = problem(400, "unexpected-body", "A read has no body",
		"Use POST to publish a body, and send GET without one.")
	ProblemNotText = problem(400, "not-utf8", "Text is not valid UTF-8",
		"Publish text as UTF-8, or any bytes as `application/octet-stream`.")
	ProblemNotJSON = problem(400, "not-json", "Body is not JSON",
		"Publish exactly one JSON value in UTF-8, or choose another Content-Type.")
	ProblemIdempotencyKey = problem(400, "bad-idempotency-key", "Bad idempotency key",
		"Send one Idempotency-Key of 1 to 255 printable ASCII characters, for example a UUID.")
	ProblemBodyBroken = problem(400, "broken-body", "Body is incomplete",
		"Send as many bytes as Content-Length announces, or well-formed chunks.")
	ProblemUpgrade = problem(400, "bad-upgrade", "Bad WebSocket handshake",
		"Send the opening handshake of RFC 6455 §4.1; WebSocket clients do.")
	ProblemAttribute = problem(400, "bad-attribute", "Bad attribute of a publication",
		"Give an event, a key or an exclusion of at most 255 bytes of UTF-8 without control characters; `position`, `gap`, `end`, `error`, `binary` and `behind` are events of the server.")
	ProblemField = problem(400, "bad-field", "Bad field of the body",
		"Send the fields that the description of the request lists, each once and of its type; the detail names the field and its place.")
	ProblemCommand = problem(400, "bad-command", "Bad command",
		"Send objects of JSON with an `id` and one command of docs/protocol.md, with the fields that it lists; the detail says what is wrong, and where.")
	ProblemPattern = problem(400, "bad-pattern", "Bad pattern",
		"Let `*` stand for one whole segment, and `**` for one or more at the end; the rest is as in the name of a channel.")
	ProblemMethodName = problem(400, "bad-method", "Bad name of a method",
		"Name a method as a channel is named, and a pattern of methods as a pattern of channels.")
	ProblemUnauthorized = problem(401, "unauthorized", "Not authenticated",
		"Send a valid token as `Authorization: Bearer …`, or as `?token=…` where a field cannot be set.")
	ProblemForbidden = problem(403, "forbidden", "Not allowed",
		"Use a token or a key with the grant that the detail names.")
	ProblemNoPresence = problem(403, "presence-off", "Presence is off",
		"Nothing: the policy of this channel keeps to itself who is subscribed.")
	ProblemOrigin = problem(403, "origin-not-allowed", "Origin not allowed",
		"Serve the page from this server's own origin, or add its origin to the server's list.")
	ProblemNotFound = problem(404, "not-found", "Not found",
		"Channels are below `/channels/`, presence is below `/presence/`, the server API is below `/api/v1/`; a session may have ended.")
	ProblemSessionUnknown = problem(404, "session-unknown", "No such session",
		"Connect again, and give the positions that you have as `since`: the session has ended, was on a server that is gone, or has to be resumed.")
	ProblemMethodUnknown = problem(404, "unknown-method", "Nothing answers this method",
		"Call a method that the application, or a session that is connected now, answers.")
	ProblemCallUnknown = problem(404, "unknown-call", "No such call",
		"Nothing: the call that was answered has an answer, was canceled, or has timed out.")
	ProblemMethod = problem(405, "method-not-allowed", "Method not allowed",
		"Use one of the methods in the Allow field.")
	ProblemNotAcceptable = problem(406, "not-acceptable", "No acceptable representation",
		"Accept one of the media types in `offered`.")
	ProblemBodyTimeout = problem(408, "body-timeout", "Body took too long",
		"Send the body without pauses.")
	ProblemNotConnected = problem(409, "not-connected", "Not connected",
		"Send `connect` before any other command.")
	ProblemConnected = problem(409, "already-connected", "Already connected",
		"Send `connect` once; `refresh` is for another token.")
	ProblemSubscribed = problem(409, "already-subscribed", "Already subscribed",
		"Unsubscribe first, if you want to subscribe in another way.")
	ProblemUnsubscribed = problem(409, "unsubscribed", "Unsubscribed in the meantime",
		"Nothing: `unsubscribe` came before the subscription had begun, or the server has ended it.")
	ProblemNotSubscribed = problem(409, "not-subscribed", "Not subscribed",
		"Subscribe first, to exactly this channel or pattern.")
	ProblemOneChannel = problem(409, "session-of-one-channel", "Session of one channel",
		"Only sessions of godwit.v1 (`transport` is `session`) can be subscribed to other channels. End this one, or have its client connect to `/connect`.")
	ProblemRegistered = problem(409, "already-registered", "Already registered",
		"Nothing: the session answers this method or pattern already.")
	ProblemNotRegistered = problem(409, "not-registered", "Not registered",
		"Register first, for exactly this method or pattern.")
	ProblemCallCanceled = problem(409, "call-canceled", "Call canceled",
		"Nothing: the call was canceled before it was answered. It is not known whether it had an effect.")
	ProblemTooLarge = problem(413, "body-too-large", "Body too large",
		"Publish less at once, or publish a reference to where the data is.")
	ProblemContentType = problem(415, "unsupported-content-type", "Unsupported content type",
		"Use UTF-8 for text and JSON, and `application/octet-stream` for anything else.")
	ProblemContentEncoding = problem(415, "unsupported-content-encoding", "Unsupported content encoding",
		"Send the body as it is, without Content-Encoding.")
	ProblemHost = problem(421, "unknown-host", "Unknown host",
		"Use a name of this machine (`localhost`, `127.0.0.1`, `[::1]`), or list the name in the server's origins.")
	ProblemUpgradeVersion = problem(426, "upgrade-required", "WebSocket upgrade required",
		"Send `Upgrade: websocket`, `Connection: Upgrade` and the version in the Sec-WebSocket-Version field of the answer.")
	ProblemTooManyRequests = problem(429, "too-many-requests", "Too many requests",
		"Try again after the seconds in Retry-After, and then less often.")
	ProblemTooManySubscriptions = problem(429, "too-many-subscriptions", "Too many subscriptions",
		"Unsubscribe from what you do not need, subscribe to a pattern, or raise the server's `limits.subscriptions`.")
	ProblemTooManyCommands = problem(429, "too-many-commands", "Too many commands without a reply",
		"Wait for replies before you send more commands.")
	ProblemTooManyRegistrations = problem(429, "too-many-registrations", "Too many registrations",
		"Register for a pattern of methods instead of each of them.")
	ProblemTooManyCalls = problem(429, "too-many-calls", "Too many calls without an answer",
		"Try again in a moment: the call was given to nobody. Wait for answers before you make more calls.")
	ProblemInternal = problem(500, "internal-error", "Internal error",
		"Nothing you did: report it with the ID in the detail, under which the server's log says more.")
	ProblemNotSupported = problem(501, "not-supported", "Not supported here",
		"Nothing about the request is wrong: the server, or the broker that it is configured with, cannot do that.")
	ProblemCallFailed = problem(502, "call-failed", "Call failed",
		"Nothing about the call is known to be wrong: the answerer failed, and the server's log says more. An error that it tells you has a type of its own.")
	ProblemAnswererGone = problem(502, "answerer-gone", "Answerer is gone",
		"Call again if the method can be repeated: it is not known whether this call had an effect.")
	ProblemShutdown = problem(503, "shutting-down", "Server is shutting down",
		"Try again after the seconds in Retry-After.")
	ProblemOverload = problem(503, "overloaded", "Server is overloaded",
		"Try again after the seconds in Retry-After.")
	ProblemBroker = problem(503, "broker-unavailable", "Broker unavailable",
		"Try again after the seconds in Retry-After; use an Idempotency-Key so that a publication is not repeated.")
	ProblemUndecided = problem(503, "undecided", "It cannot be decided now whether this is allowed",
		"Try again after the seconds in Retry-After.")
	ProblemTooManyChannels = problem(503, "too-many-channels", "Too many channels",
		"Use fewer channels, or raise the server's `limits.channels`.")
	ProblemTooManyConnections = problem(503, "too-many-connections", "Too many connections",
		"Try again after the seconds in Retry-After, or raise the server's `limits.connections`.")
	ProblemCallTimeout = problem(504, "call-timeout", "Call timed out",
		"Call again if the method can be repeated: it is not known whether this call had an effect.")
)

// problems is the table in order.
var problems []*Problem

func problem(status int, name, title, remedy string) *Problem {
	p := &Problem{Name: name, Status: status, Title: title, Remedy: remedy}
	problems = append(problems, p)
	return p
}
