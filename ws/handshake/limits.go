package handshake

// Limits on what one peer may make the other hold. The bytes of a whole head are
// bounded by its reader; these bound what becomes of them. A request past
// a limit is answered with 431 (RFC 6585 §5).
const (
	// TokensMax is the most elements ParseTokens returns, and so the most
	// subprotocols a client may offer. Empty elements do not count.
	TokensMax = 64

	// ExtensionsMax is the most extensions of all Sec-WebSocket-Extensions
	// fields together. A browser offers one.
	ExtensionsMax = 16

	// ParamsMax is the most parameters of one extension. permessage-deflate
	// has four.
	ParamsMax = 16
)

// quotedBytesMax is how much of a peer's text an error shows.
const quotedBytesMax = 64
