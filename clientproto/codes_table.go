package clientproto

const onAny = OnSocket | OnStream | OnSession

var codes = []Code{
	{CloseNormal, "normal", "It was closed because it has done what it was for.", ReconnectNever, OnSocket | OnSession},
	{CloseGoingAway, "going-away", "The server is shutting down or hands over to another.", ReconnectDelayed, OnSocket | OnSession},
	{CloseProtocolError, "protocol-error", "The client violated RFC 6455.", ReconnectNever, OnSocket | OnSession},
	{CloseUnsupportedData, "unsupported-data", "The client sent a type of message, text or binary, that is not the one of its subprotocol.", ReconnectNever, OnSession},
	{CloseNoStatus, "no-status", "The connection was closed without a code. It is reported to the client by its own library and never sent.", ReconnectDelayed, 0},
	{CloseAbnormal, "abnormal", "The connection broke without a close frame. It is reported to the client by its own library and never sent.", ReconnectDelayed, 0},
	{CloseInvalidData, "invalid-data", "The client sent text that is not UTF-8, or that is not JSON where JSON is expected.", ReconnectNever, OnSocket | OnSession},
	{ClosePolicyViolation, "policy-violation", "Something between client and server does not allow the connection.", ReconnectNever, 0},
	{CloseTooBig, "too-big", "The client sent a message that is longer than the server accepts.", ReconnectNever, OnSocket | OnSession},
	{CloseInternalError, "internal-error", "The server or its broker failed, or a ping was not answered in time.", ReconnectDelayed, OnSocket | OnSession},
	{CloseServiceRestart, "service-restart", "Something between client and server restarts.", ReconnectDelayed, 0},
	{CloseTryAgainLater, "try-again-later", "The server cannot serve or decide now.", ReconnectDelayed, onAny},
	{CloseBadGateway, "bad-gateway", "Something between client and server got no valid answer from the server.", ReconnectDelayed, 0},

	{CloseBadFrame, "bad-frame", "The client sent something to which no reply is possible, because it is no command with an id.", ReconnectNever, OnSession},
	{CloseUnauthorized, "unauthorized", "There is no token, or it is not valid, has expired or was revoked.", ReconnectNewToken, onAny},
	{CloseForbidden, "forbidden", "A grant is missing, or the session was ended by the application.", ReconnectNever, onAny},
	{CloseSessionUnknown, "session-unknown", "There is no such session here, or not any more.", ReconnectAfresh, OnSession},
	{CloseConnectTimeout, "connect-timeout", "The client did not send the command `connect` in time.", ReconnectDelayed, OnSession},
	{CloseTakenOver, "taken-over", "Another connection carries the session now.", ReconnectNever, OnSession},
	// Only a bare WebSocket ends for this: others are told of a gap and go on.
	{ClosePositionLost, "position-lost", "History does not hold any more what came after the position of the client.", ReconnectAfresh, OnSocket},
	{CloseTooMany, "too-many", "The client asks too often, or for too much at once.", ReconnectDelayed, onAny},
	{CloseTooSlow, "too-slow", "The client takes messages more slowly than they come, and the channel's policy does not wait for it.", ReconnectDelayed, onAny},
}

// retired are rows that were in one of the tables, as testdata/codes.golden has them.
// Their numbers and names stay taken.
var retired = []string{}
