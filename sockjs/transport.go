package sockjs

// Transport is a way by which messages reach a client.
type Transport uint8

// The transports, as the client's option "transports" calls them, and the WebSocket for
// programs that are no SockJS clients.
const (
	WebSocket    Transport = iota + 1 // websocket
	XHRStreaming                      // xhr-streaming, and the client's xdr-streaming
	XHRPolling                        // xhr-polling, and the client's xdr-polling
	EventSource                       // eventsource
	HTMLFile                          // htmlfile
	JSONPPolling                      // jsonp-polling
	RawWebSocket                      // /websocket: messages without any framing of SockJS

	transportCount = iota + 1
)

var transportNames = [transportCount]string{
	WebSocket: "websocket", XHRStreaming: "xhr-streaming", XHRPolling: "xhr-polling", EventSource: "eventsource",
	HTMLFile: "htmlfile", JSONPPolling: "jsonp-polling", RawWebSocket: "raw-websocket",
}

// String is the name of the transport, such as xhr-streaming.
func (t Transport) String() string {
	if t == 0 || int(t) >= len(transportNames) {
		return "none"
	}
	return transportNames[t]
}

// IsWebSocket reports whether a session is a WebSocket, and not a series of requests.
func (t Transport) IsWebSocket() bool { return t == WebSocket || t == RawWebSocket }

// DefaultTransports returns the transports that are on by default: all but htmlfile and
// jsonp-polling. These two are for browsers from before 2012; they are asked for with a
// GET that any page can make, and that need not say which page it was.
func DefaultTransports() []Transport {
	return []Transport{WebSocket, XHRStreaming, XHRPolling, EventSource, RawWebSocket}
}

// AllTransports are all there are.
func AllTransports() []Transport {
	return []Transport{WebSocket, XHRStreaming, XHRPolling, EventSource, HTMLFile, JSONPPolling, RawWebSocket}
}
