package clientproto

// The codes with which a connection or a stream ends: those of WebSocket (RFC 6455
// §7.4.1 and the IANA registry), and own ones, which are statuses of HTTP with 4000
// added. They are untyped, for the types that drivers and the hub have for them.
const (
	CloseNormal          = 1000
	CloseGoingAway       = 1001
	CloseProtocolError   = 1002
	CloseUnsupportedData = 1003
	CloseNoStatus        = 1005
	CloseAbnormal        = 1006
	CloseInvalidData     = 1007
	ClosePolicyViolation = 1008
	CloseTooBig          = 1009
	CloseInternalError   = 1011
	CloseServiceRestart  = 1012
	CloseTryAgainLater   = 1013
	CloseBadGateway      = 1014

	CloseBadFrame       = 4400
	CloseUnauthorized   = 4401
	CloseForbidden      = 4403
	CloseSessionUnknown = 4404
	CloseConnectTimeout = 4408
	CloseTakenOver      = 4409
	ClosePositionLost   = 4410
	CloseTooMany        = 4429
	CloseTooSlow        = 4507
)

// Code is a row of the table of close codes. The same codes are in `end` where there
// is no close frame.
type Code struct {
	Number    uint16
	Name      string // stable, in kebab case
	Meaning   string // a sentence, for people
	Reconnect Reconnect
	Carriers  Carriers // where Godwit sends it; 0 for what only others send or report
}

// Reconnect says what a client does after an end.
type Reconnect uint8

// What a client does after an end.
const (
	ReconnectDelayed  Reconnect = iota // comes back as it is, after its delay
	ReconnectNewToken                  // comes back with another token
	ReconnectAfresh                    // comes back without the session, or the position, that is not here any more
	ReconnectNever                     // does not come back by itself
)

var reconnects = [...]struct{ name, meaning string }{
	ReconnectDelayed:  {"delayed", "Come back as before, after the delay that the server gave you, or else after a random time that grows with every failure."},
	ReconnectNewToken: {"new-token", "Get another token and come back with it. With the same one it would end in the same way."},
	ReconnectAfresh:   {"afresh", "Come back, but not as before: after 4404 send `connect` again, and subscribe with the positions that you have as `since`, as `resume` may begin a new session; after 4410 come back without the position, and read what you show again."},
	ReconnectNever:    {"never", "Do not come back by yourself: it would end in the same way, or it is over."},
}

// String is the word for r: delayed, new-token, afresh or never.
func (r Reconnect) String() string { return reconnects[r].name }

// CanReturn reports whether the client may come back as it is. It is what the
// member `reconnect` of an end says to clients that know no codes.
func (r Reconnect) CanReturn() bool { return r == ReconnectDelayed }

// Carriers is a set of the places in which a code is sent.
type Carriers uint8

// The places in which a code is sent.
const (
	OnSocket  Carriers = 1 << iota // the close frame of a channel's WebSocket
	OnStream                       // the `end` of a channel's event stream or JSON lines
	OnSession                      // the close frame or the `end` of a session's carrier
)

// Codes returns the table of close codes, in the order of their numbers. It is
// shared: it must not be modified.
func Codes() []Code { return codes }

// FindCode returns the row of a number, or nil. A client treats an unknown code like
// CloseAbnormal.
func FindCode(number uint16) *Code {
	for i := range codes {
		if codes[i].Number == number {
			return &codes[i]
		}
	}
	return nil
}
