package frames

import "strconv"

// The frames without content.
const (
	Open      = "o"
	Heartbeat = "h"
)

// AppendMessages appends the frame of messages, which are JSON strings with commas
// between them, as AppendString makes them.
func AppendMessages(dst, elements []byte) []byte {
	dst = append(dst, "a["...)
	dst = append(dst, elements...)
	return append(dst, ']')
}

// AppendClose appends the frame that ends a session.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	dst = append(dst, "c["...)
	dst = strconv.AppendUint(dst, uint64(code), 10)
	dst = append(dst, ',')
	dst = AppendString(dst, []byte(reason))
	return append(dst, ']')
}

// Info is the answer to a client before it begins a session.
type Info struct {
	WebSocket    bool
	CookieNeeded bool
	Entropy      uint32 // drawn for each request: old clients have no good source of their own
	BaseURL      string // where the transports are, if elsewhere
}

// AppendInfo appends i as JSON.
func AppendInfo(dst []byte, i Info) []byte {
	dst = append(dst, `{"websocket":`...)
	dst = strconv.AppendBool(dst, i.WebSocket)
	dst = append(dst, `,"origins":["*:*"],"cookie_needed":`...) // no client uses origins
	dst = strconv.AppendBool(dst, i.CookieNeeded)
	dst = append(dst, `,"entropy":`...)
	dst = strconv.AppendUint(dst, uint64(i.Entropy), 10)
	if i.BaseURL != "" {
		dst = append(dst, `,"base_url":`...)
		dst = AppendString(dst, []byte(i.BaseURL))
	}
	return append(dst, '}')
}
